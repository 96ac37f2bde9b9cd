/* SPDX-License-Identifier: MIT */
#ifndef LIB_LOAD_H
#define LIB_LOAD_H
/*
 * lib-load - a shared library that is needed now and then
 *
 * Linked in the usual way, libpq and libarchive with all that they need cost
 * every start of the program more than all else together. So they are loaded
 * when something calls them first: a header lists the functions that are used,
 * in a table of pointers that lib_load() fills.
 *
 *	#define X_FUNCTIONS(X) X(one) X(two)
 *	LIB_TABLE(x, X_FUNCTIONS)         struct x_lib, declared as x_lib
 *	#define one x_lib.one
 *
 * and in one file, ahead of these defines (LIB_NO_NAMES):
 *
 *	LIB_TABLE_DEFINE(x, X_FUNCTIONS, "libx.so.1")
 *
 * which makes x_lib_load(err): 0, or -ENOENT and ERR_UNSUPPORTED with the
 * reason. It may be called by several threads and again. What was loaded stays.
 */
#include <stddef.h>

struct error;

struct lib_symbol {
	const char *name;
	size_t offset;           /* of its pointer in the table */
};

int lib_load(const char *soname, const struct lib_symbol *symbols, size_t n,
	     void *table, struct error *err);

#define LIB_POINTER(f) __typeof__(f) *f;
#define LIB_TABLE(x, FUNCTIONS) \
	struct x##_lib { FUNCTIONS(LIB_POINTER) }; \
	extern struct x##_lib x##_lib; \
	int x##_lib_load(struct error *err);

#define LIB_TABLE_DEFINE(x, FUNCTIONS, soname) \
	struct x##_lib x##_lib; \
	int x##_lib_load(struct error *err) \
	{ \
		static const struct lib_symbol symbols[] = { \
			FUNCTIONS(LIB_SYMBOL_##x) \
		}; \
		return lib_load(soname, symbols, \
				sizeof(symbols) / sizeof(*symbols), \
				&x##_lib, err); \
	}

#endif
