/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/path.h"
#include "base/walk.h"

struct seen {
	struct strbuf text;
	const char *skip, *stop, *unlink;
	char *last;
	size_t n, deepest;
	bool unordered, bad;
};

static void seen_release(struct seen *x)
{
	strbuf_release(&x->text);
	free(x->last);
}

#define SEEN_INIT { .text = STRBUF_INIT }

/* what every entry must be, whatever the flags */
static bool sound(const struct walk_entry *e)
{
	struct stat st;

	if (strcmp(e->name, path_basename(e->path)) != 0)
		return false;
	if (e->bare)
		return e->fd < 0 && e->st.st_mode == S_IFREG && !e->leaving &&
			fstatat(e->dirfd, e->name, &st,
				AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(st.st_mode);
	if (fstatat(e->dirfd, e->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_ino != e->st.st_ino || st.st_dev != e->st.st_dev)
		return false;
	return e->fd < 0 || (fstat(e->fd, &st) == 0 &&
			     st.st_ino == e->st.st_ino);
}

static int look(void *ctx, const struct walk_entry *e, struct error *err)
{
	struct seen *x = ctx;

	if (!sound(e))
		x->bad = true;
	x->n++;
	if (x->text.len < 100000)
		strbuf_addf(&x->text, "%s%s%s", x->text.len ? " " : "",
			    e->leaving ? "<" : "", e->path);
	if (strlen(e->path) > x->deepest)
		x->deepest = strlen(e->path);
	if (e->leaving)
		return 0;
	if (x->last && path_cmp(x->last, e->path) >= 0)
		x->unordered = true;
	free(x->last);
	x->last = xstrdup(e->path);
	if (x->unlink && !strcmp(e->path, x->unlink))
		(void)unlinkat(e->dirfd, "zz", 0);
	if (x->skip && !strcmp(e->path, x->skip))
		return WALK_SKIP;
	if (x->stop && !strcmp(e->path, x->stop))
		return error_set(err, ERR_BUG, -ECANCELED, "stopped");
	return 0;
}

static void want(struct scratch *s, const char *start, unsigned int flags,
		 struct seen *x, const char *text)
{
	assert_int_equal(walk_tree(s->fd, start, flags, look, x, &s->err), 0);
	assert_string_equal(x->text.buf, text);
	assert_false(x->unordered);
	assert_false(x->bad);
	seen_release(x);
}

static void make_tree(int fd)
{
	put_dir(fd, "a");
	put_dir(fd, "a/d");
	put_file(fd, "a/d/f", "x");
	put_file(fd, "a/b", "x");
	put_dir(fd, "a b");
	put_file(fd, "a b/c", "x");
	put_file(fd, "a-b", "x");
	put_file(fd, "a.b", "x");
	put_file(fd, "a\x01", "x");
	put_file(fd, "a\xff", "x");
	put_file(fd, "aa", "x");
	assert_int_equal(symlinkat("a", fd, "l"), 0);
}

static void order(void **state)
{
	struct seen x = SEEN_INIT, y = SEEN_INIT, z = SEEN_INIT;
	struct scratch *s = *state;

	make_tree(s->fd);
	want(s, ".", 0, &x, ". a a/b a/d a/d/f a\x01 a b a b/c a-b a.b aa "
	     "a\xff l");
	want(s, ".", WALK_NO_OPEN, &y, ". a a/b a/d a/d/f a\x01 a b a b/c "
	     "a-b a.b aa a\xff l");
	want(s, ".", WALK_LEAVE, &z, ". a a/b a/d a/d/f <a/d <a a\x01 a b "
	     "a b/c <a b a-b a.b aa a\xff l <.");
}

static int count_bare(void *ctx, const struct walk_entry *e, struct error *err)
{
	int *n = ctx;

	(void)err;
	*n += e->bare;
	return 0;
}

/* in the same order; a start that is a file is looked at all the same */
static void bare(void **state)
{
	struct scratch *s = *state;
	struct seen x = SEEN_INIT, y = SEEN_INIT;
	int n = 0;

	make_tree(s->fd);
	want(s, ".", WALK_BARE | WALK_LEAVE, &x, ". a a/b a/d a/d/f <a/d <a "
	     "a\x01 a b a b/c <a b a-b a.b aa a\xff l <.");
	want(s, "aa", WALK_BARE, &y, "aa");
	assert_int_equal(walk_tree(s->fd, ".", WALK_BARE, count_bare, &n,
				   &s->err), 0);
	/* a file system that does not tell types has none, no other number */
	assert_true(n == 0 || n == 8);
}

static void starts(void **state)
{
	struct scratch *s = *state;
	struct seen a = SEEN_INIT, b = SEEN_INIT, c = SEEN_INIT,
		d = SEEN_INIT, e = SEEN_INIT, f = SEEN_INIT;
	_cleanup_free_ char *far = xasprintf("%s/a/d", s->dir);
	_cleanup_free_ char *text = xasprintf("%s %s/f <%s", far, far, far);

	make_tree(s->fd);
	want(s, "a/d", WALK_LEAVE, &a, "a/d a/d/f <a/d");
	want(s, "a/b", WALK_LEAVE, &b, "a/b");
	want(s, "l", 0, &c, "l");
	want(s, far, WALK_LEAVE, &d, text);
	assert_int_equal(walk_tree(s->fd, "none", 0, look, &e, &s->err),
			 -ENOENT);
	assert_non_null(strstr(s->err.msg, "none"));
	error_release(&s->err);
	assert_int_equal(walk_tree(s->fd, "l/d", 0, look, &f, &s->err),
			 -ELOOP);
	error_release(&s->err);
	seen_release(&e);
	seen_release(&f);
}

static void skipped_and_stopped(void **state)
{
	struct scratch *s = *state;
	struct seen x = SEEN_INIT, y = SEEN_INIT;

	make_tree(s->fd);
	x.skip = "a";
	want(s, ".", WALK_LEAVE, &x, ". a a\x01 a b a b/c <a b a-b a.b aa "
	     "a\xff l <.");
	y.stop = "a/d";
	assert_int_equal(walk_tree(s->fd, ".", WALK_LEAVE, look, &y, &s->err),
			 -ECANCELED);
	assert_string_equal(y.text.buf, ". a a/b a/d");
	assert_string_equal(s->err.msg, "stopped");
	seen_release(&y);
}

static void what_vanishes_is_passed_over(void **state)
{
	struct scratch *s = *state;
	struct seen x = SEEN_INIT, y = SEEN_INIT;

	put_file(s->fd, "a", "");
	put_file(s->fd, "zz", "");
	x.unlink = "a";
	want(s, ".", 0, &x, ". a");
	put_file(s->fd, "zz", "");
	y.unlink = "a";
	want(s, ".", WALK_NO_OPEN, &y, ". a");
}

static void unreadable_stops_and_is_named(void **state)
{
	struct scratch *s = *state;
	struct seen x = SEEN_INIT;

	if (geteuid() == 0)
		skip();
	put_dir(s->fd, "closed");
	assert_int_equal(fchmodat(s->fd, "closed", 0, 0), 0);
	assert_int_equal(walk_tree(s->fd, ".", 0, look, &x, &s->err),
			 -EACCES);
	assert_non_null(strstr(s->err.msg, "closed"));
	seen_release(&x);
}

#define LEVELS 600

static void make_chain(int dirfd)
{
	int fd = dup(dirfd);

	for (int i = 0; i < LEVELS; i++) {
		char name[16];
		int next;

		(void)snprintf(name, sizeof(name), "level%04d", i);
		put_dir(fd, name);
		put_file(fd, "zfile", "x");
		next = openat(fd, name, O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

/* Longer than PATH_MAX, with few descriptors, and back up again. */
static void deep(void **state)
{
	struct scratch *s = *state;
	struct seen x = SEEN_INIT;
	struct rlimit old, few;

	make_chain(s->fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 90;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(walk_tree(s->fd, ".", WALK_LEAVE, look, &x, &s->err),
			 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* a directory twice, its file once, and the root twice */
	assert_int_equal(x.n, LEVELS * 3 + 2);
	assert_true(x.deepest > PATH_MAX);
	assert_false(x.unordered);
	assert_false(x.bad);
	seen_release(&x);
}

/* While a level's descriptor was given up, another tree took its name. */
static int swap_above(void *ctx, const struct walk_entry *e,
		      struct error *err)
{
	struct scratch *s = ctx;

	(void)err;
	if (!strncmp(e->name, "level0599", 9) && !e->leaving) {
		if (renameat(s->fd, "level0000", s->fd, "moved") ||
		    renameat(s->fd, "other", s->fd, "level0000"))
			return -EIO;
	}
	return 0;
}

static void another_tree_is_not_walked_on(void **state)
{
	struct scratch *s = *state;

	make_chain(s->fd);
	put_dir(s->fd, "other");
	put_dir(s->fd, "other/level0001");
	assert_true(walk_tree(s->fd, "level0000", 0, swap_above, s, &s->err) <
		    0);
	assert_true(error_is_set(&s->err));
}

static int count(void *ctx, const struct walk_entry *e, struct error *err)
{
	(void)e;
	(void)err;
	++*(size_t *)ctx;
	return 0;
}

static void wide(void **state)
{
	struct scratch *s = *state;
	size_t n = 0;

	put_dir(s->fd, "w");
	for (int i = 0; i < 100000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "w/%d", i);
		assert_int_equal(mknodat(s->fd, name, S_IFREG | 0600, 0), 0);
	}
	assert_int_equal(walk_tree(s->fd, ".", WALK_NO_OPEN, count, &n,
				   &s->err), 0);
	assert_int_equal(n, 100002);
}

static int walk_over_mount(struct scratch *s, unsigned int flags,
			   const char *text)
{
	struct seen x = SEEN_INIT;
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY);

	return walk_tree(fd, ".", flags, look, &x, NULL) ||
		strcmp(x.text.buf, text) != 0;
}

static void other_file_systems(void **state)
{
	struct scratch *s = *state;
	_cleanup_free_ char *where = xasprintf("%s/m", s->dir);
	pid_t pid;
	int st;

	put_dir(s->fd, "m");
	pid = fork();
	if (pid == 0) {
		int fd;

		if (unshare(CLONE_NEWNS) ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("none", where, "tmpfs", 0, NULL))
			_exit(77);
		fd = open(where, O_RDONLY | O_DIRECTORY);
		put_file(fd, "f", "x");
		_exit(walk_over_mount(s, 0, ". m m/f") ||
		      walk_over_mount(s, WALK_XDEV, ". m"));
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	if (WIFEXITED(st) && WEXITSTATUS(st) == 77) {
		free(TAKE_PTR(where)); /* skip() jumps */
		skip();
	}
	assert_int_equal(st, 0);
}

/* Looking at a tree must not show in its access times. */
static void access_times_stay(void **state)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 2000 } };
	struct scratch *s = *state;
	size_t n = 0;
	struct stat st;

	put_dir(s->fd, "d");
	put_file(s->fd, "d/f", "x");
	assert_int_equal(utimensat(s->fd, "d", old, 0), 0);
	assert_int_equal(walk_tree(s->fd, "d", WALK_LEAVE, count, &n,
				   &s->err), 0);
	assert_int_equal(fstatat(s->fd, "d", &st, 0), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
}

static size_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void nothing_stays_open(void **state)
{
	struct scratch *s = *state;
	struct seen x = SEEN_INIT;
	size_t before = open_files();

	make_tree(s->fd);
	x.stop = "a/d/f";
	assert_int_equal(walk_tree(s->fd, ".", 0, look, &x, &s->err),
			 -ECANCELED);
	seen_release(&x);
	assert_int_equal(open_files(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(order),
		with_scratch(bare),
		with_scratch(starts),
		with_scratch(skipped_and_stopped),
		with_scratch(what_vanishes_is_passed_over),
		with_scratch(unreadable_stops_and_is_named),
		with_scratch(deep),
		with_scratch(another_tree_is_not_walked_on),
		with_scratch(wide),
		with_scratch(other_file_systems),
		with_scratch(access_times_stay),
		with_scratch(nothing_stays_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
