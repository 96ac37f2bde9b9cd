/* SPDX-License-Identifier: MIT */
#include "step-secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/child.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/hash.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "json-edit.h"
#include "json-text.h"
#include "step-files.h"
#include "step-json.h"
#include "step-write.h"

#define STORE_MAX (16u * 1024u * 1024u)
#define COMMAND_TIMEOUT_S 60.0

static bool same(const struct json_secret *x, const char *text, size_t n)
{
	return x->len == n && !memcmp(x->text, text, n);
}

static int other_value(struct error *err, const char *name)
{
	_cleanup_free_ char *shown = escape_bytes(name);

	return error_set(err, ERR_STEP_EXISTS, -EEXIST,
			 _("the store holds another value under the name "
			   "'%s'"), shown);
}

/* --- a file --- */

/* the directory is ours and closed to others; it is made if it is not there */
static int own_directory(struct step_ctx *c, const char *dir,
			 struct error *err)
{
	struct stat st;
	int root = step_root_fd(c), there = step_files_stat(c, dir, &st, err);

	if (there < 0)
		return there;
	if (there) {
		if (!S_ISDIR(st.st_mode) || st.st_mode & 077)
			return error_set(err, ERR_STATE_UNSAFE, -EPERM,
				_("'%s' must be a directory that is closed to "
				  "others (0700)"), dir);
		return 0;
	}
	there = step_make_parents(c, dir, err);
	if (there < 0)
		return there;
	there = fs_mkdirs(root, dir, 0700, NULL);
	if (there >= 0)
		there = step_files_own_as(c, root, dir, dir);
	return there < 0 ? step_files_fail(err, there, _("cannot make"), dir) :
		there;
}

/* the document of the store; *there: 0 if it is to be made */
static int read_store(struct step_ctx *c, const char *file, int *there,
		      struct strbuf *text, struct error *err)
{
	struct stat st;
	int ret = *there = step_files_stat(c, file, &st, err);

	if (ret < 0)
		return ret;
	if (!ret) {
		strbuf_addstr(text, "{}\n");
		return 0;
	}
	if (!S_ISREG(st.st_mode) || st.st_mode & 077)
		return error_set(err, ERR_STATE_UNSAFE, -EPERM,
				 _("'%s' must be a file that is closed to "
				   "others (0600)"), file);
	ret = step_files_read(c, file, STORE_MAX, text, err);
	return ret == -EFBIG ? step_files_fail(err, ret, _("cannot read"),
					       file) : ret;
}

/* what the store has already, by name */
struct stored {
	struct xxh128 name;
	uint32_t node;
};

struct stored_all {
	struct stored *v;
	size_t n, cap;
};

static int by_name(const void *a, const void *b)
{
	const struct stored *x = a, *y = b;
	int c = memcmp(x->name.b, y->name.b, sizeof(x->name.b));

	/* of a name that is there twice the last counts */
	return c ? c : x->node > y->node ? -1 : x->node < y->node;
}

static void list_stored(const struct json_tree *t, struct stored_all *all)
{
	for (uint32_t i = json_child(t, JSON_ROOT); i; i = json_next(t, i)) {
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
		size_t n;
		const char *key = json_key(t, i, &n);

		json_text_decode(key, n, &name);
		VEC_GROW(all->v, all->n, all->cap);
		all->v[all->n++] = (struct stored) {
			.name = xxh128_of(name.buf, name.len), .node = i,
		};
	}
	if (all->n)
		qsort(all->v, all->n, sizeof(*all->v), by_name);
}

static uint32_t find_stored(const struct stored_all *all, const char *name)
{
	struct xxh128 d = xxh128_of(name, strlen(name));
	size_t from = 0, to = all->n;

	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (memcmp(all->v[at].name.b, d.b, sizeof(d.b)) < 0)
			from = at + 1;
		else
			to = at;
	}
	return from < all->n && xxh128_equal(&all->v[from].name, &d) ?
		all->v[from].node : 0;
}

static int put_one(struct json_tree *t, const struct stored_all *all,
		   const struct json_secret *x, struct error *err)
{
	_cleanup_strbuf_ struct strbuf token = STRBUF_INIT, old = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	uint32_t i = find_stored(all, x->name);

	if (i) {
		if (json_type_of(t, i) != JSON_T_STRING)
			return other_value(err, x->name);
		json_string(t, i, &old);
		return same(x, old.buf, old.len) ? 0 :
			other_value(err, x->name);
	}
	json_text_encode(x->name, strlen(x->name), &key);
	json_text_encode(x->text, x->len, &token);
	return json_edit_member(t, JSON_ROOT, key.buf, key.len, token.buf,
				token.len, false);
}

static int put_in_text(const struct json_secrets *s, size_t store,
		       const char *file, const struct strbuf *text,
		       struct strbuf *out, struct error *err)
{
	struct json_splices splices = JSON_SPLICES_INIT;
	struct stored_all all = { 0 };
	struct json_tree t;
	int ret;

	json_tree_init(&t);
	ret = json_tree_parse(&t, text->buf, text->len);
	if (ret < 0 || json_type_of(&t, JSON_ROOT) != JSON_T_OBJECT)
		ret = error_set(err, ERR_JSON, -EINVAL,
				_("'%s' is no store of secrets (a JSON "
				  "object)"), file);
	else
		list_stored(&t, &all);
	for (size_t i = 0; i < s->n && ret >= 0; i++)
		if (s->v[i].store == store)
			ret = put_one(&t, &all, &s->v[i], err);
	if (ret >= 0) {
		json_splices(&t, &splices);
		json_splices_apply(&splices, text->buf, text->len, out);
	}
	free(all.v);
	json_splices_release(&splices);
	json_tree_release(&t);
	return ret;
}

static int put_file(const struct json_secrets *s, size_t store,
		    const char *file, struct step_ctx *c, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	_cleanup_free_ char *dir = path_dirname(file);
	int there, ret = own_directory(c, dir, err);

	if (ret >= 0)
		ret = read_store(c, file, &there, &text, err);
	if (ret >= 0)
		ret = put_in_text(s, store, file, &text, &out, err);
	if (ret < 0)
		return ret;
	if (there && out.len == text.len)
		return 0;
	return step_write(c, file, out.buf, out.len, 0600, there, err);
}

/* --- commands --- */

static void fill_name(const struct strvec *from, const char *name,
		      struct strvec *to)
{
	for (size_t i = 0; i < from->n; i++) {
		struct strbuf arg = STRBUF_INIT;
		const char *p = from->v[i], *at;

		while ((at = strstr(p, "{name}"))) {
			strbuf_add(&arg, p, (size_t)(at - p));
			strbuf_addstr(&arg, name);
			p = at + strlen("{name}");
		}
		strbuf_addstr(&arg, p);
		strvec_take(to, strbuf_detach(&arg));
	}
}

/* in memory alone; -errno */
static int input_of(const char *text, size_t n)
{
	int ret, fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	ret = fs_write_all(fd, text, n);
	if (ret >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		ret = -errno;
	if (ret < 0)
		(void)close(fd);
	return ret < 0 ? ret : fd;
}

/* exit status, or -errno with err filled */
static int call(struct step_ctx *c, const struct strvec *command,
		const struct json_secret *x, bool input, struct strbuf *out,
		struct error *err)
{
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT;
	_cleanup_close_ int fd = -1;
	struct child_result res;
	struct step_command cmd = {
		.argv = &argv, .timeout_s = COMMAND_TIMEOUT_S, .quiet = true,
		.capture = out, .read_only = out != NULL,
	};
	int ret;

	fill_name(command, x->name, &argv);
	if (input) {
		fd = input_of(x->text, x->len);
		if (fd < 0)
			return error_errno(err, ERR_STEP, fd,
				_("cannot hand a secret to '%s'"), argv.v[0]);
		cmd.input_fd = fd;
	}
	ret = step_command(c, &cmd, &res, err);
	if (ret < 0)
		return ret;
	if (res.signal || res.timed_out)
		return error_set(err, ERR_STEP_COMMAND, -EIO,
				 _("'%s' did not end by itself"), argv.v[0]);
	return res.exit_status;
}

/* 1: the store has it; 0: nothing of that name; another value is a failure */
static int is_there(struct step_ctx *c, const struct json_store *store,
		    const struct json_secret *x, struct error *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	size_t len;
	int ret;

	strbuf_grow(&out, 128 * 1024);
	ret = call(c, &store->get, x, false, &out, err);
	if (ret < 0)
		return ret;
	if (ret > 0)
		return 0;
	/* lines come with their ends; the last one may have had none */
	len = out.len && out.buf[out.len - 1] == '\n' ? out.len - 1 : out.len;
	if (same(x, out.buf, len) || same(x, out.buf, out.len))
		return 1;
	return len ? other_value(err, x->name) : 0;
}

static struct json_object *names_put(struct step_ctx *c, const char *step)
{
	_cleanup_free_ char *key = xasprintf("secrets:%s", step);

	return step_get_run_fact(c, key);
}

/* what will be put by commands, with what an earlier attempt put */
static int record_names(const struct json_secrets *s, const bool *there,
			const struct json_store *stores, const char *step,
			struct step_ctx *c, struct error *err)
{
	_cleanup_free_ char *key = xasprintf("secrets:%s", step);
	struct json_object *list = json_object_new_array();
	struct json_object *old = names_put(c, step);
	struct json_secrets known;
	size_t added = 0;

	json_secrets_init(&known);
	for (size_t i = 0; old && i < json_object_array_length(old); i++) {
		struct json_object *o = json_object_array_get_idx(old, i);

		json_object_array_add(list, json_object_get(o));
		(void)json_secrets_add(&known,
				       (size_t)json_get_int(o, "store", -1),
				       json_get_str(o, "name", ""), "", 0,
				       NULL);
	}
	for (size_t i = 0; i < s->n; i++) {
		struct json_object *o;

		if (there[i] || stores[s->v[i].store].file ||
		    json_secrets_find(&known, s->v[i].store, s->v[i].name))
			continue;
		o = json_object_new_object();
		json_set_int(o, "store", (int64_t)s->v[i].store);
		json_set_str(o, "name", s->v[i].name);
		json_object_array_add(list, o);
		added++;
	}
	json_secrets_release(&known);
	if (added)
		return step_set_run_fact(c, key, list, err);
	json_object_put(list);
	return 0;
}

static int put_by_command(struct step_ctx *c, const struct json_store *store,
			  const struct json_secret *x, struct error *err)
{
	int ret = call(c, &store->put, x, true, NULL, err);

	if (ret > 0)
		return error_set(err, ERR_STEP_COMMAND, -EIO,
				 _("'%s' ended with status %d"),
				 store->put.v[0], ret);
	if (ret < 0)
		return ret;
	/* the document will not have it any more: look */
	ret = is_there(c, store, x, err);
	if (ret == 0)
		return error_set(err, ERR_STEP_COMMAND, -EIO,
				 _("'%s' ended well, but '%s' does not give "
				   "the secret back"), store->put.v[0],
				 store->get.v[0]);
	return ret;
}

static int put_commands(const struct json_secrets *s,
			const struct json_store *stores, const char *step,
			struct step_ctx *c, struct error *err)
{
	_cleanup_free_ bool *there = xcalloc(s->n + 1, sizeof(*there));
	int ret = 0;

	for (size_t i = 0; i < s->n && ret >= 0; i++) {
		if (stores[s->v[i].store].file)
			continue;
		ret = is_there(c, &stores[s->v[i].store], &s->v[i], err);
		there[i] = ret > 0;
	}
	if (ret >= 0)
		ret = record_names(s, there, stores, step, c, err);
	for (size_t i = 0; i < s->n && ret >= 0; i++)
		if (!there[i] && !stores[s->v[i].store].file)
			ret = put_by_command(c, &stores[s->v[i].store],
					     &s->v[i], err);
	return ret < 0 ? ret : 0;
}

/* --- both --- */

static bool uses(const struct json_secrets *s, size_t store)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].store == store)
			return true;
	return false;
}

int json_secrets_put(const struct json_secrets *s,
		     const struct json_store *stores, size_t store_n,
		     const char *step, struct step_ctx *c, struct error *err)
{
	int ret = put_commands(s, stores, step, c, err);

	for (size_t i = 0; i < store_n && ret >= 0; i++)
		if (stores[i].file && uses(s, i))
			ret = put_file(s, i, stores[i].file, c, err);
	return ret;
}

int json_secrets_redo(const struct json_secrets *s,
		      const struct json_store *stores, const char *step,
		      struct step_ctx *c, struct error *err)
{
	return put_commands(s, stores, step, c, err);
}

int json_secrets_undo(const struct json_store *stores, size_t store_n,
		      const char *step, struct step_ctx *c, struct error *err)
{
	struct json_object *list = names_put(c, step);
	int ret = 0;

	for (size_t i = 0; list && i < json_object_array_length(list) &&
	     ret >= 0; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		_cleanup_free_ char *name = xstrdup(json_get_str(o, "name",
								 ""));
		struct json_secret x = { .name = name };
		int64_t k = json_get_int(o, "store", -1);
		_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

		if (k < 0 || (size_t)k >= store_n || stores[k].file)
			continue;
		/* not there (any more): done */
		ret = call(c, &stores[k].get, &x, false, &out, err);
		if (ret > 0 || (!ret && !out.len)) {
			ret = 0;
			continue;
		}
		if (ret >= 0)
			ret = call(c, &stores[k].remove, &x, false, NULL, err);
		if (ret > 0)
			return error_set(err, ERR_STEP_COMMAND, -EIO,
				_("'%s' ended with status %d"),
				stores[k].remove.v[0], ret);
	}
	return ret;
}
