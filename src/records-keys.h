/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_KEYS_H
#define RECORDS_KEYS_H
/*
 * records-keys - can the rows be gone through from key to key?
 *
 * A scan goes on behind the last key it saw, so a row without a key, or the
 * second one with the same, could be passed over. What the database takes for
 * the same counts as the same: texts that differ in case alone, where a column
 * does not tell these apart.
 *
 * Reads all keys, unless the primary key is among them. Writes nothing.
 */
struct error;
struct store;
struct store_shape;

/*
 * Looks for such a row. Returns 1, with *why as a sentence (the caller's to
 * free); 0 if there is none, or the store cannot be asked (files: their scans
 * tell); below it with err set.
 */
int records_keys_look(struct store *s, const struct store_shape *shape,
		      char **why, struct error *err);

#endif
