#!/bin/sh
# SPDX-License-Identifier: MIT
# Roles that may not do all: a policy that hides rows, tables of ours that
# another role has left, no right to make one. The check says it, and what helps.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_scene db

sql "CREATE ROLE app LOGIN; CREATE ROLE other LOGIN;
	GRANT CREATE ON SCHEMA public TO app;
	CREATE TABLE src (id int PRIMARY KEY, tenant text);
	INSERT INTO src SELECT g, 't' || g % 2 FROM generate_series(1, 100) g;
	ALTER TABLE src ENABLE ROW LEVEL SECURITY;
	CREATE POLICY mine ON src USING (tenant = 't1');
	CREATE TABLE dst (id int PRIMARY KEY, tenant text);
	GRANT SELECT ON src TO app, other; GRANT ALL ON dst TO app, other"
cat >"$plan" <<-'TXT'
	plan = 1; name = "a"; from = "1"; to = "2";
	stores: { db = "pg:${env:PG} user=${env:ROLE}"; };
	steps = ( { id = "s"; kind = "copy-records"; from = "db:src";
	    to = "db:dst"; key = "id"; } );
	verify = ( { id = "V1"; kind = "records"; copies = ["s"]; } );
TXT

# as ROLE
as()
{
	rm -rf "$root"
	mkdir "$root"
	run env ROLE="$1" "$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

# refused NAME WHY HINT
refused()
{
	is "$status" 1 "$1: refused"
	like "$err" "E-4030.*$2" "$1: why"
	like "$err" "hint: .*$3" "$1: what helps"
	unlike "$out" 'backup: started' "$1: before the backup"
	is "$(sql 'SELECT count(*) FROM dst')" 0 "$1: nothing was copied"
}

as app
refused 'rows that a policy hides' 'row-level security' BYPASSRLS

sql 'ALTER ROLE app BYPASSRLS'
sql 'CREATE TABLE _upshift_run (plan text PRIMARY KEY, owner text NOT
	NULL, host text NOT NULL, since text NOT NULL, epoch bigint NOT NULL,
	until bigint NOT NULL, taken text NOT NULL)'
as app
is "$status" 1 'a table of ours that is closed: refused'
like "$err" "'_upshift_run' belongs to the role '.*' and is closed" \
	'a table of ours that is closed: whose it is'
unlike "$out" 'backup: started' 'a table of ours that is closed: no backup'
sql 'DROP TABLE _upshift_run'

sql 'ALTER ROLE other BYPASSRLS'
as other
is "$status" 1 'no right to make one: refused'
like "$err" 'no right to create a table' 'no right to make one: why'
unlike "$out" 'backup: started' 'no right to make one: no backup'

sql 'REVOKE SELECT ON src FROM app'
as app
refused 'no right to read' 'permission denied' 'lint --grants'

sql 'GRANT SELECT ON src TO app'
as app
is "$status" 0 'with all rights it runs'
is "$(sql 'SELECT count(*) FROM dst')" 100 'all rows, of every policy'

# whoever closed the database to writers meant it
sql 'TRUNCATE dst'
for of in 'DATABASE' 'ROLE app IN DATABASE'; do
	sql "DO \$\$ BEGIN EXECUTE 'ALTER $of ' || current_database() ||
		' SET default_transaction_read_only = on'; END \$\$"
	as app
	is "$status" 1 "$of that takes no writes: refused"
	like "$err" 'default_transaction_read_only is on' \
		"$of that takes no writes: why"
	unlike "$out" 'backup: started' "$of that takes no writes: no backup"
	sql "SET TRANSACTION READ WRITE; DO \$\$ BEGIN EXECUTE
		'ALTER $of ' || current_database() ||
		' RESET default_transaction_read_only'; END \$\$"
done

# a view reads as its owner: what policies hid from some, it shows
views()
{
	cat >"$plan" <<-TXT
		plan = 1; name = "b"; from = "1"; to = "2";
		stores: { db = "pg:\${env:PG}"; };
		steps = ( { id = "v"; kind = "views"; store = "db"; $1
		    views = ( { name = "src"; select = "SELECT * FROM dst"; } ); } );
	TXT
	rm -rf "$root"
	mkdir "$root"
	run "$UPSHIFT" check "$plan" --root "$root"
}

views ''
like "$out" "v: .*policies \(row-level security\) hide rows of 'src'" \
	'views over a table with policies: the check warns'
views 'security_invoker = true;'
unlike "$out" 'policies' 'not where clients read as themselves'
sql 'ALTER TABLE src DISABLE ROW LEVEL SECURITY'
views ''
unlike "$out" 'policies' 'nor where there are none'

sed -i 's/env:PG}/& user=app/' "$plan"
run "$UPSHIFT" check "$plan" --root "$root"
is "$status" 1 'views without the right to make a schema: refused'
like "$out" 'v: .*no right to create a schema' \
	'views without the right to make a schema: why'

done_testing
