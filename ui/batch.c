/* SPDX-License-Identifier: MIT */
/* Events as lines of text, or of JSON. Never a carriage return. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "frontend.h"
#include "text.h"

#define PROGRESS_S 30

/* each 30 s (or as asked for), and each 10 % */
static bool progress_due(struct batch *b, const struct event *ev)
{
	double every = b->o->progress_interval >= 0 ?
		b->o->progress_interval : PROGRESS_S;
	uint64_t tenth = ev->total ? ev->done * 10 / ev->total : 0;
	uint64_t now = clock_mono_ns();
	const char *id = ev->id ? ev->id : "";

	/* one of several at once: the step as a whole has a line already */
	if (ev->part)
		return false;
	if (!b->progress_id || strcmp(b->progress_id, id) != 0) {
		free(b->progress_id);
		b->progress_id = xstrdup(id);
		b->progress_ns = now;
		b->progress_tenth = tenth;
		return false;
	}
	if (tenth == b->progress_tenth &&
	    clock_since(b->progress_ns) < every)
		return false;
	/* ten steps of a second together tell nobody anything */
	if (b->o->progress_interval < 0 && clock_since(b->progress_ns) < 2)
		return false;
	b->progress_ns = now;
	b->progress_tenth = tenth;
	return true;
}

static void on_event(void *self, const struct event *ev)
{
	struct batch *b = self;
	struct strbuf sb = STRBUF_INIT;

	if (ev->type == EVENT_ERROR) {
		text_error(ev, &sb);
		(void)fs_write_all(STDERR_FILENO, sb.buf, sb.len);
	} else if (!(ev->type == EVENT_PROGRESS && !progress_due(b, ev)) &&
		   !(b->o->quiet && ev->type != EVENT_SUMMARY)) {
		text_event(ev, b->o->verbose, &sb);
		if (sb.len)
			(void)out_line(sb.buf);
	}
	strbuf_release(&sb);
}

static void on_close(void *self)
{
	struct batch *b = self;

	free(b->progress_id);
	b->progress_id = NULL;
}

const struct reporter_ops batch_ops = {
	.name = "batch",
	.event = on_event,
	.close = on_close,
};

static void json_event(void *self, const struct event *ev)
{
	struct strbuf sb = STRBUF_INIT;
	_cleanup_json_ struct json_object *o = event_to_json(ev);

	(void)self;
	json_print(o, &sb);
	(void)out_line(sb.buf);
	strbuf_release(&sb);
}

const struct reporter_ops json_ops = {
	.name = "json",
	.event = json_event,
};
