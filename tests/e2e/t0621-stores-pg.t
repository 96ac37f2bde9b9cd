#!/bin/sh
# SPDX-License-Identifier: MIT
# A server of the test's own, SERIALIZABLE by default: what it can do, checks
# of it, statements, and the lease that is given back.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a default_transaction_isolation=serializable

run "$UPSHIFT" doctor --store "$(pg_url a)"
is "$status" 0 'doctor reaches the server'
for cap in copy tx-ddl temp-table trigger instead-of digest serializable binary; do
	like "$out" "^  $cap +yes" "$cap was found"
done
is "$(pg_sql a -c "SELECT count(*) FROM pg_class WHERE relname LIKE
	'%upshift%'")" 0 'nothing of the probes is left'
UPSHIFT_TEST_STORE_CAPS=-tx-ddl
export UPSHIFT_TEST_STORE_CAPS
run "$UPSHIFT" doctor --store "$(pg_url a)" --json
like "$out" '"tx-ddl": ?false' 'a test can take it away'
unset UPSHIFT_TEST_STORE_CAPS

pg_sql a -c 'CREATE TABLE t (id bigint PRIMARY KEY, v text NOT NULL);
	INSERT INTO t VALUES (1, $$a$$), (2, $$b$$); CREATE ROLE poor LOGIN'
mkdir "$tmp/app"
TEST_DB="$(pg_conn a)"
export TEST_DB
cat >"$tmp/p.plan" <<END
plan = 1; name = "pg"; to = "2"; root = "$tmp/app";
stores: { db = "pg:\${env:TEST_DB}"; };
checks = (
	{ id = "there"; kind = "store"; store = "db"; min = "12";
	  rights = [ "SELECT t", "CREATE", "TEMP" ]; },
	{ id = "tables"; kind = "schema"; store = "db"; tables = (
		{ name = "t"; columns = [ "id bigint not null", "v text NOT NULL" ];
		  key = [ "id" ]; exact = true; } ); },
	{ id = "rows"; kind = "records"; set = "db:public.t"; equal = 2; }
);
steps = ( { id = "add"; kind = "sql"; store = "db";
	up = [ "INSERT INTO t VALUES (3, 'c')" ];
	down = [ "DELETE FROM t WHERE id = 3" ]; } );
END
run "$UPSHIFT" run "$tmp/p.plan" --batch --yes
is "$status" 0 'checks and statements on a SERIALIZABLE server'
is "$(pg_sql a -c 'SELECT count(*) FROM t')" 3 'the row is there'
is "$(pg_sql a -c 'SELECT count(*) FROM _upshift_run')" 0 \
	'the lease was given back'
! grep -rqF "$pg_base" "$tmp/app/.upshift"/runs/*/journal*
ok $? 'what the environment said of the server is not in the journal'
run "$UPSHIFT" run "$tmp/p.plan" --batch --yes
is "$status" 0 'complete already'

# --- it cannot be reached: what the plan says of its check is not the matter ---
sed 's/kind = "store";/kind = "store"; hint = "Ask for the rights.";/' "$tmp/p.plan" >"$tmp/h.plan"
TEST_DB='host=/nowhere user=u dbname=d' run "$UPSHIFT" check "$tmp/h.plan"
like "$err" 'See that the server runs, and that its address' 'a server that is not there'
TEST_DB='host=127.0.0.1 port=1 dbname=d sslmode=disable' run "$UPSHIFT" check "$tmp/h.plan"
like "$err" 'sslmode=verify-full' 'an address in the clear'
unlike "$out$err" 'Ask for the rights' 'neither is a matter of rights'
sed -i 's/"SELECT t"/"SELECT pg_authid"/' "$tmp/h.plan"
TEST_DB="$(pg_conn a) options=-crole=poor" run "$UPSHIFT" check "$tmp/h.plan"
like "$err" 'hint: *Ask for the rights' 'this is'

# --- another run is at work there ---
rm -rf "$tmp/app"; mkdir "$tmp/app"
pg_sql a -c "DELETE FROM t WHERE id = 3; DROP TABLE IF EXISTS _upshift_step;
	INSERT INTO _upshift_run VALUES ('pg', 'ABCD', 'elsewhere',
		'2026-01-01T00:00:00Z', 1, 99999999999, '')"
run "$UPSHIFT" run "$tmp/p.plan" --batch --yes
[ "$status" != 0 ]
ok $? 'a second runner is refused'
like "$out$err" "run ABCD of the plan 'pg' is at work here, from elsewhere" 'and told why'
is "$(pg_sql a -c 'SELECT count(*) FROM t')" 2 'nothing was written'

# --- a user without rights ---
rm -rf "$tmp/app"; mkdir "$tmp/app"
TEST_DB="host=$pg_base/a/sock user=poor dbname=postgres"
run "$UPSHIFT" run "$tmp/p.plan" --dry-run --batch
is "$status" 1 'rights that are missing fail the check'
like "$out$err" 'the right to SELECT t is missing' 'and are named'
# --- copied from and filled in: looked at ahead of the backup, too ---
for step in 'kind = "copy-records"; from = "db:t"; to = "db:u"; key = "id"; columns: { id = "id"; };' \
	'kind = "backfill"; set = "db:t"; key = "id"; undo = true; up = "UPDATE t SET v = v WHERE id <= $2";'; do
	cat >"$tmp/gone.plan" <<-END
	plan = 1; name = "gone"; to = "2";
	stores: { db = "$(pg_url a | sed 's,/sock,/nowhere,')"; };
	steps = ( { id = "s"; $step } );
	END
	rm -rf "$tmp/gone"
	mkdir "$tmp/gone"
	run_is 1 'no server: a dry run' "$UPSHIFT" run "$tmp/gone.plan" --root "$tmp/gone" --dry-run
	like "$err" 'See that the server runs' 'says what to see to'
	unlike "$out" 'would be applied|attempt' 'and neither waits nor promises'
	run_is 1 'no server: a run' "$UPSHIFT" run "$tmp/gone.plan" --root "$tmp/gone" --batch --yes
	like "$err" 'check s failed: ' 'says it, too'
	unlike "$out" 'backup' 'before the backup'
	run_is 66 'nothing is open' "$UPSHIFT" resume --root "$tmp/gone" --batch
done
done_testing
