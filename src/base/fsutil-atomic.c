/* SPDX-License-Identifier: MIT */
/* One file replaced durably. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/fsutil.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* so long a part of the name that the whole is no longer than NAME_MAX */
#define TEMP_NAME_FORMAT ".%.230s.upshift-"
#define SUFFIX_LEN 6

static const char suffix_set[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static void random_suffix(char out[SUFFIX_LEN + 1])
{
	unsigned char r[SUFFIX_LEN];

	/* no randomness: O_EXCL still tells names apart */
	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		memset(r, 0, sizeof(r));
	for (int i = 0; i < SUFFIX_LEN; i++)
		out[i] = suffix_set[r[i] % (sizeof(suffix_set) - 1)];
	out[SUFFIX_LEN] = '\0';
}

int atomic_file_begin(struct atomic_file *af, int dirfd, const char *name)
{
	int ret = -EEXIST;

	for (int tries = 0; tries < 100 && ret == -EEXIST; tries++) {
		_cleanup_free_ char *temp = NULL;
		char suffix[SUFFIX_LEN + 1];

		random_suffix(suffix);
		temp = xasprintf(TEMP_NAME_FORMAT "%s", name, suffix);
		ret = fs_open(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL |
			      O_NOFOLLOW, 0600);
		if (ret >= 0) {
			af->dirfd = dirfd;
			af->fd = ret;
			af->name = xstrdup(name);
			af->temp = TAKE_PTR(temp);
			ret = 0;
		}
	}
	return ret;
}

int atomic_file_commit(struct atomic_file *af, mode_t mode)
{
	int ret = fs_chmod(af->fd, mode);

	if (ret >= 0)
		ret = fs_sync(af->fd);
	if (ret >= 0)
		ret = fs_closep(&af->fd);
	if (ret >= 0)
		ret = fs_rename(af->dirfd, af->temp, af->dirfd, af->name, 0);
	if (ret >= 0) {
		free(TAKE_PTR(af->temp));
		ret = fs_sync_dir(af->dirfd, ".");
	}
	atomic_file_release(af);
	return ret;
}

void atomic_file_release(struct atomic_file *af)
{
	if (af->fd >= 0)
		(void)close(TAKE_FD(af->fd)); /* it is thrown away */
	if (af->temp)
		(void)fs_unlink(af->dirfd, af->temp, 0); /* swept later */
	free(TAKE_PTR(af->temp));
	free(TAKE_PTR(af->name));
	af->dirfd = -1;
}

/* only what nobody but begin() can have made */
static bool is_temp(int dirfd, const char *name, const char *prefix)
{
	size_t n = strlen(prefix);
	struct stat st;

	return str_starts(name, prefix) && strlen(name) == n + SUFFIX_LEN &&
		strspn(name + n, suffix_set) == SUFFIX_LEN &&
		fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISREG(st.st_mode) && st.st_nlink == 1 &&
		st.st_uid == geteuid();
}

int atomic_file_sweep(int dirfd, const char *name)
{
	_cleanup_free_ char *prefix = xasprintf(TEMP_NAME_FORMAT, name);
	int fd = fs_open(dirfd, ".", O_RDONLY | O_DIRECTORY, 0), ret = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;

	if (!d) {
		ret = fd < 0 ? fd : -errno;
		closep(&fd);
		return ret;
	}
	errno = 0;
	while (ret >= 0 && (de = readdir(d))) {
		if (is_temp(dirfd, de->d_name, prefix))
			ret = fs_unlink(dirfd, de->d_name, 0);
		errno = 0;
	}
	if (ret >= 0)
		ret = -errno;
	(void)closedir(d);
	return ret < 0 ? ret : 0;
}

int fs_write_file(int dirfd, const char *name, const void *p, size_t n,
		  mode_t mode)
{
	struct atomic_file af = ATOMIC_FILE_INIT;
	int ret = atomic_file_begin(&af, dirfd, name);

	if (ret >= 0)
		ret = fs_write_all(af.fd, p, n);
	if (ret >= 0)
		return atomic_file_commit(&af, mode);
	atomic_file_release(&af);
	return ret;
}

int fs_write_named(const char *path, const void *p, size_t n, mode_t mode)
{
	_cleanup_close_ int dir = -1;
	_cleanup_free_ char *parent = path_dirname(path);
	struct stat st;
	int ret, r;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode) ||
	    S_ISDIR(st.st_mode)) {
		dir = fs_open(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0);
		return dir < 0 ? dir :
		       fs_write_file(dir, path_basename(path), p, n, mode);
	}
	dir = fs_open(AT_FDCWD, path, O_WRONLY | O_NOCTTY, 0);
	if (dir < 0)
		return dir;
	ret = fs_write_all(dir, p, n);
	r = fs_close(dir);
	dir = -1;
	return ret < 0 ? ret : r;
}
