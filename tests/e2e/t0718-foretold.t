#!/bin/sh
# SPDX-License-Identifier: MIT
# What a preview of a rollback says is what the rollback then does, and tells,
# and what the report has: with an application that wrote in between, on the way
# back and on the way up again.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
sqlite_need
root=$tmp/data
pg_start db
UPSHIFT_TEST_MONITOR_S=0
export UPSHIFT_TEST_MONITOR_S

sql()
{
	case $kind in
	pg) "$pg_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -d "$(pg_conn db data)" -c "$1" ;;
	lite) sqlite3 "$root/data/app.db" "$1" ;;
	esac
}

# begin NAME KIND PLAN [OPTION]...: all of it is done
begin()
{
	name=$1
	kind=$2
	plan=$3
	shift 3
	run "$UPSHIFT" run "$plan" --root "$root" --batch --yes "$@"
	case $status in
	0|3|6) ok 0 "$name: up" ;;
	*) ok 1 "$name: up" && diag "$out $err" ;;
	esac
}

empty()
{
	rm -rf "$root"
	mkdir "$root"
	pg_sql db -c 'DROP DATABASE IF EXISTS data' 2>/dev/null
	pg_sql db -c 'CREATE DATABASE data'
}

# from a preview: "TABLE WORD N", sorted
foretold()
{
	tr -d , | awk '/^(RESTORED|CARRIED|LOST|KEPT) [0-9]/ { word = $1; next }
		/^  .*: [0-9]+ rows?$/ { sub(/^ +/, ""); n = $(NF - 1);
			sub(/: [0-9]+ rows?$/, ""); print $0, word, n }' | sort
}

# from the last rollback of a report: the same
reported()
{
	"$UPSHIFT" report --root "$root" | tr -d '\\,' | awk '
		/^rolled back to / { n = 0 }
		/^\| .*:.* \| [0-9]+ \| [0-9]+ \| [0-9]+ \|$/ {
			split($0, f, " *[|] *")
			if (f[3]) row[++n] = f[2] " RESTORED " f[3]
			if (f[4]) row[++n] = f[2] " LOST " f[4]
			if (f[5]) row[++n] = f[2] " KEPT " f[5]
		}
		/^- CARRIED: / { sub(/^- CARRIED: /, ""); c = $(NF - 1)
			sub(/: [0-9]+ rows?$/, ""); row[++n] = $0 " CARRIED " c }
		/^## Verification|^## Backup/ { exit }
		END { for (i = 1; i <= n; i++) print row[i] }' | sort
}

totals()
{
	sed -n 's/^\(RESTORED\|CARRIED\|LOST\|KEPT\) \([0-9,]*\)$/\1 \2/p' |
		paste -sd'|' | sed 's/|/, /g'
}

# back POINT [OPTION]...: foretold, and as it was foretold
back()
{
	to=$1
	shift
	run "$UPSHIFT" rollback "$to" --root "$root" --preview "$@"
	[ "$status" = 0 ] || diag "$out $err"
	printf '%s\n' "$out" >"$tmp/foretold"
	run "$UPSHIFT" rollback "$to" --root "$root" --batch "$@" \
		--confirm "roll back to $to"
	is "$status" 0 "$name: $to" || diag "$out $err"
	case $(totals <"$tmp/foretold") in
	*[1-9]*) like "$out" "rolled back to $to: $(totals <"$tmp/foretold")" \
			"$name: $to: as foretold" ;;
	*) unlike "$out" "rolled back to $to:" "$name: $to: no word of it" ;;
	esac
	# "N rows carried back, M deleted"
	is "$(printf '%s\n' "$out" | sed -n \
		's/.* \([0-9]*\) rows carried back, \([0-9]*\) deleted.*/\1 \2/p' |
		awk '{ n += $1 + $2 } END { print n + 0 }')" \
		"$(sed -n 's/^CARRIED //p' "$tmp/foretold" | grep . || echo 0)" \
		"$name: $to: so many are carried"
	foretold <"$tmp/foretold" >"$tmp/a"
	reported >"$tmp/b"
	file_is "$tmp/b" "$tmp/a" "$name: $to: table by table in the report"
}

before()
{
	"$UPSHIFT" status --root "$root" --json |
		sed -n 's/.*"rollback":{[^}]*"r":"\(R[0-9]*\)".*/\1/p'
}

# number TABLE WORD: of what was foretold
number()
{
	sed -n "s/^$1 $2 //p" "$tmp/a" | grep . || echo 0
}

# rows TABLE >FILE
rows()
{
	sql "SELECT md5((x.*)::text) FROM $1 x" | sort
}

# --- several steps on one table ---
empty
cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; from = "1"; to = "2";
stores: { db = "$(pg_url db data)"; };
steps = (
  { id = "columns"; kind = "sql"; store = "db";
    up = ["ALTER TABLE t ADD COLUMN x int, ADD COLUMN y int"];
    down = ["ALTER TABLE t DROP COLUMN x, DROP COLUMN y"]; },
  { id = "one"; kind = "backfill"; set = "db:t"; key = "id"; undo = true;
    up = "UPDATE t SET x = 1 WHERE (\$1::int IS NULL OR id > \$1) AND id <= \$2 AND id > 3"; },
  { id = "two"; kind = "backfill"; set = "db:t"; key = "id"; undo = true;
    needs = ["one"];
    up = "UPDATE t SET y = 1 WHERE (\$1::int IS NULL OR id > \$1) AND id <= \$2 AND id <= 15"; },
  { id = "three"; kind = "backfill"; set = "db:t"; key = "id"; undo = true;
    needs = ["two"];
    up = "UPDATE t SET v = 'our' WHERE (\$1::int IS NULL OR id > \$1) AND id <= \$2 AND id <= 10"; } );
TXT
world()
{
	rm -rf "$root/.upshift"
	kind=pg
	sql 'DROP TABLE IF EXISTS t' 2>/dev/null
	sql 'CREATE TABLE t (id int PRIMARY KEY, v text, i interval)'
	sql "INSERT INTO t SELECT g, 'row ' || g, g * interval '1 day'
		FROM generate_series(1, 25) g"
	begin "$1" pg "$tmp/plan"
}
for point in CP3 CP2 CP1 start; do
	world 'nobody wrote'
	back $point
	is "$(number db:t LOST) $(number db:t KEPT)" '0 0' \
		"nobody wrote: $point: nothing of others"
	back R1
	world 'others wrote'
	# one of each: that no step had, of one, two and all of them, and new
	sql "DELETE FROM t WHERE id = 25"
	sql "UPDATE t SET v = 'theirs' WHERE id IN (2, 5, 12, 18)"
	sql "INSERT INTO t VALUES (30, 'theirs')"
	sql "UPDATE t SET y = 7 WHERE id = 20"
	rows t >"$tmp/old"
	back $point
	if [ $point != start ]; then
		rows t >"$tmp/now"
		is "$(number db:t RESTORED)" \
			"$(comm -23 "$tmp/old" "$tmp/now" | wc -l)" \
			"others wrote: $point: so many rows are others now"
	fi
	is "$(sql "SELECT count(*) FROM t WHERE v = 'theirs'")" 5 \
		"others wrote: $point: theirs are there"
	back R1
done
world 'others wrote'
sql "UPDATE t SET v = 'theirs' WHERE id IN (2, 5, 12, 18)"
sql "INSERT INTO t VALUES (30, 'theirs')"
back start --strategy backup
is "$(number db:t LOST)" 5 'from the backup: what they wrote is lost'
is "$(sql "SELECT count(*) FROM t WHERE v = 'theirs'")" 0 'and so it is'

# --- the plans ---
new='unified.chunks unified.chunk_tags unified.embeddings unified.graph_nodes'
chunks()
{
	empty
	OLD_DATABASE_URL=$(pg_conn db data)
	NEW_DATABASE_URL=$OLD_DATABASE_URL
	export OLD_DATABASE_URL NEW_DATABASE_URL
	"$top_srcdir/data/plans/unified-chunks/make-sample" "$root" \
		--rows 300 --database "$OLD_DATABASE_URL"
	begin 'unified-chunks' pg \
		"$top_srcdir/data/plans/unified-chunks/unified-chunks.plan"
	sql "UPDATE chunks SET content = 'theirs' WHERE id =
		(SELECT min(id::text)::uuid FROM chunks)"
	sql "INSERT INTO chunks (content) VALUES ('theirs'), ('theirs')"
	sql "UPDATE tags SET name = 'theirs' WHERE id = 1"
	sql "DELETE FROM chunk_tags WHERE chunk_id =
		(SELECT min(chunk_id::text)::uuid FROM chunk_tags)"
}
for point in CP8 CP5 CP2 CP1; do
	chunks
	# their columns are others behind some of the steps
	for t in $new; do
		sql "SELECT count(*) FROM $t" >"$tmp/old.$t"
	done
	back $point
	for t in $new; do
		now=$(sql "SELECT count(*) FROM $t")
		is "$(number "new:$t" RESTORED) $(number "new:$t" LOST)" \
			"$(($(cat "$tmp/old.$t") - now)) 0" \
			"unified-chunks: $point: $t: so many rows went"
	done
	is "$(sql "SELECT count(*) FROM unified.chunks WHERE contents =
		'theirs'")" "$(number new:unified.chunks KEPT)" \
		"unified-chunks: $point: what is kept is there"
	is "$(sql "SELECT count(*) FROM chunks WHERE content = 'theirs'") $(sql \
		"SELECT count(*) FROM tags WHERE name = 'theirs'")" \
		"$(number old:chunks CARRIED) $(number old:tags CARRIED)" \
		"unified-chunks: $point: what is carried is in the old tables"
	sql "INSERT INTO chunks (content) VALUES ('old ones')"
	back "$(before)"
	is "$(sql "SELECT count(*) FROM unified.chunks WHERE contents =
		'theirs'")" 4 "unified-chunks: $point: and up again"
	# with a row in the old tables that nobody carried there
	back $point
done

core()
{
	empty
	plan=intelligence-core.plan
	unset DATABASE_URL
	if [ "$1" = pg ]; then
		DATABASE_URL=$(pg_conn db data)
		export DATABASE_URL
	else
		plan=intelligence-core-sqlite.plan
	fi
	"$top_srcdir/data/plans/intelligence-core/make-sample" "$root" \
		--campaigns 30 --events 300 --publishes 100 --feedbacks 20 \
		${DATABASE_URL:+--database "$DATABASE_URL"}
	begin "intelligence-core, $1" "$1" \
		"$top_srcdir/data/plans/intelligence-core/$plan" \
		--set environment=staging --stop-after watch
	sql "UPDATE \"KPIHistory\" SET department = 'theirs' WHERE id =
		(SELECT min(id) FROM \"KPIHistory\")"
	sql "DELETE FROM \"AgentFeedback\" WHERE id = (SELECT min(id) FROM
		\"AgentFeedback\")"
	sql "UPDATE \"Campaign\" SET prompt = 'theirs' WHERE id = (SELECT
		min(id) FROM \"Campaign\" WHERE prompt IS NOT NULL)"
	sql "INSERT INTO \"KPIHistory\" SELECT 'theirs', \"metricName\",
		\"metricValue\", period, 'theirs', \"createdAt\", \"tenantId\"
		FROM \"KPIHistory\" LIMIT 1"
}
tables='Campaign IntelligenceEvent PromptPerformance KPIHistory AgentFeedback'
for point in CP7 CP5 CP2 CP1; do
	core pg
	for t in $tables; do
		rows "\"$t\"" >"$tmp/old.$t"
	done
	back $point
	for t in $tables; do
		rows "\"$t\"" >"$tmp/now.$t"
		is "$(number "db:$t" RESTORED) $(number "db:$t" LOST)" \
			"$(comm -23 "$tmp/old.$t" "$tmp/now.$t" | wc -l) 0" \
			"intelligence-core: $point: $t: so many rows went"
	done
	# of tables that are not touched nothing is said
	kept='2 0'
	[ $point != CP7 ] || kept='0 0'
	[ $point != CP1 ] || kept='2 1'
	is "$(number db:KPIHistory KEPT) $(number db:Campaign KEPT)" "$kept" \
		"intelligence-core: $point: what is kept is told"
	is "$(sql "SELECT count(*) FROM \"KPIHistory\" WHERE department =
		'theirs'") $(sql "SELECT count(*) FROM \"Campaign\" WHERE
		prompt = 'theirs'")" '2 1' \
		"intelligence-core: $point: and is there"
	back "$(before)"
done
core pg
back start
is "$(number db:KPIHistory LOST) $(number db:Campaign LOST)" '2 1' \
	'intelligence-core: start: what goes with a table or a column is lost'

for point in CP5 start; do
	core lite
	back $point
	like "$(cat "$tmp/foretold")" '^LOST 1$' "SQLite: $point: the file"
	back "$(before)"
	is "$(sql "SELECT count(*) FROM \"KPIHistory\" WHERE department =
		'theirs'")" 2 "SQLite: $point: and up again"
done
done_testing
