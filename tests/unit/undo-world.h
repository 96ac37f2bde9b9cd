/* SPDX-License-Identifier: MIT */
#ifndef UNDO_WORLD_H
#define UNDO_WORLD_H
/*
 * undo-world - a tree with a backup, changed at random and put back
 *
 * world_init() makes W/root with a random tree in it and W/root/.upshift/b for
 * backups; the same seed gives the same tree, with every kind of entry that
 * the file system can hold. The step may write data/, single, self/ (the
 * entry alone), gone/x, made/ and made-self/; other/ is nobody's.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "effects.h"
#include "undo-internal.h"

struct world {
	char dir[64], root[80];
	int root_fd, backup_fd;
	uint64_t random;
	struct effects effects;
	struct error err;
	char start[BLAKE2_TEXT_SIZE], pre[BLAKE2_TEXT_SIZE];
	char post[BLAKE2_TEXT_SIZE], point[BLAKE2_TEXT_SIZE];
	bool has_post;
	bool no_exchange, force_sibling, no_link;
	struct strvec allow;     /* allow_paths */
	bool xattrs;             /* the file system has them */
};

void world_init(struct world *w, uint64_t seed);
void world_release(struct world *w);
uint64_t world_random(struct world *w, uint64_t n);
void world_put(struct world *w, const char *path, const char *text);
/* start and pre-image */
void world_back_up(struct world *w);
/* n random changes where the step may make them */
void world_change(struct world *w, int n);
/* what the step left */
void world_post(struct world *w);
/* every entry but .upshift with everything about it, a line each */
void world_list(struct world *w, struct strvec *ret);
/* fails the test with the first line that differs */
void world_same(const struct strvec *a, const struct strvec *b,
		const char *what);
void world_write_point(struct world *w, const char *name);

/* prepare, commit, check, dirmeta; to the pre-image, what is there to NAME */
int world_undo(struct world *w, const char *aside);
/* the same, back to point */
int world_return(struct world *w, const char *point, const char *aside);
void world_spec(struct world *w, struct undo_spec *spec, const char *aside);

#endif
