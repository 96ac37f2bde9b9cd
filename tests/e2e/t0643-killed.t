#!/bin/sh
# SPDX-License-Identifier: MIT
# The program is killed at random instants in copies between all kinds of
# stores, in backfills, and on the way back: every row is there once and as it
# was in the source, and afterwards all is as before. What it takes in memory
# does not grow with the table.
#
# UPSHIFT_TEST_ROWS, UPSHIFT_TEST_KILLS: how many of each (make check-records);
# ONLY: some of the tests, by their names; SEED: of the instants.
# in memory, where there is such: a kill does not lose what was written
if [ -z "${TMPDIR-}" ] && [ -d /dev/shm ] && [ -w /dev/shm ]; then
	TMPDIR=/dev/shm
	export TMPDIR
fi
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
command -v python3 >/dev/null || skip_all 'no python3'
sqlite_need
rows=${UPSHIFT_TEST_ROWS:-3000}
kills=${UPSHIFT_TEST_KILLS:-2}
root=$tmp/data
plan=$tmp/a.plan
mkdir "$root"
most_kib=131072
has_pg=
if [ -n "$pg_bin" ] && "$UPSHIFT" --version | grep -qw pg; then
	pg_need
	has_pg=1
	pg_start db
	PG=$(pg_conn db)
	# who finds other tables by the same names: rows go through the program
	PG2="$PG options=-csearch_path=public"
	export PG PG2
fi

lite()
{
	sqlite3 -init /dev/null -batch "$root/$1.db" "$2"
}

# the statements of SQLite and of PostgreSQL are the same
at()
{
	case $1 in
	lite) lite b "$2" ;;
	pg) pg_sql db -c "$2" ;;
	esac
}

begin=fresh
numbers="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
	WHERE i < $rows) SELECT i, 'name ' || i, 'v' || (i * 7) FROM n"
lite a "CREATE TABLE src (id INTEGER PRIMARY KEY, name text NOT NULL, v text);
	INSERT INTO src $numbers"
python3 - "$root/in.jsonl" "$root/in.json" "$rows" <<'TXT'
import sys
lines = ['{"id": %d, "name": "name %d", "v": "v%d"}' % (i, i, i * 7)
         for i in range(1, int(sys.argv[3]) + 1)]
with open(sys.argv[1], "w") as f:
    f.write("\n".join(lines) + "\n")
with open(sys.argv[2], "w") as f:
    f.write('{"all": [\n' + ",\n".join(lines) + "\n]}\n")
TXT
[ -z "$has_pg" ] || pg_sql db <<TXT
CREATE TABLE src (id bigint PRIMARY KEY, name text NOT NULL, v text);
INSERT INTO src SELECT i, 'name ' || i, 'v' || (i * 7)
	FROM generate_series(1, $rows) i;
TXT

# the lease of a run that is not there any more goes, too
gone='SET client_min_messages = error; DROP TABLE IF EXISTS dst, _upshift_run;'

# the destination without a row; it takes a row twice
fresh()
{
	rm -rf "$root/.upshift" "$root"/b.db* "$root"/out.*
	lite b 'CREATE TABLE dst (id INTEGER, name text NOT NULL, v text)'
	[ -z "$has_pg" ] || pg_sql db <<-TXT
		$gone
		CREATE TABLE dst (id bigint, name text NOT NULL, v text);
	TXT
}

fresh_inside()
{
	fresh
	lite b "CREATE TABLE src (id INTEGER PRIMARY KEY, name text NOT NULL,
		v text); INSERT INTO src $numbers"
}

fresh_filled()
{
	rm -rf "$root/.upshift" "$root"/b.db*
	new='CREATE TABLE dst (id bigint PRIMARY KEY, name text, v text);'
	[ "$to" != lite ] || {
		lite b "$new ATTACH '$root/a.db' AS a;
			INSERT INTO dst SELECT id, name, '0' FROM a.src"
		return
	}
	pg_sql db <<-TXT
		$gone $new
		INSERT INTO dst SELECT id, name, '0' FROM src;
	TXT
}

plan()
{
	# shellcheck disable=SC2016 # for the plan
	printf 'plan = 1; name = "a"; from = "1"; to = "2";
stores = { a = "sqlite:a.db"; b = "sqlite:b.db"; pg = "pg:${env:PG}"; far = "pg:${env:PG2}";
	inl = "jsonl:in.jsonl"; inj = "json:in.json#all";
	outl = "jsonl:out.jsonl"; outj = "json:out.json#some.where"; };
steps = ( %s );\n' "$1" >"$plan"
	[ -n "$has_pg" ] || sed -i 's/pg = "[^"]*"; far = "[^"]*";//' "$plan"
}

# what is in a file of records, one by one
cat >"$tmp/look.py" <<'TXT'
import json
import sys
name, rows = sys.argv[1], int(sys.argv[2])
with open(name) as f:
    if name.endswith("l"):
        all = (json.loads(line) for line in f)
    else:
        all = json.load(f)["some"]["where"]
    seen = bytearray(rows + 1)
    twice = other = 0
    for r in all:
        i = r["id"]
        if not 1 <= i <= rows or r != {"id": i, "name": "name %d" % i,
                                       "v": "v%d" % (i * 7)}:
            other += 1
        else:
            twice += seen[i]
            seen[i] = 1
print(sum(seen), twice, other)
TXT

copied()
{
	case $1 in
	outl) python3 "$tmp/look.py" "$root/out.jsonl" "$rows" ;;
	outj) python3 "$tmp/look.py" "$root/out.json" "$rows" ;;
	*) at "$1" "SELECT count(DISTINCT id) || ' ' || (count(*) -
		count(DISTINCT id)) || ' ' || sum(CASE WHEN name = 'name ' || id
		AND v = 'v' || (id * 7) THEN 0 ELSE 1 END) FROM dst" ;;
	esac
}

empty()
{
	case $1 in
	outl | outj) find "$root" -maxdepth 1 -name 'out.*' | wc -l ;;
	*) at "$1" 'SELECT count(*) FROM dst' ;;
	esac
}

# killer WHAT KILLS [back]: $status, $killed, $peak
killer()
{
	run python3 "$top_srcdir/tests/lib/killer.py" "$2" "$tmp/killer.$1" \
		"$root" "$plan" ${3+back}
	# shellcheck disable=SC2086 # words
	set -- $out
	status=$1 killed=$2
	[ "$3" -le "$peak" ] || peak=$3
}

# rounds WHAT FULL WANTED EMPTY: runs from the start until there were enough
# kills, and back again, with a few kills on the way
rounds()
{
	what=$1
	case $what in
	*${ONLY-}*) ;;
	*) return ;;
	esac
	left=$kills total=0 backs=0 peak=0 n=0 bad=
	while [ "$left" -gt 0 ] && [ -z "$bad" ]; do
		n=$((n + 1))
		$begin
		killer "$what" "$left"
		left=$((left - killed)) total=$((total + killed))
		got=$($2)
		[ "$status $got" = "0 $3" ] || bad="run $n: $got: $out"
		[ -z "$bad" ] || break
		killer "$what.back" $((kills / 20 + 1)) back
		backs=$((backs + killed))
		got=$($4)
		[ "$status $got" = "0 0" ] || bad="back $n: $got: $out"
	done
	[ -z "$bad" ]
	ok $? "$what: $total kills in $n runs, every row once; $backs on the way back, none left" ||
		diag "$bad"
	[ "$peak" -lt $most_kib ]
	ok $? "$what: memory" || diag "$peak KiB"
	[ "$kills" -lt 50 ] || diag "$peak KiB at most"
}

# copy FROM TO SOURCE DESTINATION [MORE]
copy()
{
	plan "{ id = \"c\"; kind = \"copy-records\"; from = \"$3\"; to = \"$4\";
		key = \"id\"; columns = { id = \"id\"; name = \"name\"; v = \"v\"; }; ${5-} }"
	to=$2
	rounds "$1 to $2" copied_to "$rows 0 0" empty_to
}

copied_to()
{
	copied "$to"
}

empty_to()
{
	empty "$to"
}

# --- files of records as destinations: what a plan cannot say ---
plan '{ id = "c"; kind = "copy-records"; from = "a:src"; to = "outl"; }'
run_is 65 'a file of records without a key' "$UPSHIFT" lint "$plan"
like "$out$err" "records of a file have a 'key'" 'is told'
plan '{ id = "c"; kind = "copy-records"; from = "a:src"; to = "outl"; key = "id";
	bad_records = "quarantine"; }'
run_is 65 'a file of records and refused rows' "$UPSHIFT" lint "$plan"
like "$out$err" 'a file of records has no place for those' 'is told'

# --- two steps into one document, new and with what it has ---
fresh
plan '{ id = "c"; kind = "copy-records"; from = "a:src"; to = "outj"; key = "id";
	where = "id % 2 = 0"; }, { id = "d"; kind = "copy-records"; from = "inl"; to = "outj";
	key = "id"; where = "@.id < 1000"; on_conflict = "skip"; }'
run_is 0 'two copies into one document' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
is "$(python3 -c 'import json, sys
a = [r["id"] for r in json.load(open(sys.argv[1]))["some"]["where"]]
print(len(a), len(set(a)))' "$root/out.json")" \
	"$((rows / 2 + 500)) $((rows / 2 + 500))" 'the rows of both, each once'
[ ! -e "$root/out.json.upshift-part" ]
ok $? 'none of them beside it'
is "$(stat -c %a "$root/out.json")" 644 'the application can read it'

copy lite outl a:src outl
copy lite outj a:src outj
copy inl lite inl b:dst
copy inj outl inj outl
copy lite lite a:src b:dst
begin=fresh_inside
copy inside lite b:src b:dst
begin=fresh
if [ -n "$has_pg" ]; then
	copy pg pg pg:src far:dst 'workers = 2;'
	copy moved pg pg:src pg:dst 'workers = 2;'
	copy pg lite pg:src b:dst
	copy lite pg a:src pg:dst
	copy pg outl pg:src outl
	copy pg outj pg:src outj
	copy inl pg inl pg:dst
fi

# --- backfills: statements that count how often a row was theirs ---
filled_at()
{
	at "$to" "SELECT count(*) || ' ' || min(v) || ' ' || max(v) FROM dst"
}

unfilled_at()
{
	at "$to" "SELECT count(*) FROM dst WHERE v <> '0'"
}

fill()
{
	to=$1
	plan "{ id = \"f\"; kind = \"backfill\"; set = \"$2:dst\"; key = \"id\"; undo = $3;
		up = \"UPDATE dst SET v = CAST(CAST(v AS int) + 1 AS text) WHERE (\$1$4 IS NULL OR id > \$1) AND id <= \$2\"; }"
	rounds "backfill $1" filled_at "$rows 1 1" unfilled_at
}

begin=fresh_filled
fill lite b false ''
[ -z "$has_pg" ] || fill pg pg true '::bigint'

done_testing
