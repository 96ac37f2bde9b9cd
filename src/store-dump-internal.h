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
void dump_set_release(struct store_dump_set *set);

#endif
