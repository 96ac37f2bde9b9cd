#!/bin/sh
# SPDX-License-Identifier: MIT
# Steps that name a partitioned table, and others that name its partitions: the
# rows are saved once, counted once, and come back as they were.
# shellcheck disable=SC2016 # a plan has ${env:NAME}
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_scene db

rows()
{
	sql "SELECT tableoid::regclass, * FROM part ORDER BY id;
		SELECT conname FROM pg_constraint WHERE contype = 'c'"
}

# plan STRATEGY STEPS
plan()
{
	cat >"$plan" <<-END
		plan = 1; name = "a"; from = "1"; to = "2";
		rollback: { strategy = "$1"; };
		stores: { db = "pg:\${env:PG}"; };
		steps = ( $2 );
	END
	rm -rf "$root"
	mkdir "$root"
	sql 'DROP TABLE IF EXISTS part, src, _upshift_run, _upshift_range,
		_upshift_step CASCADE; CREATE TABLE src (id int, region text,
		v text, PRIMARY KEY (id, region)); INSERT INTO src SELECT g,
		(ARRAY['"'eu', 'eu-1', 'us'"'])[1 + g % 3], g
		FROM generate_series(1, 90) g'
}

made='CREATE TABLE part (id int, region text, v text,
		PRIMARY KEY (id, region)) PARTITION BY LIST (region);
	CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('"'eu', 'eu-1'"')
		PARTITION BY LIST (region);
	CREATE TABLE part_eu_0 PARTITION OF part_eu FOR VALUES IN ('"'eu'"');
	CREATE TABLE part_eu_1 PARTITION OF part_eu FOR VALUES IN ('"'eu-1'"');
	CREATE TABLE part_us PARTITION OF part FOR VALUES IN ('"'us'"')'
copy='{ id = "copy"; kind = "copy-records"; from = "db:src"; to = "db:part";
	key = ["id", "region"]; }'

# of a step of the run: they go with the table, and nothing is lost
plan incremental '{ id = "schema"; kind = "sql"; store = "db";
	up = ["'"$made"'"]; down = ["DROP TABLE part"]; }, '"$copy"
run_is 0 'partitions that the plan makes' \
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
run "$UPSHIFT" rollback --root "$root" --preview
like "$out" '^RESTORED 90$' 'of these the copied rows go'
like "$out" '^LOST 0$' 'and no others'
unlike "$out" 'part_' 'once'

# there before: what steps did to some of them, and to the whole
for steps in part_eu_1 part_eu 'part_eu part_eu_1 part_us'; do
	all=
	for t in $steps; do
		all="$all { id = \"u_$t\"; kind = \"sql\"; store = \"db\";
			up = [\"UPDATE $t SET v = v || '!'\",
				\"DELETE FROM $t WHERE id % 2 = 0\"];
			down = [\"SELECT 1\", \"SELECT 1\"]; }, "
	done
	all="$all { id = \"check\"; kind = \"sql\"; store = \"db\";
		up = [\"ALTER TABLE part_us ADD CONSTRAINT c CHECK (id > 0)\"];
		down = [\"ALTER TABLE part_us DROP CONSTRAINT c\"]; }, $copy"
	plan backup "$all"
	sql "$made; INSERT INTO part SELECT id + 1000, region, v FROM src"
	rows >"$tmp/before"
	run_is 0 "$steps: run" \
		"$UPSHIFT" run "$plan" --root "$root" --batch --yes
	rows >"$tmp/after"
	is "$(tar -tf "$root"/.upshift/runs/*/backup/start.tar.zst --zstd |
		grep -c 'part.*[.]copy$')" 1 "$steps: saved once"
	run_is 0 "$steps: back" "$UPSHIFT" rollback --root "$root" --batch \
		--confirm 'roll back to start'
	rows >"$tmp/back"
	file_is "$tmp/back" "$tmp/before" "$steps: as it was"
	run_is 0 "$steps: and to the state before" "$UPSHIFT" rollback R1 \
		--root "$root" --batch --confirm 'roll back to R1'
	rows >"$tmp/again"
	file_is "$tmp/again" "$tmp/after" "$steps: as it was then"
done

# a step that stays has written to a part of what would be loaded
plan backup '{ id = "first"; kind = "sql"; store = "db";
	up = ["UPDATE part_us SET v = v || 1"]; down = ["SELECT 1"]; }, '"$copy"
sql "$made; INSERT INTO part SELECT id + 1000, region, v FROM src"
run_is 0 'one step on a part, one on the whole' \
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
rows >"$tmp/after"
run_is 66 'to the point between them' "$UPSHIFT" rollback CP1 --root "$root" \
	--batch --confirm 'roll back to CP1'
like "$err" "E-5005 .*step 'first' changed 'db:part_us', too" 'says why not'
rows >"$tmp/same"
file_is "$tmp/same" "$tmp/after" 'and nothing was changed'

# what is written to a part by its own name is captured, and turned away
move='{ id = "copy"; kind = "copy-records"; from = "db:part"; to = "db:dst";
	key = ["id", "region"]; live = true; },
	{ id = "turn"; kind = "cutover"; store = "db"; fence = ["part"];
	copies = ["copy"]; keep = true; }'
inherits='CREATE TABLE part (id int, region text, v text,
		PRIMARY KEY (id, region));
	CREATE TABLE part_us (PRIMARY KEY (id, region)) INHERITS (part);
	CREATE TABLE part_eu_1 (PRIMARY KEY (id, region)) INHERITS (part);
	INSERT INTO part_us SELECT * FROM src'
for kind in partitions inherits; do
	plan incremental "$move"
	if [ "$kind" = inherits ]; then
		sql "$inherits"
	else
		sql "$made; INSERT INTO part SELECT * FROM src"
	fi
	sql 'DROP TABLE IF EXISTS dst; CREATE TABLE dst (id int, region text,
		v text, PRIMARY KEY (id, region))'
	sql 'SELECT tgname FROM pg_trigger' >"$tmp/before"
	run_is 6 "$kind: copied" "$UPSHIFT" run "$plan" --root "$root" \
		--batch --yes --stop-after copy
	sql "TRUNCATE part_us; INSERT INTO part_eu_1 VALUES (501, 'eu-1', 'n');
		INSERT INTO part_us VALUES (502, 'us', 'n');
		UPDATE part_us SET v = 'm' WHERE id = 502"
	run_is 0 "$kind: writes to parts while it was live" \
		"$UPSHIFT" resume --root "$root" --batch --yes
	is "$(sql 'SELECT count(*), sum(id), max(v) FROM dst')" \
		"$(sql 'SELECT count(*), sum(id), max(v) FROM part')" \
		"$kind: came over"
	for t in part part_us part_eu_1; do
		for do in "INSERT INTO $t VALUES (600, 'us', 'x')" \
			"UPDATE $t SET v = 'x'" "DELETE FROM $t" \
			"TRUNCATE $t"; do
			like "$(sql "$do" 2>&1)" 'the data are being moved' \
				"$kind: $do"
		done
	done
	run_is 0 "$kind: back" "$UPSHIFT" rollback --root "$root" --batch \
		--confirm 'roll back to start'
	sql 'SELECT tgname FROM pg_trigger' >"$tmp/back"
	file_is "$tmp/back" "$tmp/before" "$kind: no trigger is left"
	sql "INSERT INTO part_us VALUES (700, 'us', 'n')"
	is "$(sql 'SELECT count(*) FROM part_us WHERE id IN (502, 700)')" 2 \
		"$kind: writers are let in"
done

done_testing
