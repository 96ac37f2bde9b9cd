/* SPDX-License-Identifier: MIT */
#include "step-compare.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "records-report.h"
#include "records-rules.h"
#include "records-verify.h"
#include "step-records.h"

#define SHOWN_MAX 10

/* One check, on its way through its parts. */
struct comparing {
	const struct step *s;
	const struct step_compare *m;
	struct step_ctx *ctx;
	struct check_result *r;
	enum records_level level;
	struct records_file found, audit;
	/* of the pair that is compared now */
	const char *name;               /* of the copy, or NULL */
	const char *const *cols;
	struct strvec rejected;         /* keys */
	uint64_t rejected_n, begun_at;
	size_t shown_before;
	/* of all */
	uint64_t rows, bad, equivalent, sampled, settled;
	uint64_t n[RECORDS_KIND_COUNT];
	size_t failed, warned;          /* rules and the like */
	struct strbuf why;              /* the first that failed */
	struct strvec shown;
};

/* --- what a comparison tells --- */

static int on_found(void *ctx, const struct records_found *f,
		    struct error *err)
{
	struct comparing *c = ctx;
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	/* the copy said so itself, and the plan allowed it */
	if (f->kind == RECORDS_MISSING && strvec_has(&c->rejected, f->key)) {
		c->rejected_n++;
		return records_file_found(&c->found, c->name, "rejected", f,
					  c->cols, err);
	}
	if (f->kind != RECORDS_EQUIVALENT && c->shown.n < SHOWN_MAX) {
		if (c->name)
			strbuf_addf(&sb, "%s: ", c->name);
		records_found_text(f, c->cols, &sb);
		strvec_push(&c->shown, sb.buf);
	}
	return records_file_found(&c->found, c->name, NULL, f, c->cols, err);
}

static int on_again(void *ctx, struct error *err)
{
	struct comparing *c = ctx;

	while (c->shown.n > c->shown_before) {
		free(c->shown.v[--c->shown.n]);
		c->shown.v[c->shown.n] = NULL;
	}
	c->rejected_n = 0;
	return records_file_cut(&c->found, c->begun_at, err);
}

static int on_part(void *ctx, const struct records_part *part,
		   struct error *err)
{
	struct comparing *c = ctx;

	return records_file_chain(&c->audit, records_part_json(part), err);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct comparing *c = ctx;

	step_progress(c->ctx, done, total, "rows");
}

static bool on_cancelled(void *ctx)
{
	struct comparing *c = ctx;

	return step_cancelled(c->ctx);
}

/* what the state of a store is called, where it has a name */
static void set_snapshot(struct json_object *o, const char *key,
			 struct store *s)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_free_ char *text = NULL;

	if (!store_is_pg(s) ||
	    store_exec(s, "SELECT pg_current_snapshot()::text", NULL, &b,
		       NULL) != 1 || b.cell[0].len < 0)
		return;
	text = xstrndup(b.buf + b.cell[0].off, (size_t)b.cell[0].len);
	json_set_str(o, key, text);
}

static int tell_begin(struct comparing *c, const struct records_side *old,
		      const struct records_side *now, struct error *err)
{
	struct json_object *o = json_object_new_object();
	const struct passwd *pw = getpwuid(getuid());
	char time[CLOCK_TEXT_SIZE];
	struct timespec ts;

	clock_now(&ts);
	clock_format(&ts, time);
	json_set_str(o, "what", "begin");
	json_set_str(o, "time", time);
	json_set_str(o, "user", pw ? pw->pw_name : NULL);
	json_set_int(o, "uid", (int64_t)getuid());
	json_set_str(o, "copy", c->name);
	json_set_str(o, "old", store_name(old->store));
	json_set_str(o, "old_set", old->shape->set);
	set_snapshot(o, "old_snapshot", old->store);
	json_set_str(o, "new", store_name(now->store));
	json_set_str(o, "new_set", now->shape->set);
	set_snapshot(o, "new_snapshot", now->store);
	return records_file_chain(&c->audit, o, err);
}

static int tell_end(struct comparing *c, const struct records_verdict *res,
		    struct error *err)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "what", "end");
	json_set_int(o, "rows", (int64_t)res->rows[0]);
	for (int i = 0; i < RECORDS_KIND_COUNT; i++)
		json_set_int(o, records_kind_name((enum records_kind)i),
			     (int64_t)res->n[i]);
	json_set_int(o, "rejected", (int64_t)c->rejected_n);
	return records_file_chain(&c->audit, o, err);
}

/* --- one pair --- */

static void failed(struct comparing *c, const char *text)
{
	c->failed++;
	if (!c->why.len)
		strbuf_addstr(&c->why, text);
	strvec_push(&c->r->details, text);
}

static void add_counts(struct comparing *c, struct records_verdict *res,
		       bool hidden)
{
	uint64_t rejected = c->rejected_n;

	/* read by other keys than those they were put aside by: by number */
	if (hidden || c->level == RECORDS_BASIC)
		rejected = MIN(c->rejected.n, res->n[RECORDS_MISSING]);
	res->n[RECORDS_MISSING] -= rejected;
	c->rows += res->rows[0];
	for (int i = 0; i < RECORDS_KIND_COUNT; i++)
		c->n[i] += res->n[i];
	c->bad += records_bad(res);
	c->sampled += res->sampled;
	c->settled += res->settled;
	if (c->level == RECORDS_BASIC &&
	    res->rows[0] != res->rows[1] + c->rejected.n) {
		_cleanup_free_ char *t = xasprintf(
			_("%s%s%llu rows and %llu rows"), c->name ? c->name :
			"", c->name ? ": " : "",
			(unsigned long long)res->rows[0],
			(unsigned long long)res->rows[1]);

		failed(c, t);
	}
}

static int scratch(struct comparing *c)
{
	int dir = step_run_dir(c->ctx);

	return dir >= 0 ? fs_open(dir, ".", O_RDONLY | O_DIRECTORY, 0) :
		fs_open(AT_FDCWD, "/tmp", O_RDONLY | O_DIRECTORY, 0);
}

static int constraints(struct comparing *c, struct store *s, const char *set,
		       struct error *err)
{
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	int ret = records_invalid(s, set, &names, err);

	for (size_t i = 0; i < names.n; i++) {
		_cleanup_free_ char *t = xasprintf(_("'%s': '%s' is not valid"),
						   set, names.v[i]);

		failed(c, t);
	}
	return ret;
}

static int compare_pair(struct comparing *c, struct store *from,
			struct store *to, const struct records_shapes *shapes,
			struct error *err)
{
	_cleanup_close_ int dir = scratch(c);
	struct records_verdict res;
	struct records_spec spec = {
		.old = { from, &shapes->from, shapes->hidden },
		.now = { to, &shapes->to, 0 }, .nkey = shapes->to.nkey,
		.level = c->level, .pause_s = c->m->pause_s,
		.scratch_fd = dir, .found = on_found, .again = on_again,
		.audit = c->level == RECORDS_FORENSIC ? on_part : NULL,
		.progress = on_progress, .cancelled = on_cancelled, .ctx = c,
	};
	int ret = constraints(c, to, shapes->to.set, err);

	c->cols = shapes->to.col;
	c->shown_before = c->shown.n;
	c->begun_at = records_file_size(&c->found);
	c->rejected_n = 0;
	if (ret >= 0 && spec.audit)
		ret = tell_begin(c, &spec.old, &spec.now, err);
	if (ret >= 0)
		ret = records_verify(&spec, &res, err);
	if (ret >= 0 && spec.audit)
		ret = tell_end(c, &res, err);
	if (ret >= 0)
		add_counts(c, &res, shapes->hidden);
	strvec_release(&c->rejected);
	return ret;
}

static int own_pair(struct comparing *c, struct error *err)
{
	const struct records_map *map = &c->m->map;
	_cleanup_store_ struct store *from = NULL;
	_cleanup_store_ struct store *to = NULL;
	struct records_shapes shapes;
	int ret = step_store(c->ctx, map->from.store->name, true, &from, err);

	if (ret >= 0)
		ret = step_store(c->ctx, map->to.store->name, true, &to, err);
	if (ret >= 0)
		ret = records_map_resolve(map, from, to, &shapes, err);
	if (ret < 0)
		return ret;
	ret = compare_pair(c, from, to, &shapes, err);
	records_shapes_release(&shapes);
	return ret;
}

static int both(struct comparing *c, const struct plan_set *a,
		const struct plan_set *b, struct store **ret_a,
		struct store **ret_b, struct error *err)
{
	int ret = step_store(c->ctx, a->store->name, true, ret_a, err);

	return ret < 0 ? ret :
		step_store(c->ctx, b->store->name, true, ret_b, err);
}

/* 1: it was skipped */
static int find_copy(struct comparing *c, const char *id,
		     const struct step **ret, struct error *err)
{
	const struct plan *p = step_plan(c->ctx);
	int i = plan_step_index(p, id);
	struct step_run_info info;

	if (i < 0 || !(p->steps[i]->ops->flags & STEP_COPIES))
		return error_set(err, ERR_PLAN_VALUE, -EINVAL,
				 _("step '%s' copies no records"), id);
	step_run_info(c->ctx, &info);
	*ret = p->steps[i];
	return !strcmp(info.step_state(c->ctx, (size_t)i), "skipped");
}

static int copied_pair(struct comparing *c, const struct step *s,
		       struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *from = NULL;
	_cleanup_store_ struct store *to = NULL;
	struct records_shapes shapes;
	struct step_records_job j;
	int ret = both(c, &m->from, &m->to, &from, &to, err);

	if (ret < 0)
		return ret;
	if (m->quarantine)
		store_set_lines(from, STORE_LINES_SKIP);
	step_records_job_init(s, c->ctx, &j);
	ret = step_records_job_shape(s, from, to, &j, err);
	j.job.to.where = m->owns;
	if (ret >= 0)
		ret = records_rejected(to, j.marks, &c->rejected, err);
	if (ret >= 0)
		ret = records_map_cast(&j.job.from, j.job.hidden, &j.job.to,
				       from, to, &shapes, err);
	if (ret >= 0) {
		ret = compare_pair(c, from, to, &shapes, err);
		records_shapes_release(&shapes);
	}
	step_records_job_release(&j);
	return ret;
}

static int copied_pairs(struct comparing *c, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < c->m->copies.n; i++) {
		const struct step *s = NULL;

		c->name = c->m->copies.v[i];
		ret = find_copy(c, c->name, &s, err);
		if (ret == 0)
			ret = copied_pair(c, s, err);
		if (ret < 0)
			error_prefix(err, "%s", c->name);
	}
	c->name = NULL;
	return ret;
}

/* --- rules and queries --- */

static void judge(struct comparing *c, const struct compare_rule *rule,
		  const char *text)
{
	_cleanup_free_ char *t = xasprintf("%s: %s", rule->id, text);

	if (!rule->warn) {
		failed(c, t);
		return;
	}
	c->warned++;
	if (!c->why.len)
		strbuf_addstr(&c->why, t);
	strvec_push(&c->r->details, t);
}

static int zero(struct comparing *c, const struct compare_rule *rule,
		struct error *err)
{
	_cleanup_store_ struct store *s = NULL;
	_cleanup_free_ char *t = NULL;
	double v = 0;
	int ret = step_store(c->ctx, rule->store->name, true, &s, err);

	if (ret >= 0)
		ret = records_number(s, rule->zero, &v, err);
	if (ret < 0 || v == 0)
		return ret;
	t = xasprintf(_("found %g, not 0"), v);
	judge(c, rule, t);
	return 0;
}

static int equal(struct comparing *c, const struct compare_rule *rule,
		 struct error *err)
{
	_cleanup_store_ struct store *a = NULL;
	_cleanup_store_ struct store *b = NULL;
	_cleanup_free_ char *t = NULL;
	uint32_t row = 0;
	int ret = both(c, &rule->equal[0], &rule->equal[1], &a, &b, err);

	if (ret >= 0)
		ret = records_equal(a, rule->equal[0].set, b,
				    rule->equal[1].set, &row, err);
	if (ret < 0 || !row)
		return ret;
	t = xasprintf(_("the answers are not the same from row %u on"), row);
	judge(c, rule, t);
	return 0;
}

static int rules(struct comparing *c, struct error *err)
{
	int ret = 0;

	for (size_t i = 0; ret >= 0 && i < c->m->rule_n; i++) {
		const struct compare_rule *rule = &c->m->rules[i];

		ret = rule->zero ? zero(c, rule, err) : equal(c, rule, err);
		if (ret < 0)
			error_prefix(err, "%s", rule->id);
	}
	return ret;
}

static int time_query(struct comparing *c, const struct compare_query *q,
		      struct error *err)
{
	_cleanup_store_ struct store *a = NULL;
	_cleanup_store_ struct store *b = NULL;
	_cleanup_free_ char *t = NULL;
	double old = 0, now = 0;
	int ret = both(c, &q->old, &q->now, &a, &b, err);

	if (ret >= 0)
		ret = records_time(a, q->old.set, &old, err);
	if (ret >= 0)
		ret = records_time(b, q->now.set, &now, err);
	if (ret < 0) {
		error_prefix(err, "%s", q->id);
		return ret;
	}
	t = xasprintf(_("%s: %.0f ms before, %.0f ms now"), q->id, old * 1e3,
		      now * 1e3);
	if (now > old * q->tolerance && now - old > q->floor_s)
		failed(c, t);
	else
		step_log(c->ctx, "note", t, strlen(t));
	return 0;
}

/* --- the whole --- */

static enum records_level level_of(const struct step_compare *m,
				   struct step_ctx *ctx)
{
	enum plan_level l = step_level(ctx);

	if (!l)
		l = m->level;
	if (!l)
		l = step_plan(ctx)->defaults.level;
	return l ? (enum records_level)(l - PLAN_BASIC) : RECORDS_STANDARD;
}

static void conclude(struct comparing *c)
{
	unsigned long long rows = c->rows;

	for (size_t i = 0; i < c->shown.n; i++)
		strvec_push(&c->r->details, c->shown.v[i]);
	if (c->bad)
		check_result_set(c->r, CHECK_FAIL,
			_("%llu missing, %llu different, %llu extra: %s"),
			(unsigned long long)c->n[RECORDS_MISSING],
			(unsigned long long)c->n[RECORDS_DIFFERENT],
			(unsigned long long)c->n[RECORDS_EXTRA],
			c->shown.n ? c->shown.v[0] : "");
	else if (c->failed || c->warned)
		check_result_set(c->r, c->failed ? CHECK_FAIL : CHECK_WARN,
				 "%s", c->why.buf);
	else if (!c->m->own && !c->m->copies.n)
		check_result_set(c->r, CHECK_OK, ngettext(
			"%zu rule or query is fine",
			"%zu rules and queries are fine",
			c->m->rule_n + c->m->query_n),
			c->m->rule_n + c->m->query_n);
	else
		check_result_set(c->r, CHECK_OK, ngettext(
			"%llu row is the same on both sides (%s)",
			"%llu rows are the same on both sides (%s)", c->rows),
			rows, records_level_name(c->level));
	if (c->bad || c->failed)
		c->r->code = ERR_VERIFY;
	if (c->n[RECORDS_EQUIVALENT])
		strvec_pushf(&c->r->details, ngettext(
			"%llu row is written in another way, of the same value",
			"%llu rows are written in another way, of the same "
			"value", c->n[RECORDS_EQUIVALENT]),
			(unsigned long long)c->n[RECORDS_EQUIVALENT]);
	if (c->settled)
		strvec_pushf(&c->r->details, ngettext(
			"%llu difference was gone at the second look",
			"%llu differences were gone at the second look",
			c->settled), (unsigned long long)c->settled);
}

static int files(struct comparing *c, struct error *err)
{
	_cleanup_free_ char *found = xasprintf("%s.differences.jsonl",
					       c->s->id);
	/* what the journal speaks of is not replaced by a later look */
	_cleanup_free_ char *audit = xasprintf("%s.%s.jsonl", c->s->id,
		step_has_audit(c->ctx) ? "audit-later" : "audit");
	int dir = step_run_dir(c->ctx);
	int ret = records_file_begin(&c->found, dir, found, err);

	return ret < 0 ? ret : records_file_begin(&c->audit,
		c->level == RECORDS_FORENSIC ? dir : -1, audit, err);
}

/* the last line says that it is the last */
static int close_audit(struct comparing *c, struct error *err)
{
	struct json_object *o;
	int ret;

	if (!c->audit.open)
		return 0;
	o = json_object_new_object();
	json_set_str(o, "what", "close");
	json_set_int(o, "rows", (int64_t)c->rows);
	ret = records_file_chain(&c->audit, o, err);
	c->r->audit = xstrdup(c->audit.sum);
	return ret < 0 ? ret : records_file_end(&c->audit, err);
}

static int end_files(struct comparing *c, struct error *err)
{
	uint64_t lines = c->found.lines;
	int ret = records_file_end(&c->found, err);

	if (ret >= 0)
		ret = close_audit(c, err);
	if (ret >= 0 && c->r->audit)
		strvec_pushf(&c->r->details, _("last sum of the audit: %s"),
			     c->r->audit);
	if (ret >= 0 && lines && step_run_dir(c->ctx) >= 0) {
		struct step_run_info info;

		step_run_info(c->ctx, &info);
		strvec_pushf(&c->r->details,
			_("all of them: runs/%s/%s.differences.jsonl"),
			info.run_id, c->s->id);
	}
	return ret;
}

bool step_compare_has(const struct step_compare *m, const struct step *copy)
{
	const struct records_step *c = copy->priv;

	return strvec_has(&m->copies, copy->id) ||
		(m->own && m->map.to.store == c->to.store && m->map.to.set &&
		 !strcmp(m->map.to.set, c->to.set));
}

int step_compare_check(const struct step *s, struct step_ctx *ctx,
		       struct check_result *r, struct error *err)
{
	struct comparing c = { .s = s, .m = s->priv, .ctx = ctx, .r = r };
	int ret;

	strbuf_init(&c.why);
	c.level = level_of(c.m, ctx);
	ret = files(&c, err);
	if (ret >= 0)
		ret = copied_pairs(&c, err);
	if (ret >= 0 && c.m->own)
		ret = own_pair(&c, err);
	if (ret >= 0 && c.level >= RECORDS_STANDARD)
		ret = rules(&c, err);
	for (size_t i = 0; ret >= 0 && c.level >= RECORDS_RIGOROUS &&
	     i < c.m->query_n; i++)
		ret = time_query(&c, &c.m->queries[i], err);
	if (ret >= 0) {
		conclude(&c);
		ret = end_files(&c, err);
	}
	records_file_release(&c.found);
	records_file_release(&c.audit);
	strvec_release(&c.shown);
	strvec_release(&c.rejected);
	strbuf_release(&c.why);
	return ret;
}
