/* SPDX-License-Identifier: MIT */
#include "run-bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "backup-bundle.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/hash.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "journal.h"
#include "redact.h"
#include "run-internal.h"

/* of one file; of a log the end is kept, of the rest the beginning */
#define FILE_MAX (8u * 1024u * 1024u)
#define MAP_MAX (1024u * 1024u)
/* of all files: a plan may name many, and all of it is in memory */
#define BUNDLE_MAX (64u * 1024u * 1024u)
/* accounts below it belong to the system, not to a person */
#define FIRST_USER 1000

struct run_bundle {
	struct state_dir *sd;
	const struct run *run;
	char id[RUN_ID_LEN + 1];
	struct redact redact;
	struct run_bundle_file *files;
	size_t n, cap;
};

struct run_bundle *run_bundle_new(struct state_dir *sd, const char *id,
				  const struct run *run)
{
	struct run_bundle *b = xcalloc(1, sizeof(*b));

	b->sd = sd;
	b->run = run;
	memcpy(b->id, id, MIN(strlen(id), (size_t)RUN_ID_LEN));
	b->redact.aliases = true;
	return b;
}

void run_bundle_free(struct run_bundle *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++) {
		free(b->files[i].name);
		strbuf_release(&b->files[i].data);
	}
	free(b->files);
	redact_release(&b->redact);
	free(b);
}

void run_bundle_secret(struct run_bundle *b, const char *id)
{
	redact_add_name(&b->redact, id);
}

uint64_t run_bundle_redacted(const struct run_bundle *b)
{
	uint64_t n = 0;

	for (int k = 0; k < REDACT_KIND_COUNT; k++)
		n += b->redact.counts[k];
	return n;
}

size_t run_bundle_files(const struct run_bundle *b,
			const struct run_bundle_file **ret)
{
	*ret = b->files;
	return b->n;
}

/* --- files --- */

static struct run_bundle_file *new_file(struct run_bundle *b, const char *name)
{
	struct run_bundle_file *f;

	VEC_GROW(b->files, b->n, b->cap);
	f = &b->files[b->n++];
	memset(f, 0, sizeof(*f));
	f->name = xstrdup(name);
	strbuf_init(&f->data);
	return f;
}

void run_bundle_add(struct run_bundle *b, const char *name, const char *text,
		    size_t len)
{
	struct run_bundle_file *f = new_file(b, name);
	uint64_t before = run_bundle_redacted(b);

	redact_text(&b->redact, text, len, &f->data);
	f->redacted = run_bundle_redacted(b) - before;
}

void run_bundle_add_json(struct run_bundle *b, const char *name,
			 struct json_object *o)
{
	struct run_bundle_file *f = new_file(b, name);
	uint64_t before = run_bundle_redacted(b);
	_cleanup_json_ struct json_object *safe = redact_json(&b->redact, o);

	strbuf_addstr(&f->data, json_object_to_json_string_ext(safe,
		      JSON_C_TO_STRING_PRETTY |
		      JSON_C_TO_STRING_NOSLASHESCAPE));
	strbuf_addch(&f->data, '\n');
	f->redacted = run_bundle_redacted(b) - before;
}

/* a line that is no JSON is a text */
static void add_jsonl(struct run_bundle *b, const char *name,
		      const struct strbuf *in, bool cut)
{
	struct run_bundle_file *f = new_file(b, name);
	uint64_t before = run_bundle_redacted(b);
	const char *s = in->buf;
	size_t left = in->len;

	f->cut = cut;
	while (left) {
		const char *nl = memchr(s, '\n', left);
		size_t n = nl ? (size_t)(nl - s) : left;
		_cleanup_json_ struct json_object *o = NULL;

		if (n && json_parse(s, n, &o, NULL) >= 0) {
			_cleanup_json_ struct json_object *safe =
				redact_json(&b->redact, o);

			json_print(safe, &f->data);
		} else {
			redact_text(&b->redact, s, n, &f->data);
		}
		strbuf_addch(&f->data, '\n');
		n += nl != NULL;
		s += n;
		left -= n;
	}
	f->redacted = run_bundle_redacted(b) - before;
}

/* whole lines: the last FILE_MAX bytes of them, or the first */
static int read_part(int dirfd, const char *name, bool end, struct strbuf *out,
		     bool *cut)
{
	_cleanup_close_ int fd = fs_open(dirfd, name, O_RDONLY | O_NOFOLLOW |
					 O_NONBLOCK, 0);
	struct stat st;
	off_t from = 0;
	ssize_t n;
	char *nl;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	*cut = st.st_size > (off_t)FILE_MAX;
	if (*cut && end)
		from = st.st_size - (off_t)FILE_MAX;
	strbuf_grow(out, FILE_MAX);
	n = fs_pread_full(fd, out->buf, MIN((size_t)st.st_size,
					    (size_t)FILE_MAX), from);
	if (n < 0)
		return (int)n;
	strbuf_set_len(out, (size_t)n);
	if (!*cut)
		return 0;
	nl = end ? memchr(out->buf, '\n', out->len) :
		memrchr(out->buf, '\n', out->len);
	if (nl && end) {
		n = nl + 1 - out->buf;
		memmove(out->buf, nl + 1, out->len - (size_t)n);
		strbuf_set_len(out, out->len - (size_t)n);
	} else if (nl) {
		strbuf_set_len(out, (size_t)(nl + 1 - out->buf));
	}
	return 0;
}

static bool is_full(const struct run_bundle *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += b->files[i].data.len;
	return n > BUNDLE_MAX;
}

/* what cannot be read is a fact as well, and no reason to stop */
static void add_from(struct run_bundle *b, int dirfd, const char *file,
		     const char *name)
{
	_cleanup_strbuf_ struct strbuf in = STRBUF_INIT;
	bool cut = false;
	int rc = is_full(b) ? -EFBIG :
		read_part(dirfd, file, !strcmp(file, LOG_NAME), &in, &cut);

	if (rc == -ENOENT)
		return;
	if (rc < 0) {
		_cleanup_free_ char *text = xasprintf("cannot be read: %s\n",
						      strerror(-rc));

		run_bundle_add(b, name, text, strlen(text));
	} else if (str_ends(name, ".jsonl") || str_ends(name, ".json")) {
		add_jsonl(b, name, &in, cut);
	} else if (utf8_valid(in.buf, in.len) &&
		   !memchr(in.buf, '\0', in.len)) {
		run_bundle_add(b, name, in.buf, in.len);
		b->files[b->n - 1].cut = cut;
	}
	/* else: no text; its name and size stand in files.txt */
}

static void add_plan(struct run_bundle *b, int run_fd)
{
	_cleanup_close_ int fd = fs_open(run_fd, PLAN_DIR_NAME, O_RDONLY |
					 O_DIRECTORY | O_NOFOLLOW, 0);
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;

	if (fd < 0 || list_dir(fd, ".", &names) < 0)
		return;
	strvec_sort_paths(&names);
	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *name = xasprintf("plan/%s", names.v[i]);

		add_from(b, fd, names.v[i], name);
	}
}

/* --- who is who --- */

static void add_user(struct run_bundle *b, const char *name)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw || pw->pw_uid >= FIRST_USER)
		(void)redact_alias(&b->redact, "user", name);
}

static void add_host(struct run_bundle *b, const char *name)
{
	_cleanup_free_ char *head = xstrndup(name, strcspn(name, "."));

	(void)redact_alias(&b->redact, "host", name);
	(void)redact_alias(&b->redact, "host", head);
}

/* hosts and users of the journal, before anything is made of it */
static void know_people(struct run_bundle *b, const struct strbuf *journal)
{
	const char *s = journal->buf;

	while (*s) {
		size_t n = strcspn(s, "\n");
		_cleanup_json_ struct json_object *o = NULL;
		const char *v;

		if (json_parse(s, n, &o, NULL) >= 0) {
			if ((v = json_get_str(o, "host", NULL)))
				add_host(b, v);
			if ((v = json_get_str(o, "user", NULL)))
				add_user(b, v);
			if ((v = json_get_str(o, "login", NULL)))
				add_user(b, v);
		}
		s += n + (s[n] == '\n');
	}
}

static void know_here(struct run_bundle *b)
{
	const struct passwd *pw;
	struct utsname u;
	struct stat st;
	uid_t owner = geteuid();

	if (uname(&u) == 0)
		add_host(b, u.nodename);
	pw = getpwuid(owner);
	if (pw)
		add_user(b, pw->pw_name);
	if (b->sd->root_fd >= 0 && fstat(b->sd->root_fd, &st) == 0)
		owner = st.st_uid;
	pw = getpwuid(owner);
	if (pw)
		add_user(b, pw->pw_name);
	b->redact.home = user_home(owner);
}

/* --- what upshift says of it --- */

static void add_readme(struct run_bundle *b)
{
	_cleanup_free_ char *text = xasprintf(_(
"Support bundle of upshift, run %s.\n"
"\n"
"It holds the plan, the journal and the log of one run, names and sizes of the\n"
"files of its backup, and facts of the machine. It holds none of the user's\n"
"data. Passwords, keys, tokens and the like are replaced by [redacted]; hosts,\n"
"users and addresses by host-1, user-1, ip-1, the home directory by ~. What\n"
"they stand for is in a file that was written beside this one; it stays with\n"
"the user. Redaction does what can be done without knowing what a text means:\n"
"look through it before you pass it on.\n"
"\n"
"status.txt says where the run stands. `upshift status --bundle FILE` shows it.\n"
"b2sums holds a checksum of each file. Sums inside the journal are those of\n"
"the journal before redaction.\n"), b->id);
	struct run_bundle_file *f = new_file(b, "README.txt");

	strbuf_addstr(&f->data, text);
}

static void add_redactions(struct run_bundle *b)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *kinds = json_object_new_object();
	struct json_object *files = json_object_new_object();
	struct run_bundle_file *f;

	for (int k = 0; k < REDACT_KIND_COUNT; k++)
		json_set_int(kinds, redact_kind_name((enum redact_kind)k),
			     (int64_t)b->redact.counts[k]);
	for (size_t i = 0; i < b->n; i++)
		json_set_int(files, b->files[i].name,
			     (int64_t)b->files[i].redacted);
	json_object_object_add(o, "kinds", kinds);
	json_object_object_add(o, "files", files);
	f = new_file(b, "redactions.json");
	strbuf_addstr(&f->data, json_object_to_json_string_ext(o,
		      JSON_C_TO_STRING_PRETTY |
		      JSON_C_TO_STRING_NOSLASHESCAPE));
	strbuf_addch(&f->data, '\n');
}

/* as b2sum writes and reads it */
static void add_sums(struct run_bundle *b)
{
	struct run_bundle_file *f;
	struct strbuf out = STRBUF_INIT;

	for (size_t i = 0; i < b->n; i++) {
		char digest[BLAKE2_TEXT_SIZE];

		blake2_of(b->files[i].data.buf, b->files[i].data.len, digest);
		strbuf_addf(&out, "%s  %s\n", strchr(digest, ':') + 1,
			    b->files[i].name);
	}
	f = new_file(b, "b2sums");
	strbuf_release(&f->data);
	f->data = out;
}

static void add_lists(struct run_bundle *b, int run_fd)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	int backup = b->run ? b->run->backup_fd : -1;

	run_bundle_list(run_fd, "run", &out);
	if (backup >= 0 && !run_backup_inside(b->run))
		run_bundle_list(backup, "backup", &out);
	run_bundle_add(b, "files.txt", out.buf, out.len);
}

static void add_manifest(struct run_bundle *b, int run_fd)
{
	_cleanup_close_ int inside = -1;
	int fd = b->run ? b->run->backup_fd : -1;

	if (fd < 0)
		fd = inside = fs_open(run_fd, BACKUP_NAME, O_RDONLY |
				      O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd >= 0)
		add_from(b, fd, "start.manifest.jsonl",
			 "backup/start.manifest.jsonl");
}

int run_bundle_collect(struct run_bundle *b, const char *map,
		       struct error *err)
{
	_cleanup_strbuf_ struct strbuf journal = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT;
	_cleanup_json_ struct json_object *facts = NULL;
	_cleanup_close_ int fd = run_dir_open(b->sd, b->id);
	bool cut;

	if (fd < 0)
		return error_errno(err, ERR_NO_RUN, fd,
				   _("cannot open the directory of run %s"),
				   b->id);
	if (map && fs_read_file(AT_FDCWD, map, MAP_MAX, &old) >= 0)
		redact_map_parse(&b->redact, old.buf);
	if (read_part(fd, JOURNAL_NAME, false, &journal, &cut) >= 0)
		know_people(b, &journal);
	know_here(b);
	add_from(b, fd, JOURNAL_NAME, JOURNAL_NAME);
	add_from(b, fd, JOURNAL_STATE_NAME, JOURNAL_STATE_NAME);
	add_from(b, fd, LOG_NAME, LOG_NAME);
	add_from(b, fd, "report.md", "report.md");
	add_manifest(b, fd);
	add_plan(b, fd);
	add_lists(b, fd);
	facts = run_bundle_facts(b->sd, b->run);
	run_bundle_add_json(b, "facts.json", facts);
	return 0;
}

/* --- writing --- */

static int write_archive(struct run_bundle *b, int dirfd, const char *name,
			 struct error *err)
{
	struct atomic_file af = ATOMIC_FILE_INIT;
	struct bundle_member *m = xcalloc(b->n, sizeof(*m));
	struct timespec now;
	int ret;

	clock_now(&now);
	for (size_t i = 0; i < b->n; i++) {
		m[i].name = b->files[i].name;
		m[i].data = b->files[i].data.buf;
		m[i].len = b->files[i].data.len;
	}
	ret = atomic_file_begin(&af, dirfd, name);
	if (ret < 0)
		ret = error_errno(err, ERR_BUNDLE, ret,
				  _("cannot create '%s'"), name);
	if (ret >= 0)
		ret = bundle_archive_write(af.fd, m, b->n, now.tv_sec, err);
	if (ret >= 0) {
		ret = atomic_file_commit(&af, 0600);
		if (ret < 0)
			ret = error_errno(err, ERR_BUNDLE, ret,
					  _("cannot write '%s'"), name);
	}
	atomic_file_release(&af);
	free(m);
	return ret;
}

static int write_map(struct run_bundle *b, int dirfd, const char *name,
		     struct error *err)
{
	_cleanup_strbuf_ struct strbuf map = STRBUF_INIT;
	int ret;

	redact_map_print(&b->redact, &map);
	if (!map.len)
		return 0;
	ret = fs_write_file(dirfd, name, map.buf, map.len, 0600);
	return ret < 0 ? error_errno(err, ERR_BUNDLE, ret,
				     _("cannot write '%s'"), name) : 0;
}

int run_bundle_write(struct run_bundle *b, const char *path,
		     const char *map_name, struct error *err)
{
	_cleanup_free_ char *dir = path_dirname(path);
	_cleanup_free_ char *safe = escape_bytes(path);
	_cleanup_close_ int fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY,
					 0);
	struct stat st;
	int ret;

	if (fd < 0)
		return error_errno(err, ERR_BUNDLE, fd,
				   _("cannot open directory '%s'"), dir);
	if (fstatat(fd, path_basename(path), &st, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(err, ERR_BUNDLE, -EEXIST,
				 _("'%s' is there already"), safe);
	add_readme(b);
	add_redactions(b);
	add_sums(b);
	/* the map first: a bundle without it could not be read back */
	ret = write_map(b, fd, map_name, err);
	return ret < 0 ? ret : write_archive(b, fd, path_basename(path), err);
}
