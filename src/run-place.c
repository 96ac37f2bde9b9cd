/* SPDX-License-Identifier: MIT */
/*
 * Where the backup of a run stands: in the run directory, or in DIR/<id> of a
 * directory that was asked for.
 *
 * DIR may lie below the root. Then a leading part of it, the place, is ours as
 * a whole (base/ours.h): it is new, or held nothing but backups when the run
 * began, since whatever is in it is in no backup. Record 1 names the place, so
 * that later runs leave it alone as long as a backup is in it.
 */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run-internal.h"

void backup_where_release(struct backup_where *w)
{
	free(w->dir);
	free(w->below);
	free(w->place);
	memset(w, 0, sizeof(*w));
}

/* --- choosing --- */

static int refuse(const char *path, const char *why, struct error *err)
{
	_cleanup_free_ char *safe = escape_bytes(path);

	return error_set(err, ERR_BACKUP_DIR, -EINVAL,
			 _("cannot use '%s' for the backup: %s"), safe, why);
}

/* path, absolute, as seen from the root; NULL: it is not below it */
static const char *seen_from(const struct state_dir *sd, const char *path)
{
	const char *rel;

	if (!abs_is_below(path, sd->root))
		return NULL;
	rel = path + strlen(sd->root);
	rel += strspn(rel, "/");
	return *rel ? rel : ".";
}

/* where dir really is; in the data itself no symlink may lead there, since it
   is the user's and can lead elsewhere tomorrow */
static int resolve(const struct state_dir *sd, const char *dir, char **ret,
		   struct error *err)
{
	_cleanup_free_ char *joined = *dir == '/' ? xstrdup(dir) :
		path_join(sd->root, dir);
	_cleanup_free_ char *full = path_normalize(joined);
	_cleanup_free_ char *safe = escape_bytes(full);
	const char *rel = seen_from(sd, full);
	struct stat st;
	int r = rel ? fs_stat_beneath(sd->root_fd, rel, &st) : -ENOENT;

	if (r == -ELOOP || (r == 0 && S_ISLNK(st.st_mode)))
		return refuse(full, _("a symbolic link in the data leads "
				      "there"), err);
	r = resolve_future(full, ret);
	if (r < 0)
		return error_errno(err, ERR_BACKUP_DIR, r,
				   _("cannot use '%s' for the backup"), safe);
	return 0;
}

static bool looks_like_backup(int root_fd, const char *path)
{
	_cleanup_free_ char *archive = path_join(path, "start.tar.zst");
	struct stat st;

	return run_id_valid(path_basename(path)) &&
		fs_stat_beneath(root_fd, archive, &st) == 0;
}

/* 1: something below path is neither a backup nor on the way to one */
static int find_stranger(const struct state_dir *sd, const char *path,
			 const struct strvec *backups, char **ret)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	_cleanup_close_ int fd = fs_open_beneath(sd->root_fd, path,
						 O_RDONLY | O_DIRECTORY, 0);
	int r = fd < 0 ? fd : list_dir(fd, ".", &names);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		_cleanup_free_ char *p = path_join(path, names.v[i]);
		struct stat st;

		if (strvec_has(backups, p) ||
		    looks_like_backup(sd->root_fd, p))
			continue;
		r = fs_stat_beneath(sd->root_fd, p, &st);
		if (r == 0 && S_ISDIR(st.st_mode)) {
			r = find_stranger(sd, p, backups, ret);
		} else if (r == 0) {
			*ret = TAKE_PTR(p);
			r = 1;
		}
	}
	return r;
}

/* new, or with nothing but backups in it */
static int check_place(struct state_dir *sd, struct backup_where *w,
		       struct error *err)
{
	_cleanup_strvec_ struct strvec backups = STRVEC_INIT;
	_cleanup_free_ char *stranger = NULL;
	_cleanup_free_ char *safe = escape_bytes(w->place);
	_cleanup_free_ char *shown = NULL;
	bool made = false;
	struct stat st;
	int r = fs_stat_beneath(sd->root_fd, w->place, &st);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = state_dir_backups(sd, w->place, &backups, &made);
	if (r == 0)
		r = find_stranger(sd, w->place, &backups, &stranger);
	if (r < 0)
		return error_errno(err, ERR_BACKUP_DIR, r,
				   _("cannot use '%s' for the backup"), safe);
	w->kept = !made;
	if (!r)
		return 0;
	shown = escape_bytes(stranger);
	error_set(err, ERR_BACKUP_DIR, -EEXIST,
		  _("'%s' may hold nothing but backups, and '%s' is there"),
		  safe, shown);
	error_hint(err, _("name another directory with --backup-dir; one in "
			  "the data is left out of every backup"));
	return -EEXIST;
}

/* fills in below and place, if dir is below the root */
static int choose_place(struct state_dir *sd, const char *dir,
			const char *fixed, struct backup_where *w,
			struct error *err)
{
	const char *rel = seen_from(sd, dir), *first = seen_from(sd, fixed);
	_cleanup_free_ char *parent = NULL;
	_cleanup_free_ char *safe = NULL;
	struct stat st;
	int r;

	if (!rel)
		return 0;
	if (!strcmp(rel, "."))
		return refuse(dir, _("it is the root itself"), err);
	if (!first || !strcmp(first, "."))
		return refuse(dir, _("the name that comes first below the "
			"root must be the same for every run"), err);
	if (ours_has(NULL, first))
		return refuse(dir, _("it belongs to upshift itself"), err);
	w->below = xstrdup(rel);
	w->place = xstrdup(first);
	parent = path_dirname(first);
	r = fs_stat_beneath(sd->root_fd, parent, &st);
	if (r == 0 && !S_ISDIR(st.st_mode))
		r = -ENOTDIR;
	if (r < 0) {
		safe = escape_bytes(dir);
		return error_errno(err, ERR_BACKUP_DIR, r,
				   _("cannot create '%s' for the backup"),
				   safe);
	}
	return check_place(sd, w, err);
}

int run_place_choose(struct state_dir *sd, const char *id, const char *dir,
		     const char *fixed, struct backup_where *ret,
		     struct error *err)
{
	_cleanup_(backup_where_release) struct backup_where w = { 0 };
	_cleanup_free_ char *base = NULL;
	_cleanup_free_ char *head = NULL;
	_cleanup_free_ char *safe = NULL;
	struct stat st;
	int r = resolve(sd, dir, &base, err);

	if (r == 0)
		r = resolve(sd, fixed ? fixed : dir, &head, err);
	if (r == 0)
		r = choose_place(sd, base, head, &w, err);
	if (r < 0)
		return r;
	w.dir = path_join(base, id);
	if (w.below) {
		free(w.below);
		w.below = xstrdup(seen_from(sd, w.dir));
	}
	if (lstat(w.dir, &st) == 0 || errno != ENOENT) {
		safe = escape_bytes(w.dir);
		return error_set(err, ERR_BACKUP_DIR, -EEXIST,
				 _("'%s' is there already"), safe);
	}
	*ret = w;
	memset(&w, 0, sizeof(w));
	return 0;
}

int run_place(struct state_dir *sd, const char *dir, const char *fixed,
	      char **ret, struct error *err)
{
	_cleanup_(backup_where_release) struct backup_where w = { 0 };
	int r;

	*ret = NULL;
	if (!dir)
		return 0;
	/* no run has this id */
	r = run_place_choose(sd, "0000", dir, fixed, &w, err);
	if (r == 0)
		*ret = TAKE_PTR(w.place);
	return r;
}

/* --- record 1 --- */

void backup_where_record(const struct backup_where *w, struct json_object *rec)
{
	json_set_bytes(rec, "backup_dir", w->dir);
	if (!w->place)
		return;
	json_set_bytes(rec, "backup_place", w->place);
	json_set_bytes(rec, "backup_below", w->below);
	if (w->kept)
		json_set_bool(rec, "backup_place_kept", true);
}

bool backup_where_read(struct json_object *rec, struct backup_where *ret)
{
	ret->dir = json_get_bytes(rec, "backup_dir");
	ret->place = json_get_bytes(rec, "backup_place");
	ret->below = json_get_bytes(rec, "backup_below");
	ret->kept = json_get_bool(rec, "backup_place_kept", false);
	if (ret->place && ret->below && *ret->place != '/' &&
	    strcmp(ret->place, ".") != 0 && !path_check(ret->place) &&
	    !path_check(ret->below) && strcmp(ret->place, ret->below) != 0 &&
	    path_is_below(ret->below, ret->place))
		return true;
	free(TAKE_PTR(ret->place));
	free(TAKE_PTR(ret->below));
	return false;
}
