/* SPDX-License-Identifier: MIT */
/* What is in a backup, what is refused, and how it is told from the disk. */
#include "backup-world.h"

#include <sys/resource.h>

#include "base/fsutil.h"
#include "base/path.h"

#define MIB (1024u * 1024u)

static void add(struct world *w, const char *path, unsigned int flags)
{
	effects_add(&w->set, EFFECT_CHANGE, flags, path);
}

static void push(struct strvec *sv, const char *s)
{
	strvec_push(sv, s);
}

/* "path" for each item, with what is special about it behind */
static char *listed(struct world *w, const char *name)
{
	struct manifest m = MANIFEST_INIT;
	struct strbuf sb = STRBUF_INIT;

	(void)world_item(w, name, &m, ".");
	for (size_t i = 0; i < m.n; i++) {
		const struct item *it = &m.items[i];

		strbuf_addf(&sb, "%s%s", i ? " " : "", it->path);
		strbuf_addstr(&sb, it->type == ITEM_ABSENT ? "(absent)" : "");
		strbuf_addstr(&sb, it->flags & ITEM_PARENT ? "(parent)" : "");
		strbuf_addstr(&sb, it->flags & ITEM_SELF ? "(self)" : "");
		strbuf_addstr(&sb, it->flags & ITEM_IN_START ? "(start)" : "");
		strbuf_addstr(&sb, it->flags & ITEM_LIVE ? "(live)" : "");
		if (it->link)
			strbuf_addf(&sb, "(=%s)", it->link);
	}
	manifest_release(&m);
	return strbuf_detach(&sb);
}

static void want_list(struct world *w, const char *name, const char *want)
{
	_cleanup_free_ char *have = listed(w, name);

	assert_string_equal(have, want);
}

static void want_out(struct world *w, const char *want)
{
	_cleanup_free_ char *have = world_out(w);

	assert_string_equal(have, want);
}

static void want_error(struct world *w, enum err_code code, const char *text)
{
	assert_true(world_create(w, "start") < 0);
	assert_int_equal(w->err.code, code);
	if (!strstr(w->err.msg, text))
		fail_msg("'%s' has no '%s'", w->err.msg, text);
	/* and nothing is left of it */
	want_out(w, "");
}

/* --- which items --- */

static void t_set(void **state)
{
	struct world *w = *state;
	struct strvec exclude = STRVEC_INIT;

	put_dir(w->root_fd, "a");
	put_dir(w->root_fd, "a/b");
	put_file(w->root_fd, "a/b/x", "x");
	put_file(w->root_fd, "a/b/y.tmp", "y");
	put_dir(w->root_fd, "a/b/tmp");
	put_file(w->root_fd, "a/b/tmp/in", "z");
	put_file(w->root_fd, "a/other", "not in the set");
	put_dir(w->root_fd, "self");
	put_file(w->root_fd, "self/below", "neither");
	put_file(w->root_fd, "single", "1");
	put_dir(w->root_fd, ".upshift");
	put_file(w->root_fd, ".upshift/journal", "ours");
	push(&exclude, "**/*.tmp");
	push(&exclude, "a/b/tmp");
	w->spec.exclude = &exclude;
	add(w, "a/b", 0);
	add(w, "gone/deep", 0);
	add(w, "self", EFFECT_SELF);
	add(w, "single", 0);
	world_save(w, "start");
	want_list(w, "start", ".(parent) a(parent) a/b a/b/x "
		  "gone/deep(absent) self(self) single");
	assert_int_equal(w->res.items, 7);
	assert_int_equal(w->res.files, 2);
	assert_int_equal(w->res.bytes, 2);
	assert_true(w->res.has_archive);
	want_out(w, "start.b2 start.manifest.jsonl start.tar.zst");
	strvec_release(&exclude);
}

static void t_sums(void **state)
{
	struct world *w = *state;

	put_file(w->root_fd, "x", "x");
	world_save(w, "start");
	assert_int_equal(world_sh(w, "b2sum", "cd out && b2sum -c start.b2 "
				  ">/dev/null"), 0);
}

/* more files than one batch of the thread ahead has, and more than one frame */
static void t_many(void **state)
{
	struct world *w = *state;
	char name[40];

	for (int i = 0; i < 1500; i++) {
		if (i % 100 == 0) {
			(void)snprintf(name, sizeof(name), "d%02d", i / 100);
			put_dir(w->root_fd, name);
		}
		(void)snprintf(name, sizeof(name), "d%02d/f%04d", i / 100, i);
		world_noise(w, name, (size_t)(i * 7) % 9000, (unsigned)i);
	}
	world_save(w, "start");
	assert_int_equal(w->res.items, 1516);
	assert_int_equal(w->res.files, 1500);
	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, NULL),
			 0);
}

/* files that the disk has to fetch, and between them some that it need not */
static void t_cold(void **state)
{
	struct world *w = *state;
	char name[40];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "f%04d", i);
		world_noise(w, name, i == 200 ? 3 * MIB : i % 50 == 0 ?
			    MIB : (size_t)(i * 700) % 30000, (unsigned)i);
		if (i % 7)
			world_cold(w, name);
	}
	world_save(w, "start");
	assert_int_equal(w->res.files, 300);
	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, NULL),
			 0);
}

/* deep, wide, and not more than 64 descriptors */
static void t_descriptors(void **state)
{
	struct world *w = *state;
	const struct rlimit few = { 64, 64 };
	struct strbuf path = STRBUF_INIT;
	pid_t pid;
	int st;

	for (int i = 0; i < 100; i++) {
		strbuf_addf(&path, "%sd%d", i ? "/" : "", i);
		put_dir(w->root_fd, path.buf);
	}
	strbuf_addstr(&path, "/f");
	put_file(w->root_fd, path.buf, "deep");
	strbuf_release(&path);
	for (int i = 0; i < 300; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%d", i);
		put_file(w->root_fd, name, name);
	}
	/* a file with several names is looked at beside the packing */
	assert_int_equal(linkat(w->root_fd, "f1", w->root_fd, "f1b", 0), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (setrlimit(RLIMIT_NOFILE, &few) < 0)
			_exit(99);
		if (world_create(w, "start") < 0)
			_exit(2);
		_exit(w->res.files == 301 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

static void t_empty(void **state)
{
	struct world *w = *state;

	add(w, "nothing/here", 0);
	world_save(w, "start");
	want_list(w, "start", ".(parent) nothing/here(absent)");
	assert_int_equal(w->res.files, 0);
}

/* --- hard links --- */

static void t_links(void **state)
{
	struct world *w = *state;

	put_dir(w->root_fd, "in");
	put_dir(w->root_fd, "out-of-set");
	world_noise(w, "in/first", 100, 1);
	assert_int_equal(linkat(w->root_fd, "in/first", w->root_fd,
				"in/second", 0), 0);
	assert_int_equal(linkat(w->root_fd, "in/first", w->root_fd,
				"out-of-set/third", 0), 0);
	put_file(w->root_fd, "out-of-set/alone", "stays out");
	add(w, "in", 0);
	/* so much that the look is through before the packing */
	world_noise(w, "in/z", 6 * MIB, 2);
	world_save(w, "start");
	want_list(w, "start", ".(parent) in in/first in/second(=in/first) in/z "
		  "out-of-set(parent) out-of-set/third(=in/first)");
	assert_int_equal(w->res.files, 2);
}

static void t_link_outside(void **state)
{
	struct world *w = *state;
	struct backup_need need;

	put_dir(w->root_fd, "in");
	put_file(w->root_fd, "in/x", "x");
	assert_int_equal(linkat(w->root_fd, "in/x", w->dir_fd, "other", 0), 0);
	add(w, "in", 0);
	want_error(w, ERR_MOUNT, "in/x: has a further name (hard link) "
		   "outside the root");
	assert_int_equal(backup_measure(&w->spec, &need, &w->err), 0);
	assert_int_equal(need.refused.n, 1);
	backup_need_release(&need);
	w->spec.hard_links_break = true;
	world_save(w, "start");
	want_list(w, "start", ".(parent) in in/x");
}

/* --- symlinks to directories --- */

static void t_symlinked_dir(void **state)
{
	struct world *w = *state;
	struct strvec allow = STRVEC_INIT;
	_cleanup_free_ char *other = path_join(w->dir, "other");

	assert_int_equal(mkdirat(w->dir_fd, "other", 0755), 0);
	put_dir(w->root_fd, "in");
	assert_int_equal(symlinkat("../../other", w->root_fd, "in/link"), 0);
	add(w, "in", 0);
	want_error(w, ERR_MOUNT, "in/link: is a symlink to a directory that "
		   "the backup does not hold");
	push(&allow, other);
	w->spec.allow = &allow;
	world_save(w, "start");
	want_list(w, "start", ".(parent) in in/link");
	strvec_release(&allow);
}

static void t_outside(void **state)
{
	struct world *w = *state;
	struct strvec allow = STRVEC_INIT;
	_cleanup_free_ char *other = path_join(w->dir, "other");
	_cleanup_free_ char *file = path_join(other, "file");
	_cleanup_free_ char *want = NULL, *look = NULL;

	assert_int_equal(mkdirat(w->dir_fd, "other", 0755), 0);
	put_file(w->dir_fd, "other/file", "outside");
	put_file(w->root_fd, "in", "inside");
	push(&allow, other);
	w->spec.allow = &allow;
	add(w, other, 0);
	add(w, "in", 0);
	world_save(w, "start");
	want = xasprintf("%s %s .(parent) in", other, file);
	want_list(w, "start", want);
	look = xasprintf("zstd -dc out/start.tar.zst | tar -xOf - "
			 "'.upshift-outside%s' | grep -qx outside", file);
	assert_true(world_sh(w, "zstd", look) <= 0);
	strvec_release(&allow);
}

/* --- a file that changes --- */

struct spoil {
	struct world *w;
	const char *path;
	int times;               /* so often */
	uint64_t done, total;
};

static void append(struct world *w, const char *path)
{
	int fd = openat(w->root_fd, path, O_WRONLY | O_APPEND | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "more", 4), 4);
	close(fd);
}

/* it is being read when the first part of it is told */
static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct spoil *s = ctx;

	if (s->times && done) {
		s->times--;
		append(s->w, s->path);
	}
	s->done = done;
	s->total = total;
}

static void t_changed_once(void **state)
{
	struct world *w = *state;
	struct spoil s = { .w = w, .path = "large", .times = 1 };
	struct manifest items = MANIFEST_INIT;

	world_noise(w, "large", 3 * MIB, 1);
	w->spec.progress = on_progress;
	w->spec.ctx = &s;
	world_save(w, "start");
	assert_int_equal(s.times, 0);
	assert_int_equal(world_item(w, "start", &items, "large")->size,
			 3 * MIB + 4);
	assert_int_equal(w->res.bytes, 3 * MIB + 4);
	assert_int_equal(s.done, 3 * MIB + 4);
	assert_int_equal(s.total, 3 * MIB + 4);
	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, NULL),
			 0);
	manifest_release(&items);
}

static void t_changed_always(void **state)
{
	struct world *w = *state;
	struct spoil s = { .w = w, .path = "large", .times = 1000 };

	world_noise(w, "large", 3 * MIB, 1);
	w->spec.progress = on_progress;
	w->spec.ctx = &s;
	want_error(w, ERR_BACKUP_CHANGED, "'large' changes while it is read");
	assert_non_null(w->err.hint);
}

/* what an application appends to its log meanwhile is left out, no more */
static void t_live(void **state)
{
	struct world *w = *state;
	struct spoil s = { .w = w, .path = "log/large", .times = 1000 };
	struct strvec live = STRVEC_INIT;
	struct manifest items = MANIFEST_INIT;
	struct xxh128 first;
	struct item it;

	put_dir(w->root_fd, "log");
	world_noise(w, "log/large", 3 * MIB, 1);
	put_file(w->root_fd, "log/small", "line\n");
	assert_int_equal(item_read(w->root_fd, "log/large", true, &it,
				   &w->err), 0);
	first = it.digest;
	item_release(&it);
	push(&live, "log/*");
	w->spec.live = &live;
	w->spec.progress = on_progress;
	w->spec.ctx = &s;
	world_save(w, "start");
	assert_true(s.times < 1000);
	want_list(w, "start", ". log log/large(live) log/small(live)");
	assert_true(xxh128_equal(&world_item(w, "start", &items,
					     "log/large")->digest, &first));
	append(w, "log/small");
	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, NULL),
			 0);
	/* a log that became shorter is a change */
	put_file(w->root_fd, "log/small", "l");
	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, NULL),
			 1);
	manifest_release(&items);
	strvec_release(&live);
}

/*
 * Somebody writes into a small file all the time: either it is refused by name,
 * or what was kept is what the manifest says (world_save() compares).
 */
static void t_race(void **state)
{
	struct world *w = *state;
	int stop[2], good = 0;
	pid_t pid;

	put_file(w->root_fd, "busy", "0");
	put_file(w->root_fd, "calm", "0");
	assert_int_equal(pipe2(stop, O_CLOEXEC | O_NONBLOCK), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char c, buf[8192];

		close(stop[1]);
		for (unsigned i = 0; read(stop[0], &c, 1) < 0; i++) {
			int fd = openat(w->root_fd, "busy", O_WRONLY);

			memset(buf, 'a' + (int)(i % 26), sizeof(buf));
			if (pwrite(fd, buf, i % sizeof(buf), 0) < 0 ||
			    ftruncate(fd, i % sizeof(buf)) < 0)
				_exit(1);
			close(fd);
		}
		_exit(0);
	}
	close(stop[0]);
	for (int i = 0; i < 10; i++) {
		if (world_create(w, "start") < 0) {
			assert_int_equal(w->err.code, ERR_BACKUP_CHANGED);
			assert_non_null(strstr(w->err.msg, "'busy'"));
			continue;
		}
		good++;
		if (backup_verify(w->out_fd, "start", w->res.archive_digest,
				  w->res.manifest_digest, true, &w->err) < 0)
			fail_msg("%s", w->err.msg);
	}
	close(stop[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)good; /* any number may be */
}

/* --- what cannot be read --- */

static void t_unreadable(void **state)
{
	struct world *w = *state;

	if (geteuid() == 0)
		skip(); /* nothing is unreadable for root */
	put_file(w->root_fd, "closed", "x");
	assert_int_equal(fchmodat(w->root_fd, "closed", 0, 0), 0);
	want_error(w, ERR_BACKUP, "cannot back up 'closed': Permission denied");
}

/* --- pre-images --- */

static void t_in_start(void **state)
{
	struct world *w = *state;
	char digest[BLAKE2_TEXT_SIZE];

	put_dir(w->root_fd, "d");
	put_file(w->root_fd, "d/same", "same");
	put_file(w->root_fd, "d/touched", "touched");
	put_file(w->root_fd, "d/written", "written");
	world_save(w, "start");
	memcpy(digest, w->res.manifest_digest, sizeof(digest));
	world_mtime(w, "d/touched", 1, 1);
	put_file(w->root_fd, "d/written", "another");
	put_file(w->root_fd, "d/new", "new");
	effects_release(&w->set);
	w->set = (struct effects)EFFECTS_INIT;
	add(w, "d/new", 0);
	add(w, "d/same", 0);
	add(w, "d/touched", 0);
	add(w, "d/written", 0);
	w->spec.start_name = "start";
	w->spec.start_digest = digest;
	world_save(w, "s.1");
	want_list(w, "s.1", ".(parent) d(parent) d/new d/same(start) d/touched "
		  "d/written");
	/* nothing to store: no archive */
	effects_release(&w->set);
	w->set = (struct effects)EFFECTS_INIT;
	add(w, "d/same", 0);
	world_save(w, "s.2");
	assert_false(w->res.has_archive);
	want_out(w, "s.1.b2 s.1.manifest.jsonl s.1.tar.zst s.2.b2 "
		 "s.2.manifest.jsonl start.b2 start.manifest.jsonl "
		 "start.tar.zst");
}

/* --- a manifest alone, and comparing --- */

static void want_differs(struct world *w, const char *path)
{
	_cleanup_free_ char *have = NULL;

	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, &have),
			 1);
	assert_string_equal(have, path);
}

static void t_compare(void **state)
{
	struct world *w = *state;

	put_dir(w->root_fd, "d");
	put_file(w->root_fd, "d/a", "a");
	world_mtime(w, "d/a", 100, 5);
	world_noise(w, "d/large", 2 * MIB, 1);
	world_mtime(w, "d/large", 100, 5);
	world_mtime(w, "d", 100, 5);
	w->spec.manifest_only = true;
	if (world_create(w, "start") < 0)
		fail_msg("%s", w->err.msg);
	assert_false(w->res.has_archive);
	want_out(w, "start.b2 start.manifest.jsonl");
	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, NULL),
			 0);
	/* one byte with the time put back */
	put_file(w->root_fd, "d/a", "b");
	world_mtime(w, "d/a", 100, 5);
	want_differs(w, "d/a");
	put_file(w->root_fd, "d/a", "a");
	want_differs(w, "d/a");
	world_mtime(w, "d/a", 100, 5);
	world_noise(w, "d/large", 2 * MIB, 2);
	world_mtime(w, "d/large", 100, 5);
	want_differs(w, "d/large");
	world_noise(w, "d/large", 2 * MIB, 1);
	world_mtime(w, "d/large", 100, 5);
	assert_int_equal(world_compare(w, "start", w->root_fd, w->root, NULL),
			 0);
	/* a name more, at the end and not */
	put_file(w->root_fd, "d/zz", "");
	world_mtime(w, "d", 100, 5);
	want_differs(w, "d/zz");
	assert_int_equal(unlinkat(w->root_fd, "d/zz", 0), 0);
	assert_int_equal(unlinkat(w->root_fd, "d/large", 0), 0);
	world_mtime(w, "d", 100, 5);
	want_differs(w, "d/large");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_world(t_set), with_world(t_sums), with_world(t_many), with_world(t_cold),
		with_world(t_descriptors), with_world(t_empty), with_world(t_links),
		with_world(t_link_outside), with_world(t_symlinked_dir),
		with_world(t_outside), with_world(t_changed_once),
		with_world(t_changed_always), with_world(t_live),
		with_world(t_race), with_world(t_unreadable),
		with_world(t_in_start),
		with_world(t_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
