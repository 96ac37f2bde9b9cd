/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>   /* RENAME_NOREPLACE, snprintf */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "undo-internal.h"

/* A slot in aside for the same path; more can only be an endless loop. */
#define SLOTS_MAX 1000

void undo_key(const char *path, char out[UNDO_KEY_SIZE])
{
	struct xxh128 d = xxh128_of(path, strlen(path));

	for (size_t i = 0; i < sizeof(d.b); i++) {
		static const char hex[] = "0123456789abcdef";

		out[2 * i] = hex[d.b[i] >> 4];
		out[2 * i + 1] = hex[d.b[i] & 15];
	}
	out[UNDO_KEY_SIZE - 1] = '\0';
}

int undo_rename_noreplace(int odir, const char *old, int ndir,
			  const char *new_name)
{
	struct stat st;
	int r = fs_rename(odir, old, ndir, new_name, RENAME_NOREPLACE);

	if (r != -EINVAL)
		return r;
	/* NFS and some FUSE file systems do not know the flag */
	if (fstatat(ndir, new_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return fs_rename(odir, old, ndir, new_name, 0);
}

/* --- moving directories that their owner may not write --- */

/* By an O_PATH descriptor, as a mode may forbid to open the directory. */
static int set_mode(int dirfd, const char *name, mode_t mode)
{
	char proc[48];
	_cleanup_close_ int fd = fs_open(dirfd, name,
				O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	return fs_chmod_proc(proc, mode);
}

int undo_loosen(int dirfd, const char *name, mode_t *was)
{
	struct stat st;
	int r;

	*was = 07777;
	if (geteuid() == 0)
		return 0;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || (st.st_mode & 0300) == 0300)
		return 0;
	r = set_mode(dirfd, name, (st.st_mode & 07777) | 0300);
	if (r == 0)
		*was = st.st_mode & 07777;
	return r;
}

int undo_tighten(int dirfd, const char *name, mode_t was)
{
	return was == 07777 ? 0 : set_mode(dirfd, name, was);
}

static int open_up(void *ctx, const struct walk_entry *e, struct error *err)
{
	mode_t was;

	(void)ctx;
	(void)err;
	if (!S_ISDIR(e->st.st_mode))
		return 0;
	return undo_loosen(e->dirfd, e->name, &was);
}

/* Also what holds directories that nobody may write to. */
int undo_remove_tree(int dirfd, const char *name)
{
	int r = fs_remove_tree(dirfd, name);

	if (r != -EACCES && r != -EPERM)
		return r;
	r = walk_tree(dirfd, name, 0, open_up, NULL, NULL);
	return r < 0 ? r : fs_remove_tree(dirfd, name);
}

/* --- places --- */

static int place_error(struct error *err, int r, const struct undo_place *p)
{
	_cleanup_free_ char *text = escape_bytes(p->name);

	if (r == -ENOSPC || r == -EDQUOT)
		return error_errno(err, ERR_ROLLBACK_SPACE, r,
				   _("cannot stage in '%s'"), text);
	return error_errno(err, ERR_ROLLBACK, r, _("cannot stage in '%s'"),
			   text);
}

static int make_dir(int dirfd, const char *name)
{
	int r = fs_mkdir(dirfd, name, 0700);

	if (r < 0 && r != -EEXIST)
		return r;
	return fs_open(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
}

static void place_free(struct undo_place *p)
{
	if (!p)
		return;
	closep(&p->fd);
	closep(&p->new_fd);
	closep(&p->swap_fd);
	closep(&p->gone_fd);
	free(p->dir);
	free(p->name);
	free(p);
}

void undo_places_free(struct undo *u)
{
	for (size_t i = 0; i < u->place_n; i++)
		place_free(u->places[i]);
	free(u->places);
	u->places = NULL;
	u->place_n = u->place_cap = 0;
	u->home = NULL;
	closep(&u->aside_fd);
}

static int place_open(struct undo_place *p, int base_fd)
{
	p->fd = make_dir(base_fd, p->name);
	if (p->fd >= 0)
		p->new_fd = make_dir(p->fd, "new");
	if (p->new_fd >= 0)
		p->swap_fd = make_dir(p->fd, "swap");
	if (p->swap_fd >= 0 && p->dir)
		p->gone_fd = make_dir(p->fd, "gone");
	if (p->fd < 0 || p->new_fd < 0 || p->swap_fd < 0)
		return MIN(p->fd, MIN(p->new_fd, p->swap_fd));
	return p->dir && p->gone_fd < 0 ? p->gone_fd : 0;
}

static struct undo_place *place_new(const char *dir, char *name)
{
	struct undo_place *p = xcalloc(1, sizeof(*p));

	p->fd = p->new_fd = p->swap_fd = p->gone_fd = -1;
	p->dir = xstrdup_null(dir);
	p->name = name;
	return p;
}

static int place_add(struct undo *u, struct undo_place *p, int base_fd,
		     struct undo_place **ret, struct error *err)
{
	int r = place_open(p, base_fd);

	if (r < 0) {
		r = place_error(err, r, p);
		place_free(p);
		return r;
	}
	VEC_GROW(u->places, u->place_n, u->place_cap);
	u->places[u->place_n++] = p;
	*ret = p;
	return 0;
}

int undo_open_home(struct undo *u, struct error *err)
{
	struct undo_place *p;
	struct stat st;

	if (u->home)
		return 0;
	u->aside_fd = make_dir(u->spec.backup_fd, u->spec.aside_name);
	if (u->aside_fd < 0)
		return undo_fail(err, u->aside_fd, _("cannot make"),
				 u->spec.aside_name);
	p = place_new(NULL, xasprintf("%s.stage", u->spec.pre_name));
	u->again = fstatat(u->spec.backup_fd, p->name, &st,
			   AT_SYMLINK_NOFOLLOW) == 0;
	return place_add(u, p, u->spec.backup_fd, &u->home, err);
}

char *undo_sibling_name(const struct undo *u)
{
	return xasprintf(OURS_STAGE "%s.undo", u->spec.run_id);
}

static int note_time(struct undo_place *p, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	p->dir_mtime = st.st_mtim;
	p->made = fstatat(fd, p->name, &st, AT_SYMLINK_NOFOLLOW) < 0;
	return 0;
}

int undo_open_sibling(struct undo *u, const char *dir,
		      struct undo_place **ret, struct error *err)
{
	struct undo_place *p;
	mode_t was = 07777;
	int fd, r;

	for (size_t i = 0; i < u->place_n; i++)
		if (u->places[i]->dir &&
		    strcmp(u->places[i]->dir, dir) == 0) {
			*ret = u->places[i];
			return 0;
		}
	fd = fs_open_beneath(u->spec.root_fd, dir,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return undo_fail(err, fd, _("cannot open"), dir);
	p = place_new(dir, undo_sibling_name(u));
	r = note_time(p, fd);
	if (r == 0)
		r = undo_loosen(fd, ".", &was);
	if (r < 0) {
		r = undo_fail(err, r, _("cannot write to"), dir);
		place_free(p);
	} else {
		r = place_add(u, p, fd, ret, err);
	}
	(void)close(fd); /* opened to read */
	return r;
}

/* Can names be moved between the two? */
static bool same_mount(int a, int b)
{
	struct statx x, y;

	if (statx(a, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID,
		  &x) < 0 ||
	    statx(b, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID,
		  &y) < 0)
		return false;
	return x.stx_dev_major == y.stx_dev_major &&
	       x.stx_dev_minor == y.stx_dev_minor &&
	       x.stx_mnt_id == y.stx_mnt_id;
}

/*
 * The directory that gets the place: the one that holds the entry of the
 * effects, as it is the same for every process and every action below it;
 * where a file system is mounted further down, the topmost directory on that.
 */
static char *place_dir(struct undo *u, const char *path, int parent)
{
	_cleanup_free_ char *dir = path_dirname(path);
	_cleanup_free_ char *best = xstrdup(dir);
	const char *top = dir;

	for (size_t i = 0; i < u->top_n; i++)
		if (path_is_below(path, u->tops[i].path))
			top = u->tops[i].path;
	_cleanup_free_ char *limit = path_dirname(top);
	while (strcmp(dir, limit) != 0 && path_is_below(dir, limit)) {
		char *up = path_dirname(dir);
		int fd;

		free(dir);
		dir = up;
		fd = fs_open_beneath(u->spec.root_fd, dir,
				     O_PATH | O_DIRECTORY, 0);
		if (fd < 0)
			break;
		bool same = same_mount(fd, parent);
		(void)close(fd); /* O_PATH */
		if (!same)
			break;
		free(best);
		best = xstrdup(dir);
	}
	return TAKE_PTR(best);
}

int undo_place_for(struct undo *u, struct undo_action *a, struct error *err)
{
	const char *name;
	int r;

	r = undo_open_home(u, err);
	if (r < 0)
		return r;
	_cleanup_close_ int parent = fs_open_parent(u->spec.root_fd, a->path,
						    &name);
	if (parent < 0)
		return undo_fail(err, parent, _("cannot open the directory of"),
				 a->path);
	if (!u->force_sibling && same_mount(parent, u->home->fd)) {
		a->place = u->home;
		return 0;
	}
	_cleanup_free_ char *dir = place_dir(u, a->path, parent);
	return undo_open_sibling(u, dir, &a->place, err);
}

int undo_place_clear(struct undo *u, struct undo_place *p, struct error *err)
{
	int r;

	(void)u;
	closep(&p->new_fd);
	r = undo_remove_tree(p->fd, "new");
	if (r == 0)
		r = p->new_fd = make_dir(p->fd, "new");
	return r < 0 ? place_error(err, r, p) : 0;
}

/* --- aside --- */

/* Below aside: paths outside the root keep their own corner. */
char *undo_aside_path(const char *path, int slot)
{
	const char *corner = *path == '/' ? UNDO_OUTSIDE : "";

	if (slot == 0)
		return xasprintf("%s%s", corner, path);
	return xasprintf(".more/%d/%s%s", slot, corner, path);
}

/* Not flushed one by one as fs_mkdirs() does: the file system is, once. */
int undo_make_dirs(int fd, const char *rel)
{
	_cleanup_free_ char *up = NULL;
	const char *name;
	struct stat st;
	int r = fs_stat_beneath(fd, rel, &st);

	if (r == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	if (r != -ENOENT)
		return r;
	up = path_dirname(rel);
	r = undo_make_dirs(fd, up);
	if (r < 0)
		return r;
	_cleanup_close_ int parent = fs_open_parent(fd, rel, &name);
	return parent < 0 ? parent : fs_mkdir(parent, name, 0700);
}

int undo_put_into(int aside_fd, const char *rel, int dirfd, const char *name)
{
	_cleanup_free_ char *dir = path_dirname(rel);
	const char *last;
	int r;

	if (strcmp(dir, ".") != 0) {
		r = undo_make_dirs(aside_fd, dir);
		if (r < 0)
			return r;
	}
	_cleanup_close_ int parent = fs_open_parent(aside_fd, rel, &last);
	if (parent < 0)
		return parent;
	return undo_rename_noreplace(dirfd, name, parent, last);
}

/* Something else has the name, or one of the directories above it. */
bool undo_slot_is_taken(int r)
{
	return r == -EEXIST || r == -ENOTEMPTY || r == -ENOTDIR ||
	       r == -ELOOP || r == -EACCES;
}

int undo_put_aside(struct undo *u, struct undo_place *p, int dirfd,
		   const char *name, const char *path, struct error *err)
{
	int aside_fd = p->dir ? p->gone_fd : u->aside_fd;
	mode_t was;
	int r;

	r = undo_loosen(dirfd, name, &was);
	for (int slot = undo_first_slot(aside_fd, path);
	     r >= 0 && slot < SLOTS_MAX; slot++) {
		_cleanup_free_ char *rel = undo_aside_path(path, slot);
		const char *last;

		r = undo_put_into(aside_fd, rel, dirfd, name);
		if (r < 0 && undo_slot_is_taken(r)) {
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		_cleanup_close_ int parent = fs_open_parent(aside_fd, rel,
							    &last);
		r = parent < 0 ? parent : undo_tighten(parent, last, was);
		if (r < 0)
			break;
		return 0;
	}
	if (r == -ENOSPC || r == -EDQUOT)
		return error_errno(err, ERR_ROLLBACK_SPACE, r,
				   _("cannot keep what is displaced"));
	return undo_fail(err, r < 0 ? r : -EEXIST, _("cannot put aside"),
			 path);
}

bool undo_slot_exists(int aside_fd, int slot)
{
	_cleanup_free_ char *more = xasprintf(".more/%d", slot);
	struct stat st;

	return slot == 0 || fs_stat_beneath(aside_fd, more, &st) == 0;
}

int undo_find_kept(int base_fd, const char *tree, const struct item *it,
		   char **name, struct error *err)
{
	_cleanup_close_ int fd = fs_open(base_fd, tree,
				O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return fd;
	for (int slot = 0; slot < SLOTS_MAX; slot++) {
		_cleanup_free_ char *rel = undo_aside_path(it->path, slot);
		_cleanup_item_ struct item now = ITEM_INIT;
		struct stat st;
		int r;

		if (!undo_slot_exists(fd, slot))
			break;
		r = fs_stat_beneath(fd, rel, &st);
		if (r < 0)
			continue;
		r = item_read(fd, rel, it->type == ITEM_FILE &&
			      (uint64_t)st.st_size == it->size, &now, err);
		if (r < 0)
			return r;
		if (undo_diff(it, &now) & (ITEM_DIFF_TYPE | ITEM_DIFF_CONTENT))
			continue;
		*name = TAKE_PTR(rel);
		return 0;
	}
	return -ENOENT;
}
