/* SPDX-License-Identifier: MIT */
/*
 * The register of roots helps to list runs when one stands elsewhere. It is a
 * convenience: whatever fails here is no failure of a run.
 */
#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run-internal.h"

#define REGISTER_DIR "upshift"
#define REGISTER_NAME "roots.jsonl"
#define REGISTER_MAX (4u * 1024 * 1024)

/* $XDG_STATE_HOME/upshift, made if asked; descriptor or -errno */
static int open_dir(bool make)
{
	const char *xdg = getenv("XDG_STATE_HOME");
	_cleanup_free_ char *home = NULL;
	_cleanup_free_ char *base = NULL;
	_cleanup_free_ char *dir = NULL;
	_cleanup_free_ char *real = NULL;
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int top = -1;
	struct stat st;
	int r;

	/* a relative one is to be ignored, says the XDG specification */
	if (xdg && xdg[0] == '/') {
		base = xstrdup(xdg);
	} else {
		home = user_home(geteuid());
		if (getenv("HOME") && getenv("HOME")[0] == '/') {
			free(home);
			home = xstrdup(getenv("HOME"));
		}
		if (!home)
			return -ENOENT;
		base = path_join(home, ".local/state");
	}
	dir = path_join(base, REGISTER_DIR);
	if (make) {
		top = fs_open(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0);
		if (top < 0)
			return top;
		r = resolve_future(dir, &real);
		if (r == 0)
			r = fs_mkdirs(top, real + 1, 0700, NULL);
		if (r < 0)
			return r;
	}
	fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	/* HOME of another user (sudo without -H): not ours to write */
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid())
		return -EPERM;
	return TAKE_FD(fd);
}

/* calls fn with each line's object; lines that are none are passed over */
static int each_line(int fd, void (*fn)(void *ctx, struct json_object *o),
		     void *ctx)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	char *p, *nl;
	int r;

	r = fs_read_file(fd, REGISTER_NAME, REGISTER_MAX, &text);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (p = text.buf; (nl = strchr(p, '\n')); p = nl + 1) {
		_cleanup_json_ struct json_object *o = NULL;

		if (json_parse(p, (size_t)(nl - p), &o, NULL) == 0 &&
		    json_object_is_type(o, json_type_object))
			fn(ctx, o);
	}
	return 0;
}

struct rewrite {
	const char *root;
	struct strbuf text;
};

static void keep_line(void *ctx, struct json_object *o)
{
	struct rewrite *w = ctx;
	_cleanup_free_ char *root = json_get_bytes(o, "root");

	if (!root || !strcmp(root, w->root))
		return;
	json_print(o, &w->text);
	strbuf_addch(&w->text, '\n');
}

void register_add(const char *root, const char *plan, const char *run)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct rewrite w = { .root = root };
	_cleanup_close_ int fd = -1;
	char now[CLOCK_TEXT_SIZE];
	struct timespec ts;

	fd = open_dir(true);
	/* two runs that begin at once shall not drop each other's line */
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return;
	clock_now(&ts);
	clock_format(&ts, now);
	json_set_bytes(o, "root", root);
	json_set_str(o, "plan", plan);
	json_set_str(o, "run", run);
	json_set_str(o, "time", now);
	strbuf_init(&w.text);
	if (each_line(fd, keep_line, &w) == 0) {
		json_print(o, &w.text);
		strbuf_addch(&w.text, '\n');
		(void)atomic_file_sweep(fd, REGISTER_NAME);
		(void)fs_write_file(fd, REGISTER_NAME, w.text.buf, w.text.len,
				    0600);
	}
	strbuf_release(&w.text);
}

/* roots that still have a state directory */
static void list_root(void *ctx, struct json_object *o)
{
	_cleanup_free_ char *root = json_get_bytes(o, "root");
	_cleanup_free_ char *state = NULL;
	struct stat st;

	if (!root || root[0] != '/')
		return;
	state = path_join(root, STATE_NAME);
	if (lstat(state, &st) == 0 && !strvec_has(ctx, root))
		strvec_push(ctx, root);
}

int register_roots(struct strvec *roots)
{
	_cleanup_close_ int fd = open_dir(false);

	if (fd < 0)
		return fd == -ENOENT || fd == -EPERM ? 0 : fd;
	return each_line(fd, list_root, roots);
}
