#!/bin/sh
# SPDX-License-Identifier: MIT
# upshift verify of database files while their application goes on writing to
# them: schema and rows decide, the bytes of the file do not.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
sqlite_need
command -v python3 >/dev/null || skip_all 'no python3'
# the maker would fill a server
unset OLD_DATABASE_URL NEW_DATABASE_URL DATABASE_URL
UPSHIFT_TEST_MONITOR_S=0
export UPSHIFT_TEST_MONITOR_S
root=$tmp/data
plans=$top_srcdir/data/plans

new()
{
	name=$1
	shift
	rm -rf "$root"
	"$plans/$name/make-sample" "$root" "$@"
}

go()
{
	"$UPSHIFT" run "$plans/$name/$name-sqlite.plan" --root "$root" --batch \
		--yes "$@"
}

# each STATUS PATTERN WHEN: at every level that looks at files
each()
{
	for level in standard rigorous forensic; do
		run "$UPSHIFT" verify --root "$root" --level "$level"
		is "$status" "$1" "$3, $level: $1" || diag "$out$err"
		like "$out$err" "$2" "$3, $level: and says so"
	done
}

one()
{
	sqlite3 "$root/data/$1" "$2"
}

# --- unified-chunks: one file into another ---

new unified-chunks --rows 400
run_is 0 'unified-chunks' go
each 0 verified 'just made'
one new.db "INSERT INTO unified_chunks (chunk_id, contents, is_tag,
	created_time, last_updated) SELECT
	'00000000-0000-4000-9000-00000000000' || value, 'new', 'f', '2026-01-01',
	'2026-01-01' FROM json_each('[1, 2, 3]');
	UPDATE texts SET title = title || '!';
	INSERT INTO embeddings SELECT chunk_id, 'm', 'v' FROM unified_chunks
		WHERE contents = 'new';
	CREATE TABLE sessions (id INTEGER PRIMARY KEY, who TEXT);
	ANALYZE"
each 0 verified 'an application goes on'
# a log beside the file, and what is left of it
one new.db "PRAGMA wal_checkpoint(TRUNCATE); VACUUM"
each 0 verified 'and tidies up'

one new.db 'DROP INDEX chunks_page_idx'
each 7 "'data/new.db': its index chunks_page_idx is not there any more" \
	'an index is gone'
one new.db 'CREATE INDEX chunks_page_idx ON unified_chunks (page, parent)'
each 7 "'data/new.db': its index chunks_page_idx is another" 'is another'
one new.db 'DROP INDEX chunks_page_idx'
one new.db 'CREATE INDEX chunks_page_idx ON unified_chunks (page)'
each 0 verified 'as it was'
one old.db 'DROP TRIGGER _upshift_fence_tags_INSERT'
each 7 "'data/old.db': its trigger _upshift_fence_tags_INSERT is not there" \
	'the fence is open'
new unified-chunks --rows 400
go >"$tmp/log" 2>&1
mode=$(stat -c %a "$root/data/new.db")
chmod 0606 "$root/data/new.db"
each 7 "'data/new.db': its mode changed" 'somebody else may read it'
chmod "$mode" "$root/data/new.db"

# rows that the plan compares are compared
one new.db "INSERT INTO unified_chunk_tags VALUES
	('00000000-0000-4000-a000-000000000001', (SELECT chunk_id FROM
	unified_chunks WHERE is_tag = 't' LIMIT 1))"
each 7 'orphans: found 1, not 0' 'a row that may not be'

# --- intelligence-core: one file, changed in place ---

new intelligence-core --campaigns 20 --events 300 --publishes 80
go --set environment=staging >"$tmp/log" 2>&1
"$UPSHIFT" resume --root "$root" --batch --yes --approve product:Ada \
	--approve operations:Bob >"$tmp/log" 2>&1
is $? 0 'intelligence-core' || diag "$(tail -3 "$tmp/log")"
each 0 verified 'core, just made'
one app.db "INSERT INTO IntelligenceEvent (id, eventType, entityType, entityId,
	createdAt) VALUES ('now', 'x', 'x', 'x', '2026-01-01T00:00:00.000Z');
	UPDATE Campaign SET prompt = 'better' WHERE id = (SELECT max(id) FROM
		Campaign);
	DELETE FROM IntelligenceEvent WHERE id = (SELECT min(id) FROM
		IntelligenceEvent)"
each 0 verified 'core, its application goes on'
one app.db 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
one app.db 'ALTER TABLE AgentFeedback RENAME COLUMN comment TO remark'
each 7 'its table AgentFeedback is another' 'core, a column has another name'
one app.db 'ALTER TABLE AgentFeedback RENAME COLUMN remark TO comment'
one app.db "UPDATE _upshift_range SET done = 0 WHERE step LIKE '%/events'"
each 7 "step 'events': not all rows" 'core, a copy is not complete'
one app.db "UPDATE _upshift_range SET done = 1 WHERE step LIKE '%/events'"
each 0 verified 'core, as it was'

# not a row was lost, but a page is
python3 - "$root/data/app.db" <<'TXT'
import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.execute('PRAGMA wal_checkpoint(TRUNCATE)')
c.execute('PRAGMA journal_mode = DELETE')
page, = c.execute("SELECT rootpage FROM sqlite_master WHERE type = 'index' "
	"AND tbl_name = 'IntelligenceEvent' AND name NOT LIKE 'sqlite%'"
	).fetchone()
size, = c.execute('PRAGMA page_size').fetchone()
c.close()
with open(sys.argv[1], 'r+b') as f:
	f.seek((page - 1) * size)
	f.write(b'\xff' * size)
TXT
for level in rigorous forensic; do
	run_is 7 "a damaged page, $level" "$UPSHIFT" verify --root "$root" \
		--level "$level"
	like "$out$err" "'data/app.db': " "a damaged page, $level: is told"
done

rm "$root/data/app.db"
each 7 "'data/app.db': is not there any more" 'the file is gone'
done_testing
