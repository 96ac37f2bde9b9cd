/* SPDX-License-Identifier: MIT */
#include "base/lib-load.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"

static int cannot(const char *soname, struct error *err)
{
	const char *why = dlerror();

	return error_set(err, ERR_UNSUPPORTED, -ENOENT,
			 _("cannot load '%s': %s"), soname, why ? why : "?");
}

static int fill(const char *soname, const struct lib_symbol *symbols, size_t n,
		char *table, struct error *err)
{
	void *lib = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return cannot(soname, err);
	/* backwards: the first one says that all are there */
	for (size_t i = n; i--;) {
		void *p = dlsym(lib, symbols[i].name);

		if (!p)
			return cannot(soname, err);
		memcpy(table + symbols[i].offset, &p, sizeof(p));
	}
	return 0;
}

int lib_load(const char *soname, const struct lib_symbol *symbols, size_t n,
	     void *table, struct error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	void *first;
	int ret = 0;

	(void)pthread_mutex_lock(&lock);
	memcpy(&first, (char *)table + symbols[0].offset, sizeof(first));
	if (!first)
		ret = fill(soname, symbols, n, table, err);
	(void)pthread_mutex_unlock(&lock);
	return ret;
}
