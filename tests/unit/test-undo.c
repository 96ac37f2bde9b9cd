/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fsutil.h"
#include "base/xalloc.h"
#include "undo-world.h"

#ifndef SEEDS
#define SEEDS 60
#endif

static void must(struct world *w, int r, const char *what, unsigned int seed)
{
	if (r < 0)
		fail_msg("%s, seed %u: %s", what, seed,
			 w->err.msg ? w->err.msg : "no message");
}

/* nothing of ours is left beside the data */
static void no_stage_left(struct world *w)
{
	struct stat st;

	assert_int_equal(fstatat(w->backup_fd, "s.1.stage", &st, 0), -1);
	assert_int_equal(fstatat(w->root_fd, ".upshift-stage-7K4Q.undo", &st,
				 0), -1);
}

/*
 * A step changes what it may at random; going back gives the tree before to
 * the nanosecond, and going back to R1 the tree as the step had left it.
 */
static void random_round(unsigned int seed, bool with_post)
{
	_cleanup_strvec_ struct strvec before = STRVEC_INIT;
	_cleanup_strvec_ struct strvec after = STRVEC_INIT;
	_cleanup_strvec_ struct strvec now = STRVEC_INIT;
	struct world w;

	world_init(&w, seed);
	w.no_exchange = seed % 4 == 1;
	w.force_sibling = seed % 5 == 2;
	w.no_link = seed % 7 == 3;
	world_back_up(&w);
	world_list(&w, &before);
	world_change(&w, 1 + (int)(seed % 40));
	if (with_post)
		world_post(&w);
	world_list(&w, &after);

	world_write_point(&w, "R1");
	must(&w, world_undo(&w, "R1"), "undo", seed);
	world_list(&w, &now);
	world_same(&before, &now, "after the undo");
	no_stage_left(&w);

	must(&w, world_undo(&w, "R1"), "undo again", seed);
	world_list(&w, &now);
	world_same(&before, &now, "after the second undo");

	must(&w, world_return(&w, "R1", "R2"), "return", seed);
	world_list(&w, &now);
	world_same(&after, &now, "after going back to R1");
	no_stage_left(&w);
	world_release(&w);
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= SEEDS; seed++)
		random_round(seed, seed % 3 != 0);
}

/* --- what others did --- */

static void setup_quiet(struct world *w)
{
	world_init(w, 4711);
	assert_int_equal(mkdirat(w->root_fd, "data/q", 0755), 0);
	world_put(w, "data/q/mine", "old");
	world_put(w, "data/q/same", "same");
	world_back_up(w);
}

static void count(struct world *w, struct undo_counts *n)
{
	struct undo_spec spec;
	struct undo *u;

	world_spec(w, &spec, "preview");
	must(w, undo_open(&u, &spec, &w->err), "open", 0);
	must(w, undo_preview(u, n, &w->err), "preview", 0);
	undo_free(u);
}

static void has_text(int dirfd, const char *path, const char *text)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	if (fs_read_file(dirfd, path, 4096, &sb) < 0)
		fail_msg("'%s' is not there", path);
	assert_string_equal(sb.buf, text);
}

static void is_absent(int dirfd, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), -1);
}

static void test_classes(void **state)
{
	struct strvec lost = STRVEC_INIT, kept = STRVEC_INIT;
	struct strvec restored = STRVEC_INIT;
	struct undo_counts n = { .lost_names = &lost, .kept_names = &kept,
				 .restored_names = &restored };
	struct world w;

	(void)state;
	setup_quiet(&w);
	/* the step */
	world_put(&w, "data/q/mine", "new");
	world_put(&w, "data/q/made", "made");
	assert_int_equal(mkdirat(w.root_fd, "made", 0755), 0);
	world_put(&w, "made/x", "x");
	world_put(&w, "made/y", "y");
	assert_int_equal(unlinkat(w.root_fd, "gone/x", 0), 0);
	world_post(&w);
	/* others */
	world_put(&w, "data/q/mine", "newer");
	world_put(&w, "data/q/theirs", "theirs");
	assert_int_equal(mkdirat(w.root_fd, "data/q/their-dir", 0755), 0);
	world_put(&w, "data/q/their-dir/in", "in");
	world_put(&w, "made/y", "changed");
	world_put(&w, "made/z", "theirs in ours");

	count(&w, &n);
	assert_int_equal(n.kept, 3);
	assert_true(strvec_has(&kept, "data/q/theirs"));
	assert_true(strvec_has(&kept, "data/q/their-dir"));
	assert_true(strvec_has(&kept, "data/q/their-dir/in"));
	assert_int_equal(n.lost, 3);
	assert_true(strvec_has(&lost, "data/q/mine"));
	assert_true(strvec_has(&lost, "made/y"));
	assert_true(strvec_has(&lost, "made/z"));
	assert_true(strvec_has(&restored, "data/q/mine"));
	assert_true(strvec_has(&restored, "data/q/made"));
	assert_true(strvec_has(&restored, "gone/x"));
	assert_int_equal(n.restored, 5);   /* and made, made/x */
	assert_int_equal(n.removed, 3);
	assert_int_equal(n.bytes, 3);
	/* a preview changes nothing */
	has_text(w.root_fd, "data/q/mine", "newer");
	is_absent(w.backup_fd, "preview");

	must(&w, world_undo(&w, "R1"), "undo", 0);
	has_text(w.root_fd, "data/q/mine", "old");
	has_text(w.root_fd, "data/q/theirs", "theirs");
	has_text(w.root_fd, "data/q/their-dir/in", "in");
	has_text(w.root_fd, "gone/x", "");
	is_absent(w.root_fd, "made");
	is_absent(w.root_fd, "data/q/made");
	has_text(w.backup_fd, "R1/data/q/mine", "newer");
	has_text(w.backup_fd, "R1/made/y", "changed");
	has_text(w.backup_fd, "R1/made/z", "theirs in ours");
	has_text(w.backup_fd, "R1/data/q/made", "made");
	strvec_release(&lost);
	strvec_release(&kept);
	strvec_release(&restored);
	world_release(&w);
}

/* What newer steps take care of is not told twice. */
static void test_handled(void **state)
{
	_cleanup_effects_ struct effects newer = EFFECTS_INIT;
	struct undo_counts n = { 0 };
	struct undo_spec spec;
	struct undo *u;
	struct world w;

	(void)state;
	setup_quiet(&w);
	world_put(&w, "data/q/mine", "new");
	world_post(&w);
	world_put(&w, "data/q/same", "by the next step");
	effects_add(&newer, EFFECT_CHANGE, 0, "data/q/same");
	world_spec(&w, &spec, "preview");
	spec.handled = &newer;
	must(&w, undo_open(&u, &spec, &w.err), "open", 0);
	must(&w, undo_preview(u, &n, &w.err), "preview", 0);
	undo_free(u);
	assert_int_equal(n.lost, 0);
	assert_int_equal(n.restored, 1);
	world_release(&w);
}

/* A second step displaces the same names into the same R point. */
static void test_same_name_twice(void **state)
{
	struct world w;

	(void)state;
	setup_quiet(&w);
	world_put(&w, "data/q/mine", "new");
	must(&w, world_undo(&w, "R1"), "undo", 0);
	world_put(&w, "data/q/mine", "new again");
	must(&w, world_undo(&w, "R1"), "undo", 0);
	has_text(w.root_fd, "data/q/mine", "old");
	has_text(w.backup_fd, "R1/data/q/mine", "new");
	has_text(w.backup_fd, "R1/.more/1/data/q/mine", "new again");
	world_release(&w);
}

/* A directory that stays keeps its time if it keeps somebody's file. */
static void test_kept_time(void **state)
{
	struct world w;
	struct stat a, b;

	(void)state;
	setup_quiet(&w);
	world_put(&w, "data/q/mine", "new");
	world_post(&w);
	world_put(&w, "data/q/theirs", "theirs");
	assert_int_equal(fstatat(w.root_fd, "data/q", &a, 0), 0);
	must(&w, world_undo(&w, "R1"), "undo", 0);
	assert_int_equal(fstatat(w.root_fd, "data/q", &b, 0), 0);
	assert_true(b.st_mtim.tv_sec > a.st_mtim.tv_sec ||
		    (b.st_mtim.tv_sec == a.st_mtim.tv_sec &&
		     b.st_mtim.tv_nsec >= a.st_mtim.tv_nsec));
	world_release(&w);
}

/* --- symlinks in the way --- */

/* A symlink where a directory was is displaced, and not followed. */
static void test_symlink_for_directory(void **state)
{
	struct world w;

	(void)state;
	setup_quiet(&w);
	_cleanup_free_ char *outside = xasprintf("%s/outside", w.dir);
	assert_int_equal(mkdir(outside, 0755), 0);
	assert_int_equal(fs_remove_tree(w.root_fd, "data/q"), 0);
	assert_int_equal(symlinkat(outside, w.root_fd, "data/q"), 0);
	must(&w, world_undo(&w, "R1"), "undo", 0);
	has_text(w.root_fd, "data/q/mine", "old");
	/* fails unless nothing was written there */
	assert_int_equal(rmdir(outside), 0);
	world_release(&w);
}

/* One above the paths that are ours: a clean end, nothing changed. */
static void test_symlink_above(void **state)
{
	struct world w;

	(void)state;
	setup_quiet(&w);
	_cleanup_free_ char *outside = xasprintf("%s/outside", w.dir);
	assert_int_equal(mkdir(outside, 0755), 0);
	world_put(&w, "single", "new");
	assert_int_equal(fs_remove_tree(w.root_fd, "gone"), 0);
	assert_int_equal(symlinkat(outside, w.root_fd, "gone"), 0);
	assert_true(world_undo(&w, "R1") < 0);
	assert_int_equal(w.err.code, ERR_ROLLBACK);
	has_text(w.root_fd, "single", "new");
	assert_int_equal(rmdir(outside), 0);
	assert_int_equal(unlinkat(w.root_fd, "gone", 0), 0);
	must(&w, world_undo(&w, "R1"), "undo", 0);
	has_text(w.root_fd, "gone/x", "");
	world_release(&w);
}

/* The directory above is gone: it comes back as it was. */
static void test_missing_parent(void **state)
{
	_cleanup_strvec_ struct strvec before = STRVEC_INIT;
	_cleanup_strvec_ struct strvec now = STRVEC_INIT;
	struct world w;

	(void)state;
	setup_quiet(&w);
	world_list(&w, &before);
	assert_int_equal(fs_remove_tree(w.root_fd, "gone"), 0);
	must(&w, world_undo(&w, "R1"), "undo", 0);
	world_list(&w, &now);
	world_same(&before, &now, "with its directory");
	world_release(&w);
}

/* --- links --- */

/* A name outside the effects is one of the group: it is linked to again. */
static void test_link_outside_effects(void **state)
{
	struct world w;
	struct stat a, b;

	(void)state;
	world_init(&w, 4713);
	world_put(&w, "other/one", "content");
	assert_int_equal(linkat(w.root_fd, "other/one", w.root_fd,
				"data/two", 0), 0);
	world_back_up(&w);
	assert_int_equal(unlinkat(w.root_fd, "data/two", 0), 0);
	world_put(&w, "data/two", "own");
	must(&w, world_undo(&w, "R1"), "undo", 0);
	assert_int_equal(fstatat(w.root_fd, "other/one", &a, 0), 0);
	assert_int_equal(fstatat(w.root_fd, "data/two", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_nlink, 2);
	world_release(&w);
}

/* Nothing that a step or others link can keep one from going back. */
static void test_links_out(void **state)
{
	_cleanup_strvec_ struct strvec before = STRVEC_INIT;
	_cleanup_strvec_ struct strvec now = STRVEC_INIT;
	struct world w;
	struct stat st;

	(void)state;
	setup_quiet(&w);
	world_list(&w, &before);
	assert_int_equal(symlinkat("..", w.root_fd, "data/q/up"), 0);
	world_put(&w, "data/q/new", "new");
	_cleanup_free_ char *outside = xasprintf("%s/outside", w.dir);
	assert_int_equal(linkat(w.root_fd, "data/q/new", AT_FDCWD, outside,
				0), 0);
	world_post(&w);
	world_write_point(&w, "R1");
	must(&w, world_undo(&w, "R1"), "undo", 0);
	world_list(&w, &now);
	world_same(&before, &now, "after the undo");
	/* what is kept does not change with the name outside */
	assert_int_equal(stat(outside, &st), 0);
	assert_int_equal(st.st_nlink, 1);
	has_text(w.backup_fd, "R1/data/q/new", "new");
	must(&w, world_return(&w, "R1", "R2"), "return", 0);
	has_text(w.root_fd, "data/q/new", "new");
	world_release(&w);
}

/* --- databases --- */

static const char db_old[] = "SQLite format 3\0old";

static void put_db(struct world *w, const char *path, char last)
{
	char text[sizeof(db_old)];
	int fd = openat(w->root_fd, path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	memcpy(text, db_old, sizeof(text));
	text[sizeof(text) - 2] = last;
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
}

/* A -wal of the new database beside the old one would be read with it. */
static void test_stale_wal(void **state)
{
	struct undo_counts n = { 0 };
	struct world w;

	(void)state;
	world_init(&w, 4712);
	put_db(&w, "data/x.db", '1');
	put_db(&w, "data/y.db", '1');
	world_back_up(&w);
	put_db(&w, "data/x.db", '2');
	world_post(&w);
	world_put(&w, "data/x.db-wal", "frames");
	world_put(&w, "data/y.db-wal", "frames");
	world_put(&w, "data/z-wal", "no database");
	count(&w, &n);
	assert_int_equal(n.kept, 2);
	assert_int_equal(n.lost, 1);
	must(&w, world_undo(&w, "R1"), "undo", 0);
	is_absent(w.root_fd, "data/x.db-wal");
	has_text(w.backup_fd, "R1/data/x.db-wal", "frames");
	has_text(w.root_fd, "data/y.db-wal", "frames");
	has_text(w.root_fd, "data/z-wal", "no database");
	world_release(&w);
}

/* --- damage is found before anything is changed --- */

static void test_damage(void **state)
{
	_cleanup_strvec_ struct strvec before = STRVEC_INIT;
	_cleanup_strvec_ struct strvec now = STRVEC_INIT;
	struct world w;
	int fd;

	(void)state;
	setup_quiet(&w);
	world_change(&w, 10);
	world_list(&w, &before);
	fd = openat(w.backup_fd, "s.1.manifest.jsonl", O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, 200), 1);
	close(fd);
	assert_true(world_undo(&w, "R1") < 0);
	assert_int_equal(w.err.code, ERR_BACKUP_DAMAGED);
	world_list(&w, &now);
	world_same(&before, &now, "with a damaged manifest");
	world_release(&w);
}

/* Without the inodes that an R point keeps there is no going back to it. */
static void test_point_emptied(void **state)
{
	struct world w;

	(void)state;
	setup_quiet(&w);
	world_put(&w, "data/q/mine", "new");
	world_write_point(&w, "R1");
	must(&w, world_undo(&w, "R1"), "undo", 0);
	assert_int_equal(unlinkat(w.backup_fd, "R1/data/q/mine", 0), 0);
	assert_true(world_return(&w, "R1", "R2") < 0);
	assert_int_equal(w.err.code, ERR_BACKUP_DAMAGED);
	has_text(w.root_fd, "data/q/mine", "old");
	world_release(&w);
}

/* Names of R points are inodes of the tree again: one name each. */
static void test_return_leaves_no_links(void **state)
{
	struct world w;
	struct stat st;

	(void)state;
	setup_quiet(&w);
	world_put(&w, "data/q/mine", "new");
	world_write_point(&w, "R1");
	must(&w, world_undo(&w, "R1"), "undo", 0);
	must(&w, world_return(&w, "R1", "R2"), "return", 0);
	has_text(w.root_fd, "data/q/mine", "new");
	assert_int_equal(fstatat(w.root_fd, "data/q/mine", &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	is_absent(w.backup_fd, "R1/data/q/mine");
	has_text(w.backup_fd, "R2/data/q/mine", "old");
	world_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_handled),
		cmocka_unit_test(test_same_name_twice),
		cmocka_unit_test(test_kept_time),
		cmocka_unit_test(test_symlink_for_directory),
		cmocka_unit_test(test_symlink_above),
		cmocka_unit_test(test_missing_parent),
		cmocka_unit_test(test_link_outside_effects),
		cmocka_unit_test(test_links_out),
		cmocka_unit_test(test_stale_wal),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_point_emptied),
		cmocka_unit_test(test_return_leaves_no_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
