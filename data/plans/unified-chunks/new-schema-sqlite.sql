-- SPDX-License-Identifier: MIT
-- The schema after, in SQLite. The new tables have names of their own, since
-- the old names are those of views for old clients in the end. SQLite lets
-- keys point to rows that come later, as long as clients do not enforce them.
CREATE TABLE unified_chunks (
	chunk_id TEXT PRIMARY KEY NOT NULL,
	contents TEXT NOT NULL,
	is_tag TEXT NOT NULL DEFAULT 'f' CHECK (is_tag IN ('t', 'f')),
	is_template TEXT NOT NULL DEFAULT 'f' CHECK (is_template IN ('t', 'f')),
	is_slot TEXT NOT NULL DEFAULT 'f' CHECK (is_slot IN ('t', 'f')),
	parent TEXT REFERENCES unified_chunks ON DELETE CASCADE,
	page TEXT REFERENCES texts ON DELETE CASCADE,
	attrs TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(attrs)),
	metadata TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
	legacy_tag_id INTEGER,
	created_time TEXT NOT NULL,
	last_updated TEXT NOT NULL
);
CREATE TABLE unified_chunk_tags (
	source_chunk_id TEXT NOT NULL REFERENCES unified_chunks ON DELETE CASCADE,
	tag_chunk_id TEXT NOT NULL REFERENCES unified_chunks ON DELETE CASCADE,
	PRIMARY KEY (source_chunk_id, tag_chunk_id)
) WITHOUT ROWID;
CREATE TABLE texts (
	id TEXT PRIMARY KEY NOT NULL,
	title TEXT NOT NULL,
	created_at TEXT NOT NULL,
	updated_at TEXT
);
CREATE TABLE embeddings (
	chunk_id TEXT PRIMARY KEY NOT NULL
		REFERENCES unified_chunks ON DELETE CASCADE,
	model TEXT NOT NULL,
	vector TEXT NOT NULL
);
CREATE TABLE graph_nodes (
	id INTEGER PRIMARY KEY,
	chunk_id TEXT REFERENCES unified_chunks ON DELETE SET NULL,
	label TEXT NOT NULL,
	weight REAL NOT NULL
);
-- while rows are copied these do what keys do where clients enforce them: a
-- row of a chunk that is no more is not let in
CREATE TRIGGER embeddings_tied BEFORE INSERT ON embeddings
WHEN NOT EXISTS (SELECT 1 FROM unified_chunks WHERE chunk_id = NEW.chunk_id)
BEGIN
	SELECT raise(ABORT, 'there is no such chunk');
END;
CREATE TRIGGER graph_nodes_tied BEFORE INSERT ON graph_nodes
WHEN NEW.chunk_id IS NOT NULL AND NOT EXISTS
	(SELECT 1 FROM unified_chunks WHERE chunk_id = NEW.chunk_id)
BEGIN
	SELECT raise(ABORT, 'there is no such chunk');
END;
