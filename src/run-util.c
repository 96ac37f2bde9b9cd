/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/fsutil.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run-internal.h"

#define PW_BUF 16384

void user_name(uid_t uid, char *out, size_t size)
{
	_cleanup_free_ char *buf = xmalloc(PW_BUF);
	struct passwd pw, *res = NULL;

	if (getpwuid_r(uid, &pw, buf, PW_BUF, &res) == 0 && res)
		(void)snprintf(out, size, "%s", pw.pw_name);
	else
		(void)snprintf(out, size, "#%lu", (unsigned long)uid);
}

char *user_home(uid_t uid)
{
	_cleanup_free_ char *buf = xmalloc(PW_BUF);
	struct passwd pw, *res = NULL;

	if (getpwuid_r(uid, &pw, buf, PW_BUF, &res) || !res ||
	    !pw.pw_dir || pw.pw_dir[0] != '/')
		return NULL;
	return xstrdup(pw.pw_dir);
}

void who_am_i(struct who *w)
{
	memset(w, 0, sizeof(*w));
	/* of the person behind a setuid or sudo, as far as it can be told:
	   the real uid is what the kernel vouches for */
	w->uid = getuid();
	user_name(w->uid, w->user, sizeof(w->user));
	if (ttyname_r(STDIN_FILENO, w->tty, sizeof(w->tty)))
		w->tty[0] = '\0';
	if (gethostname(w->host, sizeof(w->host) - 1))
		w->host[0] = '\0';
}

void who_to_json(const struct who *w, struct json_object *o)
{
	json_set_int(o, "uid", (int64_t)w->uid);
	json_set_str(o, "user", w->user);
	json_set_str(o, "tty", w->tty);
	json_set_str(o, "host", w->host);
}

void add_shell_word(struct strbuf *out, const char *s)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789@%+=:,./_-";

	if (*s && strspn(s, plain) == strlen(s)) {
		strbuf_addstr(out, s);
		return;
	}
	strbuf_addch(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			strbuf_addstr(out, "'\\''");
		else
			strbuf_addch(out, *s);
	}
	strbuf_addch(out, '\'');
}

bool abs_is_below(const char *a, const char *b)
{
	size_t n = strlen(b);

	while (n && b[n - 1] == '/')
		n--;
	return !strncmp(a, b, n) && (a[n] == '\0' || a[n] == '/');
}

int resolve_future(const char *path, char **ret)
{
	_cleanup_free_ char *head = xstrdup(path);
	_cleanup_free_ char *tail = NULL;
	char *real, *slash, *joined;

	for (;;) {
		real = realpath(head[0] ? head : "/", NULL);
		if (real)
			break;
		if (errno != ENOENT)
			return -errno;
		slash = strrchr(head, '/');
		if (slash && !slash[1]) {
			*slash = '\0';
			continue;
		}
		if (!strcmp(slash ? slash + 1 : head, ".."))
			return -ENOENT;
		joined = tail ? path_join(slash ? slash + 1 : head, tail) :
				xstrdup(slash ? slash + 1 : head);
		free(tail);
		tail = joined;
		if (slash) {
			*slash = '\0';
		} else {
			free(head);
			head = xstrdup(".");
		}
	}
	if (tail) {
		joined = xasprintf("%s/%s", strcmp(real, "/") ? real : "",
				   tail);
		free(real);
		real = joined;
	}
	*ret = real;
	return 0;
}

int list_dir(int dirfd, const char *name, struct strvec *ret)
{
	struct dirent *de;
	DIR *d;
	int fd, r;

	fd = fs_open(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		closep(&fd);
		return r;
	}
	while ((errno = 0, de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			strvec_push(ret, de->d_name);
	r = -errno;
	(void)closedir(d); /* only read */
	return r;
}

bool mtime_parse(const char *text, struct timespec *ret)
{
	long long sec;
	long nsec;

	if (sscanf(text, "%lld.%9ld", &sec, &nsec) != 2 || nsec < 0 ||
	    nsec > 999999999)
		return false;
	ret->tv_sec = (time_t)sec;
	ret->tv_nsec = nsec;
	return true;
}

int mtime_note(int dirfd, const char *name, const struct timespec *t)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%lld.%09ld\n",
			 (long long)t->tv_sec, t->tv_nsec);

	return fs_write_file(dirfd, name, text, (size_t)n, 0600);
}

int mtime_noted(int dirfd, const char *name, struct timespec *ret)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = fs_read_file(dirfd, name, 64, &text);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : mtime_parse(text.buf, ret);
}
