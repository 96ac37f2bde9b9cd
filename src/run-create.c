/* SPDX-License-Identifier: MIT */
/*
 * What a kill leaves, in the order of making:
 *  - run directory, plan copy, reserve, journal without record 1: no run; the
 *    next engine sweeps it. Nothing else was touched.
 *  - record 1 durable, `current` old: the run is current because it is the
 *    newest and has no state.json (state-runs.c).
 *  - `current` new, no state.json: the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "journal.h"
#include "plan.h"
#include "run-internal.h"

static void run_freep(struct run **r)
{
	run_free(*r);
}

/* --- plan copy --- */

static int write_below(int dirfd, const char *name, const void *p, size_t n)
{
	_cleanup_free_ char *dir = path_dirname(name);
	_cleanup_close_ int fd = -1;
	int r;

	if (path_check(name) || name[0] == '/')
		return -EINVAL;
	if (strcmp(dir, ".")) {
		r = fs_mkdirs(dirfd, dir, 0700, NULL);
		if (r < 0)
			return r;
	}
	fd = fs_open_beneath(dirfd, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	return fs_write_file(fd, path_basename(name), p, n, 0600);
}

static int name_is_taken(const struct plan *plan, const struct plan_file *f,
			 struct error *err)
{
	if (!strcmp(f->name, DIGESTS_NAME) ||
	    (!strcmp(f->name, PLAN_NAME) &&
	     (f->len != plan->source_len ||
	      memcmp(f->data, plan->source, f->len))))
		return error_set(err, ERR_PLAN_VALUE, -EINVAL,
				 _("a file beside the plan may not be called "
				   "'%s'"), f->name);
	return 0;
}

/* the plan as it is now; ret_digests: name -> digest, as in record 1 */
static int copy_plan(int run_fd, const struct plan *plan,
		     struct json_object *digests, struct error *err)
{
	_cleanup_json_ struct json_object *doc = json_object_new_object();
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	char digest[BLAKE2_TEXT_SIZE];
	size_t i;
	int r;

	r = fs_mkdir(run_fd, PLAN_DIR_NAME, 0700);
	if (r == 0)
		fd = r = fs_open_beneath(run_fd, PLAN_DIR_NAME,
					 O_RDONLY | O_DIRECTORY, 0);
	if (r >= 0)
		r = write_below(fd, PLAN_NAME, plan->source,
				plan->source_len);
	blake2_of(plan->source, plan->source_len, digest);
	json_set_str(digests, PLAN_NAME, digest);
	for (i = 0; i < plan->file_n && r >= 0; i++) {
		const struct plan_file *f = &plan->files[i];

		r = name_is_taken(plan, f, err);
		if (r < 0)
			return r;
		r = write_below(fd, f->name, f->data, f->len);
		blake2_of(f->data, f->len, digest);
		json_set_str(digests, f->name, digest);
	}
	json_set_str(doc, "plan_digest", plan->digest);
	json_object_object_add(doc, "files", json_object_get(digests));
	json_print(doc, &text);
	strbuf_addch(&text, '\n');
	if (r >= 0)
		r = write_below(fd, DIGESTS_NAME, text.buf, text.len);
	if (r < 0)
		return error_errno(err, ERR_STATE, r,
				   _("cannot keep a copy of the plan"));
	return 0;
}

char *run_plan_path(const struct run *r)
{
	return xasprintf("%s/" RUNS_NAME "/%s/" PLAN_DIR_NAME "/" PLAN_NAME,
			 r->sd->path, r->id);
}

static int verify_file(int plan_fd, const char *name, const char *want,
		       const struct run *r, struct error *err)
{
	_cleanup_close_ int fd = -1;
	char got[BLAKE2_TEXT_SIZE];
	int rc;

	fd = fs_open_beneath(plan_fd, name, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, ERR_PLAN_CHANGED, fd,
				   _("cannot read '%s' of the plan that run "
				     "%s keeps"), name, r->id);
	rc = blake2_of_fd(fd, got, err);
	if (rc < 0)
		return rc;
	if (strcmp(got, want))
		return error_set(err, ERR_PLAN_CHANGED, -EBADMSG,
				 _("'%s' of the plan that run %s keeps was "
				   "changed since the run began"), name,
				 r->id);
	return 0;
}

int run_plan_verify(const struct run *r, struct error *err)
{
	struct json_object *files = json_get(r->begun, "plan_files");
	_cleanup_close_ int fd = -1;
	int rc;

	fd = fs_open_beneath(r->fd, PLAN_DIR_NAME, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return error_errno(err, ERR_PLAN_CHANGED, fd,
				   _("cannot read the plan that run %s keeps"),
				   r->id);
	if (!files || !json_get(files, PLAN_NAME))
		return error_set(err, ERR_PLAN_CHANGED, -EBADMSG,
				 _("run %s does not say what its plan is"),
				 r->id);
	json_object_object_foreach(files, name, v) {
		rc = verify_file(fd, name, json_object_get_string(v), r, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- record 1 --- */

static void new_uuid(char out[37])
{
	unsigned char b[16];
	int i, n = 0;

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		BUG("getrandom");
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	for (i = 0; i < 16; i++)
		n += snprintf(out + n, 37 - n, "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			      b[i]);
}

static void add_obj(struct json_object *rec, const char *key,
		    struct json_object *v)
{
	json_object_object_add(rec, key, v ? json_object_get(v) :
					     json_object_new_object());
}

/* secret answers never reach the disk */
static struct json_object *open_answers(const struct plan *plan,
					struct json_object *answers)
{
	struct json_object *o = json_object_new_object();
	size_t i;

	for (i = 0; i < plan->answer_n; i++) {
		const struct plan_answer *a = &plan->answers[i];
		struct json_object *v = json_get(answers, a->id);

		if (v && !a->secret)
			json_object_object_add(o, a->id, json_object_get(v));
	}
	return o;
}

static void describe_place(struct json_object *rec, const struct run *r)
{
	const struct stat *st = &r->sd->root_stat;
	char mtime[48], boot[37];

	json_set_bytes(rec, "root", r->sd->root);
	json_set_int(rec, "root_dev", (int64_t)st->st_dev);
	json_set_int(rec, "root_ino", (int64_t)st->st_ino);
	(void)snprintf(mtime, sizeof(mtime), "%lld.%09ld",
		       (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	json_set_str(rec, "root_mtime", mtime);
	proc_boot_id(boot);
	json_set_str(rec, "boot_id", boot);
}

static void describe_plan(struct json_object *rec, const struct plan *plan,
			  const struct run_options *opts)
{
	struct json_object *one_way = json_object_new_array();
	struct json_object *ids = json_object_new_array();
	size_t i;

	json_set_str(rec, "plan", plan->name);
	json_set_str(rec, "title", plan_text_get(&plan->title, NULL));
	json_set_str(rec, "from", plan->from ? plan->from : "");
	json_set_str(rec, "to", plan->to ? plan->to : "");
	json_set_str(rec, "plan_digest", plan->digest);
	if (plan->keep_s >= 0)
		json_set_double(rec, "keep_s", plan->keep_s);
	add_obj(rec, "vars", plan->vars ? plan->vars : opts->vars);
	json_object_object_add(rec, "answers",
			       open_answers(plan, opts->answers));
	add_obj(rec, "env", opts->env);
	add_obj(rec, "options", opts->options);
	for (i = 0; i < plan->step_n; i++) {
		const char *id = plan->steps[i]->id;

		json_object_array_add(ids, json_object_new_string(id));
		if (!step_undoable(plan->steps[i]))
			json_object_array_add(one_way,
					      json_object_new_string(id));
	}
	json_object_object_add(rec, "steps", ids);
	json_object_object_add(rec, "one_way", one_way);
}

static struct json_object *first_record(struct run *r, const struct plan *plan,
					const char *started,
					const struct run_options *opts,
					struct json_object *digests,
					const struct backup_where *where)
{
	struct json_object *rec = json_object_new_object();
	_cleanup_free_ char *key = NULL;
	char uuid[37];
	struct who w;

	new_uuid(uuid);
	who_am_i(&w);
	json_set_str(rec, "what", "run");
	json_set_str(rec, "state", run_state_name(RUN_BEGUN));
	json_set_int(rec, "journal", JOURNAL_FORMAT);
	json_set_str(rec, "upshift", PACKAGE_VERSION);
	json_set_str(rec, "id", r->id);
	json_set_int(rec, "number", state_dir_next_number(r->sd));
	json_set_str(rec, "uuid", uuid);
	key = xasprintf("%s.%s", r->id, uuid);
	json_set_str(rec, "store_key", key);
	describe_place(rec, r);
	describe_plan(rec, plan, opts);
	json_object_object_add(rec, "plan_files", json_object_get(digests));
	json_set_str(rec, "started", started);
	who_to_json(&w, rec);
	backup_where_record(where, rec);
	return rec;
}

/* --- the run directory --- */

int run_discard(struct state_dir *sd, const char *id)
{
	_cleanup_free_ char *from = path_join(RUNS_NAME, id);
	_cleanup_free_ char *to = xasprintf(RUNS_NAME "/" TRASH_PREFIX "%s",
					    id);
	int r;

	/* in one piece, so that no half of a run is ever seen */
	r = fs_remove_tree(sd->fd, to);
	if (r == 0)
		r = fs_rename(sd->fd, from, sd->fd, to, 0);
	if (r == 0)
		r = fs_sync_dir(sd->fd, RUNS_NAME);
	if (r == 0)
		r = fs_remove_tree(sd->fd, to);
	if (r == 0)
		r = fs_sync_dir(sd->fd, RUNS_NAME);
	return r;
}

/* blocks that state.json and the report may use on a full disk */
static int make_reserve(int run_fd)
{
	_cleanup_close_ int fd = -1;
	char zeros[4096] = "";
	int i, r;

	fd = fs_open(run_fd, RESERVE_NAME,
		     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = fs_fallocate_keep(fd, 0, RESERVE_BYTES);
	if (r == -EOPNOTSUPP || r == -ENOSYS)
		for (i = 0, r = 0;
		     i < RESERVE_BYTES / (int)sizeof(zeros) && r == 0; i++)
			r = fs_write_all(fd, zeros, sizeof(zeros));
	if (r == 0)
		r = fs_sync(fd);
	return r < 0 ? r : fs_closep(&fd);
}

static int make_dirs(struct run *r, struct error *err)
{
	_cleanup_free_ char *path = path_join(RUNS_NAME, r->id);
	struct state_dir *sd = r->sd;
	int rc;

	rc = fs_mkdir(sd->fd, RUNS_NAME, 0700);
	if (rc == 0)
		rc = fs_sync_dir(sd->fd, ".");
	if (rc == -EEXIST)
		rc = 0;
	if (rc == 0)
		rc = fs_mkdir(sd->fd, path, 0700);
	if (rc == 0)
		r->fd = rc = run_dir_open(sd, r->id);
	if (rc < 0)
		return error_errno(err, ERR_STATE, rc,
				   _("cannot create the directory of run %s"),
				   r->id);
	return 0;
}

static int fill_dir(struct run *r, const struct plan *plan, const char *started,
		    const struct run_options *opts,
		    const struct backup_where *where, struct error *err)
{
	_cleanup_json_ struct json_object *digests = json_object_new_object();
	struct json_object *rec;
	int rc;

	rc = copy_plan(r->fd, plan, digests, err);
	if (rc < 0)
		return rc;
	rc = make_reserve(r->fd);
	if (rc < 0)
		return error_errno(err, ERR_STATE, rc,
				   _("cannot reserve room for run %s"), r->id);
	rc = journal_create(&r->journal, r->fd, (int)plan->step_n, err);
	if (rc < 0)
		return rc;
	rc = fs_sync_dir(r->sd->fd, RUNS_NAME);
	if (rc < 0)
		return error_errno(err, ERR_STATE, rc,
				   _("cannot flush the directory of run %s"),
				   r->id);
	rec = first_record(r, plan, started, opts, digests, where);
	rc = journal_append(r->journal, json_object_get(rec), err);
	if (rc == 0)
		rc = run_fold(r, rec, err);
	json_object_put(rec);
	return rc;
}

int run_create(struct run **ret, struct state_dir *sd, const struct plan *plan,
	       const char *id, const char *started,
	       const struct run_options *opts, struct error *err)
{
	_cleanup_(run_freep) struct run *r = NULL;
	_cleanup_(backup_where_release) struct backup_where where = { 0 };
	int rc = 0;

	if (sd->lock_fd < 0)
		BUG("run_create() without the lock");
	if (!run_id_valid(id))
		BUG("run id '%s'", id);
	r = run_alloc(sd, id);
	r->writable = true;
	if (opts->backup_dir)
		rc = run_place_choose(sd, id, opts->backup_dir,
				      opts->backup_fixed, &where, err);
	else
		where.dir = xasprintf("%s/" RUNS_NAME "/%s/" BACKUP_NAME,
				      sd->path, id);
	if (rc < 0)
		return rc;
	rc = make_dirs(r, err);
	if (rc == 0)
		rc = fill_dir(r, plan, started, opts, &where, err);
	if (rc < 0) {
		/* a directory that was there before is not ours to remove;
		   what cannot be removed is swept by the next engine */
		if (r->fd >= 0)
			(void)run_discard(sd, id);
		return rc;
	}
	sd->made = false;
	if (r->backup.place)
		ours_add(&sd->ours, r->backup.place);
	rc = state_dir_set_current(sd, id, err);
	if (rc < 0)
		return rc;
	run_save_state(r);
	register_add(sd->root, plan->name, id);
	*ret = TAKE_PTR(r);
	return 0;
}
