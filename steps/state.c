/* SPDX-License-Identifier: MIT */
/*
 * state - a JSON document that tells the application what was done
 *
 * path; keys: our names and the application's (from, to, started, completed,
 * steps, rollback_available, backup_location, version); the document has
 * exactly these, in this order, or all of them under our names if keys is not
 * given. version: the value under that name, a text ("1"). phases: the names
 * that the check phase and the backup phase bear, ahead of the steps.
 *
 * It says what holds once it is applied: the step itself and what comes before
 * it is completed (or skipped, or failed), what comes later is pending.
 * `completed` is the time of the first attempt, so that applying again gives
 * the same bytes. A document that is there is replaced.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "diff.h"
#include "effects.h"
#include "step-files.h"
#include "step-write.h"
#include "steps.h"

#define DOCUMENT_MAX (1024u * 1024u)

static const char *const names[] = {
	"version", "from", "to", "started", "completed", "steps",
	"rollback_available", "backup_location", NULL,
};

struct state_step {
	char *path, *version;
	struct strvec keys;      /* pairs: ours, theirs */
	struct strvec phases;
};

static bool is_name(const char *name)
{
	for (size_t i = 0; names[i]; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static void check_keys(struct plan_node *n, const struct strvec *keys)
{
	for (size_t i = 0; i < keys->n; i += 2) {
		const char *near = nearest_word(keys->v[i], names);

		if (!is_name(keys->v[i]) && near)
			plan_node_problem(n, "keys",
				_("unknown name '%s'; did you mean '%s'?"),
				keys->v[i], near);
		else if (!is_name(keys->v[i]))
			plan_node_problem(n, "keys", _("unknown name '%s'"),
					  keys->v[i]);
		for (size_t k = 0; k < i; k += 2)
			if (!strcmp(keys->v[k + 1], keys->v[i + 1]))
				plan_node_problem(n, "keys",
					_("two values under the name '%s'"),
					keys->v[i + 1]);
	}
}

static int state_parse(struct step *s, struct plan_node *n)
{
	struct state_step *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	(void)plan_node_path(n, "path", true, &m->path);
	if (plan_node_pairs(n, "keys", &m->keys))
		check_keys(n, &m->keys);
	else
		for (size_t i = 0; names[i]; i++) {
			strvec_push(&m->keys, names[i]);
			strvec_push(&m->keys, names[i]);
		}
	if (!plan_node_string(n, "version", false, &m->version))
		m->version = xstrdup("1");
	(void)plan_node_list(n, "phases", false, &m->phases);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int state_effects(const struct step *s, struct step_ctx *ctx,
			 struct effects *out, struct error *err)
{
	const struct state_step *m = s->priv;

	return step_files_effect(ctx, m->path, 0, out, err);
}

/* --- the document --- */

static void add_status(struct json_object *list, const char *name,
		       const char *status)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "name", name);
	json_set_str(o, "status", status);
	json_object_array_add(list, o);
}

static struct json_object *step_list(const struct step *s,
				     struct step_ctx *ctx,
				     const struct step_run_info *info)
{
	const struct state_step *m = s->priv;
	const struct plan *p = step_plan(ctx);
	struct json_object *list = json_object_new_array();
	/* without a run, in a dry run, what comes before is pending as well */
	bool before = !*info->run_id;

	for (size_t i = 0; i < m->phases.n; i++)
		add_status(list, m->phases.v[i], "completed");
	for (size_t i = 0; i < p->step_n; i++) {
		const char *status = info->step_state(ctx, i);

		if (p->steps[i] == s ||
		    (before && !strcmp(status, "pending")))
			status = "completed";
		before = before && p->steps[i] != s;
		add_status(list, p->steps[i]->id, status);
	}
	return list;
}

/* a path may hold any bytes, a JSON text may not */
static void set_text(struct json_object *o, const char *key, const char *v)
{
	_cleanup_free_ char *shown = NULL;

	v = v ? v : "";
	if (!utf8_valid(v, strlen(v)))
		v = shown = escape_bytes(v);
	json_set_str(o, key, v);
}

static void set_value(const struct step *s, struct step_ctx *ctx,
		      const struct step_run_info *info, struct json_object *o,
		      const char *name, const char *key)
{
	const struct state_step *m = s->priv;
	const struct plan *p = step_plan(ctx);

	if (!strcmp(name, "version"))
		set_text(o, key, m->version);
	else if (!strcmp(name, "from"))
		set_text(o, key, p->from);
	else if (!strcmp(name, "to"))
		set_text(o, key, p->to);
	else if (!strcmp(name, "started"))
		set_text(o, key, info->started);
	else if (!strcmp(name, "completed"))
		set_text(o, key, step_started(ctx));
	else if (!strcmp(name, "steps"))
		json_object_object_add(o, key, step_list(s, ctx, info));
	else if (!strcmp(name, "rollback_available"))
		json_set_bool(o, key, info->rollback_available);
	else
		set_text(o, key, info->backup_location);
}

static void document(const struct step *s, struct step_ctx *ctx,
		     struct strbuf *out)
{
	const struct state_step *m = s->priv;
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct step_run_info info;

	step_run_info(ctx, &info);
	for (size_t i = 0; i < m->keys.n; i += 2)
		set_value(s, ctx, &info, o, m->keys.v[i], m->keys.v[i + 1]);
	strbuf_addstr(out, json_object_to_json_string_ext(o,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		JSON_C_TO_STRING_NOSLASHESCAPE));
	strbuf_addch(out, '\n');
}

/* *there: 0 nothing, 1 a file with what is in old, 2 something else */
static int look(const struct state_step *m, struct step_ctx *ctx,
		struct strbuf *old, mode_t *mode, int *there,
		struct error *err)
{
	struct stat st;
	int ret = step_files_stat(ctx, m->path, &st, err);

	*there = 0;
	*mode = 0644;
	if (ret <= 0)
		return ret;
	*there = S_ISREG(st.st_mode) ? 1 : 2;
	if (*there == 2)
		return 0;
	*mode = st.st_mode & 07777;
	ret = step_files_read(ctx, m->path, DOCUMENT_MAX, old, err);
	return ret == -EFBIG ? 0 : ret;
}

static int state_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err)
{
	const struct state_step *m = s->priv;
	_cleanup_free_ char *shown = escape_bytes(m->path);
	struct stat st;
	int ret = step_files_stat(ctx, m->path, &st, err);

	if (ret < 0)
		return ret;
	check_result_set(r, CHECK_OK, _("'%s' can be written"), shown);
	if (ret && !S_ISREG(st.st_mode)) {
		check_result_set(r, CHECK_FAIL,
			_("'%s' is there and is no regular file"), shown);
		r->code = ERR_STEP_EXISTS;
	}
	return 0;
}

static int state_preview(const struct step *s, struct step_ctx *ctx,
			 struct preview *p, struct error *err)
{
	const struct state_step *m = s->priv;
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT, text = STRBUF_INIT;
	mode_t mode;
	int there, ret = look(m, ctx, &old, &mode, &there, err);

	if (ret < 0)
		return ret;
	document(s, ctx, &text);
	step_files_say(p, there ? _("replace") : _("write"), m->path);
	diff_unified(there ? m->path : "/dev/null", old.buf, old.len, m->path,
		     text.buf, text.len, &p->lines);
	return 0;
}

static int state_probe(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err)
{
	const struct state_step *m = s->priv;
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT, text = STRBUF_INIT;
	mode_t mode;
	bool equal;
	int there, touched, r = look(m, ctx, &old, &mode, &there, err);

	touched = r < 0 ? r : step_files_touched(ctx, m->path, err);
	if (touched < 0)
		return touched;
	document(s, ctx, &text);
	equal = there == 1 && old.len == text.len &&
		!memcmp(old.buf, text.buf, text.len);
	*ret = equal ? PROBE_FULLY : touched ? PROBE_PARTLY : PROBE_NOT;
	return equal && touched ? step_files_settle(ctx, m->path, err) : 0;
}

static int state_apply(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	const struct state_step *m = s->priv;
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_free_ char *shown = escape_bytes(m->path);
	mode_t mode;
	int there, ret = look(m, ctx, &old, &mode, &there, err);

	if (ret < 0)
		return ret;
	if (there == 2)
		return error_set(err, ERR_STEP_EXISTS, -EEXIST,
			_("'%s' is there and is no regular file"), shown);
	document(s, ctx, &text);
	return step_write(ctx, m->path, text.buf, text.len, mode, there, err);
}

static void state_release(struct step *s)
{
	struct state_step *m = s->priv;

	if (!m)
		return;
	free(m->path);
	free(m->version);
	strvec_release(&m->keys);
	strvec_release(&m->phases);
	free(m);
	s->priv = NULL;
}

const struct step_ops state_ops = {
	.name = "state",
	.parse = state_parse,
	.effects = state_effects,
	.check = state_check,
	.preview = state_preview,
	.probe = state_probe,
	.apply = state_apply,
	.release = state_release,
};
