#!/bin/sh
# SPDX-License-Identifier: MIT
# Stores in files: checks of them, and a database that comes back as a file.
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need

root=$tmp/app
mkdir -p "$root/data"
printf '%s\n' '{"id": 1}' '{"id": 2}' '{"id": 2, "x": 1}' >"$root/log.jsonl"

db() { sqlite3 "$root/data/a.db" "$@"; }

far=
if "$UPSHIFT" --version | grep -qw pg; then
	# shellcheck disable=SC2016 # for the plan
	far='far = "pg:host=/nowhere user=u password='\''${env:UPSHIFT_TEST_PW}'\''";'
fi

# plan CHECKS STEPS
plan()
{
	cat >"$tmp/p.plan" <<END
plan = 1; name = "stores"; to = "2"; root = "$root";
on_failure = "rollback";
stores: { new = "sqlite:data/a.db"; log = "jsonl:log.jsonl";
	$far };
checks = ( $1 );
steps = ( $2 );
END
}

add='{ id = "add"; kind = "sql"; store = "new";
	up = [ "INSERT INTO t VALUES (3, '"'c'"')", "CREATE TABLE u (k)" ]; }'
fail='{ id = "fail"; kind = "run"; run = [ "/bin/false" ]; needs = [ "add" ];
	changes = [ "never" ]; }'
checks='{ id = "there"; kind = "store"; store = "new"; min = "3";
		rights = [ "SELECT t", "INSERT t" ]; },
	{ id = "tables"; kind = "schema"; store = "new"; tables = (
		{ name = "t"; columns = [ "k INTEGER", "v text" ];
		  key = [ "k" ]; exact = true; } ); },
	{ id = "rows"; kind = "records"; set = "new:t"; equal = 2;
	  same_as = "new:SELECT * FROM t -- all"; },
	{ id = "lines"; kind = "records"; set = "log"; key = "id"; min = 2;
	  max = 2; }'

UPSHIFT_TEST_PW='ge heim/1'
export UPSHIFT_TEST_PW

# --- checks ---
db 'CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT);
	INSERT INTO t VALUES (1, "a"), (2, "b")' >/dev/null
cp "$root/data/a.db" "$tmp/before.db"
plan "$checks" "$add"
run "$UPSHIFT" run "$tmp/p.plan" --dry-run --batch
is "$status" 9 'checks on stores pass'
like "$out" "'t' has 2 records" 'records are counted'
like "$out" "'log' has 2 records" 'of a key the last line counts'
file_is "$root/data/a.db" "$tmp/before.db" 'a dry run changes no byte'
[ ! -e "$root/log.jsonl.upshift" ]
ok $? 'and leaves nothing beside a file of records'


# a copy for it is gone, though it was not on the file system where we are
mkdir "$tmp/temporary"
(cd /proc && TMPDIR=$tmp/temporary "$UPSHIFT" run "$tmp/p.plan" --dry-run \
	--batch >/dev/null 2>&1)
is "$?" 9 'a dry run elsewhere'
is "$(ls "$tmp/temporary")" '' 'leaves no copy of the database'

plan '{ id = "tables"; kind = "schema"; store = "new"; tables = (
	{ name = "t"; columns = [ "k text", "w" ]; key = [ "v" ];
	  exact = true; }, { name = "none"; } ); }' "$add"
run "$UPSHIFT" run "$tmp/p.plan" --dry-run --batch
is "$status" 1 'a drift fails the check'
for want in 't.k is of type integer, not text' 't.w is missing' \
	't has another primary key' 't.v is not expected' 'none is missing'; do
	like "$out$err" "$want" "named: $want"
done

if [ -n "$far" ]; then
	plan '{ id = "rows"; kind = "records"; set = "new:t"; min = 3; },
		{ id = "far"; kind = "store"; store = "far"; }' "$add"
	run "$UPSHIFT" run "$tmp/p.plan" --dry-run --batch
	is "$status" 1 'too few records, and a server that is not there'
	like "$out$err" "'t' has 2 records, fewer than 3" 'how many there are'
	unlike "$out$err" 'ge heim' 'no password in what is said'
else
	skip 'built without stores in pg' 'a server that is not there'
fi

# --- a database in WAL, with what is not in the main file yet ---
cat >"$tmp/wal.py" <<'END'
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute('PRAGMA journal_mode = WAL')
c.execute("INSERT INTO t VALUES (9, 'in the wal')")
c.commit()
os._exit(0)
END
python3 "$tmp/wal.py" "$root/data/a.db"
[ -s "$root/data/a.db-wal" ]
ok $? 'the database has a -wal'
plan '' "$add, $fail"
run "$UPSHIFT" run "$tmp/p.plan" --batch --yes
is "$status" 4 'a failure behind the statements is rolled back'
is "$(db 'SELECT group_concat(k) FROM t')" 1,2,9 'the rows are what they were'
is "$(db "SELECT count(*) FROM sqlite_master WHERE name = 'u'")" 0 \
	'the table that was made is gone'
is "$(db 'PRAGMA integrity_check')" ok 'and the database is whole'
! grep -rqF 'ge heim' "$root/.upshift"
ok $? 'no password on the disk'
grep -rqE '"store": ?"new"' "$root"/.upshift/runs/*/journal*
ok $? 'the sets are in the journal'

# --- what a later statement left in side files goes with the rollback ---
plan '' "$add"
run "$UPSHIFT" run "$tmp/p.plan" --batch --yes
is "$status" 0 'the statements are applied'
is "$(db 'SELECT group_concat(k) FROM t')" 1,2,3,9 'the row is there'
python3 - "$root/data/a.db" <<'END'
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute("INSERT INTO t VALUES (77, 'later')")
c.commit()
os._exit(0)
END
[ -s "$root/data/a.db-wal" ]
ok $? 'others wrote into the -wal since'
run "$UPSHIFT" rollback --root "$root" --batch \
	--confirm "roll back to start"
is "$status" 0 'rolled back'
is "$(db 'SELECT group_concat(k) FROM t')" 1,2,9 \
	'no later page of the -wal is mixed into the old database'
is "$(db 'PRAGMA integrity_check')" ok 'which is whole'
# --- doctor ---
run "$UPSHIFT" doctor --store "sqlite:${root#/}/data/a.db"
is "$status" 1 'a store that is not there'
cd "$root" || exit 99
run "$UPSHIFT" doctor --store sqlite:data/a.db
is "$status" 0 'doctor looks at a database'
like "$out" 'tx-ddl +yes' 'and says what it can do'
run "$UPSHIFT" doctor --store jsonl:log.jsonl --json
like "$out" '"sql": ?false' 'a file takes no statements'
run "$UPSHIFT" doctor --store 'pg:host=/nowhere password=geheim'
is "$status" 64 'a password in an argument is refused'
unlike "$out$err" geheim 'and not repeated'
run "$UPSHIFT" doctor --store "pg:host=/nowhere password='\${env:UPSHIFT_TEST_PW}'"
like "$status" '^(1|69)$' 'a server that is not there'
run "$UPSHIFT" doctor
is "$status" 64 'no store'
done_testing
