/* SPDX-License-Identifier: MIT */
#include "step-split.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "json-edit.h"
#include "json-scan.h"
#include "manifest.h"
#include "step-files.h"
#include "step-json-internal.h"

#define NAMES_SHOWN 5
#define JOINED_MAX (512u * 1024u * 1024u)

/* one file to be */
struct part {
	char *path;
	struct strbuf text;
};

struct parts {
	struct part *v;
	size_t n, cap;
};

static void parts_release(struct parts *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].path);
		strbuf_release(&p->v[i].text);
	}
	free(p->v);
	memset(p, 0, sizeof(*p));
}

static struct part *part_new(struct parts *p)
{
	VEC_GROW(p->v, p->n, p->cap);
	memset(&p->v[p->n], 0, sizeof(*p->v));
	strbuf_init(&p->v[p->n].text);
	return &p->v[p->n++];
}

typedef int part_fn(void *ctx, const struct part *p, struct error *err);

struct splitting {
	const struct json_step *m;
	struct step_ctx *ctx;
	enum json_stream_mode mode;
	part_fn *fn;
	void *fn_ctx;
};

char *step_split_dir(const char *template)
{
	size_t n = strcspn(template, "{");

	while (n && template[n - 1] != '/')
		n--;
	return n > 1 ? xstrndup(template, n - 1) : NULL;
}

/* --- the values of a document --- */

static void *batch_new(void *ctx)
{
	(void)ctx;
	return xcalloc(1, sizeof(struct parts));
}

static void batch_free(void *batch)
{
	parts_release(batch);
	free(batch);
}

static int name_part(const struct splitting *s, const struct json_tree *t,
		     uint32_t node, struct part *p, struct error *err)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	_cleanup_free_ char *shown = NULL;
	const char *why;
	int ret = json_template_fill(s->m->split, t, node, NULL, &name, err);

	if (ret < 0)
		return ret;
	why = json_name_refused(name.buf, name.len);
	if (!why) {
		p->path = strbuf_detach(&name);
		return 0;
	}
	shown = escape_bytes(name.buf);
	return error_set(err, ERR_STEP, -EINVAL, "'%s': %s", shown, _(why));
}

static int record(void *ctx, void *batch, const struct json_record *r,
		  struct strbuf *out, struct error *err)
{
	_cleanup_json_nodes_ struct json_nodes nodes = { 0 };
	const struct splitting *s = ctx;
	int ret = 0;

	(void)out;
	/* which byte of the file that is, only a look at all of it tells */
	if (r->parsed < 0)
		return r->parsed == -EINVAL ? -EBADMSG : r->parsed;
	if (s->mode == JSON_ELEMENTS)
		json_path_select_element(s->m->select, r->tree, JSON_ROOT,
					 &nodes);
	else
		json_path_select(s->m->select, r->tree, JSON_ROOT, &nodes);
	for (size_t i = 0; i < nodes.n && ret >= 0; i++) {
		struct part *p = part_new(batch);

		ret = name_part(s, r->tree, nodes.v[i], p, err);
		json_edit_text(r->tree, nodes.v[i], &p->text);
		strbuf_addch(&p->text, '\n');
	}
	return ret;
}

static int batch_end(void *ctx, void *batch, uint64_t line, uint64_t offset,
		     struct error *err)
{
	const struct splitting *s = ctx;
	const struct parts *p = batch;
	int ret = 0;

	(void)line;
	(void)offset;
	if (step_cancelled(s->ctx))
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("stopped on request"));
	for (size_t i = 0; i < p->n && ret >= 0; i++)
		ret = s->fn(s->fn_ctx, &p->v[i], err);
	return ret < 0 ? ret : 0;
}

static int drop(void *ctx, const char *p, size_t n, struct error *err)
{
	(void)ctx;
	(void)p;
	(void)n;
	(void)err;
	return 0;
}

static int split_file(struct splitting *s, const char *path, struct error *err)
{
	static const struct json_stream_ops ops = {
		.batch_new = batch_new, .record = record,
		.batch_end = batch_end, .batch_free = batch_free,
		.write = drop,
	};
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	struct json_stream_result res;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int ret = fd = step_json_open(s->ctx, path, &st, err);

	if (ret < 0)
		return ret;
	s->mode = json_path_streams(s->m->select, &names) &&
		st.st_size > (off_t)JOINED_MAX ? JSON_ELEMENTS : JSON_WHOLE;
	ret = json_stream(fd, s->mode, &names, &ops, s, &res, err);
	if (ret == -EBADMSG) {
		ret = json_check_file(step_root_fd(s->ctx), path, false, NULL,
				      err);
		return ret < 0 ? ret : error_set(err, ERR_JSON, -EINVAL,
			_("'%s' changed while it was read"), path);
	}
	if (ret < 0 && ret != -ECANCELED)
		error_prefix(err, "%s", path);
	return ret;
}

/* --- documents as the values of one --- */

static int add_document(struct step_ctx *ctx, const char *path, bool first,
			struct strbuf *out, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct json_tree t;
	int ret = step_files_read(ctx, path, JOINED_MAX, &text, err);

	if (ret == -EFBIG || (ret >= 0 && out->len > JOINED_MAX))
		return error_set(err, ERR_UNSUPPORTED, -EFBIG,
			_("%s: more than 512 MiB cannot be joined"), path);
	if (ret < 0)
		return ret;
	json_tree_init(&t);
	ret = json_tree_parse(&t, text.buf, text.len);
	if (ret < 0) {
		ret = json_tree_why(text.buf, text.len, err);
		error_prefix(err, "%s", path);
	} else {
		strbuf_addstr(out, first ? "\n  " : ",\n  ");
		json_edit_text(&t, JSON_ROOT, out);
	}
	json_tree_release(&t);
	return ret;
}

static int join_files(struct splitting *s, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	const struct json_step *m = s->m;
	struct part p = { .text = STRBUF_INIT };
	size_t n = 0;
	int ret = 0;

	p.path = m->paths.v[0];
	for (size_t i = 0; i < m->join.n && ret >= 0; i++)
		ret = glob_expand(step_root_fd(s->ctx), m->join.v[i],
				  step_ours(s->ctx), &found, err);
	strvec_sort_paths(&found);
	strbuf_addch(&p.text, '[');
	for (size_t i = 0; i < found.n && ret >= 0; i++) {
		struct stat st;

		ret = step_files_stat(s->ctx, found.v[i], &st, err);
		if (ret > 0 && S_ISREG(st.st_mode))
			ret = add_document(s->ctx, found.v[i], !n++, &p.text,
					   err);
	}
	strbuf_addstr(&p.text, n ? "\n]\n" : "]\n");
	if (ret >= 0)
		ret = s->fn(s->fn_ctx, &p, err);
	strbuf_release(&p.text);
	return ret;
}

static int each_part(const struct json_step *m, struct step_ctx *ctx,
		     part_fn *fn, void *fn_ctx, struct error *err)
{
	_cleanup_strvec_ struct strvec files = STRVEC_INIT;
	struct splitting s = { .m = m, .ctx = ctx, .fn = fn,
			       .fn_ctx = fn_ctx };
	int ret;

	if (m->join.n)
		return join_files(&s, err);
	ret = step_json_files(m, ctx, &files, err);
	for (size_t i = 0; i < files.n && ret >= 0; i++)
		ret = split_file(&s, files.v[i], err);
	return ret;
}

/* --- looking at each --- */

struct look {
	struct step_ctx *ctx;
	struct strvec names;     /* all of them */
	struct xxh_stream *wanted, *there;
	bool differs, missing;
};

static void look_init(struct look *l, struct step_ctx *ctx)
{
	memset(l, 0, sizeof(*l));
	l->ctx = ctx;
	l->wanted = xxh_stream_new();
	l->there = xxh_stream_new();
}

static void look_release(struct look *l)
{
	strvec_release(&l->names);
	xxh_stream_free(l->wanted);
	xxh_stream_free(l->there);
}
#define _cleanup_look_ _cleanup_(look_release)

static void add_digest(struct xxh_stream *x, const char *path,
		       const struct xxh128 *d)
{
	xxh_stream_add(x, path, strlen(path) + 1);
	xxh_stream_add(x, d->b, sizeof(d->b));
}

/* 1: there and equal, 0: not there, -EEXIST: something else */
static int compare(struct step_ctx *ctx, const struct part *p,
		   struct xxh128 *was, struct error *err)
{
	struct xxh128 want = xxh128_of(p->text.buf, p->text.len);
	_cleanup_item_ struct item it = ITEM_INIT;
	int ret = item_read(step_root_fd(ctx), p->path, true, &it, err);

	memset(was, 0, sizeof(*was));
	if (ret < 0 || it.type == ITEM_ABSENT)
		return ret;
	*was = it.digest;
	return it.type == ITEM_FILE && xxh128_equal(&it.digest, &want) ? 1 :
		-EEXIST;
}

static int look_at(void *ctx, const struct part *p, struct error *err)
{
	struct xxh128 want = xxh128_of(p->text.buf, p->text.len), was;
	struct look *l = ctx;
	int ret = compare(l->ctx, p, &was, err);

	if (ret < 0 && ret != -EEXIST)
		return ret;
	l->differs |= ret == -EEXIST;
	l->missing |= ret == 0;
	strvec_push(&l->names, p->path);
	add_digest(l->wanted, p->path, &want);
	add_digest(l->there, p->path, &was);
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int no_two_alike(const struct strvec *names, struct error *err)
{
	_cleanup_strvec_ struct strvec all = STRVEC_INIT;

	strvec_copy(&all, names);
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_bytes);
	for (size_t i = 1; i < all.n; i++)
		if (!strcmp(all.v[i - 1], all.v[i])) {
			_cleanup_free_ char *shown = escape_bytes(all.v[i]);

			return error_set(err, ERR_STEP, -EEXIST,
				_("two values would have the name '%s'"),
				shown);
		}
	return 0;
}

/* --- slots --- */

int step_split_effects(const struct json_step *m, struct step_ctx *ctx,
		       struct effects *out, struct error *err)
{
	_cleanup_free_ char *dir = NULL;

	if (m->join.n) {
		for (size_t i = 0; i < m->join.n; i++)
			effects_add(out, EFFECT_READ, EFFECT_PATTERN,
				    m->join.v[i]);
		return step_files_effect(ctx, m->paths.v[0], 0, out, err);
	}
	for (size_t i = 0; i < m->paths.n; i++)
		effects_add(out, EFFECT_READ, m->alternatives ? 0 :
			    EFFECT_PATTERN, m->paths.v[i]);
	dir = step_split_dir(m->split);
	return step_files_effect(ctx, dir, 0, out, err);
}

int step_split_check(const struct json_step *m, struct step_ctx *ctx,
		     struct check_result *r, struct error *err)
{
	struct error why = ERROR_INIT;
	_cleanup_look_ struct look l;
	int ret;

	look_init(&l, ctx);
	ret = each_part(m, ctx, look_at, &l, &why);
	if (ret >= 0)
		ret = no_two_alike(&l.names, &why);
	if (ret == -ECANCELED) {
		error_move(err, &why);
		return ret;
	}
	check_result_set(r, CHECK_OK, ngettext("%zu file will be written",
			 "%zu files will be written", l.names.n), l.names.n);
	if (ret < 0) {
		check_result_set(r, CHECK_FAIL, "%s", why.msg);
		r->code = why.code;
	} else if (l.differs) {
		check_result_set(r, CHECK_FAIL, "%s",
				 _("a file that would be written is there and "
				   "differs"));
		r->code = ERR_STEP_EXISTS;
	}
	error_release(&why);
	return 0;
}

int step_split_preview(const struct json_step *m, struct step_ctx *ctx,
		       struct preview *p, struct error *err)
{
	_cleanup_look_ struct look l;
	int ret;

	look_init(&l, ctx);
	ret = each_part(m, ctx, look_at, &l, err);
	if (ret < 0)
		return ret;
	p->nothing = !l.missing && !l.differs;
	for (size_t i = 0; !p->nothing && i < l.names.n && i < NAMES_SHOWN;
	     i++)
		step_files_say(p, _("write"), l.names.v[i]);
	if (l.names.n > NAMES_SHOWN && !p->nothing)
		strvec_pushf(&p->lines, _("and %zu more files"),
			     l.names.n - NAMES_SHOWN);
	return 0;
}

static int same_as_recorded(const struct json_step *m, struct step_ctx *ctx,
			    bool *ret, struct error *err)
{
	struct json_object *fact = step_get_fact(ctx, "result");
	_cleanup_look_ struct look l;
	char now[XXH128_TEXT_SIZE];
	struct xxh128 sum;
	int r;

	look_init(&l, ctx);
	*ret = false;
	if (!fact)
		return 0;
	r = each_part(m, ctx, look_at, &l, err);
	sum = xxh_stream_end(l.there);
	xxh128_format(&sum, now);
	*ret = r >= 0 && !strcmp(now, json_get_str(fact, "digest", ""));
	return r;
}

int step_split_probe(const struct json_step *m, struct step_ctx *ctx,
		     int *ret, struct error *err)
{
	_cleanup_free_ char *dir = m->join.n ? xstrdup(m->paths.v[0]) :
		step_split_dir(m->split);
	bool same;
	int moved, r = same_as_recorded(m, ctx, &same, err);

	moved = r < 0 ? r : step_files_touched(ctx, dir, err);
	if (moved < 0)
		return moved;
	*ret = same ? PROBE_FULLY : moved ? PROBE_PARTLY : PROBE_NOT;
	return same && moved ? step_files_settle(ctx, dir, err) : 0;
}

int step_split_verify(const struct json_step *m, struct step_ctx *ctx,
		      struct error *err)
{
	bool same;
	int ret = same_as_recorded(m, ctx, &same, err);

	if (ret < 0 || same)
		return ret;
	return error_set(err, ERR_STEP_VERIFY, -EBADMSG,
			 _("the files are not as this step left them"));
}

/* --- applying --- */

struct making {
	struct look look;
	int stage;
	bool have_stage;
	/* for each name: staged, or there already */
	bool *staged;
	size_t cap;
};

static int make_part(void *ctx, const struct part *p, struct error *err)
{
	struct making *k = ctx;
	struct look *l = &k->look;
	size_t i = l->names.n;
	_cleanup_free_ char *shown = NULL;
	char name[32];
	struct xxh128 was;
	int ret = compare(l->ctx, p, &was, err);

	if (ret == -EEXIST) {
		shown = escape_bytes(p->path);
		return error_set(err, ERR_STEP_EXISTS, -EEXIST,
				 _("'%s' is there and differs"), shown);
	}
	if (ret < 0)
		return ret;
	VEC_GROW(k->staged, i, k->cap);
	k->staged[i] = !ret;
	ret = look_at(l, p, err);
	if (ret < 0 || !k->staged[i])
		return ret;
	ret = step_make_parents(l->ctx, p->path, err);
	if (ret >= 0 && !k->have_stage)
		ret = step_stage(l->ctx, p->path, &k->stage, err);
	if (ret < 0)
		return ret;
	k->have_stage = true;
	(void)snprintf(name, sizeof(name), "part-%zu", i);
	ret = fs_write_file(k->stage, name, p->text.buf, p->text.len, 0644);
	if (ret >= 0)
		ret = step_files_own_as(l->ctx, k->stage, name, p->path);
	return ret < 0 ? step_files_fail(err, ret, _("cannot write"),
					 p->path) : 0;
}

static int place_parts(struct making *k, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; i < k->look.names.n && ret >= 0; i++) {
		char name[32];

		if (!k->staged[i])
			continue;
		(void)snprintf(name, sizeof(name), "part-%zu", i);
		ret = step_place(k->look.ctx, k->stage, name,
				 k->look.names.v[i], false, err);
	}
	return ret;
}

int step_split_apply(const struct json_step *m, struct step_ctx *ctx,
		     struct error *err)
{
	struct making k = { .stage = -1 };
	struct json_object *fact;
	char text[XXH128_TEXT_SIZE];
	struct xxh128 sum;
	int ret;

	look_init(&k.look, ctx);
	ret = each_part(m, ctx, make_part, &k, err);
	if (ret >= 0)
		ret = no_two_alike(&k.look.names, err);
	if (ret >= 0) {
		sum = xxh_stream_end(k.look.wanted);
		xxh128_format(&sum, text);
		fact = json_object_new_object();
		json_set_str(fact, "digest", text);
		json_set_int(fact, "files", (int64_t)k.look.names.n);
		json_set_str(fact, "count", m->count);
		json_set_int(fact, "after", (int64_t)k.look.names.n);
		ret = step_set_fact(ctx, "result", fact, err);
	}
	if (ret >= 0)
		ret = place_parts(&k, err);
	free(k.staged);
	look_release(&k.look);
	return ret;
}
