/* SPDX-License-Identifier: MIT */
#include "engine-snapshot.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/child.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-rollback.h"

#define ID_MAX 200

static void note(struct engine *e, const char *fmt, ...) _printf_(2, 3);
static void note(struct engine *e, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	engine_log(e, NULL, "note", text, strlen(text));
}

/* out: what it says on standard output, or NULL */
static int command(struct engine *e, const struct plan_command *cmd,
		   enum event_phase phase, enum err_code code,
		   struct strbuf *out, struct error *err)
{
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT, env = STRVEC_INIT;
	_cleanup_strbuf_ struct strbuf tail = STRBUF_INIT;
	struct step_command sc = { .argv = &argv, .env = &env,
				   .timeout_s = cmd->timeout_s, .capture = out,
				   .tail = &tail, .of_run = true };
	struct child_result res;
	struct step_ctx c;
	int ret;

	run_snapshot_argv(e->run, &cmd->argv, &argv);
	run_snapshot_env(e->run, &env);
	step_ctx_init(&c, e, NULL, phase);
	ret = step_command(&c, &sc, &res, err);
	step_ctx_release(&c);
	return ret < 0 ? ret : child_judge(&res, argv.v[0], cmd->timeout_s,
					   &tail, code, err);
}

/* --- made --- */

/* the first line that says anything; a command without words made it under
   our name */
static char *id_of(const struct strbuf *out, const char *name)
{
	const char *p = out->buf, *end = out->buf + out->len;
	size_t n;

	while (p < end && strchr(" \t\r\n", *p))
		p++;
	n = strcspn(p, "\r\n");
	while (n && strchr(" \t", p[n - 1]))
		n--;
	return n ? xstrndup(p, n) : xstrdup(name);
}

static bool is_fine(const char *id)
{
	if (strlen(id) > ID_MAX || !utf8_valid(id, strlen(id)))
		return false;
	for (const unsigned char *p = (const unsigned char *)id; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return false;
	return true;
}

static struct json_object *intent(const struct engine *e, const char *name)
{
	const struct plan_command *drop = &e->plan->snapshot.drop;
	struct json_object *x = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_set_str(x, "name", name);
	for (size_t i = 0; i < drop->argv.n; i++)
		json_array_add_bytes(list, drop->argv.v[i]);
	json_object_object_add(x, "drop", list);
	json_set_double(x, "timeout_s", drop->timeout_s);
	return x;
}

static int create(struct engine *e, const char *name, struct error *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	_cleanup_free_ char *id = NULL;
	struct json_object *x;
	int ret = command(e, &e->plan->snapshot.create, PHASE_BACKUP,
			  ERR_BACKUP, &out, err);

	if (ret < 0)
		return ret;
	id = id_of(&out, name);
	if (!is_fine(id))
		return error_set(err, ERR_BACKUP, -EINVAL,
			_("'%s' must say in its first line how the snapshot "
			  "is called"), e->plan->snapshot.create.argv.v[0]);
	x = json_object_new_object();
	json_set_str(x, "id", id);
	return run_record_snapshot(e->run, "created", x, err);
}

/* what a command that was cut short made, or what is older than the backup */
static void drop_old(struct engine *e)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	/* there may be nothing */
	if (e->run->snapshot.state &&
	    run_drop_snapshot(e->run, &err) < 0)
		engine_log(e, NULL, "note", err.msg, strlen(err.msg));
}

int engine_snapshot_create(struct engine *e, bool anew, struct error *err)
{
	_cleanup_free_ char *name = NULL;
	int ret;

	if (!e->plan->snapshot.create.argv.n ||
	    (run_has_snapshot(e->run) && !anew))
		return 0;
	name = run_snapshot_name(e->run);
	drop_old(e);
	ret = run_record_snapshot(e->run, "creating", intent(e, name), err);
	if (ret < 0)
		return ret;
	note(e, _("making snapshot '%s'"), name);
	ret = create(e, name, err);
	if (ret < 0) {
		error_prefix(err, _("the snapshot could not be made"));
		if (err->code != ERR_JOURNAL && err->code != ERR_CANCELLED)
			(void)run_record_snapshot(e->run, "failed", NULL,
						  NULL);
		return ret;
	}
	note(e, _("snapshot '%s' made"), e->run->snapshot.id);
	return 0;
}

/* --- put back --- */

int engine_snapshot_may(struct engine *e, const char *point, int goal,
			struct error *err)
{
	const char *why = NULL;

	if (!run_has_snapshot(e->run) || !e->plan->snapshot.restore.argv.n)
		why = N_("there is no snapshot");
	else if (goal > 0 || rollback_some(e))
		why = N_("a snapshot holds the start alone");
	return why ? error_set(err, ERR_NO_WAY_BACK, -EPERM,
			       _("cannot go back to %s like that: %s"), point,
			       _(why)) : 0;
}

int engine_snapshot_restore(struct engine *e, struct error *err)
{
	const struct run_snapshot *s = &e->run->snapshot;
	struct json_object *x;
	int ret;

	if (s->restored && !strcmp(s->restored, e->run->rollback_r) &&
	    !strcmp(s->state, "restored"))
		return 0;
	engine_leases_end(e);
	ret = run_record_snapshot(e->run, "restoring", NULL, err);
	if (ret < 0)
		return ret;
	note(e, _("putting snapshot '%s' back"), s->id);
	ret = command(e, &e->plan->snapshot.restore, PHASE_ROLLBACK,
		      ERR_ROLLBACK, NULL, err);
	if (ret < 0) {
		error_prefix(err, _("snapshot '%s' could not be put back"),
			     s->id);
		return ret;
	}
	x = json_object_new_object();
	json_set_str(x, "r", e->run->rollback_r);
	ret = run_record_snapshot(e->run, "restored", x, err);
	return ret < 0 ? ret : engine_leases_begin(e, err);
}

/* --- ahead --- */

int engine_snapshot_check(struct engine *e, struct error *err)
{
	const struct plan_snapshot *s = &e->plan->snapshot;
	const struct strvec *const all[] = { &s->create.argv,
					     &s->restore.argv, &s->drop.argv };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_free_ char *path = NULL;
		int ret = all[i]->n ? child_find(all[i]->v[0], e->sd->root_fd,
						 &path) : 0;

		if (ret < 0)
			return error_errno(err, ERR_TOOL, ret,
				_("snapshot: cannot run '%s'"), all[i]->v[0]);
	}
	return 0;
}

void engine_snapshot_preview(struct engine *e)
{
	struct step_command sc = { .argv = &e->plan->snapshot.create.argv };
	struct child_result res;
	struct step_ctx c;

	if (!sc.argv->n)
		return;
	step_ctx_init(&c, e, NULL, PHASE_BACKUP);
	(void)step_command(&c, &sc, &res, NULL); /* started is nothing */
	step_ctx_release(&c);
}
