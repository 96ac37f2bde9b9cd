/* SPDX-License-Identifier: MIT */
#include "base/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"

/* the kernel's own limits */
#define NAMES_MAX 65536
#define VALUE_MAX 65536

void meta_release(struct meta *m)
{
	for (uint32_t i = 0; i < m->xattr_n; i++) {
		free(m->xattrs[i].name);
		free(m->xattrs[i].value);
	}
	free(m->xattrs);
	memset(m, 0, sizeof(*m));
}

void meta_copy(struct meta *dst, const struct meta *src)
{
	*dst = *src;
	dst->xattrs = NULL;
	if (!src->xattr_n)
		return;
	dst->xattrs = xcalloc(src->xattr_n, sizeof(*dst->xattrs));
	for (uint32_t i = 0; i < src->xattr_n; i++) {
		dst->xattrs[i].name = xstrdup(src->xattrs[i].name);
		dst->xattrs[i].len = src->xattrs[i].len;
		dst->xattrs[i].value = xmemdup(src->xattrs[i].value,
					       src->xattrs[i].len);
	}
}

static bool wanted(const char *name)
{
	return strncmp(name, "trusted.", 8) != 0 &&
		strcmp(name, "security.selinux") != 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct meta_xattr *)a)->name,
		      ((const struct meta_xattr *)b)->name);
}

/*
 * An O_PATH descriptor has no f*xattr (EBADF), so there the magic link
 * /proc/self/fd/N is followed, by the plain calls, which cost twice as much; it
 * leads to a symlink itself, not further.
 */
static void proc_path(int fd, char out[48])
{
	(void)snprintf(out, 48, "/proc/self/fd/%d", fd);
}

static void add_xattr(struct meta *m, uint32_t *cap, const char *name,
		      const void *value, size_t len)
{
	VEC_GROW(m->xattrs, m->xattr_n, *cap);
	m->xattrs[m->xattr_n].name = xstrdup(name);
	m->xattrs[m->xattr_n].value = xmemdup(value, len);
	m->xattrs[m->xattr_n].len = (uint32_t)len;
	m->xattr_n++;
}

static ssize_t list_names(int fd, char *names, size_t n)
{
	ssize_t len = flistxattr(fd, names, n);
	char path[48];

	if (len >= 0 || errno != EBADF)
		return len;
	proc_path(fd, path);
	return listxattr(path, names, n);
}

static ssize_t get_value(int fd, const char *name, void *value, size_t n)
{
	ssize_t len = fgetxattr(fd, name, value, n);
	char path[48];

	if (len >= 0 || errno != EBADF)
		return len;
	proc_path(fd, path);
	return getxattr(path, name, value, n);
}

static int read_values(int fd, const char *names, size_t n, struct meta *m,
		       struct error *err)
{
	_cleanup_free_ char *buf = xmalloc(VALUE_MAX);
	uint32_t cap = 0;

	for (const char *p = names; p < names + n; p += strlen(p) + 1) {
		ssize_t len;

		if (!wanted(p))
			continue;
		len = get_value(fd, p, buf, VALUE_MAX);
		/* gone since it was listed, or listed and not to be had */
		if (len < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
			continue;
		if (len < 0)
			return error_errno(err, ERR_IO, -errno,
				_("cannot read extended attribute '%s'"), p);
		add_xattr(m, &cap, p, buf, (size_t)len);
	}
	if (m->xattr_n > 1)
		qsort(m->xattrs, m->xattr_n, sizeof(*m->xattrs), by_name);
	return 0;
}

/* one call for the many files that have none */
static int read_xattrs(int fd, struct meta *m, struct error *err)
{
	char small[512];
	_cleanup_free_ char *big = NULL;
	char *names = small;
	ssize_t n;

	n = list_names(fd, small, sizeof(small));
	if (n == 0 || (n < 0 && errno == EOPNOTSUPP))
		return 0;
	if (n < 0 && errno == ERANGE) {
		names = big = xmalloc(NAMES_MAX);
		n = list_names(fd, big, NAMES_MAX);
	}
	if (n < 0)
		return error_errno(err, ERR_IO, -errno,
				   _("cannot list extended attributes"));
	return read_values(fd, names, (size_t)n, m, err);
}

int meta_read(int fd, const struct stat *st, struct meta *m,
	      struct error *err)
{
	int ret;

	memset(m, 0, sizeof(*m));
	m->mode = st->st_mode & 07777;
	m->uid = st->st_uid;
	m->gid = st->st_gid;
	m->mtime = st->st_mtim;
	ret = read_xattrs(fd, m, err);
	if (ret < 0)
		meta_release(m);
	return ret;
}

bool meta_xattrs_equal(const struct meta *a, const struct meta *b)
{
	if (a->xattr_n != b->xattr_n)
		return false;
	for (uint32_t i = 0; i < a->xattr_n; i++)
		if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 ||
		    a->xattrs[i].len != b->xattrs[i].len ||
		    memcmp(a->xattrs[i].value, b->xattrs[i].value,
			   a->xattrs[i].len) != 0)
			return false;
	return true;
}

bool meta_equal(const struct meta *a, const struct meta *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
		a->mtime.tv_sec == b->mtime.tv_sec &&
		a->mtime.tv_nsec == b->mtime.tv_nsec &&
		meta_xattrs_equal(a, b);
}

/* --- setting --- */

static const struct meta_xattr *find_xattr(const struct meta *m,
					   const char *name)
{
	for (uint32_t i = 0; i < m->xattr_n; i++)
		if (!strcmp(m->xattrs[i].name, name))
			return &m->xattrs[i];
	return NULL;
}

/* what meta_apply() works on */
struct target {
	int fd;               /* O_PATH */
	char proc[48];
	struct stat st;       /* as last looked at */
	const char *where;
};

static int look(struct target *t, struct error *err)
{
	if (fstat(t->fd, &t->st) < 0)
		return error_errno(err, ERR_IO, -errno,
				   _("cannot look at '%s'"), t->where);
	return 0;
}

/* v NULL: remove it */
static int change_xattr(struct target *t, const char *name, const void *v,
			size_t n)
{
	int ret = v ? fs_setxattr(t->proc, name, v, n) :
		fs_removexattr(t->proc, name);

	/* user.* needs the write bit even from the owner; the mode is set
	   behind the attributes and takes it away again */
	if (ret == -EACCES && !S_ISLNK(t->st.st_mode) &&
	    !(t->st.st_mode & S_IWUSR)) {
		ret = fs_chmod_proc(t->proc,
				    (t->st.st_mode & 07777) | S_IWUSR);
		if (ret < 0)
			return ret;
		t->st.st_mode |= S_IWUSR;
		ret = v ? fs_setxattr(t->proc, name, v, n) :
			fs_removexattr(t->proc, name);
	}
	return !v && ret == -ENODATA ? 0 : ret;
}

static int apply_xattrs(struct target *t, const struct meta *m,
			const struct meta *now, struct error *err)
{
	int ret;

	for (uint32_t i = 0; i < now->xattr_n; i++) {
		const char *name = now->xattrs[i].name;

		if (find_xattr(m, name))
			continue;
		ret = change_xattr(t, name, NULL, 0);
		if (ret < 0)
			return error_errno(err, ERR_IO, ret,
				_("cannot remove attribute '%s' of '%s'"),
				name, t->where);
	}
	for (uint32_t i = 0; i < m->xattr_n; i++) {
		const struct meta_xattr *x = &m->xattrs[i];
		const struct meta_xattr *old = find_xattr(now, x->name);

		if (old && old->len == x->len &&
		    !memcmp(old->value, x->value, x->len))
			continue;
		ret = change_xattr(t, x->name, x->value, x->len);
		if (ret < 0)
			return error_errno(err, ERR_IO, ret,
				_("cannot set attribute '%s' of '%s'"),
				x->name, t->where);
	}
	return 0;
}

static int apply_owner(struct target *t, const struct meta *m,
		       struct error *err)
{
	int ret;

	if (t->st.st_uid == m->uid && t->st.st_gid == m->gid)
		return 0;
	ret = fs_chown(t->fd, "", m->uid, m->gid, AT_EMPTY_PATH);
	if (ret < 0)
		return error_errno(err, ERR_IO, ret,
				   _("cannot set the owner of '%s'"), t->where);
	return look(t, err);
}

static int apply_mode(struct target *t, const struct meta *m,
		      struct error *err)
{
	int ret;

	if (S_ISLNK(t->st.st_mode) || (t->st.st_mode & 07777) == m->mode)
		return 0;
	ret = fs_chmod_proc(t->proc, m->mode);
	if (ret < 0)
		return error_errno(err, ERR_IO, ret,
				   _("cannot set the mode of '%s'"), t->where);
	ret = look(t, err);
	if (ret < 0)
		return ret;
	/* the set-group-id bit of a group that is not ours: dropped, no error */
	if ((t->st.st_mode & 07777) != m->mode)
		return error_errno(err, ERR_IO, -EPERM,
				   _("cannot set the mode of '%s'"), t->where);
	return 0;
}

/*
 * The owner first, as that drops set-id bits and capabilities. Attributes
 * before the mode: an ACL sets the bits of the group, and one that goes leaves
 * its mask there. Only what differs is set, so that applying again needs
 * no right and leaves no trace.
 */
int meta_apply(int dirfd, const char *name, const struct meta *m,
	       const char *where, struct error *err)
{
	_cleanup_close_ int fd = fs_open(dirfd, name, O_PATH | O_NOFOLLOW, 0);
	_cleanup_meta_ struct meta now = META_INIT;
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, m->mtime };
	struct target t = { .fd = fd, .where = where };
	int ret;

	if (fd < 0)
		return error_errno(err, ERR_IO, fd, _("cannot open '%s'"),
				   where);
	proc_path(fd, t.proc);
	ret = look(&t, err);
	if (ret >= 0)
		ret = apply_owner(&t, m, err);
	if (ret >= 0)
		ret = meta_read(fd, &t.st, &now, err);
	if (ret >= 0 && !meta_xattrs_equal(m, &now)) {
		ret = apply_xattrs(&t, m, &now, err);
		if (ret >= 0)
			ret = look(&t, err);
	}
	if (ret >= 0)
		ret = apply_mode(&t, m, err);
	if (ret < 0 || (t.st.st_mtim.tv_sec == m->mtime.tv_sec &&
			t.st.st_mtim.tv_nsec == m->mtime.tv_nsec))
		return ret;
	ret = fs_utimes(dirfd, name, ts, AT_SYMLINK_NOFOLLOW);
	if (ret < 0)
		return error_errno(err, ERR_IO, ret,
				   _("cannot set the time of '%s'"), where);
	return 0;
}
