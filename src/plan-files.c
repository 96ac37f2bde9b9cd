/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/hash.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"

/* --- files beside the plan --- */

static int read_beside(const char *dir, const char *name, struct strbuf *out,
		       struct error *err)
{
	_cleanup_close_ int dir_fd = fs_open(AT_FDCWD, dir,
					     O_PATH | O_DIRECTORY, 0);
	_cleanup_close_ int fd = -1;
	struct stat st;
	ssize_t n;

	if (dir_fd < 0)
		return error_errno(err, ERR_PLAN, dir_fd,
				   _("cannot open '%s'"), dir);
	fd = fs_open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return error_errno(err, ERR_PLAN, fd,
				   _("cannot open '%s' beside the plan"), name);
	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_PLAN, -errno,
				   _("cannot read '%s'"), name);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_PLAN, -EINVAL,
				 _("'%s' is not a regular file"), name);
	if (st.st_size > PLAN_FILE_SIZE_MAX)
		return error_set(err, ERR_PLAN, -EFBIG,
				 _("'%s' is larger than 16 MiB"), name);
	strbuf_grow(out, (size_t)st.st_size + 1);
	/* one byte more tells a file that grew */
	n = fs_read_full(fd, out->buf, (size_t)st.st_size + 1);
	if (n < 0)
		return error_errno(err, ERR_PLAN, (int)n,
				   _("cannot read '%s'"), name);
	if (n != st.st_size)
		return error_set(err, ERR_PLAN, -EAGAIN,
				 _("'%s' changed while it was read"), name);
	strbuf_set_len(out, (size_t)n);
	return 0;
}

static struct plan_file *add_file(struct plan *p, const char *name,
				  struct strbuf *data)
{
	struct plan_file *f;

	/* kinds keep pointers to it, so it never moves */
	if (!p->files)
		p->files = xcalloc(PLAN_FILES_MAX, sizeof(*p->files));
	f = &p->files[p->file_n++];
	f->name = xstrdup(name);
	f->len = data->len;
	f->data = strbuf_detach(data);
	blake2_of(f->data, f->len, f->digest);
	return f;
}

const struct plan_file *load_file(struct plan_node *n, const char *key,
				  int line, const char *name)
{
	struct plan *p = n->load->plan;
	_cleanup_free_ char *path = path_normalize(name);
	_cleanup_strbuf_ struct strbuf data = STRBUF_INIT;
	_cleanup_error_ struct error err = ERROR_INIT;
	const struct plan_file *known = plan_find_file(p, path);
	const char *why = *path == '/' ? N_("it must stand beside the plan") :
		path_check(path);

	if (known)
		return known;
	if (why) {
		node_problem_at(n, line, _("'%s': '%s': %s"), key, name,
				_(why));
	} else if (p->file_n == PLAN_FILES_MAX) {
		node_problem_at(n, line, _("more than %d files"),
				PLAN_FILES_MAX);
	} else if (read_beside(p->dir, path, &data, &err) < 0) {
		node_problem_at(n, line, "'%s': %s", key, err.msg);
	} else {
		return add_file(p, path, &data);
	}
	return NULL;
}

bool plan_node_file(struct plan_node *n, const char *key, bool required,
		    const struct plan_file **ret)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	const struct plan_value *v = node_want(n, key, required);
	const struct plan_file *f;

	/* the name is the author's: no ${...}, so that the digest and the copy
	   in the run hold every file that may be wanted */
	if (!v || !node_is_string(n, v, key))
		return false;
	if (!*v->str) {
		node_problem_at(n, v->line, _("'%s' is empty"), key);
		return false;
	}
	f = load_file(n, key, v->line, v->str);
	if (!f)
		return false;
	*ret = f;
	return true;
}

const struct plan_file *plan_find_file(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->file_n; i++)
		if (!strcmp(p->files[i].name, name))
			return &p->files[i];
	return NULL;
}

/* --- digest --- */

static int by_name(const void *a, const void *b)
{
	const struct plan_file *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void add_part(struct blake2 *b, const char *name, const void *data,
		     size_t len)
{
	_cleanup_free_ char *size = xasprintf("%zu", len);

	/* name and size with their NULs, so that no two plans read the same */
	blake2_add(b, name, strlen(name) + 1);
	blake2_add(b, size, strlen(size) + 1);
	blake2_add(b, data, len);
}

/* Names are as in the plan: moving the folder changes nothing. */
void plan_digest(struct plan *p)
{
	_cleanup_free_ const struct plan_file **sorted =
		xcalloc(p->file_n ? p->file_n : 1, sizeof(*sorted));
	struct blake2 *b = blake2_new();

	for (size_t i = 0; i < p->file_n; i++)
		sorted[i] = &p->files[i];
	qsort(sorted, p->file_n, sizeof(*sorted), by_name);
	add_part(b, "", p->source, p->source_len);
	for (size_t i = 0; i < p->file_n; i++)
		add_part(b, sorted[i]->name, sorted[i]->data, sorted[i]->len);
	blake2_end(b, p->digest);
	blake2_free(b);
}
