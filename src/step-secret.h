/* SPDX-License-Identifier: MIT */
#ifndef STEP_SECRET_H
#define STEP_SECRET_H
/*
 * step-secret - what a step takes out of documents, on its way to a store
 *
 *	json_secrets_init(&s);
 *	json_secrets_add(&s, store, name, text, n, err)   while editing
 *	json_secrets_put(&s, stores, n, id, ctx, err)     before the documents
 *	json_secrets_release(&s);                         wipes
 *
 * A store is a file of ours (one JSON object, name to text, 0600 in a 0700
 * directory, replaced durably), or three commands (put, get, remove) with
 * "{name}" among their arguments and the secret on standard input or output,
 * one text without a newline of our own. Another value under a name that is to
 * be used is a failure, the same value is fine; of commands "get" must fail
 * where there is nothing.
 *
 * On the disk: the store has all secrets durably when json_secrets_put()
 * returns 0; a store file is old or new, as a whole. Commands are journalled
 * (the names alone) before they put something, so that an undo knows what to
 * take out. Nothing here tells a secret to log, journal, events or messages.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct effects;
struct error;
struct json_store;
struct step_ctx;

struct json_secret {
	size_t store;
	char *name;
	char *text;
	size_t len;
};

struct json_secrets {
	struct json_secret *v;
	size_t n, cap;
	/* numbers from 1 by store and name (0: free), open addressing */
	uint32_t *table;
	size_t room;             /* a power of two, or 0 */
};

void json_secrets_init(struct json_secrets *s);
/* overwrites them, then frees */
void json_secrets_release(struct json_secrets *s);
/* copies; -EEXIST: another text under that name */
int json_secrets_add(struct json_secrets *s, size_t store, const char *name,
		     const char *text, size_t n, struct error *err);
/* NULL: nothing has that name there */
const struct json_secret *json_secrets_find(const struct json_secrets *s,
					    size_t store, const char *name);
/* step: the id under which the names are journalled */
int json_secrets_put(const struct json_secrets *s,
		     const struct json_store *stores, size_t store_n,
		     const char *step, struct step_ctx *c, struct error *err);
/* puts in by commands what json_secrets_undo() took out; idempotent */
int json_secrets_redo(const struct json_secrets *s,
		      const struct json_store *stores, const char *step,
		      struct step_ctx *c, struct error *err);
/* takes out what this run put in by commands; idempotent */
int json_secrets_undo(const struct json_store *stores, size_t store_n,
		      const char *step, struct step_ctx *c,
		      struct error *err);

#endif
