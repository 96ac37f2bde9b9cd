/* SPDX-License-Identifier: MIT */
/*
 * What json and jsonl do, in this order:
 *
 *	1. every file is edited into the stage; what is expected must hold
 *	2. secrets that were taken out are durable in their store
 *	3. the fact "result" is durable in the journal: a digest over the names
 *	   and contents of all targets as they will be, and the counts
 *	4. each staged file that differs is renamed over the old one
 *
 * J1 A failure in 1 leaves everything as it was, but for the stage.
 * J2 Killed before 3: the probe finds no fact, and nothing or only a store
 *    file touched: not, or partly (the engine then puts the store back).
 * J3 Killed in 4: the fact is there and the digest is another one: partly.
 *    Every file is old or new.
 * J4 A file without a change keeps its inode and times.
 *
 * Files are those of the pre-image that the plan's paths match; what came
 * later is none of ours. A file that is not there has no values.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "manifest.h"
#include "step-files.h"
#include "step-json-internal.h"
#include "step-keep.h"
#include "step-write.h"

#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY)

/* --- effects --- */

static int effect_of(const struct json_step *m, struct step_ctx *ctx,
		     const char *path, struct effects *out, struct error *err)
{
	(void)ctx;
	(void)err;
	effects_add(out, m->output ? EFFECT_READ : EFFECT_CHANGE,
		    m->alternatives ? 0 : EFFECT_PATTERN, path);
	return 0;
}

/* the files whose values others must name */
static void read_effects(const struct json_expects *x, struct effects *out)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->v[i].in_file)
			effects_add(out, EFFECT_READ, 0, x->v[i].in_file);
}

int step_json_effects(const struct step *s, struct step_ctx *ctx,
		      struct effects *out, struct error *err)
{
	const struct json_step *m = s->priv;
	int ret = 0;

	for (size_t i = 0; i < m->paths.n && ret >= 0; i++)
		ret = effect_of(m, ctx, m->paths.v[i], out, err);
	read_effects(&m->before, out);
	read_effects(&m->after, out);
	if (ret >= 0 && m->output)
		ret = step_files_effect(ctx, m->output, 0, out, err);
	out->secrets = step_json_has_secrets(m);
	for (size_t i = 0; i < m->store_n && ret >= 0; i++) {
		if (m->stores[i].file)
			ret = step_files_effect(ctx, m->stores[i].file, 0,
						out, err);
		else
			out->outside = true;
	}
	return ret;
}

/* --- which files --- */

struct known {
	struct strvec paths;
	bool any;
};

static int take_known(void *ctx, const struct item *it, struct error *err)
{
	struct known *k = ctx;

	(void)err;
	k->any = true;
	if (it->type != ITEM_ABSENT)
		strvec_push(&k->paths, it->path);
	return 0;
}

static int path_order(const void *key, const void *element)
{
	return strcmp(*(const char *const *)key,
		      *(const char *const *)element);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* 1 if it is a regular file to be worked on */
static int is_wanted(const struct json_step *m, struct step_ctx *ctx,
		     const char *path, struct error *err)
{
	struct stat st;
	int ret = step_files_stat(ctx, path, &st, err);
	_cleanup_free_ char *shown = NULL;

	if (ret <= 0 || S_ISREG(st.st_mode))
		return ret;
	if (!m->alternatives)
		return 0;
	shown = escape_bytes(path);
	return error_set(err, ERR_STEP, -EINVAL,
			 _("'%s' is there and is no regular file"), shown);
}

static int matches(const struct json_step *m, struct step_ctx *ctx,
		   struct strvec *out, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	int ret = 0;

	for (size_t i = 0; i < m->paths.n && ret >= 0; i++) {
		if (!m->alternatives) {
			ret = glob_expand(step_root_fd(ctx), m->paths.v[i],
					  step_ours(ctx), &found, err);
			continue;
		}
		ret = is_wanted(m, ctx, m->paths.v[i], err);
		if (ret > 0) {
			strvec_push(out, m->paths.v[i]);
			return 0;
		}
	}
	strvec_sort_paths(&found);
	for (size_t i = 0; i < found.n && ret >= 0; i++) {
		ret = is_wanted(m, ctx, found.v[i], err);
		if (ret > 0)
			strvec_push(out, found.v[i]);
	}
	return ret < 0 ? ret : 0;
}

bool step_json_names(const struct json_step *m, const char *path)
{
	for (size_t i = 0; i < m->paths.n; i++)
		if (m->alternatives ? !strcmp(m->paths.v[i], path) :
		    glob_match(m->paths.v[i], path))
			return true;
	return false;
}

int step_json_files(const struct json_step *m, struct step_ctx *ctx,
		      struct strvec *out, struct error *err)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	struct known k = { .paths = STRVEC_INIT };
	int ret = matches(m, ctx, &found, err);

	/* what is only read has no pre-image */
	if (ret >= 0 && !m->output && !m->split)
		ret = step_pre_walk(ctx, take_known, &k, err);
	if (k.paths.n)
		qsort(k.paths.v, k.paths.n, sizeof(*k.paths.v), by_bytes);
	for (size_t i = 0; ret >= 0 && i < found.n; i++)
		if (!k.any || (k.paths.n &&
			       bsearch(&found.v[i], k.paths.v, k.paths.n,
				       sizeof(*k.paths.v), path_order)))
			strvec_push(out, found.v[i]);
	strvec_release(&k.paths);
	return ret < 0 ? ret : 0;
}

/* what has a digest in the journal */
void step_json_targets(const struct json_step *m, const struct strvec *files,
		       struct strvec *out)
{
	if (!m->output)
		strvec_copy(out, files);
	else if (files->n)
		strvec_push(out, m->output);
}

int step_json_open(struct step_ctx *ctx, const char *path, struct stat *st,
		   struct error *err)
{
	int fd = fs_open_beneath(step_root_fd(ctx), path, READ_FLAGS, 0);

	if (fd >= 0 && fstat(fd, st) < 0) {
		(void)close(fd);
		fd = -errno;
	}
	return fd < 0 ? step_files_fail(err, fd, _("cannot open"), path) : fd;
}

uint64_t step_json_size(struct step_ctx *ctx, const struct strvec *files)
{
	uint64_t total = 0;
	struct stat st;

	for (size_t i = 0; i < files->n; i++)
		if (step_files_stat(ctx, files->v[i], &st, NULL) > 0)
			total += (uint64_t)st.st_size;
	return total;
}

/* --- the digest over all of them --- */


void step_json_digest_add(struct xxh_stream *x, const char *path,
			  const struct xxh128 *content)
{
	xxh_stream_add(x, path, strlen(path) + 1);
	xxh_stream_add(x, content->b, sizeof(content->b));
}

/* --- one attempt --- */

int json_attempt_init(struct json_attempt *a, const struct step *s,
			struct step_ctx *ctx, struct error *err)
{
	int ret;

	memset(a, 0, sizeof(*a));
	a->m = s->priv;
	a->s = s;
	a->ctx = ctx;
	json_pass_init(&a->pass, a->m, ctx);
	json_secrets_init(&a->secrets);
	a->digest = xxh_stream_new();
	ret = json_holding_init(&a->before, &a->m->before, ctx, err);
	if (ret >= 0)
		ret = json_holding_init(&a->after, &a->m->after, ctx, err);
	a->pass.before = a->m->before.n ? &a->before : NULL;
	a->pass.after = a->m->after.n ? &a->after : NULL;
	a->pass.secrets = &a->secrets;
	a->pass.hide = s->secret || step_json_has_secrets(a->m);
	return ret;
}

void json_attempt_release(struct json_attempt *a)
{
	json_pass_release(&a->pass);
	json_holding_release(&a->before);
	json_holding_release(&a->after);
	json_secrets_release(&a->secrets);
	xxh_stream_free(a->digest);
	for (size_t i = 0; i < a->staged_n; i++)
		free(a->staged[i].path);
	free(a->staged);
}

int json_attempt_file(struct json_attempt *a, const char *path, int fd,
		     struct error *err)
{
	int ret;

	a->pass.path = path;
	a->pass.selected = a->pass.left = a->pass.changed = 0;
	a->pass.spliced = 0;
	ret = json_pass_run(&a->pass, fd, err);
	if (ret < 0)
		return ret;
	a->selected += a->pass.selected;
	a->left += a->pass.left;
	a->changed += a->pass.changed;
	return 0;
}

static int check_count(const struct json_attempt *a, struct error *err)
{
	bool bad = a->m->count_change == JSON_SAME ? a->left != a->selected :
		a->m->count_change == JSON_FEWER ? a->left > a->selected :
		a->m->count_change == JSON_MORE && a->left < a->selected;

	if (!a->m->count || !bad)
		return 0;
	return error_set(err, ERR_STEP, -EINVAL,
			 _("%llu %s would become %llu"),
			 (unsigned long long)a->selected, a->m->count,
			 (unsigned long long)a->left);
}

int json_attempt_end(struct json_attempt *a, struct error *err)
{
	int ret = json_holding_end(&a->before, err);

	if (ret < 0) {
		error_prefix(err, "%s", _("before the change"));
		return ret;
	}
	ret = json_holding_end(&a->after, err);
	return ret < 0 ? ret : check_count(a, err);
}

/* --- staging --- */

static int open_staged(struct json_attempt *a, const char *target,
		       struct json_staged **ret, struct error *err)
{
	struct json_staged *g;
	int fd, r = step_make_parents(a->ctx, target, err);

	VEC_GROW(a->staged, a->staged_n, a->staged_cap);
	g = &a->staged[a->staged_n];
	memset(g, 0, sizeof(*g));
	if (r >= 0)
		r = step_stage(a->ctx, target, &g->fd, err);
	if (r < 0)
		return r;
	(void)snprintf(g->name, sizeof(g->name), "json-%zu", a->staged_n);
	r = fs_unlink(g->fd, g->name, 0);
	fd = r < 0 && r != -ENOENT ? r : fs_open(g->fd, g->name, O_WRONLY |
			O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return step_files_fail(err, fd, _("cannot write"), target);
	g->path = xstrdup(target);
	a->staged_n++;
	*ret = g;
	return fd;
}

/* the staged file gets what the one it takes the place of has */
static int finish_staged(struct json_attempt *a, const struct json_staged *g, int fd,
			 const struct stat *st, struct error *err)
{
	mode_t mode = st->st_mode & 07777;
	int ret;

	if (!a->m->output)
		return step_write_like(a->ctx, g->path, g->fd, g->name, mode,
				       err);
	ret = step_files_own_as(a->ctx, g->fd, g->name, g->path);
	if (ret >= 0)
		ret = fs_chmod(fd, mode & 0777);
	return ret < 0 ? step_files_fail(err, ret, _("cannot write"),
					 g->path) : 0;
}

static int drop_staged(struct json_attempt *a, struct error *err)
{
	struct json_staged *g = &a->staged[--a->staged_n];
	int ret = fs_unlink(g->fd, g->name, 0);

	if (ret < 0)
		ret = step_files_fail(err, ret, _("cannot remove the staged"),
				      g->path);
	free(g->path);
	return ret;
}

/* path: the file as it was, and the staged one, or the same (g NULL) */
static int hold_files(struct json_attempt *a, const char *path, int in,
		      const struct json_staged *g, struct error *err)
{
	_cleanup_close_ int out = -1;
	int ret = json_holding_file(&a->before, in, err);

	if (ret >= 0 && g && json_holding_has_paths(&a->after)) {
		ret = out = fs_open(g->fd, g->name, READ_FLAGS | O_NOFOLLOW,
				    0);
		if (ret < 0)
			return step_files_fail(err, ret, _("cannot open"),
					       path);
	}
	if (ret >= 0)
		ret = json_holding_file(&a->after, g ? out : in, err);
	if (ret < 0)
		error_prefix(err, "%s", path);
	return ret;
}

static int stage_file(struct json_attempt *a, const char *path, struct error *err)
{
	const char *target = a->m->output ? a->m->output : path;
	_cleanup_close_ int in = -1, out = -1;
	struct json_staged *g = NULL;
	struct stat st;
	int ret = in = step_json_open(a->ctx, path, &st, err);

	if (ret >= 0)
		ret = out = open_staged(a, target, &g, err);
	a->pass.out_fd = out;
	if (ret >= 0)
		ret = json_attempt_file(a, path, in, err);
	a->pass.out_fd = -1;
	if (ret < 0)
		return ret;
	step_json_digest_add(a->digest, target, &a->pass.digest);
	if (!a->pass.spliced && !a->m->output) {
		ret = drop_staged(a, err);
		return ret < 0 ? ret : hold_files(a, path, in, NULL, err);
	}
	ret = finish_staged(a, g, out, &st, err);
	if (ret >= 0)
		ret = fs_close(TAKE_FD(out));
	return ret < 0 ? ret : hold_files(a, path, in, g, err);
}

/* --- counts for people --- */

void step_json_number(struct strbuf *out, uint64_t v)
{
	_cleanup_free_ char *digits = xasprintf("%llu", (unsigned long long)v);
	size_t n = strlen(digits);

	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			strbuf_addch(out, ',');
		strbuf_addch(out, digits[i]);
	}
}

static void say_counts(const struct json_attempt *a)
{
	_cleanup_strbuf_ struct strbuf n = STRBUF_INIT, text = STRBUF_INIT;

	if (!a->m->count)
		return;
	step_json_number(&n, a->left);
	/* TRANSLATORS: migrated 1,234 conversations */
	strbuf_addf(&text, _("migrated %s %s"), n.buf, a->m->count);
	step_log(a->ctx, "note", text.buf, text.len);
}

/* --- the rest of apply --- */

static int keep_bad(struct json_attempt *a, struct error *err)
{
	_cleanup_free_ char *name = NULL;
	int ret;

	if (!a->pass.bad_n)
		return 0;
	name = xasprintf("quarantine/%s.jsonl", a->s->id);
	ret = step_keep(a->ctx, name, a->pass.bad.buf, a->pass.bad.len, err);
	if (ret < 0)
		return ret;
	step_warn(a->ctx, ngettext("%llu bad record was left as it is; it "
			"stands in '%s' of the run's directory", "%llu bad "
			"records were left as they are; they stand in '%s' of "
			"the run's directory", a->pass.bad_n),
		  (unsigned long long)a->pass.bad_n, name);
	return 0;
}

static int record_result(struct json_attempt *a, size_t files, struct error *err)
{
	struct json_object *o = json_object_new_object();
	struct xxh128 sum = xxh_stream_end(a->digest);
	char text[XXH128_TEXT_SIZE];

	xxh128_format(&sum, text);
	json_set_str(o, "digest", text);
	json_set_int(o, "files", (int64_t)files);
	json_set_str(o, "count", a->m->count);
	json_set_int(o, "before", (int64_t)a->selected);
	json_set_int(o, "after", (int64_t)a->left);
	json_set_int(o, "changed", (int64_t)a->changed);
	json_set_int(o, "bad", (int64_t)a->pass.bad_n);
	return step_set_fact(a->ctx, "result", o, err);
}

/* equal to what is there, or nothing is there; 1: leave it */
static int output_there(struct json_attempt *a, const struct json_staged *g,
			struct error *err)
{
	_cleanup_item_ struct item it = ITEM_INIT;
	_cleanup_free_ char *shown = NULL;
	int ret = item_read(step_root_fd(a->ctx), g->path, true, &it, err);

	if (ret < 0 || it.type == ITEM_ABSENT)
		return ret;
	if (it.type == ITEM_FILE && xxh128_equal(&it.digest, &a->pass.digest))
		return 1;
	shown = escape_bytes(g->path);
	return error_set(err, ERR_STEP_EXISTS, -EEXIST,
			 _("'%s' is there and differs"), shown);
}

static int place_all(struct json_attempt *a, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; i < a->staged_n && ret >= 0; i++) {
		const struct json_staged *g = &a->staged[i];
		int equal = a->m->output ? output_there(a, g, err) : 0;

		ret = equal;
		if (!equal)
			ret = step_place(a->ctx, g->fd, g->name, g->path,
					 !a->m->output, err);
	}
	return ret < 0 ? ret : 0;
}

int step_json_apply(const struct step *s, struct step_ctx *ctx,
		    struct error *err)
{
	_cleanup_strvec_ struct strvec files = STRVEC_INIT;
	_cleanup_attempt_ struct json_attempt a;
	int ret = json_attempt_init(&a, s, ctx, err);

	if (ret >= 0)
		ret = step_json_files(a.m, ctx, &files, err);
	a.pass.edit = true;
	a.pass.total = step_json_size(ctx, &files);
	for (size_t i = 0; i < files.n && ret >= 0; i++)
		ret = stage_file(&a, files.v[i], err);
	/* where there is no file, nothing is expected of it */
	if (ret >= 0 && files.n)
		ret = json_attempt_end(&a, err);
	if (ret >= 0)
		ret = json_secrets_put(&a.secrets, a.m->stores, a.m->store_n,
				       s->id, ctx, err);
	if (ret >= 0)
		ret = keep_bad(&a, err);
	if (ret >= 0)
		ret = record_result(&a, files.n, err);
	if (ret >= 0)
		ret = place_all(&a, err);
	if (ret >= 0)
		say_counts(&a);
	return ret;
}
