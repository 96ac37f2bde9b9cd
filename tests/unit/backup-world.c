/* SPDX-License-Identifier: MIT */
#include "backup-world.h"

#include <dirent.h>
#include <sys/xattr.h>

#include "base/path.h"

int world_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct world *w = xcalloc(1, sizeof(*w));

	w->dir = xasprintf("%s/upshift-test-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(w->dir))
		return -1;
	w->root = xasprintf("%s/root", w->dir);
	w->dir_fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (mkdirat(w->dir_fd, "root", 0755) || mkdirat(w->dir_fd, "out", 0700))
		return -1;
	w->root_fd = openat(w->dir_fd, "root", O_RDONLY | O_DIRECTORY |
			    O_CLOEXEC);
	w->out_fd = openat(w->dir_fd, "out", O_RDONLY | O_DIRECTORY |
			   O_CLOEXEC);
	w->spec.root_fd = w->root_fd;
	w->spec.root = w->root;
	w->spec.set = &w->set;
	*state = w;
	return 0;
}

int world_teardown(void **state)
{
	struct world *w = *state;
	int rc = world_sh(w, "sh", "chmod -R u+rwx . 2>/dev/null;"
			  "rm -rf root out back other; cd / && rmdir \"$DIR\"");

	close(w->root_fd);
	close(w->out_fd);
	close(w->dir_fd);
	effects_release(&w->set);
	error_release(&w->err);
	free(w->root);
	free(w->dir);
	free(w);
	return rc;
}

void world_noise(struct world *w, const char *path, size_t n, unsigned seed)
{
	uint64_t x = 0x9e3779b97f4a7c15ull * (seed + 1);
	char *buf = xmalloc(n + 8);
	int fd;

	for (size_t i = 0; i < n; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(buf + i, &x, 8);
	}
	fd = openat(w->root_fd, path, O_WRONLY | O_CREAT | O_TRUNC |
		    O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	/* not by fsutil, which would read its fault table before the test */
	assert_int_equal(write(fd, buf, n), n);
	assert_int_equal(close(fd), 0);
	free(buf);
}

bool world_xattr(struct world *w, const char *path, const char *name,
		 const void *value, size_t n)
{
	char *full = path_join(w->root, path);
	int ret = lsetxattr(full, name, value, n, 0);

	free(full);
	if (ret == 0)
		return true;
	assert_true(errno == EOPNOTSUPP || errno == EPERM);
	return false;
}

void world_cold(struct world *w, const char *path)
{
	int fd = openat(w->root_fd, path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(close(fd), 0);
}

void world_mtime(struct world *w, const char *path, int64_t sec, long ns)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
				  { .tv_sec = sec, .tv_nsec = ns } };

	assert_int_equal(utimensat(w->root_fd, path, ts, AT_SYMLINK_NOFOLLOW),
			 0);
}

int world_create(struct world *w, const char *name)
{
	error_release(&w->err);
	if (!w->set.n)
		effects_add(&w->set, EFFECT_CHANGE, 0, ".");
	return backup_create(w->out_fd, name, &w->spec, &w->res, &w->err);
}

void world_save(struct world *w, const char *name)
{
	if (world_create(w, name) < 0)
		fail_msg("backup: %s", w->err.msg);
	if (backup_verify(w->out_fd, name, w->res.archive_digest,
			  w->res.manifest_digest, true, &w->err) < 0)
		fail_msg("verify: %s", w->err.msg);
}

int world_compare(struct world *w, const char *name, int root_fd,
		  const char *root, char **ret)
{
	struct backup_spec spec = w->spec;
	int r;

	spec.root_fd = root_fd;
	spec.root = root;
	r = backup_compare(w->out_fd, name, w->res.manifest_digest, &spec, ret,
			   &w->err);
	if (r < 0)
		fail_msg("compare: %s", w->err.msg);
	return r;
}

const struct item *world_item(struct world *w, const char *name,
			      struct manifest *items, const char *path)
{
	char *file = xasprintf("%s.manifest.jsonl", name);

	if (!items->n && manifest_load(items, w->out_fd, file, NULL,
				       &w->err) < 0)
		fail_msg("manifest: %s", w->err.msg);
	free(file);
	return manifest_find(items, path);
}

static int run_sh(struct world *w, const char *command)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (fchdir(w->dir_fd) || setenv("DIR", w->dir, 1))
			_exit(126);
		execlp("sh", "sh", "-c", command, (char *)NULL);
		_exit(126);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128;
}

int world_sh(struct world *w, const char *tool, const char *command)
{
	char *look = xasprintf("command -v %s >/dev/null", tool);
	int ret = run_sh(w, look) ? -1 : run_sh(w, command);

	free(look);
	return ret;
}

char *world_out(struct world *w)
{
	struct strvec names = STRVEC_INIT;
	int fd = openat(w->out_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	struct dirent *de;
	char *ret;

	assert_non_null(d);
	while ((de = readdir(d)))
		if (de->d_name[0] != '.')
			strvec_push(&names, de->d_name);
	closedir(d);
	strvec_sort_paths(&names);
	ret = joined(&names);
	strvec_release(&names);
	return ret;
}
