/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_DRAIN_INTERNAL_H
#define RECORDS_DRAIN_INTERNAL_H
/*
 * records-drain-internal - one job while it is drained or repaired
 *
 * It borrows the worker of a copy for reading, putting and going back, with a
 * job of its own: rows replace others, and `where` names the keys as well.
 */
#include "records-copy-internal.h"
#include "records-live.h"

struct records_pool;

/* what the destination did not take, and why; tried again later */
struct records_refused {
	struct store_batch rows;     /* as the destination's; of a row that the
					source cannot give none */
	struct strvec keys;          /* of the source */
	struct strvec why, state;
};

struct records_one {
	const struct records_drain *d;
	const struct records_job *job;
	struct records_job own;
	struct records_run run;
	struct records_worker w;
	struct store *from, *to;     /* borrowed from the pool */
	char *queue;                 /* not quoted */
	struct strbuf where;
	struct store_batch gone;     /* keys of the destination */
	struct strvec gone_keys;     /* of the source, one for each */
	bool all_gone;               /* those of the whole queue are in `gone` */
	/* the destination refuses a row: makes room for it, where it can;
	   returns whether there is another reason to try again. May be NULL */
	int (*make_room)(void *ctx, struct error *err);
	void *room_ctx;
	struct records_refused refused;
	struct records_drained out;
	uint64_t *done, total;       /* of the whole, for tick() */
};

/* stores by their URLs, opened once */
struct records_pool {
	const struct records_drain *d;
	struct records_pooled {
		const char *url;
		bool source;
		struct store *s;
		char *state;         /* what is seen of a source */
	} *v;
	size_t n;
	uint64_t done, total;
};
int records_pool_get(struct records_pool *p, const struct records_job *job,
		     bool source, struct store **ret, struct error *err);
void records_pool_close(struct records_pool *p);

int records_one_init(struct records_one *o, struct records_pool *p,
		     const struct records_drain *d,
		     const struct records_job *job, struct error *err);
void records_one_release(struct records_one *o);
/* all rows of o->own.from go to the destination, but those that wanted() does
   not want (may be NULL); key: as store_key() of the source */
typedef bool records_wanted_fn(void *ctx, const struct records_one *o,
			       uint32_t row, const char *key);
int records_one_put(struct records_one *o, records_wanted_fn *wanted,
		    void *ctx, struct error *err);
/* the same of the rows whose keys are in the queue; those that are gone are in
   o->gone then */
int records_one_rows(struct records_one *o, struct error *err);
/* all keys of the queue without a row are in o->gone then */
int records_one_gone(struct records_one *o, struct error *err);
/* o->gone out of the destination; returns how many of them it kept */
int records_one_delete(struct records_one *o, struct error *err);
/* the refused ones once more; returns how many are left */
int records_one_retry(struct records_one *o, struct error *err);
/* no more tries: aside with them, or the end */
int records_one_refuse(struct records_one *o, struct error *err);
void records_one_note(struct records_one *o, const char *text);
/* a cell as SQL */
void records_add_literal(struct strbuf *sql, const struct store *s,
			 const struct store_batch *b, uint32_t row,
			 uint32_t col);
/* "(a, b) IN (...)" of the columns, as the shape reads them, and the cells from
   `first` of n rows */
void records_add_in(struct strbuf *sql, const struct store *s,
		    const struct store_shape *shape, uint32_t nkey,
		    const struct store_batch *b, uint32_t first,
		    uint32_t from, uint32_t n);

#endif
