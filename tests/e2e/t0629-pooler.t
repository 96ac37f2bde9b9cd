#!/bin/sh
# SPDX-License-Identifier: MIT
# A pooler before a server: one that gives each transaction another session is
# found and refused before anything is set for whoever comes next; one that
# keeps sessions is as good as the server.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
command -v python3 >/dev/null || skip_all 'no python3'
root=$tmp/data
mkdir "$root"
pg_start db
pg_sql db -c 'CREATE TABLE src AS SELECT i AS id FROM generate_series(1, 300) i;
	ALTER TABLE src ADD PRIMARY KEY (id); CREATE TABLE dst (LIKE src INCLUDING ALL)'
pg_dumped "$(pg_conn db)" >"$tmp/before"
cat >"$tmp/plan" <<END
plan = 1; name = "a"; to = "2";
stores = { db = "pg:$(pg_proxy_conn db)"; };
steps = (
  { id = "rows"; kind = "copy-records"; from = "db:src"; to = "db:dst";
    key = "id"; columns: { id = "id"; }; batch = 50; } );
END

# what the session of all clients is like
as_it_was()
{
	is "$("$pg_bin/psql" -X -A -t -d "$(pg_proxy_conn db)" -c "SELECT
		current_setting('statement_timeout'), current_setting('lock_timeout'),
		current_setting('default_transaction_read_only')")" '0|0|off' \
		"$1: nothing is set for others"
}

pg_pooler db transaction
as_it_was 'before'
run "$UPSHIFT" doctor --store "pg:$(pg_proxy_conn db)"
is "$status" 1 'the doctor'
like "$err" 'E-2082 .*gives each transaction another session' 'finds it'
like "$err" 'name the server itself' 'says what to do'
as_it_was 'the doctor'
run "$UPSHIFT" run "$tmp/plan" --root "$root" --dry-run
is "$status" 1 'a dry run is refused'
like "$out$err" 'gives each transaction another session' 'says why'
as_it_was 'a dry run'
run "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
is "$status" 1 'a run is refused'
as_it_was 'a run'
pg_dumped "$(pg_conn db)" >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'and changes nothing'
run_is 0 'the code is explained' "$UPSHIFT" explain E-2082
like "$out" 'way to a server' 'with servers'

pg_pooler db session
run_is 0 'a pool that keeps sessions' "$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
is "$(pg_sql db -c 'SELECT count(*) FROM dst')" 300 'is as good as the server'
done_testing
