/* SPDX-License-Identifier: MIT */
/*
 * Data and backup on two file systems, and a full one: tmpfs in a mount
 * namespace of our own; skipped where that cannot be had.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fsutil.h"
#include "base/xalloc.h"
#include "undo-world.h"

static bool put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool fine = fd >= 0 &&
		    write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return fine;
}

static bool own_mounts(void)
{
	unsigned int uid = geteuid(), gid = getegid();

	if (uid != 0) {
		_cleanup_free_ char *u = xasprintf("%u %u 1", uid, uid);
		_cleanup_free_ char *g = xasprintf("%u %u 1", gid, gid);

		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
		    !put_file("/proc/self/setgroups", "deny") ||
		    !put_file("/proc/self/uid_map", u) ||
		    !put_file("/proc/self/gid_map", g))
			return false;
	} else if (unshare(CLONE_NEWNS) < 0) {
		return false;
	}
	return mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool may_mount;

static int setup(void **state)
{
	(void)state;
	may_mount = own_mounts();
	return 0;
}

/* a tmpfs at W/NAME */
static void mount_at(struct world *w, const char *name, const char *options)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", w->dir, name);

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		fail_msg("cannot make '%s'", path);
	if (mount("tmpfs", path, "tmpfs", 0, options) < 0)
		fail_msg("cannot mount: %s", strerror(errno));
}

static void umount_at(struct world *w, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", w->dir, name);

	assert_int_equal(umount2(path, MNT_DETACH), 0);
}

static void must(struct world *w, int r, const char *what, unsigned int seed)
{
	if (r < 0)
		fail_msg("%s, seed %u: %s", what, seed,
			 w->err.msg ? w->err.msg : "no message");
}

/* The backup is elsewhere. */
static void test_backup_elsewhere(void **state)
{
	(void)state;
	if (!may_mount)
		skip();
	for (unsigned int seed = 100; seed < 120; seed++) {
		_cleanup_strvec_ struct strvec before = STRVEC_INIT;
		_cleanup_strvec_ struct strvec after = STRVEC_INIT;
		_cleanup_strvec_ struct strvec now = STRVEC_INIT;
		struct world w;

		world_init(&w, seed);
		mount_at(&w, "b", "size=64m");
		_cleanup_free_ char *b = xasprintf("%s/b", w.dir);
		close(w.backup_fd);
		w.backup_fd = open(b, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		world_back_up(&w);
		world_list(&w, &before);
		world_change(&w, 30);
		world_list(&w, &after);
		world_write_point(&w, "R1");
		must(&w, world_undo(&w, "R1"), "undo", seed);
		world_list(&w, &now);
		world_same(&before, &now, "after the undo");
		must(&w, world_return(&w, "R1", "R2"), "return", seed);
		world_list(&w, &now);
		world_same(&after, &now, "after going back to R1");
		close(w.backup_fd);
		w.backup_fd = open("/", O_RDONLY | O_DIRECTORY);
		umount_at(&w, "b");
		world_release(&w);
	}
}

/* A directory of the effects is a mount of its own. */
static void test_mount_inside(void **state)
{
	_cleanup_strvec_ struct strvec before = STRVEC_INIT;
	_cleanup_strvec_ struct strvec now = STRVEC_INIT;
	struct world w;

	(void)state;
	if (!may_mount)
		skip();
	world_init(&w, 7);
	assert_int_equal(mkdirat(w.root_fd, "data/m", 0755), 0);
	strvec_pushf(&w.allow, "%s/data/m", w.root);
	mount_at(&w, "root/data/m", "size=4m,mode=755");
	assert_int_equal(mkdirat(w.root_fd, "data/m/d", 0755), 0);
	world_put(&w, "data/m/d/f", "old");
	world_put(&w, "data/m/g", "old");
	world_back_up(&w);
	world_list(&w, &before);
	world_put(&w, "data/m/d/f", "new");
	world_put(&w, "data/m/d/h", "new");
	assert_int_equal(unlinkat(w.root_fd, "data/m/g", 0), 0);
	world_write_point(&w, "R1");
	must(&w, world_undo(&w, "R1"), "undo", 0);
	world_list(&w, &now);
	world_same(&before, &now, "after the undo");
	must(&w, world_return(&w, "R1", "R2"), "return", 0);
	umount_at(&w, "root/data/m");
	world_release(&w);
}

static void fill_up(struct world *w, const char *path)
{
	static char block[65536];
	int fd = openat(w->root_fd, path, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

/* No room: said with need and have, nothing changed; room made, it goes. */
static void test_full(void **state)
{
	_cleanup_strvec_ struct strvec before = STRVEC_INIT;
	_cleanup_strvec_ struct strvec after = STRVEC_INIT;
	_cleanup_strvec_ struct strvec now = STRVEC_INIT;
	_cleanup_free_ char *big = NULL;
	struct world w;

	(void)state;
	if (!may_mount)
		skip();
	world_init(&w, 8);
	assert_int_equal(mkdirat(w.root_fd, "data/m", 0755), 0);
	strvec_pushf(&w.allow, "%s/data/m", w.root);
	mount_at(&w, "root/data/m", "size=4m,mode=755");
	big = xmalloc(1 << 20);
	memset(big, 'x', 1 << 20);
	big[(1 << 20) - 1] = '\0';
	world_put(&w, "data/m/f", big);
	world_back_up(&w);
	world_list(&w, &before);
	world_put(&w, "data/m/f", "short");
	fill_up(&w, "data/m/full");
	world_list(&w, &after);
	assert_true(world_undo(&w, "R1") < 0);
	assert_int_equal(w.err.code, ERR_ROLLBACK_SPACE);
	world_list(&w, &now);
	world_same(&after, &now, "after the refusal");
	assert_int_equal(unlinkat(w.root_fd, "data/m/full", 0), 0);
	must(&w, world_undo(&w, "R1"), "undo", 0);
	world_list(&w, &now);
	world_same(&before, &now, "after the undo");
	umount_at(&w, "root/data/m");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backup_elsewhere),
		cmocka_unit_test(test_mount_inside),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
