/* SPDX-License-Identifier: MIT */
/*
 * Runs are ordered by the number in their record 1, not by a clock. `current`
 * is written behind record 1 and before state.json; so the newest run, as long
 * as it has no state.json, is current whatever the file says.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "journal.h"
#include "run-internal.h"

static const char id_letters[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

struct entry {
	char *id;
	int64_t number;
	char *time;
	struct backup_where where;
};

struct entries {
	struct entry *v;
	size_t n, cap;
};

static void entries_release(struct entries *e)
{
	size_t i;

	for (i = 0; i < e->n; i++) {
		free(e->v[i].id);
		free(e->v[i].time);
		backup_where_release(&e->v[i].where);
	}
	free(e->v);
}
#define _cleanup_entries_ _cleanup_(entries_release)

bool run_id_valid(const char *id)
{
	return strlen(id) == RUN_ID_LEN &&
	       strspn(id, id_letters) == RUN_ID_LEN;
}

int run_dir_open(struct state_dir *sd, const char *id)
{
	char path[sizeof(RUNS_NAME) + RUN_ID_LEN + 1];

	if (!run_id_valid(id) || sd->fd < 0)
		return -ENOENT;
	(void)snprintf(path, sizeof(path), RUNS_NAME "/%s", id);
	return fs_open_beneath(sd->fd, path, O_RDONLY | O_DIRECTORY, 0);
}

static int entry_cmp(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	r = strcmp(x->time, y->time);
	return r ? r : strcmp(x->id, y->id);
}

/* all runs, oldest first; one whose record 1 is damaged counts as oldest */
static int load_entries(struct state_dir *sd, struct entries *ret)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	size_t i;
	int r;

	if (sd->fd < 0)
		return 0;
	r = list_dir(sd->fd, RUNS_NAME, &names);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (i = 0; i < names.n; i++) {
		_cleanup_json_ struct json_object *first = NULL;
		_cleanup_close_ int fd = run_dir_open(sd, names.v[i]);
		struct entry *e;

		if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
			continue;
		if (fd < 0)
			return fd;
		r = journal_peek(fd, &first);
		if (r == 0 && faccessat(fd, JOURNAL_STATE_NAME, F_OK,
					AT_SYMLINK_NOFOLLOW) == 0)
			r = 1; /* it was one: run_open() tells the damage */
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		VEC_GROW(ret->v, ret->n, ret->cap);
		e = &ret->v[ret->n++];
		memset(e, 0, sizeof(*e));
		(void)backup_where_read(first, &e->where); /* NULL members */
		e->id = xstrdup(names.v[i]);
		e->number = json_get_int(first, "number", 0);
		e->time = xstrdup(json_get_str(first, "time", ""));
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), entry_cmp);
	return 0;
}

int state_dir_runs(struct state_dir *sd, struct strvec *ids,
		   struct error *err)
{
	_cleanup_entries_ struct entries e = { 0 };
	size_t i;
	int r;

	r = load_entries(sd, &e);
	if (r < 0)
		return error_errno(err, ERR_STATE, r,
				   _("cannot read the list of runs"));
	for (i = 0; i < e.n; i++)
		strvec_push(ids, e.v[i].id);
	return 0;
}

int state_dir_take_places(struct state_dir *sd)
{
	_cleanup_entries_ struct entries e = { 0 };
	int r = load_entries(sd, &e);

	for (size_t i = 0; r == 0 && i < e.n; i++) {
		const struct backup_where *w = &e.v[i].where;
		struct stat st;

		if (w->below &&
		    fs_stat_beneath(sd->root_fd, w->below, &st) == 0)
			ours_add(&sd->ours, w->place);
	}
	return r;
}

int state_dir_backups(struct state_dir *sd, const char *place,
		      struct strvec *ret, bool *made)
{
	_cleanup_entries_ struct entries e = { 0 };
	int r = load_entries(sd, &e);

	for (size_t i = 0; r == 0 && i < e.n; i++) {
		const struct backup_where *w = &e.v[i].where;

		if (!w->below || !path_is_below(w->below, place))
			continue;
		strvec_push(ret, w->below);
		*made |= !w->kept && !strcmp(w->place, place);
	}
	return r;
}

int64_t state_dir_next_number(struct state_dir *sd)
{
	_cleanup_entries_ struct entries e = { 0 };

	if (load_entries(sd, &e) < 0 || !e.n)
		return 1;
	return e.v[e.n - 1].number + 1;
}

static bool has_state(struct state_dir *sd, const char *id)
{
	_cleanup_close_ int fd = run_dir_open(sd, id);

	return fd >= 0 && faccessat(fd, JOURNAL_STATE_NAME, F_OK,
				    AT_SYMLINK_NOFOLLOW) == 0;
}

int state_dir_current(struct state_dir *sd, char id[RUN_ID_LEN + 1])
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_entries_ struct entries e = { 0 };
	size_t i;
	int r;

	id[0] = '\0';
	r = load_entries(sd, &e);
	if (r < 0 || !e.n)
		return r;
	memcpy(id, e.v[e.n - 1].id, RUN_ID_LEN + 1);
	if (!has_state(sd, id))
		return 0;
	r = fs_read_file(sd->fd, CURRENT_NAME, 64, &text);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (text.len && text.buf[text.len - 1] == '\n')
		strbuf_set_len(&text, text.len - 1);
	for (i = 0; i < e.n; i++)
		if (!strcmp(e.v[i].id, text.buf))
			memcpy(id, text.buf, RUN_ID_LEN + 1);
	return 0;
}

int state_dir_set_current(struct state_dir *sd, const char *id,
			  struct error *err)
{
	char line[RUN_ID_LEN + 2];
	int r;

	(void)snprintf(line, sizeof(line), "%s\n", id);
	r = atomic_file_sweep(sd->fd, CURRENT_NAME);
	if (r == 0)
		r = fs_write_file(sd->fd, CURRENT_NAME, line, strlen(line),
				  0600);
	if (r < 0)
		return error_errno(err, ERR_STATE, r, _("cannot write '%s'"),
				   CURRENT_NAME);
	return 0;
}

/* 1: nothing in it was ever a run */
static int is_no_run(struct state_dir *sd, const char *id)
{
	_cleanup_close_ int fd = run_dir_open(sd, id);
	int r;

	if (fd < 0)
		return fd;
	r = journal_peek(fd, NULL);
	if (r)
		return r < 0 ? r : 0;
	/* a journal cut to nothing is damage if there was a state */
	return faccessat(fd, JOURNAL_STATE_NAME, F_OK,
			 AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

int state_dir_sweep(struct state_dir *sd, struct error *err)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	bool removed = false;
	size_t i;
	int r;

	if (sd->lock_fd < 0)
		BUG("state_dir_sweep() without the lock");
	r = list_dir(sd->fd, RUNS_NAME, &names);
	if (r == -ENOENT)
		return 0;
	for (i = 0; i < names.n && r >= 0; i++) {
		_cleanup_free_ char *path = path_join(RUNS_NAME, names.v[i]);

		if (run_id_valid(names.v[i]))
			r = is_no_run(sd, names.v[i]);
		else
			r = str_starts(names.v[i], TRASH_PREFIX);
		if (r <= 0)
			continue;
		r = fs_remove_tree(sd->fd, path);
		removed = true;
	}
	if (r >= 0 && removed)
		r = fs_sync_dir(sd->fd, RUNS_NAME);
	if (r < 0)
		return error_errno(err, ERR_STATE, r,
				   _("cannot clear what an interrupted start "
				     "left"));
	return 0;
}

int run_new_id(struct state_dir *sd, char id[RUN_ID_LEN + 1])
{
	const char *fixed = getenv("UPSHIFT_TEST_RUN_ID");
	unsigned char b[RUN_ID_LEN];
	struct stat st;
	int tries, i;

	for (tries = 0; tries < 1000; tries++) {
		_cleanup_free_ char *path = NULL;

		if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
			return -EIO;
		/* 32 letters, so no remainder favours any */
		for (i = 0; i < RUN_ID_LEN; i++)
			id[i] = id_letters[b[i] % 32];
		id[RUN_ID_LEN] = '\0';
		if (tries == 0 && fixed && run_id_valid(fixed))
			memcpy(id, fixed, RUN_ID_LEN + 1);
		path = path_join(RUNS_NAME, id);
		if (sd->fd < 0)
			return 0;
		if (fstatat(sd->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}
