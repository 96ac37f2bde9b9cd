/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_STORES_INTERNAL_H
#define ENGINE_STORES_INTERNAL_H
/*
 * engine-stores-internal - what saving and loading of sets share
 */
struct error;

/* ".upshift-stores/STORE/SET.end"; caller frees */
char *stores_member(const char *store, const char *set, const char *end);
/* a nameless file in dirfd, beside archive NAME; -errno */
int stores_temp(int dirfd, const char *name, struct error *err);

#endif
