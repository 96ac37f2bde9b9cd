-- SPDX-License-Identifier: MIT
-- The foreign keys of old-schema.sql. With the rows there already each is one
-- join, and not a look for every row.
ALTER TABLE chunks ADD FOREIGN KEY (text_id) REFERENCES texts
	ON DELETE CASCADE;
ALTER TABLE chunks ADD FOREIGN KEY (parent_chunk_id) REFERENCES chunks
	ON DELETE CASCADE;
ALTER TABLE chunk_tags ADD FOREIGN KEY (chunk_id) REFERENCES chunks
	ON DELETE CASCADE;
ALTER TABLE chunk_tags ADD FOREIGN KEY (tag_id) REFERENCES tags
	ON DELETE CASCADE;
