/* SPDX-License-Identifier: MIT */
/*
 * store - can a database be reached, and used? (check)
 *
 * store names it; min, max bound its version (base/version.h); rights lists
 * what the user must be allowed: "SELECT TABLE" (INSERT, UPDATE, DELETE,
 * TRUNCATE, REFERENCES, TRIGGER), or "CREATE" and "TEMP" alone. Where a
 * database knows no users a right is fine if the database may be written.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/version.h"
#include "base/xalloc.h"
#include "steps.h"
#include "store.h"
#include "store-sql.h"

struct store_check {
	const struct plan_store *store;
	char *min, *max;
	struct strvec rights;
};

static const char *const table_rights[] = {
	"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES",
	"TRIGGER", NULL
};

static bool right_valid(const char *text)
{
	size_t n = strcspn(text, " ");

	if (!strcmp(text, "CREATE") || !strcmp(text, "TEMP"))
		return true;
	for (const char *const *r = table_rights; *r; r++)
		if (strlen(*r) == n && !strncmp(*r, text, n))
			return text[n] && text[n + 1];
	return false;
}

static void take_bound(struct plan_node *n, const char *key, char **ret)
{
	if (plan_node_string(n, key, false, ret) && !version_valid(*ret))
		plan_node_problem(n, key, _("'%s' is no version"), *ret);
}

static int store_parse(struct step *s, struct plan_node *n)
{
	struct store_check *m = xcalloc(1, sizeof(*m));

	s->priv = m;
	(void)plan_node_store(n, "store", true, &m->store);
	take_bound(n, "min", &m->min);
	take_bound(n, "max", &m->max);
	(void)plan_node_list(n, "rights", false, &m->rights);
	for (size_t i = 0; i < m->rights.n; i++)
		if (!right_valid(m->rights.v[i]))
			plan_node_problem(n, "rights",
				_("'%s' is no right (\"SELECT TABLE\", "
				  "\"CREATE\")"), m->rights.v[i]);
	return plan_node_failed(n) ? -EINVAL : 0;
}

/* the first cell of a statement's first row; NULL: there is none */
static char *ask(struct store *s, const char *sql, const char *a,
		 const char *b, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch rows = STORE_BATCH_INIT;

	store_batch_clear(&args, a ? b ? 2 : 1 : 0);
	if (a)
		store_batch_add(&args, STORE_TEXT, a, strlen(a));
	if (b)
		store_batch_add(&args, STORE_TEXT, b, strlen(b));
	if (store_exec(s, sql, a ? &args : NULL, &rows, err) < 1 ||
	    rows.cell[0].len < 0)
		return NULL;
	return xstrndup(store_batch_text(&rows, &rows.cell[0]),
			(size_t)rows.cell[0].len);
}

/* "15.6 (Debian 15.6-0)": the number alone */
static char *version_of(const struct store_check *m, struct store *s,
			struct error *err)
{
	char *text = NULL;

	if (m->store->kind == PLAN_STORE_PG)
		text = ask(s, "SHOW server_version", NULL, NULL, err);
	else if (m->store->kind == PLAN_STORE_SQLITE)
		text = ask(s, "SELECT sqlite_version()", NULL, NULL, err);
	if (text)
		text[strspn(text, "0123456789.")] = '\0';
	return text;
}

static void judge_version(const struct store_check *m, const char *v,
			  struct check_result *r)
{
	const char *name = m->store->name;

	if (!v)
		check_result_set(r, CHECK_OK, _("'%s' can be reached"), name);
	else if (m->min && version_cmp(v, m->min) < 0)
		check_result_set(r, CHECK_FAIL,
			_("'%s': version %s is below %s, the least that this "
			  "plan takes"), name, v, m->min);
	else if (m->max && !version_upto(v, m->max))
		check_result_set(r, CHECK_FAIL,
			_("'%s': version %s is above %s, the last series that "
			  "this plan takes"), name, v, m->max);
	else
		check_result_set(r, CHECK_OK, _("'%s' can be reached, "
						"version %s"), name, v);
}

static char *ask_right(struct store *s, const char *right, struct error *err)
{
	const char *table = strchr(right, ' ');
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	_cleanup_free_ char *what = NULL;

	if (!strcmp(right, "CREATE"))
		return ask(s, "SELECT has_schema_privilege(current_schema(), "
			   "'CREATE')", NULL, NULL, err);
	if (!table)
		return ask(s, "SELECT has_database_privilege("
			   "current_database(), 'TEMP')", NULL, NULL, err);
	what = xstrndup(right, (size_t)(table - right));
	store_sql_set(&name, table + 1);
	return ask(s, "SELECT has_table_privilege($1, $2)", name.buf, what,
		   err);
}

static void check_rights(const struct store_check *m, struct store *s,
			 struct step_ctx *ctx, struct check_result *r)
{
	for (size_t i = 0; i < m->rights.n; i++) {
		const char *right = m->rights.v[i];
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *yes = NULL;

		if (m->store->path) {
			if (str_starts(right, "SELECT") ||
			    faccessat(step_root_fd(ctx), m->store->path, W_OK,
				      AT_EACCESS) == 0)
				continue;
		} else {
			yes = ask_right(s, right, &err);
			if (yes && *yes == 't')
				continue;
		}
		if (r->state != CHECK_FAIL)
			check_result_set(r, CHECK_FAIL, _("'%s': the right to "
				"%s is missing"), m->store->name, right);
		strvec_push(&r->details, err.msg ? err.msg : right);
	}
}

static int store_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err)
{
	const struct store_check *m = s->priv;
	_cleanup_store_ struct store *st = NULL;
	_cleanup_free_ char *v = NULL;
	int ret = step_store(ctx, m->store->name, true, &st, err);

	if (ret < 0)
		return ret;
	v = version_of(m, st, err);
	if (!v && error_is_set(err))
		return -EIO;
	judge_version(m, v, r);
	check_rights(m, st, ctx, r);
	return 0;
}

static void store_release(struct step *s)
{
	struct store_check *m = s->priv;

	free(m->min);
	free(m->max);
	strvec_release(&m->rights);
	free(m);
}

const struct step_ops check_store_ops = {
	.name = "store",
	.flags = STEP_IS_CHECK,
	.parse = store_parse,
	.check = store_check,
	.release = store_release,
};
