/* SPDX-License-Identifier: MIT */
/*
 * write - a file with a content that the plan gives
 *
 * path; one of text, source (a file beside the plan, taken as it is) and
 * template (the same, with ${...} filled in); mode ("0644"); replace (false).
 *
 * text and template are filled in when the step is applied; in .json and
 * .jsonl files the values are escaped for inside a JSON string, and a .json
 * file must be one valid document before it is put in place. The new file is
 * built in the stage and renamed over the old one, so that the name is old or
 * new at any moment. A file that is replaced leaves its owner and extended
 * attributes (ACLs too) to the new one; other names of its inode stay old.
 * A file of equal content is left alone; mode counts if the plan gives one.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "diff.h"
#include "effects.h"
#include "json-scan.h"
#include "step-files.h"
#include "step-write.h"
#include "steps.h"

/* more is not shown in a preview */
#define SHOWN_MAX (1024u * 1024u)

struct write_step {
	char *path;
	char *text;                    /* NULL: file */
	const struct plan_file *file;  /* borrowed from the plan */
	bool fill;                     /* ${...} is to be filled in */
	bool json, escape;
	bool mode_given, replace;
	mode_t mode;
};

/* --- parsing --- */

static int json_valid(const char *p, size_t n, struct strbuf *why)
{
	struct json_scan *scan = json_scan_new(NULL, NULL);
	struct json_place at;
	int ret = json_scan_feed(scan, p, n);

	if (ret >= 0)
		ret = json_scan_end(scan);
	if (ret < 0) {
		const char *reason = json_scan_reason(scan, &at);

		strbuf_addf(why, _("line %llu, column %llu: %s"),
			    (unsigned long long)at.line,
			    (unsigned long long)at.column, _(reason));
	}
	json_scan_free(scan);
	return ret;
}

static void parse_content(struct write_step *w, struct plan_node *n)
{
	bool text = plan_node_has(n, "text");
	bool source = plan_node_has(n, "source");
	bool template = plan_node_has(n, "template");
	const char *key = text ? "text" : source ? "source" : "template";

	if (text + source + template != 1) {
		plan_node_problem(n, text + source + template ? key : NULL,
			_("give one of 'text', 'source' and 'template'"));
		/* the others are known words all the same */
		(void)plan_node_raw(n, "text", false, &w->text);
		(void)plan_node_file(n, "source", false, &w->file);
		(void)plan_node_file(n, "template", false, &w->file);
		return;
	}
	if (text && plan_node_raw(n, "text", true, &w->text))
		w->fill = plan_node_check_refs(n, key, w->text);
	if (!text && plan_node_file(n, key, true, &w->file) && template)
		w->fill = plan_node_check_refs(n, key, w->file->data);
}

static const char *raw_content(const struct write_step *w, size_t *len)
{
	if (w->text) {
		*len = strlen(w->text);
		return w->text;
	}
	*len = w->file ? w->file->len : 0;
	return w->file ? w->file->data : "";
}

static void parse_json(struct write_step *w, struct plan_node *n)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	size_t len;
	const char *p = raw_content(w, &len);

	/* what is to be filled in is looked at when it is filled in */
	if (w->fill && memmem(p, len, "${", 2))
		return;
	if (json_valid(p, len, &why) < 0)
		plan_node_problem(n, w->text ? "text" : w->fill ? "template" :
				  "source", _("the content is no valid JSON: "
				  "%s"), why.buf);
}

static int write_parse(struct step *s, struct plan_node *n)
{
	struct write_step *w = xcalloc(1, sizeof(*w));

	s->priv = w;
	w->mode = 0644;
	(void)plan_node_path(n, "path", true, &w->path);
	parse_content(w, n);
	w->mode_given = plan_node_mode(n, "mode", &w->mode);
	(void)plan_node_bool(n, "replace", &w->replace);
	w->json = w->path && str_ends(w->path, ".json");
	w->escape = w->json || (w->path && str_ends(w->path, ".jsonl"));
	if (!plan_node_failed(n) && w->json)
		parse_json(w, n);
	return plan_node_failed(n) ? -EINVAL : 0;
}

static int write_effects(const struct step *s, struct step_ctx *ctx,
			 struct effects *out, struct error *err)
{
	const struct write_step *w = s->priv;

	return step_files_effect(ctx, w->path, 0, out, err);
}

/* --- what is there, what shall be there --- */

struct content {
	struct strbuf new_text;
	struct stat st;
	bool there, equal;
};
#define CONTENT_INIT { .new_text = STRBUF_INIT }

static void content_release(struct content *c)
{
	strbuf_release(&c->new_text);
}
#define _cleanup_content_ _cleanup_(content_release)

static int fill_in(const struct write_step *w, struct step_ctx *ctx,
		   struct strbuf *out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	_cleanup_free_ char *shown = NULL;
	size_t len;
	const char *p = raw_content(w, &len);
	int ret;

	if (!w->fill) {
		strbuf_add(out, p, len);
		return 0;
	}
	ret = step_expand(ctx, p, len, w->escape, out, err);
	if (ret < 0 || !w->json || json_valid(out->buf, out->len, &why) >= 0)
		return ret;
	shown = escape_bytes(w->path);
	return error_set(err, ERR_JSON, -EINVAL,
			 _("the content for '%s' is no valid JSON: %s"),
			 shown, why.buf);
}

static int look(const struct write_step *w, struct step_ctx *ctx,
		struct content *c, struct error *err)
{
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT;
	int ret = fill_in(w, ctx, &c->new_text, err);

	if (ret >= 0)
		ret = step_files_stat(ctx, w->path, &c->st, err);
	if (ret <= 0)
		return ret;
	c->there = true;
	if (!S_ISREG(c->st.st_mode) ||
	    (uint64_t)c->st.st_size != c->new_text.len)
		return 0;
	ret = step_files_read(ctx, w->path, c->new_text.len, &old, err);
	if (ret == -EFBIG)
		return 0;
	c->equal = ret >= 0 && old.len == c->new_text.len &&
		!memcmp(old.buf, c->new_text.buf, old.len) &&
		(!w->mode_given || (c->st.st_mode & 07777) == w->mode);
	return ret;
}

static int write_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err)
{
	const struct write_step *w = s->priv;
	_cleanup_content_ struct content c = CONTENT_INIT;
	_cleanup_free_ char *shown = escape_bytes(w->path);
	int ret = look(w, ctx, &c, err);

	if (ret < 0)
		return ret;
	check_result_set(r, CHECK_OK, _("'%s' can be written"), shown);
	if (!c.there || c.equal)
		return 0;
	if (!S_ISREG(c.st.st_mode))
		check_result_set(r, CHECK_FAIL,
			_("'%s' is there and is no regular file"), shown);
	else if (!w->replace)
		check_result_set(r, CHECK_FAIL, _("'%s' is there and differs"),
				 shown);
	r->code = r->state == CHECK_FAIL ? ERR_STEP_EXISTS : 0;
	return 0;
}

static void preview_text(const struct step *s, struct step_ctx *ctx,
			 const struct content *c, struct preview *p,
			 struct error *err)
{
	const struct write_step *w = s->priv;
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT;

	if (s->secret) {
		strvec_push(&p->lines, _("(its content is secret)"));
		return;
	}
	if (c->there && S_ISREG(c->st.st_mode) &&
	    step_files_read(ctx, w->path, SHOWN_MAX, &old, err) == -EFBIG) {
		strvec_push(&p->lines, _("(too large to be compared)"));
		return;
	}
	diff_unified(c->there ? w->path : "/dev/null", old.buf, old.len,
		     w->path, c->new_text.buf, c->new_text.len, &p->lines);
}

static int write_preview(const struct step *s, struct step_ctx *ctx,
			 struct preview *p, struct error *err)
{
	const struct write_step *w = s->priv;
	_cleanup_content_ struct content c = CONTENT_INIT;
	_cleanup_free_ char *shown = escape_bytes(w->path);
	int ret = look(w, ctx, &c, err);

	if (ret < 0)
		return ret;
	p->nothing = c.equal;
	if (c.equal)
		return 0;
	strvec_pushf(&p->lines, c.there ? _("replace '%s', mode %04o") :
		     _("write '%s', mode %04o"), shown,
		     (unsigned int)w->mode);
	if (c.there && c.st.st_nlink > 1)
		strvec_pushf(&p->lines, _("'%s' has %lu names; this one gets "
			     "a file of its own"), shown,
			     (unsigned long)c.st.st_nlink);
	preview_text(s, ctx, &c, p, err);
	return 0;
}

static int write_probe(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err)
{
	const struct write_step *w = s->priv;
	_cleanup_content_ struct content c = CONTENT_INIT;
	int touched, r = look(w, ctx, &c, err);

	if (r < 0)
		return r;
	touched = step_files_touched(ctx, w->path, err);
	if (touched < 0)
		return touched;
	*ret = c.equal ? PROBE_FULLY : touched ? PROBE_PARTLY : PROBE_NOT;
	return c.equal && touched ? step_files_settle(ctx, w->path, err) : 0;
}

/* --- applying --- */

static int write_apply(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	const struct write_step *w = s->priv;
	_cleanup_content_ struct content c = CONTENT_INIT;
	_cleanup_free_ char *shown = escape_bytes(w->path);
	int ret = look(w, ctx, &c, err);

	if (ret < 0 || c.equal)
		return ret;
	if (c.there && (!S_ISREG(c.st.st_mode) || !w->replace))
		return error_set(err, ERR_STEP_EXISTS, -EEXIST,
				 _("'%s' is there and differs"), shown);
	return step_write(ctx, w->path, c.new_text.buf, c.new_text.len,
			  w->mode, c.there, err);
}

static void write_release(struct step *s)
{
	struct write_step *w = s->priv;

	if (!w)
		return;
	free(w->path);
	free(w->text);
	free(w);
	s->priv = NULL;
}

const struct step_ops write_ops = {
	.name = "write",
	.parse = write_parse,
	.effects = write_effects,
	.check = write_check,
	.preview = write_preview,
	.probe = write_probe,
	.apply = write_apply,
	.release = write_release,
};
