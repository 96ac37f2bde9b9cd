/* SPDX-License-Identifier: MIT */
/*
 * What statements would do, before they are run: check and preview. SQLite's
 * are tried on a copy of the file, in a directory for temporary files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "diff.h"
#include "plan.h"
#include "sqlite-copy.h"
#include "step-sql-internal.h"
#include "store-ours.h"
#include "store.h"

#define COPY "copy.db"
#define TAB "    "

/* a line as people see it: no tab is shown as an escape */
static void add_line(struct strbuf *sb, const char *p, const char *end)
{
	while (p < end) {
		const char *tab = memchr(p, '\t', (size_t)(end - p));
		const char *to = tab ? tab : end;

		strbuf_add_escaped(sb, p, (size_t)(to - p));
		if (tab)
			strbuf_addstr(sb, TAB);
		p = tab ? tab + 1 : end;
	}
}

void step_sql_show(const struct step *s, const char *what,
		   const struct sql_list *l, struct preview *p)
{
	if (!l->n)
		return;
	strvec_push(&p->lines, what);
	for (size_t i = 0; i < l->n && !s->secret; i++) {
		const char *line = l->v[i].text, *end;

		do {
			_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

			end = strchrnul(line, '\n');
			strbuf_addstr(&sb, TAB);
			add_line(&sb, line, end);
			if (!*end)
				strbuf_addch(&sb, ';');
			strvec_push(&p->lines, sb.buf);
			line = end + 1;
		} while (*end);
	}
}

/* --- check --- */

int step_sql_check(struct sql_work *w, struct check_result *r,
		   struct error *err)
{
	_cleanup_error_ struct error now = ERROR_INIT;
	_cleanup_free_ char *why = NULL;
	int ret = step_sql_open(w, true, &now);

	if (ret > 0)
		ret = store_ours_look(w->store, SQL_MARKER, &why, &now);
	if (ret < 0) {
		error_move(err, &now);
		return ret;
	}
	if (why) {
		check_result_set(r, CHECK_FAIL, "%s", why);
		r->code = ERR_STORE;
	} else {
		check_result_set(r, CHECK_OK, _("store '%s' can be reached"),
				 w->target->store->name);
	}
	return 0;
}

/* --- on a copy --- */

static int copy_raw(int from_dir, const char *name, const char *end, int to,
		    struct error *err)
{
	_cleanup_free_ char *from = xasprintf("%s%s", name, end);
	_cleanup_free_ char *copy = xasprintf(COPY "%s", end);
	_cleanup_close_ int in = fs_open(from_dir, from, O_RDONLY |
					 O_NOFOLLOW, 0);
	_cleanup_close_ int out = -1;
	int ret;

	if (in == -ENOENT)
		return 0;
	ret = out = in < 0 ? in : fs_open(to, copy, O_WRONLY | O_CREAT |
					  O_EXCL, 0600);
	if (ret >= 0)
		ret = fs_copy_data(in, out, NULL, NULL);
	return ret < 0 ? error_errno(err, ERR_STEP, ret, _("cannot copy "
				     "database '%s'"), name) : 0;
}

static int copy_held(int dir, const char *name, const char *to,
		     struct error *err)
{
	_cleanup_free_ char *from = xasprintf("/proc/self/fd/%d/%s", dir,
					      name);
	_cleanup_free_ char *out = xasprintf("%s/" COPY, to);

	return sqlite_copy_api(from, out, err);
}

static int copy_database(const struct sql_work *w, const char *to, int to_fd,
			 struct error *err)
{
	static const char *const ends[] = { "", "-wal", "-journal" };
	struct sqlite_lock *lock = NULL;
	enum sqlite_copy_how how;
	_cleanup_close_ int dir = -1;
	const char *name;
	int ret;

	dir = fs_open_parent(step_root_fd(w->ctx), w->target->store->path,
			     &name);
	if (dir == -ENOENT)
		return 0;
	ret = dir < 0 ? error_errno(err, ERR_STEP, dir, _("cannot copy "
				    "database '%s'"), w->target->store->path) :
	      faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) ? 0 : 1;
	if (ret <= 0)
		return ret;
	ret = sqlite_lock_try(dir, name, &lock, &how, err);
	if (ret >= 0 && how == SQLITE_COPY_API)
		ret = copy_held(dir, name, to, err);
	for (size_t i = 0; ret >= 0 && how == SQLITE_COPY_RAW &&
	     i < ARRAY_SIZE(ends); i++)
		ret = copy_raw(dir, name, ends[i], to_fd, err);
	sqlite_lock_release(lock);
	return ret;
}

/* --- a schema as lines, for a diff of it --- */

/* behind the quoted name or text, or the one byte, at p */
static const char *skip_quoted(const char *p, const char *end)
{
	char close = *p == '[' ? ']' : *p;

	if (!strchr("'\"`[", *p))
		return p + 1;
	for (p++; p < end; p++) {
		if (*p != close)
			continue;
		if (p + 1 == end || p[1] != close || close == ']')
			return p + 1;
		p++;
	}
	return end;
}

/* its columns on lines of their own? Comments are left where they are. */
static bool can_lay_out(const char *p, const char *end)
{
	if (end - p < 13 || strncmp(p, "CREATE TABLE ", 13))
		return false;
	while (p < end) {
		if (end - p > 1 && (!strncmp(p, "--", 2) ||
				    !strncmp(p, "/*", 2)))
			return false;
		p = skip_quoted(p, end);
	}
	return true;
}

static void next_line(struct strbuf *out, const char *begin)
{
	while (out->len && out->buf[out->len - 1] == ' ')
		strbuf_set_len(out, out->len - 1);
	strbuf_addch(out, '\n');
	strbuf_addstr(out, begin);
}

/* So that a column more is a line more, however the statement was written: what
   ALTER TABLE adds stands behind the last line of it. */
static void lay_out(struct strbuf *out, const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		const char *next = skip_quoted(p, end);

		depth += (*p == '(') - (*p == ')');
		if (*p == ')' && !depth)
			next_line(out, ")");
		else if (*p == ',' && depth == 1)
			next_line(out, TAB);
		else if (!strchr(" \t\r\n", *p))
			strbuf_add(out, p, (size_t)(next - p));
		else if (out->buf[out->len - 1] != ' ')
			strbuf_addch(out, ' ');
		if (*p == '(' && depth == 1)
			next_line(out, TAB);
		p = next;
	}
}

static void add_object(struct strbuf *out, const char *p, size_t n)
{
	const char *end = p + n;

	if (can_lay_out(p, end)) {
		strbuf_addstr(out, "CREATE TABLE ");
		lay_out(out, p + 13, end);
	} else {
		while (p < end) {
			const char *tab = memchr(p, '\t', (size_t)(end - p));
			const char *to = tab ? tab : end;

			strbuf_add(out, p, (size_t)(to - p));
			if (tab)
				strbuf_addstr(out, TAB);
			p = tab ? tab + 1 : end;
		}
	}
	strbuf_addstr(out, ";\n");
}

/* name and definition of each object, in turn */
static int read_schema(struct store *s, struct strvec *out, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int ret = store_exec(s, "SELECT type || ' ' || name, sql FROM "
		"sqlite_schema WHERE sql IS NOT NULL "
		"AND name NOT LIKE '\\_upshift\\_%' ESCAPE '\\' "
		"AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
		"ORDER BY tbl_name, type <> 'table', name", NULL, &b, err);

	for (uint32_t i = 0; ret >= 0 && i < b.nrow; i++) {
		const struct store_cell *name = store_batch_cell(&b, i, 0);
		const struct store_cell *sql = store_batch_cell(&b, i, 1);
		_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

		add_object(&text, b.buf + sql->off, (size_t)sql->len);
		strvec_take(out, xstrndup(b.buf + name->off,
					  (size_t)name->len));
		strvec_push(out, text.buf);
	}
	return MIN(ret, 0);
}

static const char *find_object(const struct strvec *v, const char *name)
{
	for (size_t i = 0; i < v->n; i += 2)
		if (!strcmp(v->v[i], name))
			return v->v[i + 1];
	return NULL;
}

static void diff_object(const char *path, const char *name, const char *was,
			const char *is, struct preview *p)
{
	_cleanup_free_ char *label = xasprintf("%s: %s", path, name);

	diff_unified(was ? label : "/dev/null", was ? was : "",
		     was ? strlen(was) : 0, is ? label : "/dev/null",
		     is ? is : "", is ? strlen(is) : 0, &p->lines);
}

/* Each by itself: tables look alike, and a diff of all would mix them up. */
static void diff_schema(const char *path, const struct strvec *before,
			const struct strvec *after, struct preview *p)
{
	for (size_t i = 0; i < before->n; i += 2)
		if (!find_object(after, before->v[i]))
			diff_object(path, before->v[i], before->v[i + 1], NULL,
				    p);
	for (size_t i = 0; i < after->n; i += 2)
		diff_object(path, after->v[i], find_object(before, after->v[i]),
			    after->v[i + 1], p);
}

/* 1: it would fail, which is told */
static int try_one(struct sql_work *w, const struct sql_stmt *s, bool *in_tx,
		   struct preview *p, struct error *err)
{
	_cleanup_error_ struct error now = ERROR_INIT;
	_cleanup_free_ char *shown = NULL;
	bool alone = s->how == SQL_ALONE;
	int ret = 0;

	if (*in_tx == alone)
		ret = alone ? store_commit(w->store, err) :
		      store_begin(w->store, true, err);
	if (ret < 0)
		return ret;
	*in_tx = !alone;
	ret = step_sql_exec(w, s->text, &now);
	if (ret == -ECANCELED) {
		error_move(err, &now);
		return ret;
	}
	if (ret == 0)
		return 0;
	shown = escape_bytes(now.msg);
	strvec_pushf(&p->lines, _("the statement in line %d would fail: %s"),
		     s->line, shown);
	return 1;
}

static int try_all(struct sql_work *w, struct preview *p, struct error *err)
{
	_cleanup_strvec_ struct strvec before = STRVEC_INIT;
	_cleanup_strvec_ struct strvec after = STRVEC_INIT;
	struct sql_broken broken = { .n = NULL };
	_cleanup_error_ struct error keys = ERROR_INIT;
	bool in_tx = false;
	int ret = read_schema(w->store, &before, err);

	w->checks_keys = !w->names_only;
	if (ret == 0)
		ret = sql_broken_find(w, &broken, err);
	for (size_t i = 0; ret == 0 && i < w->up->n; i++)
		ret = try_one(w, &w->up->v[i], &in_tx, p, err);
	if (ret == 0 && sql_broken_compare(w, &broken, &keys) < 0)
		strvec_push(&p->lines, keys.msg);
	if (ret == 0)
		ret = read_schema(w->store, &after, err);
	if (ret == 0)
		diff_schema(w->target->store->path, &before, &after, p);
	sql_broken_release(&broken);
	return MIN(ret, 0);
}

int step_sql_rehearse(const struct sql_work *w, struct preview *p,
		      struct error *err)
{
	const char *tmp = getenv("TMPDIR");
	_cleanup_free_ char *dir = xasprintf("%s/upshift-preview-XXXXXX",
					     tmp && *tmp ? tmp : "/tmp");
	_cleanup_close_ int fd = -1;
	struct store_options o = { .create = true };
	struct sql_work copy = *w;
	int ret;

	if (!mkdtemp(dir))
		return error_errno(err, ERR_IO, -errno,
				   _("cannot create '%s'"), dir);
	ret = fd = o.root_fd = fs_open(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY,
				       0);
	copy.store = NULL;
	if (ret < 0)
		(void)error_errno(err, ERR_IO, ret, _("cannot open '%s'"),
				  dir);
	else
		ret = copy_database(w, dir, fd, err);
	if (ret >= 0)
		ret = store_open("sqlite:" COPY, &o, &copy.store, err);
	if (ret >= 0)
		ret = step_sql_exec(&copy, "PRAGMA foreign_keys = OFF", err);
	if (ret >= 0)
		ret = try_all(&copy, p, err);
	store_close(copy.store);
	/* what is left is left among temporary files */
	(void)fs_remove_tree(AT_FDCWD, dir);
	return ret;
}
