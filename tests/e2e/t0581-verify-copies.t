#!/bin/sh
# SPDX-License-Identifier: MIT
# The `records` verification of what steps copied: their mapping, rows set
# aside, two copies into one table, keys that are computed; on PostgreSQL with
# the types of the destination.
# shellcheck source=tests/lib/tap.sh
. "${top_srcdir:-.}/tests/lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "${top_srcdir:-.}/tests/lib/pg.sh"
pg_need
pg_start one

root=$tmp/root
mkdir -p "$root"
pg_sql one <<'TXT' >/dev/null
CREATE SCHEMA old;
CREATE TABLE old.people (id int PRIMARY KEY, name text, born timestamptz, score float8, more json);
INSERT INTO old.people SELECT i, 'n' || i, '2020-01-01 12:00Z'::timestamptz + i * interval '1 h', i / 3.0, '{"b": 1, "a": [1, 2]}' FROM generate_series(1, 3000) i;
CREATE TABLE old.robots (id int PRIMARY KEY, name text);
INSERT INTO old.robots SELECT i, CASE WHEN i % 10 = 0 THEN NULL ELSE 'r' || i END FROM generate_series(1, 100) i;
CREATE SCHEMA new;
CREATE TABLE new.all (key uuid PRIMARY KEY, name varchar(40) NOT NULL, born timestamp, score numeric(12,3), more jsonb, robot bool DEFAULT false);
TXT
cat >"$tmp/acme.plan" <<TXT
plan = 1; name = "acme"; from = "1"; to = "2";
stores: { db = "$(pg_url one)"; };
steps = (
  { id = "people"; kind = "copy-records"; from = "db:old.people"; to = "db:new.all"; key = "key"; owns = "NOT robot";
    columns = { key = "md5('p' || id)::uuid"; name = "name"; born = "born"; score = "round(score::numeric, 3)"; more = "more"; }; },
  { id = "robots"; kind = "copy-records"; from = "db:old.robots"; to = "db:new.all"; key = "key"; owns = "robot";
    bad_records = "quarantine"; columns = { key = "md5('r' || id)::uuid"; name = "name"; robot = "true"; }; } );
verify = ( { id = "V01"; kind = "records"; copies = ["people", "robots"]; pause = 0.01; } );
TXT
run "$UPSHIFT" lint "$tmp/acme.plan" --root "$root"
is "$status" 0 'a plan that compares its copies is right' || diag "$err"
run "$UPSHIFT" run "$tmp/acme.plan" --root "$root" --batch --yes
case $status in 0|3) ok 0 'copied and compared' ;; *) ok 1 'copied and compared'; diag "$out$err" ;; esac
like "$out" '3100 rows are the same on both sides' 'with what was set aside'
dir=$(echo "$root"/.upshift/runs/*)
is "$(grep -c '"kind":"rejected"\|"kind":"missing"' "$dir/V01.differences.jsonl")" 10 'which is told'
for level in basic rigorous forensic; do
	run "$UPSHIFT" verify --root "$root" --level $level
	is "$status" 0 "$level: the same" || diag "$out$err"
done
pg_sql one -c "UPDATE new.all SET name = 'x' WHERE key = md5('p7')::uuid" >/dev/null
pg_sql one -c "DELETE FROM new.all WHERE key = md5('r7')::uuid" >/dev/null
run "$UPSHIFT" verify --root "$root" --level standard
is "$status" 7 'what was changed since is found'
like "$out$err" '1 missing, 1 different, 0 extra' 'and counted'
like "$(cat "$dir/V01.differences.jsonl")" '"copy":"people","kind":"different".*"columns":\["name"\]' 'and named'

pg_sql one -c 'ALTER TABLE new.all ADD CONSTRAINT "short" CHECK (length(name) < 30) NOT VALID' >/dev/null
run "$UPSHIFT" verify --root "$root" --level basic
like "$out$err" "'new.all': 'short' is not valid" 'a constraint that was never validated'

sed 's/copies = \["people"/copies = ["peoples"/' "$tmp/acme.plan" >"$tmp/bad.plan"
run "$UPSHIFT" lint "$tmp/bad.plan" --root "$root"
is "$status" 65 'a step that there is not'
like "$err" "did you mean 'people'" 'and the nearest one'
# --- what nobody compares ---
compared()
{
	cat >"$tmp/b.plan" <<-TXT
		plan = 1; name = "b"; from = "1"; to = "2";
		stores = { a = "sqlite:a.db"; b = "sqlite:b.db"; };
		steps = ( { id = "c"; kind = "copy-records"; from = "a:t"; to = "b:t"; key = "id"; $1 } );
		$2
	TXT
	run_is 0 'the plan is right' "$UPSHIFT" lint "$tmp/b.plan"
}
stores_need sqlite
what='nothing compares them'
compared '' ''
like "$err" "b.plan:3: warning: step 'c': .* $what" 'a copy that nothing compares'
compared '' 'verify = ( { id = "v"; kind = "records"; copies = [ "c" ]; } );'
unlike "$err" "$what" 'one that is'
compared '' 'verify = ( { id = "v"; kind = "records"; from = "a:t"; to = "b:t"; key = "id"; } );'
unlike "$err" "$what" 'one whose tables are'
compared '' 'verify = ( { id = "v"; kind = "records"; from = "a:t"; to = "b:u"; key = "id"; } );'
like "$err" "$what" 'another table'
compared 'on_error = "continue";' ''
unlike "$err" "$what" 'one that may fail'
compared 'on_conflict = "skip";' ''
unlike "$err" "$what" 'one that leaves what is there'
done_testing
