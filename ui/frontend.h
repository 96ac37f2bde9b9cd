/* SPDX-License-Identifier: MIT */
#ifndef FRONTEND_H
#define FRONTEND_H
/*
 * frontend - reporters and answers of the commands that have no screen
 */
#include "ask.h"
#include "command.h"
#include "event.h"

/* text lines: results to standard output, errors to standard error */
struct batch {
	const struct options *o;
	uint64_t progress_ns;        /* of the last line */
	uint64_t progress_tenth;
	char *progress_id;
};
extern const struct reporter_ops batch_ops;      /* self: struct batch */
extern const struct reporter_ops json_ops;       /* one object a line */

/* --log-file; 0, or the exit status, having said why. o must outlive bus */
int log_file_add(const struct options *o, struct event_bus *bus);

/* self: struct options; never waits for anybody */
int ask_batch(void *ctx, struct ask *a);

#endif
