/* SPDX-License-Identifier: MIT */
/* What goes on at this moment; the journal does not know, the engine does. */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "client.h"
#include "event.h"
#include "model.h"
#include "session.h"
#include "status-text.h"
#include "text.h"

/* engines tell four times a second how far they are; nobody waits for those
   that have nothing to tell */
#define LOOK_S 0.7

static void watch(struct client *c, struct model *m)
{
	uint64_t since = clock_mono_ns();

	while (!client_is_over(c) && !m->progress.given && !m->ask.id &&
	       clock_since(since) < LOOK_S) {
		struct pollfd p[CLIENT_FDS];
		size_t n = client_poll_fds(c, p);

		(void)poll(p, n, 50);
		(void)client_io(c, m, NULL, NULL);
	}
}

static void add_line(const struct model_progress *p, struct strbuf *out)
{
	struct event ev = {
		.type = EVENT_PROGRESS, .phase = p->phase,
		.id = *p->id ? p->id : NULL, .unit = p->unit,
		.done = p->done, .total = p->total, .records = p->records,
		.rate = p->rate, .eta_s = p->eta_s, .batch = p->batch,
		.bound = p->bound, .wait = p->wait,
		.figures = p->figures, .figure_n = p->figure_n,
	};
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	clock_now(&ev.time);
	text_event(&ev, false, &line);
	strbuf_addf(out, _("Now: %s\n"), line.buf);
}

void status_now(struct session *s, struct strbuf *out)
{
	struct client *c = NULL;
	struct model m;

	if (client_attach(&c, &s->sd, true, NULL) < 0)
		return;
	model_init(&m);
	watch(c, &m);
	if (m.progress.given && !m.ask.id)
		add_line(&m.progress, out);
	model_release(&m);
	client_free(c);
}
