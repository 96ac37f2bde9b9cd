/* SPDX-License-Identifier: MIT */
#ifndef SUPPORT_H
#define SUPPORT_H
/*
 * support - a support bundle from the command line or from a screen
 *
 * support_bundle() collects and redacts, tells what it has as lines for a
 * person, and writes the bundle unless it was asked for the list alone. It
 * sends nothing. Works while an engine works, and on a damaged journal.
 */
#include <stdbool.h>

struct error;
struct json_object;
struct plan;
struct run;
struct state_dir;
struct step_ops;
struct strvec;

struct support_spec {
	struct state_dir *sd;        /* open */
	const char *id;              /* of the run */
	const struct run *run;       /* NULL: cannot be opened */
	const struct plan *plan;     /* NULL: read from the run's copy, if kinds
					are given */
	const struct step_ops *const *kinds;
	const char *path;            /* NULL: a new name, in the current
					directory, or where that is the data, at
					home */
	bool list_only;
};

/*
 * 0, or -errno and err. lines: what is in it and where it lies; json: the same
 * as an object, new, may be NULL. Lines are there after a failed write, too.
 */
int support_bundle(const struct support_spec *spec, struct strvec *lines,
		   struct json_object **json, struct error *err);

#endif
