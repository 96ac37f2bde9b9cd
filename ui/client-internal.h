/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H
/*
 * client-internal - the two sides of the fork
 */
#include "client.h"

struct client_pipes {
	int ready;    /* a byte when the engine listens */
	int report;   /* its standard error */
	int stream;   /* events of one that only looks, -1: by the socket */
};

/* never returns; the descriptors are the child's ends */
_noreturn_ void client_child(const struct client_spec *spec,
			     const struct client_pipes *p);

#endif
