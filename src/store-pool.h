/* SPDX-License-Identifier: MIT */
#ifndef STORE_POOL_H
#define STORE_POOL_H
/*
 * store-pool - sessions with servers that are used more than once
 *
 * To connect costs a server some hundredths of a second of its processor, and
 * a step opens a store for each thing that it does. While somebody holds the
 * pool, a store that was opened with it in the options and is closed leaves its
 * session there: without transaction, settings, temporary tables, prepared
 * statements or locks (DISCARD ALL), as if it had just begun; whoever opens the
 * same URL next has it. A session that does not answer, or a server that does
 * not know the statement, is a session less: nobody notices.
 *
 *	p = store_pool_new();
 *	store_pool_hold(p);
 *	options.pool = p;
 *	store_open(url, &options, &s, &err); ... store_close(s);
 *	store_pool_let_go(p);                 the last one ends all sessions
 *	store_pool_free(p);                   when all of its stores are closed
 *
 * Hold it no longer than nobody else minds sessions that do nothing: commands
 * of a plan may want to rename a database, or copy it.
 *
 * Threads: any.
 */
struct store_pool;

struct store_pool *store_pool_new(void);
void store_pool_free(struct store_pool *p);
void store_pool_hold(struct store_pool *p);
void store_pool_let_go(struct store_pool *p);

#endif
