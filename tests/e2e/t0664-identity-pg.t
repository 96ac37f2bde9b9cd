#!/bin/sh
# SPDX-License-Identifier: MIT
# Numbers that the new table gives by itself (GENERATED ALWAYS AS IDENTITY) are
# the old rows' in each way of putting them, and the next is behind the last.
# shellcheck disable=SC2016 # a plan has ${env:NAME}
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$tmp/a.plan
pg_start db
pg_sql db -c 'CREATE DATABASE other'
OLD=$(pg_conn db)
export OLD
table='CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	v text); INSERT INTO t (v)'
pg_sql db -c "$table SELECT 'v' || g FROM generate_series(1, 3000) g"

for to in db/other db; do
	NEW=$(pg_conn "$to")
	export NEW
	for how in error skip replace; do
		rm -rf "$root"
		mkdir "$root"
		cat >"$plan" <<-TXT
			plan = 1; name = "a"; from = "1"; to = "2";
			stores: { old = "pg:\${env:OLD}"; new = "pg:\${env:NEW}"; };
			steps = ( { id = "s"; kind = "copy-records"; from = "old:t";
			    to = "new:u"; key = "id"; on_conflict = "$how";
			    columns = { id = "id"; v = "v || '+'"; }; } );
		TXT
		pg_sql "$to" -c "SET client_min_messages = error;
			DROP TABLE IF EXISTS u; $(printf '%s' "$table" |
				sed 's/ t / u /g') VALUES ('mine')"
		[ "$how" != error ] || pg_sql "$to" -c 'TRUNCATE u'
		run_is 0 "$to, $how" \
			"$UPSHIFT" run "$plan" --root "$root" --batch --yes
		first=v1+
		[ "$how" != skip ] || first=mine
		is "$(pg_sql "$to" -c "SELECT count(*), sum(id), (SELECT v FROM u
			WHERE id = 1) FROM u")" "3000|4501500|$first" \
			"$to, $how: the numbers are those of the old rows"
		is "$(pg_sql "$to" -c "INSERT INTO u (v) VALUES ('next')
			RETURNING id" | head -n 1)" 3001 \
			"$to, $how: the next is behind them"
	done
done

done_testing
