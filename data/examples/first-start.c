/* SPDX-License-Identifier: MIT */
/*
 * first-start - an application that migrates its data when it starts
 *
 *	first-start PLAN DIR            migrate if need be, then work
 *	first-start PLAN DIR --dry      say what would be migrated
 *	first-start PLAN DIR --check    the plan's checks; is the data intact?
 *	first-start PLAN DIR --back     back to the old version
 *
 * The variable UPSHIFT names the program `upshift` if it is not in PATH.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <upshift.h>

static int on_event(void *ctx, const struct upshift_event *ev)
{
	(void)ctx;
	if (!strcmp(ev->type, "step") && ev->state &&
	    !strcmp(ev->state, "started"))
		printf("step %d of %d: %s\n", ev->n, ev->of, ev->id);
	else if (!strcmp(ev->type, "step") && !ev->state && ev->message)
		printf("would: %s: %s\n", ev->id, ev->message);
	return 0;
}

static void show(const char *what, const struct upshift_result *r)
{
	static const char *const words[] = { "PASS", "WARN", "FAIL" };

	printf("%s: %s, %d of %d steps, %d failed (status %d)\n", what,
	       r->success ? "ok" : "not ok", r->steps_completed,
	       r->steps_total, r->steps_failed, r->status);
	for (size_t i = 0; i < r->finding_n; i++)
		printf("  %s %s %s\n", words[r->findings[i].severity],
		       r->findings[i].id, r->findings[i].message);
	if (!r->success && *r->message)
		fputs(r->message, stderr);
}

static int end(const char *what, int ret, struct upshift_result *r)
{
	if (ret < 0)
		fprintf(stderr, "%s: %s\n", what, strerror(-ret));
	else
		show(what, r);
	ret = ret < 0 || !r->success;
	upshift_result_free(r);
	return ret;
}

static int start(const struct upshift_options *o)
{
	struct upshift_result r;
	struct upshift_state *s;
	int ret = upshift_run(o, false, &r);

	if (ret >= 0 && r.nothing_to_do) {
		if (*r.message)
			fputs(r.message, stderr);
		upshift_result_free(&r);
	} else if (end("migration", ret, &r)) {
		return 1;
	}
	ret = upshift_get_state(o, &s);
	if (ret < 0) {
		fprintf(stderr, "state: %s\n", strerror(-ret));
		return 1;
	}
	printf("at work with version %s\n", s && s->complete ? s->to :
	       s ? s->from : "?");
	upshift_state_free(s);
	return 0;
}

static int check(const struct upshift_options *o)
{
	struct upshift_result r;
	int ret = upshift_is_complete(o);

	if (ret < 0) {
		fprintf(stderr, "state: %s\n", strerror(-ret));
		return 1;
	}
	printf("complete: %s\n", ret ? "yes" : "no");
	if (!ret)
		return end("checks", upshift_validate(o, &r), &r);
	return end("integrity", upshift_check_integrity(o, "standard", &r),
		   &r);
}

int main(int argc, char **argv)
{
	struct upshift_options o = {
		.program = getenv("UPSHIFT"), .yes = true, .if_needed = true,
		.on_event = on_event,
	};
	const char *what = argc > 3 ? argv[3] : "";
	struct upshift_result r;

	if (argc < 3) {
		fprintf(stderr, "usage: first-start PLAN DIR [--dry|--check|"
			"--back]\n");
		return 64;
	}
	o.plan = argv[1];
	o.root = argv[2];
	if (!strcmp(what, "--dry"))
		return end("dry run", upshift_run(&o, true, &r), &r);
	if (!strcmp(what, "--check"))
		return check(&o);
	if (!strcmp(what, "--back"))
		return end("rollback", upshift_rollback(&o, NULL, &r), &r);
	return start(&o);
}
