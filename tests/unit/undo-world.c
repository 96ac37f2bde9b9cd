/* SPDX-License-Identifier: MIT */
#include "undo-world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "backup.h"
#include "base/fsutil.h"
#include "base/path.h"
#include "base/walk.h"
#include "base/xalloc.h"

/* where entries are made, and what they are called */
static const char *const dirs[] = {
	"data", "data/a", "data/a/b", "data/c", "data/c/\xff\xfe \n", "other",
};
static const char *const names[] = {
	"f", "g", "h.json", "-rf", "sp ace", "\xc3\xa4", "\x01\x80", "z", "b",
	"c", "l", "deep",
};

/* for calls that may meet something that is in their way */
static void may_fail(int r)
{
	(void)r;
}

uint64_t world_random(struct world *w, uint64_t n)
{
	/* splitmix64, Steele, Lea and Flood 2014 */
	uint64_t z = w->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % n;
}

static void fill(struct world *w, int fd)
{
	char buf[6000];
	size_t n = world_random(w, sizeof(buf));

	for (size_t i = 0; i < n; i++)
		buf[i] = (char)world_random(w, 256);
	if (world_random(w, 12) == 0)
		assert_int_equal(lseek(fd, 3 << 20, SEEK_SET), 3 << 20);
	assert_int_equal(write(fd, buf, n), n);
}

static void set_time(struct world *w, const char *path)
{
	struct timespec ts[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ (time_t)world_random(w, 2000000000),
		  (long)world_random(w, 1000000000) },
	};

	assert_int_equal(utimensat(w->root_fd, path, ts,
				   AT_SYMLINK_NOFOLLOW), 0);
}

static void set_some_meta(struct world *w, const char *path)
{
	_cleanup_close_ int fd = openat(w->root_fd, path,
				O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	static const mode_t modes[] = { 0600, 0644, 0755, 0700, 0444, 02755 };
	struct stat st;

	if (fd < 0)
		return;
	assert_int_equal(fstat(fd, &st), 0);
	/* tests also run without the right to enter anything */
	if (world_random(w, 2) && S_ISREG(st.st_mode))
		assert_int_equal(fchmod(fd, modes[world_random(w, 6)]), 0);
	else if (world_random(w, 3) == 0)
		assert_int_equal(fchmod(fd, world_random(w, 2) ? 0500 : 0711),
				 0);
	if (w->xattrs && world_random(w, 4) == 0)
		may_fail(fsetxattr(fd, "user.test", &st.st_ino,
				world_random(w, 8), 0));
}

void world_put(struct world *w, const char *path, const char *text)
{
	int fd = openat(w->root_fd, path, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	if (fd < 0)
		fail_msg("cannot write '%s': %s", path, strerror(errno));
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static char *random_path(struct world *w, size_t dir_n)
{
	return xasprintf("%s/%s", dirs[world_random(w, dir_n)],
			 names[world_random(w, ARRAY_SIZE(names))]);
}

static bool is_file(struct world *w, const char *path)
{
	struct stat st;

	return fstatat(w->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

/* Ignores what is in the way: it is one of many. */
static void make_entry(struct world *w, const char *path)
{
	_cleanup_free_ char *to = random_path(w, ARRAY_SIZE(dirs) - 1);
	int fd;

	switch (world_random(w, 10)) {
	case 0:
		may_fail(mkdirat(w->root_fd, path, 0755));
		break;
	case 1:
		may_fail(symlinkat(to, w->root_fd, path));
		break;
	case 2:
		may_fail(mkfifoat(w->root_fd, path, 0640));
		break;
	case 3:
	case 4:
		/* other/ is not saved, so its names cannot be in a group */
		if (str_starts(path, "other/") || !is_file(w, to))
			break;
		may_fail(linkat(w->root_fd, to, w->root_fd, path, 0));
		break;
	default:
		fd = openat(w->root_fd, path, O_CREAT | O_EXCL | O_WRONLY |
			    O_NOFOLLOW, 0644);
		if (fd < 0)
			return;
		fill(w, fd);
		close(fd);
		set_some_meta(w, path);
	}
}

static int time_entry(void *ctx, const struct walk_entry *e,
		      struct error *err)
{
	struct world *w = ctx;

	(void)err;
	if (strcmp(e->path, ".upshift") == 0)
		return WALK_SKIP;
	if (!S_ISDIR(e->st.st_mode) || e->leaving)
		set_time(w, e->path);
	return 0;
}

static void make_tree(struct world *w)
{
	static const char *const more[] = { "self", "gone", "self/kept" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		assert_int_equal(mkdirat(w->root_fd, dirs[i], 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		assert_int_equal(mkdirat(w->root_fd, more[i], 0750), 0);
	world_put(w, "single", "one file");
	world_put(w, "gone/x", "");
	world_put(w, "self/in", "not the step's");
	for (int i = 0; i < 40; i++) {
		_cleanup_free_ char *path = random_path(w, ARRAY_SIZE(dirs));

		make_entry(w, path);
	}
	assert_int_equal(walk_tree(w->root_fd, ".", WALK_LEAVE, time_entry, w,
				   &w->err), 0);
}

static const char *scratch(void)
{
	/* flushing is not what is tested here */
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->random = seed * 1000003;
	(void)snprintf(w->dir, sizeof(w->dir), "%s/upshift-test-XXXXXX",
		       scratch());
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->root, sizeof(w->root), "%s/root", w->dir);
	_cleanup_free_ char *state = xasprintf("%s/root/.upshift", w->dir);
	_cleanup_free_ char *b = xasprintf("%s/root/.upshift/b", w->dir);
	assert_int_equal(mkdir(w->root, 0755), 0);
	assert_int_equal(mkdir(state, 0700), 0);
	assert_int_equal(mkdir(b, 0700), 0);
	w->root_fd = open(w->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->backup_fd = open(b, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->root_fd >= 0 && w->backup_fd >= 0);
	w->xattrs = fsetxattr(w->backup_fd, "user.x", "1", 1, 0) == 0;

	effects_add(&w->effects, EFFECT_CHANGE, 0, "data");
	effects_add(&w->effects, EFFECT_REMOVE, 0, "gone/x");
	effects_add(&w->effects, EFFECT_CREATE, 0, "made");
	effects_add(&w->effects, EFFECT_CREATE, EFFECT_SELF, "made-self");
	effects_add(&w->effects, EFFECT_CHANGE, EFFECT_SELF, "self");
	effects_add(&w->effects, EFFECT_CHANGE, 0, "single");
	make_tree(w);
}

static int open_up(void *ctx, const struct walk_entry *e, struct error *err)
{
	(void)ctx;
	(void)err;
	if (S_ISDIR(e->st.st_mode))
		may_fail(fchmodat(e->dirfd, e->name, 0700, 0));
	return 0;
}

void world_release(struct world *w)
{
	_cleanup_free_ char *cmd = xasprintf("rm -rf '%s'", w->dir);

	(void)walk_tree(AT_FDCWD, w->dir, 0, open_up, NULL, NULL);
	close(w->root_fd);
	close(w->backup_fd);
	effects_release(&w->effects);
	strvec_release(&w->allow);
	error_release(&w->err);
	assert_int_equal(system(cmd), 0);
}

/* --- the step, and others --- */

static void remove_at(struct world *w, const char *path)
{
	struct stat st;
	_cleanup_free_ char *full = xasprintf("%s/root/%s", w->dir, path);

	if (fstatat(w->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISDIR(st.st_mode))
			(void)walk_tree(AT_FDCWD, full, 0, open_up, NULL,
					NULL);
		/* where it may not be, it stays */
		may_fail(fs_remove_tree(w->root_fd, path));
	}
}

static void change_one(struct world *w)
{
	/* not in other/, which is the last */
	_cleanup_free_ char *path = random_path(w, ARRAY_SIZE(dirs) - 1);
	_cleanup_free_ char *to = random_path(w, ARRAY_SIZE(dirs) - 1);
	int fd;

	switch (world_random(w, 9)) {
	case 0:
		remove_at(w, path);
		break;
	case 1:
		remove_at(w, path);
		make_entry(w, path);
		break;
	case 2:
		may_fail(renameat(w->root_fd, path, w->root_fd, to));
		break;
	case 3:
		fd = openat(w->root_fd, path, O_WRONLY | O_NOFOLLOW |
			    O_NONBLOCK);
		if (fd < 0)
			break;
		fill(w, fd);
		close(fd);
		break;
	case 4:
		set_some_meta(w, path);
		break;
	case 5:
		if (faccessat(w->root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) ==
		    0)
			set_time(w, path);
		break;
	case 6:
		remove_at(w, dirs[1 + world_random(w, ARRAY_SIZE(dirs) - 2)]);
		break;
	default:
		make_entry(w, path);
	}
}

void world_change(struct world *w, int n)
{
	static const char *const in_made[] = { "made/a", "made/b", "made/c/d" };

	for (int i = 0; i < n; i++)
		change_one(w);
	if (world_random(w, 2)) {
		may_fail(mkdirat(w->root_fd, "made", 0755));
		may_fail(mkdirat(w->root_fd, "made/c", 0500));
		for (int i = 0; i < 3; i++)
			make_entry(w, in_made[i]);
	}
	if (world_random(w, 2))
		may_fail(mkdirat(w->root_fd, "made-self", 0700));
	if (world_random(w, 2))
		may_fail(fchmodat(w->root_fd, "self", 0700, 0));
	if (world_random(w, 2))
		remove_at(w, "gone/x");
	if (world_random(w, 2))
		world_put(w, "single", "changed");
}

static void take(struct world *w, const char *name, const char *start,
		 bool manifest_only, char *digest)
{
	struct backup_spec spec = {
		.root_fd = w->root_fd, .root = w->root, .set = &w->effects,
		.start_name = start,
		.start_digest = start ? w->start : NULL,
		.manifest_only = manifest_only, .allow = &w->allow,
	};
	struct backup_result res;

	if (backup_create(w->backup_fd, name, &spec, &res, &w->err) < 0)
		fail_msg("cannot make '%s': %s", name, w->err.msg);
	strcpy(digest, res.manifest_digest);
}

void world_back_up(struct world *w)
{
	take(w, "start", NULL, false, w->start);
	/* something is in start, something is not */
	world_put(w, "single", "changed before the step");
	may_fail(fchmodat(w->root_fd, "data/a", 0711, 0));
	take(w, "s.1", "start", false, w->pre);
}

void world_post(struct world *w)
{
	take(w, "s.1.post", NULL, true, w->post);
	w->has_post = true;
}

void world_write_point(struct world *w, const char *name)
{
	int r = undo_write_point(w->root_fd, w->root, NULL, w->backup_fd,
				 name, &w->effects, w->point, &w->err);

	if (r < 0)
		fail_msg("cannot write the point: %s", w->err.msg);
}

/* --- comparing --- */

struct list {
	struct world *w;
	struct strvec *out, inodes;
};

static void add_xattrs(struct strbuf *sb, const struct meta *m)
{
	for (uint32_t i = 0; i < m->xattr_n; i++) {
		strbuf_addf(sb, " %s=", m->xattrs[i].name);
		strbuf_add_escaped(sb, m->xattrs[i].value, m->xattrs[i].len);
	}
}

/* the first path of the inode; in path order */
static void add_group(struct list *l, struct strbuf *sb, const struct item *it)
{
	_cleanup_free_ char *key = xasprintf("%llu ",
					     (unsigned long long)it->ino);

	for (size_t i = 0; i < l->inodes.n; i++)
		if (str_starts(l->inodes.v[i], key)) {
			strbuf_addf(sb, " link %s",
				    l->inodes.v[i] + strlen(key));
			return;
		}
	strvec_pushf(&l->inodes, "%s%s", key, it->path);
}

static int list_entry(void *ctx, const struct walk_entry *e,
		      struct error *err)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	_cleanup_item_ struct item it = ITEM_INIT;
	_cleanup_free_ char *text = escape_bytes(e->path);
	char digest[XXH128_TEXT_SIZE];
	struct list *l = ctx;

	if (strcmp(e->path, ".upshift") == 0)
		return WALK_SKIP;
	if (item_read(l->w->root_fd, e->path, true, &it, err) < 0)
		return -EIO;
	xxh128_format(&it.digest, digest);
	strbuf_addf(&sb, "%s %s %04o %u:%u %lld.%09ld %llu %s -> %s",
		    text, item_type_name(it.type),
		    it.type == ITEM_SYMLINK ? 0 : (unsigned int)it.meta.mode,
		    it.meta.uid, it.meta.gid, (long long)it.meta.mtime.tv_sec,
		    it.meta.mtime.tv_nsec, (unsigned long long)it.size, digest,
		    it.target ? it.target : "");
	add_xattrs(&sb, &it.meta);
	/* also counts names that it must not have in the state directory */
	if (it.type == ITEM_FILE)
		strbuf_addf(&sb, " n=%llu", (unsigned long long)it.nlink);
	if (it.type == ITEM_FILE)
		add_group(l, &sb, &it);
	strvec_push(l->out, sb.buf);
	return 0;
}

void world_list(struct world *w, struct strvec *ret)
{
	struct list l = { .w = w, .out = ret };

	strvec_clear(ret);
	if (walk_tree(w->root_fd, ".", 0, list_entry, &l, &w->err) < 0)
		fail_msg("cannot list: %s", w->err.msg);
	strvec_release(&l.inodes);
}

void world_same(const struct strvec *a, const struct strvec *b,
		const char *what)
{
	for (size_t i = 0; i < MAX(a->n, b->n); i++) {
		const char *x = i < a->n ? a->v[i] : "(nothing)";
		const char *y = i < b->n ? b->v[i] : "(nothing)";

		if (strcmp(x, y) != 0)
			fail_msg("%s:\n was %s\n is  %s", what, x, y);
	}
}

/* --- undoing --- */

void world_spec(struct world *w, struct undo_spec *spec, const char *aside)
{
	*spec = (struct undo_spec){
		.root_fd = w->root_fd, .root = w->root,
		.backup_fd = w->backup_fd, .effects = &w->effects,
		.source = UNDO_FROM_ARCHIVE, .pre_name = "s.1",
		.pre_digest = w->pre, .start_name = "start",
		.start_digest = w->start, .aside_name = aside,
		.run_id = "7K4Q",
	};
	if (w->has_post) {
		spec->post_name = "s.1.post";
		spec->post_digest = w->post;
	}
}

static int undo_all(struct world *w, const struct undo_spec *spec)
{
	struct undo *u = NULL;
	int r;

	error_release(&w->err);
	r = undo_open(&u, spec, &w->err);
	if (r == 0) {
		u->no_exchange = w->no_exchange;
		u->force_sibling = w->force_sibling;
		u->no_link = w->no_link;
		r = undo_prepare(u, &w->err);
	}
	if (r == 0)
		r = undo_commit(u, &w->err);
	if (r == 0)
		r = undo_check(u, &w->err);
	if (r == 0)
		r = undo_dirmeta(u, &w->err);
	undo_free(u);
	return r;
}

int world_undo(struct world *w, const char *aside)
{
	struct undo_spec spec;

	world_spec(w, &spec, aside);
	return undo_all(w, &spec);
}

int world_return(struct world *w, const char *point, const char *aside)
{
	struct undo_spec spec;

	world_spec(w, &spec, aside);
	spec.source = UNDO_FROM_TREE;
	spec.pre_name = spec.tree_name = point;
	spec.pre_digest = w->point;
	spec.post_name = spec.post_digest = NULL;
	return undo_all(w, &spec);
}
