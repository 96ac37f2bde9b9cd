/* SPDX-License-Identifier: MIT */
/* What this machine is, as far as a run may depend on it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "backup-bundle.h"
#include "base/clock.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "run-bundle.h"
#include "run-internal.h"

#define LEVELS 3

/* the environment that changes what upshift does or shows, and no more */
static const char *const allowed[] = {
	"ACCESSIBLE", "CI", "COLUMNS", "ESCDELAY", "FORCE_COLOR", "LANG",
	"LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_NUMERIC",
	"LC_TIME", "LINES", "NCURSES_NO_UTF8_ACS", "NO_COLOR", "SSH_CONNECTION",
	"STY", "TERM", "TMPDIR", "TMUX", "TZ", "UPSHIFT_ANSWERS",
	"UPSHIFT_BACKUP_DIR", "UPSHIFT_LOG_FILE", "UPSHIFT_NO_COLOR",
	"UPSHIFT_STATE_DIR", "UPSHIFT_THEME", "UPSHIFT_UI", "XDG_STATE_HOME",
};

static struct json_object *environment(void)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		json_set_str(o, allowed[i], getenv(allowed[i]));
	return o;
}

static void add_libraries(struct json_object *o)
{
	json_set_str(o, "libarchive", bundle_archive_library());
	json_set_str(o, "json-c", json_c_version());
	json_set_str(o, "libc", gnu_get_libc_version());
}

/* the line KEY=... of /etc/os-release, or of /proc/meminfo with ':' */
static void add_line(struct json_object *o, const char *name, const char *file,
		     const char *key)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const char *line;
	size_t n;

	/* /proc/meminfo is no regular file of a size */
	_cleanup_close_ int fd = fs_open(AT_FDCWD, file, O_RDONLY, 0);
	ssize_t got;

	if (fd < 0)
		return;
	strbuf_grow(&text, 16384);
	got = fs_read_full(fd, text.buf, 16384);
	strbuf_set_len(&text, got > 0 ? (size_t)got : 0);
	for (line = text.buf; *line; line += n + (line[n] == '\n')) {
		_cleanup_free_ char *value = NULL;

		n = strcspn(line, "\n");
		if (!str_starts(line, key))
			continue;
		value = xstrndup(line + strlen(key), n - strlen(key));
		json_set_str(o, name, value + strspn(value, " \t"));
		return;
	}
}

static struct json_object *machine(void)
{
	struct json_object *o = json_object_new_object();
	struct utsname u;

	if (uname(&u) == 0) {
		json_set_str(o, "system", u.sysname);
		json_set_str(o, "release", u.release);
		json_set_str(o, "version", u.version);
		json_set_str(o, "machine", u.machine);
	}
	add_line(o, "distribution", "/etc/os-release", "PRETTY_NAME=");
	add_line(o, "memory", "/proc/meminfo", "MemTotal:");
	add_line(o, "memory_available", "/proc/meminfo", "MemAvailable:");
	return o;
}

static void add_disk(struct json_object *list, const char *what, int fd)
{
	struct json_object *o;
	struct statvfs v;

	if (fd < 0 || fstatvfs(fd, &v) < 0)
		return;
	o = json_object_new_object();
	json_set_str(o, "of", what);
	json_set_int(o, "size", (int64_t)(v.f_blocks * v.f_frsize));
	json_set_int(o, "free", (int64_t)(v.f_bavail * v.f_frsize));
	json_set_int(o, "inodes_free", (int64_t)v.f_favail);
	json_set_bool(o, "read_only", (v.f_flag & ST_RDONLY) != 0);
	json_object_array_add(list, o);
}

struct json_object *run_bundle_facts(struct state_dir *sd,
				     const struct run *run)
{
	struct json_object *o = json_object_new_object();
	struct json_object *libs = json_object_new_object();
	struct json_object *disks = json_object_new_array();
	struct stat st;

	json_set_str(o, "upshift", PACKAGE_VERSION);
	add_libraries(libs);
	json_object_object_add(o, "libraries", libs);
	json_object_object_add(o, "machine", machine());
	json_set_int(o, "uid", (int64_t)geteuid());
	if (sd->root_fd >= 0 && fstat(sd->root_fd, &st) == 0) {
		json_set_int(o, "root_owner", (int64_t)st.st_uid);
		json_set_int(o, "root_mode", (int64_t)(st.st_mode & 07777));
	}
	json_set_str(o, "root", sd->root);
	json_set_str(o, "state", sd->path);
	if (run)
		json_set_str(o, "backup", run->backup.dir);
	add_disk(disks, "root", sd->root_fd);
	add_disk(disks, "state", sd->fd);
	add_disk(disks, "backup", run ? run->backup_fd : -1);
	json_object_object_add(o, "disks", disks);
	json_set_str(o, "locale", setlocale(LC_ALL, NULL));
	json_object_object_add(o, "environment", environment());
	return o;
}

/* --- names and sizes --- */

static void add_entry(int dirfd, const char *name, const char *shown,
		      const struct stat *st, struct strbuf *out)
{
	char time[CLOCK_TEXT_SIZE], target[256];
	ssize_t n;

	clock_format(&st->st_mtim, time);
	strbuf_addf(out, "%c %04o %12lld %s ", S_ISDIR(st->st_mode) ? 'd' :
		    S_ISLNK(st->st_mode) ? 'l' : S_ISREG(st->st_mode) ? '-' :
		    '?', (unsigned int)(st->st_mode & 07777),
		    (long long)st->st_size, time);
	strbuf_add_escaped(out, shown, strlen(shown));
	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(dirfd, name, target, sizeof(target));
		strbuf_addstr(out, " -> ");
		if (n > 0)
			strbuf_add_escaped(out, target, (size_t)n);
	}
	strbuf_addch(out, '\n');
}

static void list_level(int dirfd, const char *name, const char *shown,
		       int levels, struct strbuf *out)
{
	_cleanup_close_ int fd = fs_open(dirfd, name, O_RDONLY | O_DIRECTORY |
					 O_NOFOLLOW, 0);
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;

	if (fd < 0 || list_dir(fd, ".", &names) < 0)
		return;
	strvec_sort_paths(&names);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", shown,
						      names.v[i]);
		struct stat st;

		if (fstatat(fd, names.v[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		add_entry(fd, names.v[i], path, &st, out);
		if (S_ISDIR(st.st_mode) && levels > 1)
			list_level(fd, names.v[i], path, levels - 1, out);
	}
}

void run_bundle_list(int dirfd, const char *name, struct strbuf *out)
{
	list_level(dirfd, ".", name, LEVELS, out);
}
