/* SPDX-License-Identifier: MIT */
#ifndef WIZARD_WORLD_H
#define WIZARD_WORLD_H
/*
 * wizard-world - a plan, a root, and a wizard that is walked without a screen
 *
 * The real engine works in its own process. until() and its like read on until
 * a page, a question or a choice is there; every page is drawn on the way.
 */
#include "scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "base/clock.h"
#include "base/json.h"
#include "run.h"
#include "steps.h"
#include "wizard.h"

/* nobody waits longer for a page; a test that gets here has failed */
#define PATIENCE_S 180

static _unused_ const char plan_text[] =
	"plan = 1; name = \"acme\"; title = \"Acme\"; from = \"1\"; to = \"2\";\n"
	"backup: { include = [\"data\"]; };\n"
	"checks = ( { id = \"C01\"; kind = \"exists\"; paths = [\"data\"]; },\n"
	" { id = \"C02\"; kind = \"absent\"; paths = [\"new\"]; } );\n"
	"steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = [\"new\"]; },\n"
	" { id = \"conf\"; kind = \"write\"; path = \"new/conf\"; text = \"two\\n\"; },\n"
	" { id = \"old\"; kind = \"run\"; run = [\"sh\", \"step.sh\"];\n"
	"   creates = [\"new/made\"]; optional = true; } );\n"
	"verify = ( { id = \"V01\"; kind = \"unchanged\"; paths = [\"data\"]; } );\n";

struct world {
	struct scratch *s;
	char *root, *plan;
	struct options o;
	struct wizard *w;
	unsigned int seen;
};

static _unused_ void world_init(struct world *x, struct scratch *s)
{
	int fd;

	memset(x, 0, sizeof(*x));
	x->s = s;
	put_dir(s->fd, "root");
	put_dir(s->fd, "root/data");
	put_file(s->fd, "root/data/a", "one\n");
	put_file(s->fd, "root/step.sh", "echo made > new/made\n");
	put_file(s->fd, "acme.plan", plan_text);
	fd = openat(s->fd, "state", O_RDONLY);
	assert_true(fd < 0);
	x->root = xasprintf("%s/root", s->dir);
	x->plan = xasprintf("%s/acme.plan", s->dir);
	assert_int_equal(setenv("XDG_STATE_HOME", s->dir, 1), 0);
	x->o.command = "run";
	x->o.root = x->root;
	strvec_push(&x->o.args, x->plan);
}

static _unused_ void world_end(struct world *x)
{
	wizard_close(x->w);
	strvec_release(&x->o.args);
	free(x->root);
	free(x->plan);
}

static _unused_ void open_wizard(struct world *x, const char *command)
{
	wizard_close(x->w);
	x->w = NULL;
	x->o.command = command;
	if (strcmp(command, "run") != 0)
		strvec_clear(&x->o.args);
	assert_int_equal(wizard_open(&x->w, &x->o, step_kinds, false), 0);
}

static _unused_ void turn(struct world *x)
{
	struct pollfd p[WIZARD_FDS];
	size_t n = wizard_poll_fds(x->w, p);
	int ms = wizard_timeout(x->w);
	struct sheet s;

	assert_true(n <= WIZARD_FDS);
	(void)poll(p, n, ms < 0 ? 100 : ms);
	x->seen |= wizard_io(x->w);
	/* every page must be drawable at every moment */
	sheet_init(&s);
	wizard_sheet(x->w, &s);
	assert_string_equal(s.code, page_code(wizard_page(x->w)));
	assert_non_null(s.safety);
	assert_non_null(s.status);
	sheet_release(&s);
}

static _unused_ void until(struct world *x, enum page page)
{
	uint64_t since = clock_mono_ns();

	while (wizard_page(x->w) != page ||
	       (page == PAGE_C20 && !wizard_model(x->w)->ask.id)) {
		turn(x);
		if (clock_since(since) > PATIENCE_S)
			fail_msg("on %s, not %s: %s",
				 page_code(wizard_page(x->w)),
				 page_code(page), wizard_notice(x->w));
	}
}

static _unused_ void until_quit(struct world *x)
{
	uint64_t since = clock_mono_ns();

	while (!(x->seen & WIZARD_QUIT)) {
		turn(x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

/* the question that is open now is another than the one before */
static _unused_ void until_asked(struct world *x, const char *id)
{
	uint64_t since = clock_mono_ns();

	while (!wizard_model(x->w)->ask.id ||
	       strcmp(wizard_model(x->w)->ask.id, id) != 0) {
		turn(x);
		if (clock_since(since) > PATIENCE_S)
			fail_msg("asked %s, not %s",
				 wizard_model(x->w)->ask.id, id);
	}
	/* nothing moves by itself while somebody thinks */
	assert_int_equal(wizard_timeout(x->w), -1);
}

static _unused_ unsigned int act(struct world *x, const char *id)
{
	unsigned int r = wizard_act(x->w, id, NULL, NULL);

	x->seen |= r;
	return r;
}

/* does the page say so? */
static _unused_ bool says(struct world *x, const char *text)
{
	bool found = false;
	struct sheet s;

	sheet_init(&s);
	wizard_sheet(x->w, &s);
	for (size_t i = 0; i < s.n; i++) {
		const char *const t[] = { s.items[i].label, s.items[i].text,
					  s.items[i].note };

		for (size_t k = 0; k < ARRAY_SIZE(t); k++)
			found |= t[k] && strstr(t[k], text);
	}
	found |= strstr(s.safety, text) || strstr(s.status, text);
	sheet_release(&s);
	return found;
}

static _unused_ bool offers(struct world *x, const char *id)
{
	const struct sheet_item *it;
	struct sheet s;
	bool ret;

	sheet_init(&s);
	wizard_sheet(x->w, &s);
	it = sheet_find(&s, id);
	ret = it && it->enabled;
	sheet_release(&s);
	return ret;
}

/* are letters what is typed, and no keys? */
static _unused_ bool takes_letters(struct world *x)
{
	struct sheet s;
	bool ret;

	sheet_init(&s);
	wizard_sheet(x->w, &s);
	ret = s.typed;
	sheet_release(&s);
	return ret;
}

static _unused_ void until_offered(struct world *x, const char *id)
{
	uint64_t since = clock_mono_ns();

	while (!offers(x, id)) {
		turn(x);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

static _unused_ int system_in(struct world *x, const char *command)
{
	_cleanup_free_ char *line = xasprintf("cd '%s' && %s", x->s->dir,
					      command);

	return system(line);
}

static _unused_ void to_first_step(struct world *x)
{
	open_wizard(x, "run");
	assert_int_equal(wizard_page(x->w), PAGE_W10);
	assert_false(there(x->s->fd, "root/.upshift"));
	act(x, "start");
	until(x, PAGE_C20);
	assert_true(says(x, "2 checks: 2 ok"));
	assert_true(says(x, "DATA not changed"));
	assert_false(there(x->s->fd, "root/new"));
	act(x, "go-on");
	until(x, PAGE_S40);
	assert_string_equal(wizard_model(x->w)->ask.id, "confirm:dirs");
	assert_true(says(x, "BACKUP verified"));
	assert_false(there(x->s->fd, "root/new"));
}

#endif
