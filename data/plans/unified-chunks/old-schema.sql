-- SPDX-License-Identifier: MIT
-- The schema before: texts are cut into chunks, tags hang on chunks,
-- embeddings and the nodes of a graph refer to chunks.  The foreign keys are
-- in old-references.sql, for behind the rows.
CREATE TABLE texts (
	id uuid PRIMARY KEY,
	title text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz
);
CREATE TABLE chunks (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	text_id uuid,
	content text NOT NULL,
	is_template boolean NOT NULL DEFAULT false,
	is_slot boolean NOT NULL DEFAULT false,
	parent_chunk_id uuid,
	slot_value text,
	indent_level integer NOT NULL DEFAULT 0,
	sequence_number integer,
	metadata jsonb NOT NULL DEFAULT '{}',
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE tags (
	id bigserial PRIMARY KEY,
	name text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE chunk_tags (
	chunk_id uuid NOT NULL,
	tag_id bigint NOT NULL,
	PRIMARY KEY (chunk_id, tag_id)
);
-- never with foreign keys: so there are orphans in the world
CREATE TABLE embeddings (
	chunk_id uuid PRIMARY KEY,
	model text NOT NULL,
	vector real[] NOT NULL
);
CREATE TABLE graph_nodes (
	id bigserial PRIMARY KEY,
	chunk_id uuid,
	label text NOT NULL,
	weight double precision NOT NULL
);
