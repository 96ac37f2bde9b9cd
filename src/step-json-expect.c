/* SPDX-License-Identifier: MIT */
/*
 * What must hold. Values are never quoted in messages: they may be secret.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-text.h"
#include "step-files.h"
#include "step-json-internal.h"

/* --- sets of values --- */

static int seen_cmp(const void *a, const void *b)
{
	const struct json_seen *x = a, *y = b;
	int c = memcmp(x->digest.b, y->digest.b, sizeof(x->digest.b));

	if (c)
		return c;
	return x->expect < y->expect ? -1 : x->expect > y->expect;
}

static void seen_add(struct json_seens *s, const struct json_tree *t,
		     uint32_t i, uint32_t expect)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	enum json_node_type type = json_type_of(t, i);
	struct json_seen *e;

	/* equal strings have different tokens; "1" and 1 are not equal */
	strbuf_addch(&text, (char)('0' + type));
	if (type == JSON_T_STRING) {
		json_string(t, i, &text);
	} else {
		size_t n;
		const char *raw = json_raw(t, i, &n);

		if (raw)
			strbuf_add(&text, raw, n);
	}
	VEC_GROW(s->v, s->n, s->cap);
	e = &s->v[s->n++];
	e->digest = xxh128_of(text.buf, text.len);
	e->expect = expect;
}

static void seen_append(struct json_seens *to, const struct json_seens *from)
{
	for (size_t i = 0; i < from->n; i++) {
		VEC_GROW(to->v, to->n, to->cap);
		to->v[to->n++] = from->v[i];
	}
}

static void seen_sort(struct json_seens *s)
{
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), seen_cmp);
}

/* --- what `in` allows --- */


static void *collect_new(void *ctx)
{
	(void)ctx;
	return xcalloc(1, sizeof(struct json_seens));
}

static void collect_free(void *batch)
{
	struct json_seens *s = batch;

	free(s->v);
	free(s);
}

struct collecting {
	const struct json_path *path;
	enum json_stream_mode mode;
	struct json_seens *set;
};

static int collect_record(void *ctx, void *batch, const struct json_record *r,
			  struct strbuf *out, struct error *err)
{
	_cleanup_json_nodes_ struct json_nodes nodes = { 0 };
	const struct collecting *c = ctx;

	(void)out;
	(void)err;
	if (r->parsed < 0)
		return r->parsed;
	if (c->mode == JSON_ELEMENTS)
		json_path_select_element(c->path, r->tree, JSON_ROOT, &nodes);
	else
		json_path_select(c->path, r->tree, JSON_ROOT, &nodes);
	for (size_t i = 0; i < nodes.n; i++)
		seen_add(batch, r->tree, nodes.v[i], 0);
	return 0;
}

static int collect_end(void *ctx, void *batch, uint64_t line, uint64_t offset,
		       struct error *err)
{
	struct collecting *c = ctx;

	(void)line;
	(void)offset;
	(void)err;
	seen_append(c->set, batch);
	return 0;
}

static int drop(void *ctx, const char *p, size_t n, struct error *err)
{
	(void)ctx;
	(void)p;
	(void)n;
	(void)err;
	return 0;
}

/* every value that path selects in the file behind fd */
static int collect(int fd, const struct json_path *path,
		   struct json_seens *set, struct error *err)
{
	static const struct json_stream_ops ops = {
		.batch_new = collect_new, .record = collect_record,
		.batch_end = collect_end, .batch_free = collect_free,
		.write = drop,
	};
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	struct json_stream_result res;
	struct collecting c = { .path = path, .set = set,
		.mode = json_path_streams(path, &names) ? JSON_ELEMENTS :
			JSON_WHOLE };
	int ret = json_stream(fd, c.mode, &names, &ops, &c, &res, err);

	if (ret == -EBADMSG || ret == -EINVAL)
		return error_set(err, ERR_JSON, ret,
				 _("this is no valid JSON document"));
	return ret;
}

/* a file that is not there has no values */
static int load_allowed(const struct json_expect *e, struct step_ctx *c,
			struct json_seens *set, struct error *err)
{
	_cleanup_close_ int fd = -1;
	int ret;

	if (!e->in_file)
		return 0;
	fd = fs_open_beneath(step_root_fd(c), e->in_file,
			     O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return step_files_fail(err, fd, _("cannot open"), e->in_file);
	ret = collect(fd, e->in_select, set, err);
	if (ret < 0)
		error_prefix(err, "%s", e->in_file);
	seen_sort(set);
	return ret;
}

int json_holding_init(struct json_holding *h, const struct json_expects *x,
		      struct step_ctx *c, struct error *err)
{
	int ret = 0;

	memset(h, 0, sizeof(*h));
	h->x = x;
	h->found = xcalloc(x->n ? x->n : 1, sizeof(*h->found));
	h->allowed = xcalloc(x->n ? x->n : 1, sizeof(*h->allowed));
	for (size_t i = 0; i < x->n && ret >= 0; i++)
		ret = load_allowed(&x->v[i], c, &h->allowed[i], err);
	return ret;
}

void json_holding_release(struct json_holding *h)
{
	for (size_t i = 0; h->x && i < h->x->n; i++)
		free(h->allowed[i].v);
	free(h->allowed);
	free(h->found);
	free(h->seen.v);
	memset(h, 0, sizeof(*h));
}

void json_held_init(struct json_held *d, const struct json_holding *h)
{
	memset(d, 0, sizeof(*d));
	if (h)
		d->found = xcalloc(h->x->n ? h->x->n : 1, sizeof(*d->found));
}

void json_held_release(struct json_held *d)
{
	free(d->found);
	free(d->seen.v);
}

void json_held_merge(struct json_holding *h, struct json_held *d)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->x->n; i++)
		h->found[i] += d->found[i];
	seen_append(&h->seen, &d->seen);
}

/* --- one value --- */

static int fails(const struct json_expect *e, struct error *err,
		 const char *why)
{
	return error_set(err, ERR_STEP, -EINVAL, _("'%s' %s"),
			 *e->path ? e->path : "/", _(why));
}

static bool is_integer(const char *p, size_t n)
{
	return !memchr(p, '.', n) && !memchr(p, 'e', n) && !memchr(p, 'E', n);
}

static bool has_type(const struct json_expect *e, const struct json_tree *t,
		     uint32_t i)
{
	static const char *const names[] = { "null", "boolean", "boolean",
		"number", "string", "array", "object" };
	enum json_node_type type = json_type_of(t, i);
	const char *want = json_type_words[e->type];
	const char *raw;
	size_t n;

	if (strcmp(want, "integer") != 0)
		return !strcmp(want, names[type]);
	if (type != JSON_T_NUMBER)
		return false;
	raw = json_raw(t, i, &n);
	return is_integer(raw, n);
}

static int in_bounds(const struct json_expect *e, const struct json_tree *t,
		     uint32_t i, struct error *err)
{
	const char *raw;
	size_t n;

	if (!e->min.text && !e->max.text)
		return 0;
	if (json_type_of(t, i) != JSON_T_NUMBER)
		return fails(e, err, N_("is no number"));
	raw = json_raw(t, i, &n);
	if (e->min.text && json_number_cmp(raw, n, e->min.text, e->min.len) < 0)
		return fails(e, err, N_("is too small"));
	if (e->max.text && json_number_cmp(raw, n, e->max.text, e->max.len) > 0)
		return fails(e, err, N_("is too large"));
	return 0;
}

static int fits_pattern(const struct json_expect *e, const struct json_tree *t,
			uint32_t i, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	if (!e->has_regex)
		return 0;
	if (json_type_of(t, i) != JSON_T_STRING)
		return fails(e, err, N_("is no string"));
	json_string(t, i, &text);
	if (memchr(text.buf, '\0', text.len) ||
	    regexec(&e->regex, text.buf, 0, NULL, 0))
		return fails(e, err, N_("does not fit the pattern"));
	return 0;
}

static int is_allowed(const struct json_expect *e, struct json_seens *allowed,
		      const struct json_tree *t, uint32_t i,
		      struct error *err)
{
	struct json_seens one = { 0 };
	bool there;

	if (!e->in_file)
		return 0;
	seen_add(&one, t, i, 0);
	there = allowed->n && bsearch(one.v, allowed->v, allowed->n,
				      sizeof(*one.v), seen_cmp);
	free(one.v);
	return there ? 0 : error_set(err, ERR_STEP, -EINVAL,
		_("'%s' names something that is not in '%s'"), e->path,
		e->in_file);
}

static int hold(const struct json_holding *h, struct json_held *d, size_t k,
		const struct json_tree *t, uint32_t i, struct error *err)
{
	const struct json_expect *e = &h->x->v[k];
	int ret;

	d->found[k]++;
	if (e->unique)
		seen_add(&d->seen, t, i, (uint32_t)k);
	if (e->type >= 0 && !has_type(e, t, i))
		return error_set(err, ERR_STEP, -EINVAL,
				 _("'%s' is not of the type '%s'"),
				 e->path, json_type_words[e->type]);
	ret = in_bounds(e, t, i, err);
	if (ret >= 0)
		ret = fits_pattern(e, t, i, err);
	return ret < 0 ? ret : is_allowed(e, &h->allowed[k], t, i, err);
}

int json_held_value(const struct json_holding *h, struct json_held *d,
		    const struct json_tree *t, uint32_t node,
		    struct error *err)
{
	int ret = 0;

	for (size_t k = 0; k < h->x->n && ret >= 0; k++) {
		const struct json_expect *e = &h->x->v[k];
		bool twice = false;
		uint32_t i;

		if (e->select)
			continue;
		i = json_op_find(t, node, &e->parts, e->parts.n, &twice);
		if (twice)
			ret = fails(e, err, N_("is there twice"));
		else if (i)
			ret = hold(h, d, k, t, i, err);
		else if (e->required)
			ret = fails(e, err, N_("is missing"));
	}
	return ret;
}

/* --- the whole --- */

static int all_unique(struct json_holding *h, struct error *err)
{
	seen_sort(&h->seen);
	for (size_t i = 1; i < h->seen.n; i++)
		if (!seen_cmp(&h->seen.v[i - 1], &h->seen.v[i]))
			return fails(&h->x->v[h->seen.v[i].expect], err,
				     N_("is there twice with the same value"));
	return 0;
}

int json_holding_end(struct json_holding *h, struct error *err)
{
	for (size_t k = 0; k < h->x->n; k++) {
		const struct json_expect *e = &h->x->v[k];

		if (e->select && !h->files)
			continue;
		if (e->select && e->required && !h->found[k])
			return fails(e, err, N_("is missing"));
		if (e->has_count && h->found[k] != (uint64_t)e->count)
			return error_set(err, ERR_STEP, -EINVAL,
				ngettext("'%s' is there %llu time, not %lld",
					 "'%s' is there %llu times, not %lld",
					 h->found[k]), e->path,
				(unsigned long long)h->found[k],
				(long long)e->count);
	}
	return all_unique(h, err);
}

struct holding_one {
	struct json_holding *h;
	size_t k;
	enum json_stream_mode mode;
};

static void *one_new(void *ctx)
{
	struct holding_one *o = ctx;
	struct json_held *d = xcalloc(1, sizeof(*d));

	json_held_init(d, o->h);
	return d;
}

static void one_free(void *batch)
{
	json_held_release(batch);
	free(batch);
}

static int one_record(void *ctx, void *batch, const struct json_record *r,
		      struct strbuf *out, struct error *err)
{
	_cleanup_json_nodes_ struct json_nodes nodes = { 0 };
	struct holding_one *o = ctx;
	const struct json_path *path = o->h->x->v[o->k].select;
	int ret = r->parsed;

	(void)out;
	if (ret >= 0 && o->mode == JSON_ELEMENTS)
		json_path_select_element(path, r->tree, JSON_ROOT, &nodes);
	else if (ret >= 0)
		json_path_select(path, r->tree, JSON_ROOT, &nodes);
	for (size_t i = 0; i < nodes.n && ret >= 0; i++)
		ret = hold(o->h, batch, o->k, r->tree, nodes.v[i], err);
	return ret;
}

static int one_end(void *ctx, void *batch, uint64_t line, uint64_t offset,
		   struct error *err)
{
	struct holding_one *o = ctx;

	(void)line;
	(void)offset;
	(void)err;
	json_held_merge(o->h, batch);
	return 0;
}

static int hold_in(struct holding_one *o, int fd, struct error *err)
{
	static const struct json_stream_ops ops = {
		.batch_new = one_new, .record = one_record,
		.batch_end = one_end, .batch_free = one_free, .write = drop,
	};
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	struct json_stream_result res;

	o->mode = json_path_streams(o->h->x->v[o->k].select, &names) ?
		JSON_ELEMENTS : JSON_WHOLE;
	return json_stream(fd, o->mode, &names, &ops, o, &res, err);
}

bool json_holding_has_paths(const struct json_holding *h)
{
	for (size_t k = 0; k < h->x->n; k++)
		if (h->x->v[k].select)
			return true;
	return false;
}

int json_holding_file(struct json_holding *h, int fd, struct error *err)
{
	int ret = 0;

	h->files = true;
	for (size_t k = 0; k < h->x->n && ret >= 0; k++) {
		struct holding_one o = { .h = h, .k = k };

		if (!h->x->v[k].select)
			continue;
		if (lseek(fd, 0, SEEK_SET) < 0)
			return error_errno(err, ERR_IO, -errno,
					   _("cannot start anew"));
		ret = hold_in(&o, fd, err);
	}
	return ret;
}
