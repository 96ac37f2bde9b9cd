/* SPDX-License-Identifier: MIT */
/*
 * A provider's snapshot as the journal has it. Each command has a record before
 * it (creating, restoring, dropping) and one behind it; of one that was killed
 * in between nobody knows what it did, so it is run again, with the same name.
 */
#include <errno.h>
#include <string.h>

#include "base/child.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "run-internal.h"

#define UUID_PART 8

static bool is_one_of(const char *state, const char *const words[])
{
	for (size_t i = 0; state && words[i]; i++)
		if (!strcmp(state, words[i]))
			return true;
	return false;
}

bool run_has_snapshot(const struct run *r)
{
	static const char *const there[] = { "created", "restoring",
					     "restored", NULL };

	return r->snapshot.id && is_one_of(r->snapshot.state, there);
}

char *run_snapshot_text(const struct run *r)
{
	const struct run_snapshot *s = &r->snapshot;
	const char *name = s->id ? s->id : s->name;

	if (!s->state)
		return NULL;
	if (run_has_snapshot(r))
		return xasprintf(_("'%s', made %s"), s->id, s->time);
	if (!strcmp(s->state, "dropped"))
		return xasprintf(_("'%s', dropped"), name);
	return xasprintf(_("none that is complete; '%s' may be there"), name);
}

char *run_snapshot_name(const struct run *r)
{
	return xasprintf("upshift-%s-%.*s", r->id, UUID_PART,
			 json_get_str(r->begun, "uuid", ""));
}

static void fill(const char *text, const char *ref, const char *value,
		 struct strbuf *out)
{
	const char *at;

	while ((at = strstr(text, ref))) {
		strbuf_add(out, text, (size_t)(at - text));
		strbuf_addstr(out, value);
		text = at + strlen(ref);
	}
	strbuf_addstr(out, text);
}

void run_snapshot_argv(const struct run *r, const struct strvec *argv,
		       struct strvec *ret)
{
	_cleanup_free_ char *name = run_snapshot_name(r);
	const char *id = r->snapshot.id ? r->snapshot.id : name;

	for (size_t i = 0; i < argv->n; i++) {
		_cleanup_strbuf_ struct strbuf one = STRBUF_INIT;
		_cleanup_strbuf_ struct strbuf both = STRBUF_INIT;

		fill(argv->v[i], "${snapshot.name}", name, &one);
		fill(one.buf, "${snapshot.id}", id, &both);
		strvec_push(ret, both.buf);
	}
}

void run_snapshot_env(const struct run *r, struct strvec *env)
{
	_cleanup_free_ char *name = run_snapshot_name(r);

	strvec_pushf(env, "UPSHIFT_SNAPSHOT=%s", name);
	strvec_pushf(env, "UPSHIFT_SNAPSHOT_ID=%s",
		     r->snapshot.id ? r->snapshot.id : "");
	strvec_pushf(env, "UPSHIFT_RUN=%s", r->id);
	strvec_pushf(env, "UPSHIFT_ROOT=%s", r->sd->root);
}

static int drop(struct run *r, struct error *err)
{
	static const struct child_ops quiet;
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT, env = STRVEC_INIT;
	struct child_result res;
	const struct child_spec spec = {
		.argv = &argv, .env = &env, .dir_fd = r->sd->root_fd,
		.timeout_s = r->snapshot.timeout_s, .lock_fd = -1,
		.ops = &quiet,
	};
	int ret;

	run_snapshot_argv(r, &r->snapshot.drop, &argv);
	run_snapshot_env(r, &env);
	ret = child_run(&spec, &res, err);
	return ret < 0 ? ret : child_judge(&res, argv.v[0], spec.timeout_s,
					   NULL, ERR_STATE, err);
}

int run_drop_snapshot(struct run *r, struct error *err)
{
	const struct run_snapshot *s = &r->snapshot;
	int ret;

	if (!s->state || !strcmp(s->state, "dropped") || !s->drop.n)
		return 0;
	ret = run_record_snapshot(r, "dropping", NULL, err);
	if (ret < 0)
		return ret;
	ret = drop(r, err);
	if (ret < 0) {
		error_prefix(err, _("cannot drop snapshot '%s'"),
			     s->id ? s->id : s->name);
		return ret;
	}
	return run_record_snapshot(r, "dropped", NULL, err);
}
