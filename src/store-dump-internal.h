/* SPDX-License-Identifier: MIT */
#ifndef STORE_DUMP_INTERNAL_H
#define STORE_DUMP_INTERNAL_H
/*
 * store-dump-internal - what dump and load share
 */
#include "store-dump.h"

struct store_batch;

/* the settings of a transaction that dumps or loads */
int dump_settings(struct store *s, struct error *err);
/* what is there now, without the rows; inside of a transaction, after which
   there is no search_path in it but the system's. sets "": see store-dump.h */
int dump_look(struct store *s, const struct strvec *sets,
	      struct store_dump *ret, struct error *err);
/* columns and objects of the sets whose oid is known, sorted by rank */
int dump_objects(struct store *s, struct store_dump *d, struct error *err);
/* views over those of the sets that are wanted (NULL: all), and over these, in
   the order in which they can be made; not those that are sets themselves */
int dump_views(struct store *s, const struct store_dump *on,
	       bool (*want)(void *ctx, const struct store_dump_set *set),
	       void *ctx, struct store_dump *ret, struct error *err);
int dump_drop_views(struct store *s, const struct store_dump *views,
		    struct error *err);
/* those beside the sets of kept (may be NULL) that are missing, then what was
   dropped and is not there again; lost: those that can not be */
int dump_make_views(struct store *s, const struct store_dump *kept,
		    const struct store_dump *dropped, struct strvec *lost,
		    struct error *err);
void dump_set_release(struct store_dump_set *set);

#endif
