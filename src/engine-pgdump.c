/* SPDX-License-Identifier: MIT */
#include "engine-pgdump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "engine-internal.h"
#include "engine-stores.h"
#include "store-dump.h"
#include "store.h"

#define VERSION_TIMEOUT_S 30

/* --- the programs --- */

/* in: its standard input, or 0; out: where its output goes, or 0 */
static int command(struct step_ctx *c, const struct strvec *argv,
		   const struct strvec *env, int in, int out,
		   enum err_code code, struct error *err)
{
	_cleanup_strbuf_ struct strbuf tail = STRBUF_INIT;
	struct step_command sc = { .argv = argv, .env = env, .tail = &tail,
				   .input_fd = in, .output_fd = out,
				   .of_run = true };
	struct child_result res;
	int ret = step_command(c, &sc, &res, err);

	return ret < 0 ? ret : child_judge(&res, argv->v[0], 0, &tail, code,
					   err);
}

/* "pg_dump (PostgreSQL) 15.4 (Debian ...)" */
static int version_of(struct step_ctx *c, const char *program, long *ret,
		      struct error *err)
{
	static const char mark[] = "(PostgreSQL) ";
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct step_command sc = { .argv = &argv, .read_only = true,
				   .timeout_s = VERSION_TIMEOUT_S,
				   .capture = &out, .quiet = true };
	struct child_result res;
	const char *at;
	bool dry = c->e->dry;
	int r;

	strvec_push(&argv, program);
	strvec_push(&argv, "--version");
	/* it changes nothing */
	c->e->dry = false;
	r = step_command(c, &sc, &res, err);
	c->e->dry = dry;
	if (r < 0)
		return r;
	at = strstr(out.buf, mark);
	*ret = at ? strtol(at + strlen(mark), NULL, 10) : 0;
	if (res.exit_status || res.timed_out || *ret <= 0)
		return error_set(err, ERR_TOOL, -ENOEXEC,
				 _("'%s' does not tell its version"), program);
	return 0;
}

/* of the server; 0: it cannot be asked now, which others tell */
static long server_version(struct step_ctx *c, const char *name)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_store_ struct store *s = NULL;

	if (step_store(c, name, true, &s, NULL) < 0 ||
	    store_exec(s, "SELECT current_setting('server_version_num')::int "
		       "/ 10000", NULL, &b, NULL) != 1)
		return 0;
	return (long)store_batch_int(&b, 0, 0);
}

static int check_program(struct step_ctx *c, const struct store_sets *sets,
			 const char *program, struct error *err)
{
	long have = 0;
	int ret = version_of(c, program, &have, err);

	for (size_t i = 0; ret >= 0 && i < sets->n; i++) {
		long want = server_version(c, sets->v[i].store);

		if (have < want)
			ret = error_set(err, ERR_TOOL, -ENOEXEC,
				_("'%s' is of version %ld, the server of store "
				  "'%s' of %ld: it takes programs that are not "
				  "older"), program, have, sets->v[i].store,
				want);
	}
	return ret;
}

int engine_pgdump_check(struct engine *e, struct error *err)
{
	_cleanup_store_sets_ struct store_sets sets = STORE_SETS_INIT;
	struct step_ctx c;
	int ret;

	if (!e->plan->pg_dump)
		return 0;
	ret = engine_sets_of_plan(e, &sets, err);
	if (ret < 0 || !sets.n)
		return ret;
	step_ctx_init(&c, e, NULL, PHASE_CHECK);
	ret = check_program(&c, &sets, "pg_dump", err);
	if (ret >= 0)
		ret = check_program(&c, &sets, "pg_restore", err);
	step_ctx_release(&c);
	return ret;
}

/* --- out --- */

static int export_snapshot(struct store *s, char **ret, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	/* while the program works nothing happens here */
	int n = store_exec(s, "SET LOCAL idle_in_transaction_session_timeout "
			   "= 0", NULL, NULL, err);

	if (n >= 0)
		n = store_exec(s, "SELECT pg_catalog.pg_export_snapshot()",
			       NULL, &b, err);
	if (n < 0)
		return n;
	*ret = xstrndup(store_batch_text(&b, store_batch_cell(&b, 0, 0)),
			(size_t)store_batch_cell(&b, 0, 0)->len);
	return 0;
}

int engine_pgdump_write(struct step_ctx *c, struct store *s, int fd,
			struct error *err)
{
	static const char *const args[] = {
		"pg_dump", "--format=custom", "--compress=0", "--no-password",
		"--load-via-partition-root", "--lock-wait-timeout=60s",
		"--exclude-table=*._upshift_*",
	};
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT, env = STRVEC_INIT;
	_cleanup_free_ char *snapshot = NULL, *reach = NULL;
	int ret = export_snapshot(s, &snapshot, err);

	if (ret >= 0)
		ret = store_reach(s, &reach, &env, err);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		strvec_push(&argv, args[i]);
	strvec_pushf(&argv, "--snapshot=%s", snapshot);
	strvec_pushf(&argv, "--dbname=%s", reach);
	return command(c, &argv, &env, 0, fd, ERR_BACKUP, err);
}

/* --- read back --- */

/* the columns of "public.t (a, "B")"; false: there is no such list */
static bool names_of(const char *of, const struct store_dump_set *set,
		     struct strvec *ret)
{
	const char *p = of + strlen(set->full) + 1;

	if (*p++ != '(')
		return false;
	while (*p && *p != ')') {
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
		bool quoted = *p == '"';

		for (p += quoted; *p; p++) {
			if (quoted && *p == '"' && *++p != '"')
				break;
			if (!quoted && (*p == ',' || *p == ')'))
				break;
			strbuf_addch(&name, *p);
		}
		strvec_push(ret, name.buf);
		p += strspn(p, ", ");
	}
	return *p == ')';
}

bool engine_pgdump_fits(const char *of, const struct store_dump_set *set)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	bool same = names_of(of, set, &names) && names.n == set->columns.n;

	for (size_t i = 0; same && i < names.n; i++)
		same = !strcmp(names.v[i], set->columns.v[i]);
	return same;
}

static bool find_order(const struct strvec *names,
		       const struct store_dump_set *set, size_t *order)
{
	for (size_t i = 0; i < set->columns.n; i++) {
		size_t k = 0;

		while (k < names->n && strcmp(names->v[k], set->columns.v[i]))
			k++;
		if (k == names->n)
			return false;
		order[i] = k;
	}
	return names->n == set->columns.n;
}

/* a tab in a value is written as two characters */
static void reorder_row(const char *p, const char *nl, const size_t *order,
			const char **cell, size_t n, struct strbuf *out)
{
	size_t k = 0;

	cell[k++] = p;
	for (; p < nl; p++)
		if (*p == '\t' && k < n)
			cell[k++] = p + 1;
	while (k < n)
		cell[k++] = nl;
	cell[n] = nl + 1;
	for (size_t i = 0; i < n; i++) {
		const char *from = cell[order[i]];

		if (i)
			strbuf_addch(out, '\t');
		strbuf_add(out, from,
			   (size_t)(MAX(cell[order[i] + 1], from + 1) - from) -
			   1);
	}
	strbuf_addch(out, '\n');
}

bool engine_pgdump_reorder(const char *of, const struct store_dump_set *set,
			   const char *rows, size_t len, struct strbuf *out)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	size_t n = set->columns.n;
	_cleanup_free_ size_t *order = xcalloc(n + 1, sizeof(*order));
	_cleanup_free_ const char **cell = xcalloc(n + 2, sizeof(*cell));
	const char *end = rows + len;

	strbuf_clear(out);
	if (!names_of(of, set, &names) || !find_order(&names, set, order))
		return false;
	while (rows < end) {
		const char *nl = memchr(rows, '\n', (size_t)(end - rows));

		reorder_row(rows, nl, order, cell, n, out);
		rows = nl + 1;
	}
	return true;
}

static struct store_dump_set *set_of(struct store_dump *d, const char *of)
{
	for (size_t i = 0; i < d->n; i++) {
		size_t n = d->sets[i].full ? strlen(d->sets[i].full) : 0;

		if (n && !strncmp(of, d->sets[i].full, n) && of[n] == ' ')
			return &d->sets[i];
	}
	return NULL;
}

/* got: the same sets, filled anew from the dump; `beside`: its columns are in
   another order, so that the sum says nothing */
static int read_rows(struct pgdump_rows *r, struct store_dump *got,
		     struct error *err)
{
	const char *p;
	ssize_t n;

	while ((n = pgdump_rows_next(r, &p, err)) > 0) {
		const char *end = p + n;
		struct store_dump_set *s = set_of(got, pgdump_rows_of(r));

		if (!s)
			continue;
		s->beside |= !engine_pgdump_fits(pgdump_rows_of(r), s);
		while (p < end) {
			const char *nl = memchr(p, '\n', (size_t)(end - p));

			store_dump_add_row(s, p, (size_t)(nl - p) + 1);
			p = nl + 1;
		}
	}
	return n < 0 ? (int)n : 0;
}

static int compare(const struct store_dump *d, const struct store_dump *got,
		   struct error *err)
{
	for (size_t i = 0, k = 0; i < d->n; i++) {
		const struct store_dump_set *a = &d->sets[i], *b;

		if (!store_dump_has_rows(a))
			continue;
		b = &got->sets[k++];
		if (a->rows != b->rows)
			return error_set(err, ERR_BACKUP, -EIO,
				_("'%s' has %llu rows, %llu in the dump"),
				a->set, (unsigned long long)a->rows,
				(unsigned long long)b->rows);
		if (!b->beside && !xxh128_equal(&a->sum, &b->sum))
			return error_set(err, ERR_BACKUP, -EIO,
				_("'%s' has other rows in the dump"), a->set);
	}
	return 0;
}

int engine_pgdump_verify(struct step_ctx *c, int fd,
			 const struct store_dump *d, struct error *err)
{
	_cleanup_store_dump_ struct store_dump got = STORE_DUMP_INIT;
	struct pgdump_rows *r = NULL;
	int ret;

	got.sets = xcalloc(d->n ? d->n : 1, sizeof(*got.sets));
	for (size_t i = 0; i < d->n; i++) {
		struct store_dump_set *s = &got.sets[got.n];

		if (!store_dump_has_rows(&d->sets[i]))
			continue;
		s->full = xstrdup(d->sets[i].full);
		strvec_copy(&s->columns, &d->sets[i].columns);
		got.n++;
	}
	ret = pgdump_rows_open(c, fd, NULL, &r, err);
	if (ret >= 0)
		ret = read_rows(r, &got, err);
	pgdump_rows_close(r);
	return ret < 0 ? ret : compare(d, &got, err);
}

/* --- back --- */

int engine_pgdump_restore(struct step_ctx *c, const char *store, int fd,
			  bool *refused, struct error *err)
{
	static const char *const args[] = {
		"pg_restore", "--clean", "--if-exists", "--single-transaction",
		"--exit-on-error", "--no-password",
	};
	_cleanup_strvec_ struct strvec argv = STRVEC_INIT, env = STRVEC_INIT;
	_cleanup_free_ char *reach = NULL;
	_cleanup_store_ struct store *s = NULL;
	int ret = step_store(c, store, false, &s, err);

	*refused = false;
	if (ret >= 0)
		ret = store_reach(s, &reach, &env, err);
	store_close(TAKE_PTR(s));
	if (ret < 0)
		return ret;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, ERR_ROLLBACK, -errno,
				   _("cannot read the dump"));
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		strvec_push(&argv, args[i]);
	strvec_pushf(&argv, "--dbname=%s", reach);
	ret = command(c, &argv, &env, fd, 0, ERR_ROLLBACK, err);
	*refused = ret == -EIO && err->code == ERR_ROLLBACK;
	return ret;
}
