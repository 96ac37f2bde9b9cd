#!/bin/sh
# SPDX-License-Identifier: MIT
# The unified-chunks plan on PostgreSQL: previewed, run, killed on the way and
# gone on with, rolled back to rows and schema as they were.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$top_srcdir/data/plans/unified-chunks/unified-chunks.plan
pg_start db
OLD_DATABASE_URL=$(pg_conn db)
NEW_DATABASE_URL=$OLD_DATABASE_URL
export OLD_DATABASE_URL NEW_DATABASE_URL

# schema and rows, but for upshift's own tables; rows in an order of their own
dump()
{
	pg_sql db <<-'EOF'
		SELECT table_schema, table_name, column_name, data_type,
			column_default, is_nullable FROM information_schema.columns
			WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
			AND table_name NOT LIKE '\_upshift%' ORDER BY 1, 2, ordinal_position;
		SELECT conrelid::regclass, conname, pg_get_constraintdef(oid)
			FROM pg_constraint WHERE connamespace = 'public'::regnamespace
			AND conrelid::regclass::text NOT LIKE '\_upshift%' ORDER BY 1, 2;
		SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\_%'
			ORDER BY 1;
		SELECT last_value, is_called FROM tags_id_seq;
	EOF
	rows
}

rows()
{
	for table in texts chunks tags chunk_tags embeddings graph_nodes; do
		pg_sql db -c "SELECT * FROM $table ORDER BY $table" || echo gone
	done
}

new()
{
	rm -rf "$root"
	pg_sql db -c 'SET client_min_messages = error;
		DROP SCHEMA IF EXISTS unified CASCADE;
		DROP SCHEMA public CASCADE; CREATE SCHEMA public'
	"$top_srcdir/data/plans/unified-chunks/make-sample" "$root" \
		--database "$OLD_DATABASE_URL" "$@"
	dump >"$tmp/before"
	rows >"$tmp/rows.before"
}

go()
{
	"$UPSHIFT" run "$plan" --root "$root" --batch --yes
}

back()
{
	run_is 0 "$1: rolled back" "$UPSHIFT" rollback start --root "$root" \
		--batch --confirm 'roll back to start'
	dump >"$tmp/after"
	file_is "$tmp/after" "$tmp/before" "$1: as before"
}

one()
{
	pg_sql db -c "$1"
}

# what the new tables must hold, told by the old ones
right()
{
	is "$(one "SELECT count(*) FROM unified.chunks WHERE NOT is_tag")" \
		"$(one 'SELECT count(*) FROM chunks')" "$1: chunks"
	is "$(one "SELECT count(*) FROM chunks c JOIN unified.chunks u ON
		u.chunk_id = c.id AND u.contents = c.content AND
		u.parent IS NOT DISTINCT FROM c.parent_chunk_id AND
		u.metadata::text = c.metadata::text AND
		(u.attrs->>'slot') IS NOT DISTINCT FROM c.slot_value AND
		u.last_updated = c.updated_at")" \
		"$(one 'SELECT count(*) FROM chunks')" "$1: each as it was"
	is "$(one 'SELECT count(*) FROM unified.chunk_tags t JOIN unified.chunks u
		ON u.chunk_id = t.tag_chunk_id JOIN chunk_tags o ON
		o.chunk_id = t.source_chunk_id AND o.tag_id = u.legacy_tag_id')" \
		"$(one 'SELECT count(*) FROM chunk_tags')" "$1: tags of chunks"
	is "$(one 'SELECT count(*) FROM unified.graph_nodes')" \
		"$(one 'SELECT count(*) FROM graph_nodes')" "$1: nodes"
	like "$(one "SET enable_seqscan = off; EXPLAIN SELECT * FROM unified.chunks
		WHERE is_tag AND legacy_tag_id = 1")" 'chunks_legacy_tag_idx' \
		"$1: a tag is found by its number"
	is "$(one 'SELECT sum(chunks) FROM unified.page_chunks')" \
		"$(one 'SELECT count(text_id) FROM chunks')" "$1: pages"
	is "$(one "SELECT count(*) FROM pg_constraint WHERE NOT convalidated")" 0 \
		"$1: all constraints hold"
	rows >"$tmp/rows"
	file_is "$tmp/rows" "$tmp/rows.before" "$1: old clients read what they read"
}

run_is 0 'lint' "$UPSHIFT" lint "$plan"
run_is 0 'the rights it needs' "$UPSHIFT" lint --grants "$plan"
like "$out" 'GRANT SELECT, TRIGGER ON "chunks"' 'name the tables'
unlike "$out" '"current"' 'and nothing that is no table'

new --rows 1500
run_is 9 'a dry run' "$UPSHIFT" run "$plan" --root "$root" --dry-run
like "$out" 'CREATE TABLE unified.chunks' 'shows the statements'
dump >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'a dry run changes nothing'
run_is 3 'a run' go
like "$out" "'contract' may not begin before" 'the old views stay for 30 days'
right 'a run'
is "$(one "INSERT INTO chunks (content) VALUES ('by an old client')
	RETURNING is_template, indent_level")" 'f|0' 'an old client writes'
is "$(one "SELECT count(*) FROM unified.chunks WHERE contents = 'by an old client'
	AND NOT is_tag")" 1 'into the new table'
one "DELETE FROM chunks WHERE content = 'by an old client'"
run_is 0 'a report' "$UPSHIFT" report --root "$root"
like "$out" '\| chunks \| Copy the chunks \| verified' 'has the titles of the steps'
like "$out" 'tables of servers \| 6, with [0-9]+ rows' 'and the tables that were saved'
like "$out" 'It brings back files alone' 'which a line of tar does not bring back'
run_is 0 'who still does so' "$UPSHIFT" report --compat --root "$root"
like "$out" 'chunks  *INSERT  *upshift  *psql .* 1$' 'is in the report'

run_is 0 'what a rollback would take back' "$UPSHIFT" rollback start \
	--root "$root" --preview
# both URLs are of one database, which goes by its first name
like "$out" 'new:unified\.chunk_tags' 'is told by table'
back 'a run'

# rows that came in while others were copied come over at the cutover
new --rows 500
"$UPSHIFT" run "$plan" --root "$root" --batch --yes --stop-after compare \
	>"$tmp/stop" 2>&1
is $? 6 'stopped ahead of the cutover'
number=$(one 'SELECT last_value FROM tags_id_seq')
one "INSERT INTO chunks (content) VALUES ('late'); INSERT INTO tags (name)
	VALUES ('late'); INSERT INTO chunk_tags SELECT c.id, t.id FROM chunks c,
	tags t WHERE c.content = 'late' AND t.name = 'late'"
run_is 3 'the cutover takes over what came late' "$UPSHIFT" resume \
	--root "$root" --batch --yes
like "$out" '3 changes drained' 'and says so'
is "$(one "SELECT count(*) FROM unified.chunk_tags t JOIN unified.chunks c ON
	c.chunk_id = t.source_chunk_id WHERE c.contents = 'late'")" 1 'it is there'
is "$(one "INSERT INTO tags (name) VALUES ('later') RETURNING id")" \
	$((number + 2)) 'and numbers go on behind it'
is "$(one "SELECT count(*) FROM pg_class WHERE relname ~ '^_upshift_delta'")" 0 \
	'nothing is captured any more'
run_is 0 'and back' "$UPSHIFT" rollback start --root "$root" --batch \
	--confirm 'roll back to start'
is "$(one "SELECT count(*) FROM tags WHERE name = 'later'")" 1 \
	'what was written since is carried back'
id=$(ls "$root/.upshift/runs")
run_is 0 'forgotten' "$UPSHIFT" forget "$id" --root "$root" --confirm "forget $id"
one "DELETE FROM chunks WHERE content = 'late';
	DELETE FROM tags WHERE name IN ('late', 'later');
	SELECT setval('tags_id_seq', $number)" >/dev/null
dump >"$tmp/after"
file_is "$tmp/after" "$tmp/before" 'as before'

# orphans are set aside, the rest comes over
new --rows 1000 --orphans 3
run_is 3 'orphans' go
like "$out" '3 rows were refused' 'they are told'
is "$(one 'SELECT count(*) FROM _upshift_reject')" 3 'they are kept'
is "$(one 'SELECT count(*) FROM unified.embeddings')" 250 'the others came'
back 'orphans'

# killed behind some of its changes, gone on with
for n in 60 240 420; do
	new --rows 1000
	UPSHIFT_TEST_FAULT=any:$n:kill go >"$tmp/kill" 2>&1
	is $? 137 "killed at change $n"
	run_is 3 "killed at change $n: goes on" "$UPSHIFT" resume --root "$root" \
		--batch --yes
	right "killed at change $n"
	back "killed at change $n"
done

# when nobody uses the views any more
new --rows 300
run_is 3 'a run' go
UPSHIFT_TEST_UNUSED_S=0
export UPSHIFT_TEST_UNUSED_S
run_is 0 'the contract step, weeks later' "$UPSHIFT" resume --root "$root" \
	--batch --yes --run-step contract --confirm contract
unset UPSHIFT_TEST_UNUSED_S
is "$(one "SELECT count(*) FROM pg_class WHERE relname IN ('chunks', 'tags', 'chunk_tags')
	AND relnamespace = 'public'::regnamespace OR relname LIKE '%legacy\_%' AND relkind = 'v'")" \
	0 'takes them away'
is "$(one 'SELECT count(*) FROM upshift_old_legacy.chunks')" \
	"$(one 'SELECT count(*) FROM unified.chunks WHERE NOT is_tag')" \
	'and the old tables are still there'
done_testing
