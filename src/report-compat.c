/* SPDX-License-Identifier: MIT */
/*
 * Who still uses the legacy views (step-views.h). What was read since somebody
 * looked last is remembered, so that a time without use begins to count.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "plan.h"
#include "report.h"
#include "step-sql.h"
#include "step-views.h"
#include "store.h"

#define COLS 6

static void add_row(struct strbuf *out, const char *const col[COLS])
{
	/* the longest that are usual; longer ones push the rest along */
	static const int width[COLS - 1] = { 24, 10, 16, 20, 12 };

	for (size_t i = 0; i < COLS; i++) {
		_cleanup_strbuf_ struct strbuf cell = STRBUF_INIT;

		strbuf_add_escaped(&cell, col[i], strlen(col[i]));
		if (i < COLS - 1)
			strbuf_addf(out, "%-*s ", width[i] - 1, cell.buf);
		else
			strbuf_addf(out, "%s\n", cell.buf);
	}
}

static void add_text(const char *const col[COLS], struct strbuf *out)
{
	const char *shown[COLS];

	for (size_t i = 0; i < COLS; i++)
		shown[i] = col[i] ? col[i] : "-";
	add_row(out, shown);
}

static void add_object(const char *const col[COLS], struct json_object *list)
{
	static const char *const keys[COLS] = { "view", "operation", "role",
						"application", "day" };
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i + 1 < COLS; i++)
		if (col[i])
			json_set_str(o, keys[i], col[i]);
	json_set_int(o, "count", col[COLS - 1] ?
		     strtoll(col[COLS - 1], NULL, 10) : 0);
	json_object_array_add(list, o);
}

static void add_rows(const struct store_batch *b, struct json_object *list,
		     struct strbuf *out)
{
	for (uint32_t row = 0; row < b->nrow; row++) {
		char *text[COLS];

		for (uint32_t i = 0; i < COLS; i++) {
			const struct store_cell *c = store_batch_cell(b, row,
								      i);

			text[i] = c->len < 0 ? NULL :
				xstrndup(b->buf + c->off, (size_t)c->len);
		}
		if (list)
			add_object((const char *const *)text, list);
		else
			add_text((const char *const *)text, out);
		for (uint32_t i = 0; i < COLS; i++)
			free(text[i]);
	}
}

static int note_all(const struct plan *p, struct store *s, struct error *err)
{
	struct views_use use;
	int ret = 0;

	/* several kinds make views: what is watched knows which steps did */
	for (size_t i = 0; ret == 0 && i < p->step_n; i++)
		ret = step_views_use(s, p->steps[i]->id,
				     step_views_of(p->steps[i]), true, &use,
				     err);
	return ret;
}

static int of_store(const struct plan *p, struct store *s,
		    struct json_object *list, struct strbuf *out,
		    struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *there = NULL;
	int ret = step_sql_cell(s, "SELECT to_regclass('_upshift.watch')",
				NULL, &there, err);

	if (ret < 0 || !there)
		return ret;
	ret = store_exec(s, "SELECT view, op, usr, app, day::text, n::text "
		"FROM (SELECT view, op, usr, app, day, sum(n) AS n "
		"FROM _upshift.usage GROUP BY 1, 2, 3, 4, 5 UNION ALL "
		"SELECT view, 'SELECT', NULL, NULL, NULL, "
		STEP_VIEWS_READS " FROM _upshift.watch w) AS u ORDER BY 1, 2, 5, 3, 4", NULL, &b,
		err);
	if (ret < 0)
		return ret;
	add_rows(&b, list, out);
	return note_all(p, s, err);
}

/* another name of a database that was looked into */
static bool seen(const struct plan *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(p->stores[i].url, p->stores[n].url))
			return true;
	return false;
}

int report_compat(const struct plan *p, int root_fd, bool json,
		  struct strbuf *out, struct error *err)
{
	_cleanup_json_ struct json_object *list = json ?
		json_object_new_array() : NULL;
	const char *const head[COLS] = { _("view"), _("operation"), _("role"),
					 _("application"), _("day"),
					 _("count") };
	int ret = 0;

	if (!json)
		add_row(out, head);
	for (size_t i = 0; ret == 0 && i < p->store_n; i++) {
		const struct plan_store *ps = &p->stores[i];
		_cleanup_store_ struct store *s = NULL;
		struct store_options o = {
			.root_fd = root_fd,
			.allow_plaintext = ps->allow_plaintext,
		};

		if (ps->kind != PLAN_STORE_PG || seen(p, i))
			continue;
		ret = store_open(ps->url, &o, &s, err);
		if (ret == 0)
			ret = of_store(p, s, list, out, err);
		if (ret < 0)
			error_prefix(err, _("store '%s'"), ps->name);
	}
	if (ret == 0 && json) {
		json_print(list, out);
		strbuf_addch(out, '\n');
	}
	return ret;
}
