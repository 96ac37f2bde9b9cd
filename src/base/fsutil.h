/* SPDX-License-Identifier: MIT */
#ifndef FSUTIL_H
#define FSUTIL_H
/*
 * fsutil - system calls on files, with their traps handled once
 *
 * Everything in the engine that changes a file system goes through here:
 * EINTR and short transfers are handled, every descriptor is O_CLOEXEC, paths
 * below a root are opened with openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
 * RESOLVE_NO_MAGICLINKS), what is only read keeps its access time where we may
 * ask for that (O_NOATIME), and close and fsync report their errors. Functions
 * return 0 (or a descriptor, or a count) or -errno; nothing is printed.
 *
 * A failed fs_sync() must never be repeated on the same descriptor: the second
 * call returns 0 and the data is not on the disk (measured, RELIABILITY 2.1).
 * The caller throws the file away and starts over once, or gives up.
 *
 * Fault table: UPSHIFT_TEST_FAULT="op:n:what[,...]" makes the n-th call of an
 * operation (open write sync rename link unlink mkdir symlink truncate utimes
 * chmod chown xattr copy fallocate, or "any") fail with an errno name, or kill
 * the process by SIGKILL ("kill": before the call; "kill-after": behind it).
 * n counts from 1 in each process; "n+" means from then on. Opens count if they
 * may create or cut a file. A rule that cannot be read ends the process. It
 * needs no right, so the kill and ENOSPC sweeps run anywhere.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/compiler.h"

struct error;
struct strbuf;

int fs_open(int dirfd, const char *path, int flags, mode_t mode);
/*
 * rel is below root_fd, or absolute, of any length; ".." is -EXDEV. Symlinks in
 * the way give -ELOOP; at the end too, but for O_PATH without O_DIRECTORY,
 * which opens the link itself.
 */
int fs_open_beneath(int root_fd, const char *rel, int flags, mode_t mode);
/*
 * Opens the directory that holds rel, beneath root_fd, for reading, so that it
 * can be flushed; O_PATH where it may not be listed. *name points into rel. For
 * rel "." the root itself, with name ".".
 * An absolute rel is resolved from "/", also without symlinks.
 */
int fs_open_parent(int root_fd, const char *rel, const char **name);
/* lstat below root */
int fs_stat_beneath(int root_fd, const char *rel, struct stat *st);
/* readlink below root; caller frees */
int fs_readlink_beneath(int root_fd, const char *rel, char **ret);
/* checked close; never retried */
int fs_close(int fd);
int fs_closep(int *fd);

int fs_write_all(int fd, const void *p, size_t n);
int fs_pwrite_all(int fd, const void *p, size_t n, off_t off);
/* up to n bytes; fewer only at the end of the file */
ssize_t fs_read_full(int fd, void *p, size_t n);
ssize_t fs_pread_full(int fd, void *p, size_t n, off_t off);
/* appends the whole file, limit bytes at most, else -EFBIG; -EINVAL if it is
   not a regular file */
int fs_read_file(int dirfd, const char *path, size_t limit, struct strbuf *out);
/* the same of what is open */
int fs_read_regular(int fd, uint64_t limit, struct strbuf *out);

int fs_sync(int fd);
int fs_datasync(int fd);
/* the directory dirfd, or path in it */
int fs_sync_dir(int dirfd, const char *path);
int fs_sync_fs(int fd);

/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE; 0 replaces */
int fs_rename(int odir, const char *old, int ndir, const char *new_name,
	      unsigned int flags);
int fs_link(int odir, const char *old, int ndir, const char *new_name);
int fs_unlink(int dirfd, const char *name, int flags);
int fs_mkdir(int dirfd, const char *name, mode_t mode);
int fs_symlink(const char *target, int dirfd, const char *name);
int fs_mkfifo(int dirfd, const char *name, mode_t mode);
int fs_mknod(int dirfd, const char *name, mode_t mode, dev_t dev);
int fs_truncate(int fd, off_t len);
int fs_fallocate_keep(int fd, off_t off, off_t len);
int fs_chmod(int fd, mode_t mode);
/* through /proc/self/fd/N, for descriptors opened O_PATH */
int fs_chmod_proc(const char *proc_path, mode_t mode);
int fs_chown(int dirfd, const char *name, uid_t uid, gid_t gid, int flags);
int fs_utimes(int dirfd, const char *name, const struct timespec ts[2],
	      int flags);
int fs_setxattr(const char *proc_path, const char *name, const void *v,
		size_t n);
int fs_removexattr(const char *proc_path, const char *name);

/* mkdir -p below root_fd; fsyncs each parent; appends what it made, if asked */
struct strvec;
int fs_mkdirs(int root_fd, const char *rel, mode_t mode, struct strvec *made);
/* removes a tree of any depth by descriptors, never through symlinks (missing
   is fine) nor into what is mounted in it (-EXDEV) */
int fs_remove_tree(int dirfd, const char *name);

/*
 * Copies the data of a regular file to an empty one: reflink, copy_file_range,
 * then read and write; holes stay holes. Called back every few MiB; nonzero
 * stops with it. -ESTALE if the file turned out shorter than it was at first.
 * The position of in is not kept.
 */
typedef int fs_progress_fn(void *ctx, uint64_t bytes_done);
int fs_copy_data(int in, int out, fs_progress_fn *progress, void *ctx);

/*
 * atomic_file - replace or create one file durably
 *
 * begin (a temporary name ".NAME.upshift-XXXXXX" beside the target, 0600,
 * O_EXCL) -> write to fd -> commit: fchmod, fsync, close, rename, fsync(dir).
 * Killed before the rename the target is old and a temporary name is left that
 * atomic_file_sweep() removes; behind it the target is new. release() without
 * commit removes the temporary file. dirfd is borrowed until then.
 */
struct atomic_file {
	int dirfd;
	int fd;
	char *name;
	char *temp;
};
#define ATOMIC_FILE_INIT { .dirfd = -1, .fd = -1 }
int atomic_file_begin(struct atomic_file *af, int dirfd, const char *name);
int atomic_file_commit(struct atomic_file *af, mode_t mode);
void atomic_file_release(struct atomic_file *af);
int atomic_file_sweep(int dirfd, const char *name);
/* begin, write, commit */
int fs_write_file(int dirfd, const char *name, const void *p, size_t n,
		  mode_t mode);
/* a file that a user names: the same, but what is there and no file (a device,
   a FIFO, standard output) is written to and stays what it is */
int fs_write_named(const char *path, const void *p, size_t n, mode_t mode);

/* Free bytes for us and the device of the file system that holds fd. */
int fs_space(int fd, uint64_t *ret_free, uint64_t *ret_inodes_free);

/* One line from /proc: start time of a process in clock ticks; -ESRCH. */
int proc_start_time(pid_t pid, uint64_t *ret);
/* the boot id of this kernel, 36 characters, or "" */
void proc_boot_id(char out[37]);

#endif
