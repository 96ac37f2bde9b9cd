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
 * An O_PATH descriptor has no f*xattr, so the magic link /proc/self/fd/N is
 * followed, by the plain calls. A symlink cannot be reached that way; it
 * carries no user.* attributes, and trusted.* ones are left out anyway.
 */
static int read_xattrs(int fd, const struct stat *st, struct meta *m)
{
	char small[512], path[48];
	_cleanup_free_ char *big = NULL;
	char *names = small;
	uint32_t cap = 0;
	ssize_t n;

	if (S_ISLNK(st->st_mode))
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = listxattr(path, small, sizeof(small));
	if (n < 0 && errno == ERANGE) {
		names = big = xmalloc(NAMES_MAX);
		n = listxattr(path, big, NAMES_MAX);
	}
	if (n < 0)
		return errno == EOPNOTSUPP || errno == EACCES ? 0 : -errno;
	for (char *p = names; p < names + n; p += strlen(p) + 1) {
		_cleanup_free_ char *buf = NULL;
		ssize_t len;

		if (!wanted(p))
			continue;
		buf = xmalloc(VALUE_MAX);
		len = getxattr(path, p, buf, VALUE_MAX);
		if (len < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
			continue;
		if (len < 0)
			return -errno;
		VEC_GROW(m->xattrs, m->xattr_n, cap);
		m->xattrs[m->xattr_n].name = xstrdup(p);
		m->xattrs[m->xattr_n].value = xmemdup(buf, (size_t)len);
		m->xattrs[m->xattr_n].len = (uint32_t)len;
		m->xattr_n++;
	}
	if (m->xattr_n > 1)
		qsort(m->xattrs, m->xattr_n, sizeof(*m->xattrs), by_name);
	return 0;
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
	ret = read_xattrs(fd, st, m);
	if (ret < 0) {
		meta_release(m);
		return error_errno(err, ERR_IO, ret,
				   _("cannot read extended attributes"));
	}
	return 0;
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

/* followed to the file behind the descriptor, which is no symlink */
static int set_xattrs(const char *proc, const struct meta *m,
		      const struct meta *now, const char *where,
		      struct error *err)
{
	for (uint32_t i = 0; i < now->xattr_n; i++) {
		const char *name = now->xattrs[i].name;
		int ret;

		if (find_xattr(m, name))
			continue;
		ret = fs_removexattr(proc, name);
		if (ret < 0 && ret != -ENODATA)
			return error_errno(err, ERR_IO, ret,
				_("cannot remove attribute '%s' of '%s'"),
				name, where);
	}
	for (uint32_t i = 0; i < m->xattr_n; i++) {
		const struct meta_xattr *x = &m->xattrs[i];
		const struct meta_xattr *old = find_xattr(now, x->name);
		int ret;

		if (old && old->len == x->len &&
		    !memcmp(old->value, x->value, x->len))
			continue;
		ret = fs_setxattr(proc, x->name, x->value, x->len);
		if (ret < 0)
			return error_errno(err, ERR_IO, ret,
				_("cannot set attribute '%s' of '%s'"),
				x->name, where);
	}
	return 0;
}

int meta_apply(int dirfd, const char *name, const struct meta *m,
	       const char *where, struct error *err)
{
	_cleanup_close_ int fd = fs_open(dirfd, name, O_PATH | O_NOFOLLOW, 0);
	_cleanup_meta_ struct meta now = META_INIT;
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, m->mtime };
	struct stat st;
	char proc[48];
	int ret = 0;

	if (fd < 0)
		return error_errno(err, ERR_IO, fd, _("cannot open '%s'"),
				   where);
	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_IO, -errno,
				   _("cannot look at '%s'"), where);
	ret = meta_read(fd, &st, &now, err);
	if (ret < 0)
		return ret;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (now.uid != m->uid || now.gid != m->gid) {
		ret = fs_chown(fd, "", m->uid, m->gid, AT_EMPTY_PATH);
		if (ret < 0)
			return error_errno(err, ERR_IO, ret,
				_("cannot set the owner of '%s'"), where);
		/* drops set-id bits, so the mode is set anew */
		now.mode = (mode_t)-1;
	}
	/* user.* wants the right to write, also from the owner */
	if (!S_ISLNK(st.st_mode) && !(st.st_mode & 0200) &&
	    geteuid() != 0 && !meta_xattrs_equal(&now, m)) {
		ret = fs_chmod_proc(proc, (st.st_mode & 07777) | 0200);
		if (ret < 0)
			return error_errno(err, ERR_IO, ret,
				_("cannot set the mode of '%s'"), where);
		now.mode = (mode_t)-1;
	}
	if (!S_ISLNK(st.st_mode)) {
		ret = set_xattrs(proc, m, &now, where, err);
		if (ret < 0)
			return ret;
		/* an ACL changes group bits */
		if (now.mode != m->mode || m->xattr_n || now.xattr_n)
			ret = fs_chmod_proc(proc, m->mode);
		if (ret < 0)
			return error_errno(err, ERR_IO, ret,
				_("cannot set the mode of '%s'"), where);
	}
	ret = fs_utimes(dirfd, name, ts, AT_SYMLINK_NOFOLLOW);
	if (ret < 0)
		return error_errno(err, ERR_IO, ret,
				   _("cannot set the time of '%s'"), where);
	return 0;
}
