/* SPDX-License-Identifier: MIT */
/*
 * What json and jsonl say before anything is done: check and preview. Both
 * edit every file in memory and write nothing, so that whatever would stop the
 * step later stops it now.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "diff.h"
#include "effects.h"
#include "json-text.h"
#include "step-files.h"
#include "step-json-internal.h"

/* larger files are shown by their first changes */
#define DIFF_MAX (1024 * 1024)
#define RESULT_MAX (64 * 1024 * 1024)
#define SAMPLES 5
/* more files than these are only counted */
#define FILES_SHOWN 20

/* the id of an earlier step that changes one of the files that this one looks
   at, or NULL */
static const char *waits_for(const struct step *s, struct step_ctx *ctx)
{
	_cleanup_effects_ struct effects mine = EFFECTS_INIT;
	const struct plan *plan = step_plan(ctx);

	if (s->ops->effects(s, NULL, &mine, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < plan->step_n && plan->steps[i] != s; i++) {
		_cleanup_effects_ struct effects e = EFFECTS_INIT;
		const struct step *other = plan->steps[i];

		if (!other->ops->effects ||
		    other->ops->effects(other, NULL, &e, NULL) < 0)
			continue;
		for (size_t k = 0; k < mine.n; k++)
			if (effects_cover(&e, mine.v[k].path))
				return other->id;
	}
	return NULL;
}

/*
 * What is expected of the whole file, before and after: the latter needs the
 * result, which is kept in memory where it is small. Of a large one apply will
 * tell, still ahead of any change.
 */
static int look_file(struct json_attempt *a, const char *path, int fd,
		     const struct stat *st, struct error *err)
{
	_cleanup_close_ int out = -1;
	bool after = json_holding_has_paths(&a->after) &&
		st->st_size <= RESULT_MAX;
	int ret;

	if (after) {
		out = memfd_create("result", MFD_CLOEXEC);
		if (out < 0)
			return error_errno(err, ERR_STEP, -errno,
					   _("cannot keep the result"));
		a->pass.out_fd = out;
	}
	ret = json_attempt_file(a, path, fd, err);
	a->pass.out_fd = -1;
	if (ret >= 0)
		ret = json_holding_file(&a->before, fd, err);
	if (ret >= 0 && after)
		ret = json_holding_file(&a->after, out, err);
	return ret;
}

static int each_file(struct json_attempt *a, const struct strvec *files,
		     struct error *err)
{
	int ret = 0;

	a->pass.edit = true;
	a->pass.total = step_json_size(a->ctx, files);
	for (size_t i = 0; i < files->n && ret >= 0; i++) {
		_cleanup_close_ int fd = -1;
		struct stat st;

		ret = fd = step_json_open(a->ctx, files->v[i], &st, err);
		if (ret >= 0)
			ret = look_file(a, files->v[i], fd, &st, err);
	}
	return ret < 0 || !files->n ? ret : json_attempt_end(a, err);
}

/* --- check --- */

static void say_found(const struct json_attempt *a, size_t files,
		      struct check_result *r)
{
	_cleanup_strbuf_ struct strbuf n = STRBUF_INIT, of = STRBUF_INIT;

	step_json_number(&n, a->changed);
	step_json_number(&of, a->selected);
	check_result_set(r, CHECK_OK, ngettext("%s of %s values in %zu file "
			 "will change", "%s of %s values in %zu files will "
			 "change", files), n.buf, of.buf, files);
	if (!a->pass.bad_n)
		return;
	check_result_set(r, CHECK_WARN, ngettext("%llu bad record will be "
			 "left as it is", "%llu bad records will be left as "
			 "they are", a->pass.bad_n),
			 (unsigned long long)a->pass.bad_n);
}

int step_json_check(const struct step *s, struct step_ctx *ctx,
		    struct check_result *r, struct error *err)
{
	_cleanup_strvec_ struct strvec files = STRVEC_INIT;
	_cleanup_attempt_ struct json_attempt a;
	struct error why = ERROR_INIT;
	const char *first = waits_for(s, ctx);
	int ret = json_attempt_init(&a, s, ctx, first ? &why : err);

	if (first) {
		check_result_set(r, CHECK_OK, _("to be seen after step '%s'"),
				 first);
		error_release(&why);
		return 0;
	}
	if (ret >= 0)
		ret = step_json_files(a.m, ctx, &files, err);
	if (ret < 0)
		return ret;
	ret = each_file(&a, &files, &why);
	if (ret == -ECANCELED) {
		error_move(err, &why);
		return ret;
	}
	if (ret < 0) {
		check_result_set(r, CHECK_FAIL, "%s", why.msg);
		r->code = why.code;
		error_release(&why);
		return 0;
	}
	if (!files.n)
		check_result_set(r, CHECK_OK, _("there is no such file, and "
						"so nothing to change"));
	else
		say_found(&a, files.n, r);
	return 0;
}

/*
 * A rollback took the secrets out of a store that is reached by commands; they
 * are in the documents again, as long as these are the old ones.
 */
int step_json_redo(const struct step *s, struct step_ctx *ctx,
		   struct error *err)
{
	_cleanup_strvec_ struct strvec files = STRVEC_INIT;
	_cleanup_attempt_ struct json_attempt a;
	int ret = json_attempt_init(&a, s, ctx, err);

	if (ret < 0 || !step_json_has_secrets(a.m))
		return ret;
	ret = step_json_files(a.m, ctx, &files, err);
	a.pass.before = a.pass.after = NULL;
	a.pass.edit = true;
	for (size_t i = 0; i < files.n && ret >= 0; i++) {
		_cleanup_close_ int fd = -1;
		struct stat st;

		ret = fd = step_json_open(ctx, files.v[i], &st, err);
		if (ret >= 0)
			ret = json_attempt_file(&a, files.v[i], fd, err);
	}
	return ret < 0 ? ret : json_secrets_redo(&a.secrets, a.m->stores,
						 s->id, ctx, err);
}

/* --- preview --- */

/*
 * Does another step take secrets out of this file? Where they stand until then
 * (under another name, in a record that goes) only that step could tell, so
 * nothing of the file is shown.
 */
static bool others_take(const struct step *s, struct step_ctx *ctx,
			const char *path)
{
	const struct plan *plan = step_plan(ctx);

	for (size_t i = 0; i < plan->step_n; i++) {
		const struct step *other = plan->steps[i];

		if (other != s && other->ops->undo == step_json_undo &&
		    step_json_has_secrets(other->priv) &&
		    step_json_names(other->priv, path))
			return true;
	}
	return false;
}

static void show_samples(const struct json_attempt *a, const char *path,
			 int fd, struct preview *p)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	for (size_t i = 0; i < a->pass.sample_n; i++)
		strvec_pushf(&p->lines, "%s:%llu: %s -> %s", shown,
			     (unsigned long long)json_line_of(fd,
						a->pass.samples[i].offset),
			     a->pass.samples[i].before,
			     a->pass.samples[i].after);
}

static int show_diff(struct json_attempt *a, const char *path,
		     struct strbuf *text, struct preview *p,
		     struct error *err)
{
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT;
	int ret = step_files_read(a->ctx, path, DIFF_MAX, &old, err);

	if (ret < 0)
		return ret == -EFBIG ? 0 : ret;
	json_secrets_hide(&a->secrets, &old);
	json_secrets_hide(&a->secrets, text);
	diff_unified(path, old.buf, old.len,
		     a->m->output ? a->m->output : path, text->buf, text->len,
		     &p->lines);
	return 0;
}

static void say_file(const struct json_attempt *a, const char *path,
		     const struct stat *st, struct preview *p)
{
	_cleanup_strbuf_ struct strbuf n = STRBUF_INIT, of = STRBUF_INIT;
	_cleanup_free_ char *shown = escape_bytes(path);

	step_json_number(&n, a->pass.changed);
	step_json_number(&of, a->pass.selected);
	if (a->m->output)
		strvec_pushf(&p->lines, _("write '%s' from '%s': %s of %s "
			     "values change"), a->m->output, shown, n.buf,
			     of.buf);
	else
		strvec_pushf(&p->lines, _("edit '%s': %s of %s values "
			     "change"), shown, n.buf, of.buf);
	if (st->st_nlink > 1 && !a->m->output && a->pass.spliced)
		strvec_pushf(&p->lines, _("'%s' has %lu names; this one gets "
			     "a file of its own"), shown,
			     (unsigned long)st->st_nlink);
}

/* p->lines gets the changes themselves */
static int show_changes(struct json_attempt *a, const char *path, int fd,
			struct strbuf *text, struct preview *p,
			struct error *err)
{
	if (a->pass.out)
		return show_diff(a, path, text, p, err);
	show_samples(a, path, fd, p);
	return 0;
}

static int show_file(struct json_attempt *a, const char *path, bool shown,
		     struct preview *p, struct error *err)
{
	bool taken = others_take(a->s, a->ctx, path);
	bool hidden = a->s->secret || !shown || taken;
	_cleanup_close_ int fd = -1;
	struct strbuf text = STRBUF_INIT;
	struct stat st;
	bool small;
	int ret = fd = step_json_open(a->ctx, path, &st, err);

	if (ret < 0)
		return ret;
	small = !hidden && st.st_size <= DIFF_MAX;
	a->pass.out = small ? &text : NULL;
	/* a secret that was cut could not be told from other text */
	a->pass.sample_max = small || hidden ||
		step_json_has_secrets(a->m) ? 0 : SAMPLES;
	a->pass.sample_n = 0;
	ret = json_attempt_file(a, path, fd, err);
	if (ret >= 0 && (a->pass.spliced || a->m->output)) {
		p->nothing = false;
		if (shown)
			say_file(a, path, &st, p);
		if (!hidden)
			ret = show_changes(a, path, fd, &text, p, err);
		else if (shown && taken)
			strvec_push(&p->lines, _("not shown: another step "
				    "takes secrets out of this file"));
	}
	a->pass.out = NULL;
	strbuf_release(&text);
	return ret;
}

int step_json_preview(const struct step *s, struct step_ctx *ctx,
		      struct preview *p, struct error *err)
{
	_cleanup_strvec_ struct strvec files = STRVEC_INIT;
	_cleanup_attempt_ struct json_attempt a;
	const char *first = waits_for(s, ctx);
	int ret = json_attempt_init(&a, s, ctx, err);

	if (ret >= 0)
		ret = step_json_files(a.m, ctx, &files, err);
	if (ret < 0)
		return ret;
	if (first) {
		p->unknown = true;
		strvec_pushf(&p->lines, _("to be seen after step '%s'"),
			     first);
		return 0;
	}
	p->nothing = true;
	a.pass.edit = true;
	a.pass.total = step_json_size(ctx, &files);
	for (size_t i = 0; i < files.n && ret >= 0; i++)
		ret = show_file(&a, files.v[i], i < FILES_SHOWN, p, err);
	if (ret >= 0 && files.n > FILES_SHOWN && !p->nothing)
		strvec_pushf(&p->lines, _("and %zu more files"),
			     files.n - FILES_SHOWN);
	return ret;
}
