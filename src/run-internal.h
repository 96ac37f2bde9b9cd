/* SPDX-License-Identifier: MIT */
#ifndef RUN_INTERNAL_H
#define RUN_INTERNAL_H
/*
 * run-internal - shared by state-*.c, run*.c and register.c alone
 */
#include <sys/types.h>

#include "run.h"

#define STATE_NAME OURS_STATE
#define RUNS_NAME "runs"
#define LOCK_NAME "lock"
#define CURRENT_NAME "current"
#define RESERVE_NAME "reserve"
/* root's mtime, while it waits to be put back (see state-make.c) */
#define ROOT_TIME_NAME "root-time"
/* of the directory that holds the place of a backup (see run-backup.c) */
#define PLACE_TIME_NAME "place-time"
#define MAKE_PREFIX OURS_STAGE "make-"
#define RESERVE_BYTES (256 * 1024)
#define BACKUP_NAME "backup"
#define PLAN_DIR_NAME "plan"
#define PLAN_NAME "plan.plan"
#define DIGESTS_NAME "digests.json"
#define LOG_NAME "log.jsonl"
/* a run directory on its way out: swept by the next engine */
#define TRASH_PREFIX ".trash-"

/* who we are, for records that a person answers for */
struct who {
	uid_t uid;
	char user[64], tty[64], host[128];
};
void who_am_i(struct who *w);
void who_to_json(const struct who *w, struct json_object *o);
/* login name, or "#UID" as sudo -u takes it */
void user_name(uid_t uid, char *out, size_t size);
/* home directory of uid, caller frees; NULL: none */
char *user_home(uid_t uid);

/* appends s as one word of a shell */
void add_shell_word(struct strbuf *out, const char *s);
/* is the absolute path a b, or below it? */
bool abs_is_below(const char *a, const char *b);
/* realpath of what exists of path, the rest behind it; 0 or -errno */
int resolve_future(const char *path, char **ret);
/* names in the directory dirfd/name, "." and ".." aside; unsorted */
int list_dir(int dirfd, const char *name, struct strvec *ret);

/* "SECONDS.NANOSECONDS" */
bool mtime_parse(const char *text, struct timespec *ret);
/* as a durable file; and back: 1, 0 if there is none, -errno */
int mtime_note(int dirfd, const char *name, const struct timespec *t);
int mtime_noted(int dirfd, const char *name, struct timespec *ret);

/* where the backup of a run stands, as record 1 has it */
struct backup_where {
	char *dir;               /* absolute, with the run's id */
	char *below;             /* the same below the root, or NULL */
	char *place;             /* with it: what of it is ours as a whole */
	bool kept;               /* that was there already: it stays */
};
void backup_where_release(struct backup_where *w);
/* dir, fixed: see struct run_options; creates nothing */
int run_place_choose(struct state_dir *sd, const char *id, const char *dir,
		     const char *fixed, struct backup_where *ret,
		     struct error *err);
void backup_where_record(const struct backup_where *w,
			 struct json_object *rec);
/* true: it is below the root */
bool backup_where_read(struct json_object *rec, struct backup_where *ret);
/* a killed process left the time of the directory above the place wrong */
int run_settle_place(const struct run *r);
/* the files; what was made below the root to hold them goes if it is empty */
int run_remove_backup(struct run *r);

bool run_id_valid(const char *id);
/* O_PATH-free descriptor of runs/<id>, or -errno */
int run_dir_open(struct state_dir *sd, const char *id);
/* 1 + the highest number of a run; record 1 bears it */
int64_t state_dir_next_number(struct state_dir *sd);
/* the places of runs whose backups are there still become ours */
int state_dir_take_places(struct state_dir *sd);
/* paths below the root of all backups in place; made: one of the runs made it */
int state_dir_backups(struct state_dir *sd, const char *place,
		      struct strvec *ret, bool *made);
/* root's descriptor alone; state_dir_lock() takes both */
int state_dir_lock_root(struct state_dir *sd, struct error *err);
/* opens sd->path into sd->fd, after all checks */
int state_dir_open_fd(struct state_dir *sd, struct error *err);
/* takes what state_dir_create() made away again, if no run is in it */
void state_dir_unmake(struct state_dir *sd);
/* ours, and closed to others; the error has the command that mends it */
int check_private(const struct stat *st, const char *path, struct error *err);

/* may this record follow? NULL, or an untranslated reason */
const char *run_check(struct run *r, struct json_object *rec);
/* the backup is in the run directory, not under a --backup-dir */
bool run_backup_inside(const struct run *r);
/* backup_fd, if the directory is there */
int run_open_backup(struct run *r, struct error *err);
/* renames runs/<id> out of the way, then removes it */
int run_discard(struct state_dir *sd, const char *id);
struct run *run_alloc(struct state_dir *sd, const char *id);
/* one record into memory; -EBADMSG: it contradicts those before it */
int run_fold(struct run *r, struct json_object *rec, struct error *err);
/* does the record change what state.json tells? */
bool run_changes_state(struct json_object *rec);
/* state.json from memory; what fails may lag, so nothing is returned */
void run_save_state(struct run *r);
/* drops the snapshot, records `pruned`, then removes the backup; again if
   killed in between */
int run_drop_backup(struct run *r, struct error *err);

/* --- run-undone.c: what a rollback does --- */
/* o: RUN_UNDONE, {r, restored, lost, kept, lost_names} */
void run_count_rows(struct run_point *p, struct json_object *tables);
void run_count_paths(struct run_point *p, struct json_object *o);

#endif
