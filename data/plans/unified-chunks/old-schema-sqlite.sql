-- SPDX-License-Identifier: MIT
-- The same in SQLite, which has other types.
CREATE TABLE texts (
	id TEXT PRIMARY KEY NOT NULL,
	title TEXT NOT NULL,
	created_at TEXT NOT NULL,
	updated_at TEXT
);
CREATE TABLE chunks (
	id TEXT PRIMARY KEY NOT NULL,
	text_id TEXT REFERENCES texts ON DELETE CASCADE,
	content TEXT NOT NULL,
	is_template TEXT NOT NULL DEFAULT 'f',
	is_slot TEXT NOT NULL DEFAULT 'f',
	parent_chunk_id TEXT REFERENCES chunks ON DELETE CASCADE,
	slot_value TEXT,
	indent_level INTEGER NOT NULL DEFAULT 0,
	sequence_number INTEGER,
	metadata TEXT NOT NULL DEFAULT '{}',
	created_at TEXT NOT NULL,
	updated_at TEXT NOT NULL
);
CREATE TABLE tags (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL,
	created_at TEXT NOT NULL
);
CREATE TABLE chunk_tags (
	chunk_id TEXT NOT NULL REFERENCES chunks ON DELETE CASCADE,
	tag_id INTEGER NOT NULL REFERENCES tags ON DELETE CASCADE,
	PRIMARY KEY (chunk_id, tag_id)
) WITHOUT ROWID;
CREATE TABLE embeddings (
	chunk_id TEXT PRIMARY KEY NOT NULL,
	model TEXT NOT NULL,
	vector TEXT NOT NULL
);
CREATE TABLE graph_nodes (
	id INTEGER PRIMARY KEY,
	chunk_id TEXT,
	label TEXT NOT NULL,
	weight REAL NOT NULL
);
