/* SPDX-License-Identifier: MIT */
#define LIB_NO_NAMES
#include "store-pg-lib.h"

#define LIB_SYMBOL_pg(f) { #f, offsetof(struct pg_lib, f) },
LIB_TABLE_DEFINE(pg, PG_FUNCTIONS, LIBPQ_SONAME)
