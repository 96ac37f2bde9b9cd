-- SPDX-License-Identifier: MIT
-- The schema after: a tag is a chunk as well, and all that refers to chunks
-- refers to one table. Keys between chunks come behind the rows.
CREATE SCHEMA unified;
CREATE TABLE unified.chunks (
	chunk_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	contents text NOT NULL,
	is_tag boolean NOT NULL DEFAULT false,
	is_template boolean NOT NULL DEFAULT false,
	is_slot boolean NOT NULL DEFAULT false,
	parent uuid,
	page uuid,
	attrs jsonb NOT NULL DEFAULT '{}',
	metadata jsonb NOT NULL DEFAULT '{}',
	legacy_tag_id bigint,
	created_time timestamptz NOT NULL DEFAULT now(),
	last_updated timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE unified.chunk_tags (
	source_chunk_id uuid NOT NULL,
	tag_chunk_id uuid NOT NULL,
	PRIMARY KEY (source_chunk_id, tag_chunk_id)
);
-- these are tied at once: a row of a chunk that is no more is not let in
CREATE TABLE unified.embeddings (
	chunk_id uuid PRIMARY KEY REFERENCES unified.chunks ON DELETE CASCADE,
	model text NOT NULL,
	vector real[] NOT NULL
);
CREATE TABLE unified.graph_nodes (
	id bigint PRIMARY KEY,
	chunk_id uuid REFERENCES unified.chunks ON DELETE SET NULL,
	label text NOT NULL,
	weight double precision NOT NULL
);
-- numbers of tags, for clients that know them by number
CREATE SEQUENCE unified.legacy_tag_ids;
