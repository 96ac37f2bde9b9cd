/* SPDX-License-Identifier: MIT */
#include "step-records.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "effects.h"
#include "records-copy-internal.h"
#include "records-live.h"
#include "step-live.h"
#include "store-sql.h"

int step_records_effects(const struct step *s, _unused_ struct step_ctx *ctx,
			 struct effects *out, _unused_ struct error *err)
{
	const struct records_step *m = s->priv;

	/* what a query gives is kept beside the tables: that changes a file, and
	   on a server nothing that anybody else has */
	if (!m->backfill)
		effects_add_set(out, m->from.query && m->from.store->path ?
				EFFECT_CHANGE : EFFECT_READ,
				m->from.store->name,
				m->from.query ? "" : m->from.set);
	effects_add_set(out, EFFECT_CHANGE, m->to.store->name, m->to.set);
	if (m->backfill && !step_records_undoable(s))
		out->outside = true;
	return 0;
}

bool step_records_undoable(const struct step *s)
{
	const struct records_step *m = s->priv;

	return !m->backfill || m->undo || m->down.n || m->to.store->path;
}

/* the file behind the destination is still to be made; one that cannot be
   opened, for it is locked, may well have rows of ours */
static bool is_missing(const struct step *s, struct step_ctx *ctx)
{
	const struct records_step *m = s->priv;
	const char *name;
	struct stat st;
	bool missing;
	int fd;

	if (!m->to.store->path)
		return false;
	fd = fs_open_parent(step_root_fd(ctx), m->to.store->path, &name);
	if (fd < 0)
		return fd == -ENOENT;
	missing = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
		  errno == ENOENT;
	(void)fs_close(fd); /* a directory that was looked at */
	return missing;
}

int step_records_open(const struct step *s, struct step_ctx *ctx,
		      struct step_records_job *j, struct store **from,
		      struct store **to, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_error_ struct error why = ERROR_INIT;
	int ret = step_store(ctx, m->from.store->name, true, from, &why);

	if (ret == 0 && m->quarantine)
		store_set_lines(*from, STORE_LINES_KEEP);
	if (ret == 0)
		ret = step_store(ctx, m->to.store->name, true, to, &why);
	if (ret == 0)
		ret = step_records_job_shape(s, *from, *to, j, &why);
	if (ret < 0 && !*to && *from && is_missing(s, ctx))
		return 0;
	if (ret < 0) {
		error_move(err, &why);
		return ret;
	}
	return 1;
}

static void preview_columns(const struct step_records_job *j,
			    struct preview *p)
{
	const struct store_shape *to = &j->job.to;

	for (uint32_t i = 0; i < to->ncol; i++) {
		const char *e = j->exprs ? j->exprs[j->job.hidden + i] : NULL;

		strvec_pushf(&p->lines, "  %s = %s", to->col[i],
			     e ? e : to->col[i]);
	}
}

int step_records_preview(const struct step *s, struct step_ctx *ctx,
			 struct preview *p, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *from = NULL, *to = NULL;
	_cleanup_free_ char *count = NULL;
	struct step_records_job j;
	uint64_t n = 0;
	int ret = 0;

	step_records_job_init(s, ctx, &j);
	if (!m->from.query)
		ret = step_records_open(s, ctx, &j, &from, &to, err);
	if (ret > 0)
		ret = store_count(from, &j.job.from, &n, err);
	else if (ret == 0)
		p->unknown = true;
	count = count_text(n);
	if (ret >= 0 && m->backfill) {
		strvec_pushf(&p->lines, _("go through '%s' (%s rows)"),
			     plan_set_name(&m->from), count);
		for (size_t i = 0; i < m->up.n; i++)
			strvec_pushf(&p->lines, "  %s", m->up.v[i]);
	} else if (ret >= 0 && m->from.query) {
		strvec_pushf(&p->lines, _("copy what a query gives to '%s'"),
			     plan_set_name(&m->to));
		strvec_pushf(&p->lines, "  %s", m->from.set);
	} else if (ret >= 0) {
		if (p->unknown)
			strvec_pushf(&p->lines, _("copy '%s' to '%s'"),
				     plan_set_name(&m->from),
				     plan_set_name(&m->to));
		else
			strvec_pushf(&p->lines,
				     _("copy '%s' to '%s' (%s rows)"),
				     plan_set_name(&m->from),
				     plan_set_name(&m->to), count);
		if (j.cols)
			preview_columns(&j, p);
	}
	step_records_job_release(&j);
	return MIN(ret, 0);
}

static int probe(const struct step *s, struct step_ctx *ctx,
		 enum step_probe *ret, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *to = NULL;
	_cleanup_error_ struct error why = ERROR_INIT;
	struct records_state st = { .begun = false };
	struct step_records_job j;
	int r = step_store(ctx, m->to.store->name, true, &to, &why);

	*ret = PROBE_NOT;
	if (r < 0 && is_missing(s, ctx))
		return 0;
	if (r < 0) {
		error_move(err, &why);
		return r;
	}
	step_records_job_init(s, ctx, &j);
	r = records_copy_state(&j.job, to, &st, err);
	if (r == 0 && st.begun)
		*ret = st.complete ? PROBE_FULLY : PROBE_PARTLY;
	step_records_job_release(&j);
	return r;
}

int step_records_probe(const struct step *s, struct step_ctx *ctx,
		       enum step_probe *ret, struct error *err)
{
	unsigned int tried = 0;
	int r;

	do {
		r = probe(s, ctx, ret, err);
	} while (step_store_again(ctx, &tried, r, err));
	return r;
}

/* the greatest key there is now; what comes later is the application's */
static int high_water(struct step_ctx *ctx, struct store *from,
		      struct step_records_job *j, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf sql = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	const struct store_shape *shape = &j->job.from;
	struct json_object *fact = step_get_fact(ctx, "until");
	int n;

	if (fact) {
		j->until = xstrdup(json_object_get_string(fact));
		j->job.until = j->until;
		return 0;
	}
	strbuf_addstr(&sql, "SELECT ");
	store_sql_names(&sql, shape, 0, shape->nkey);
	strbuf_addstr(&sql, " FROM ");
	store_sql_set(&sql, shape->set);
	strbuf_addstr(&sql, " ORDER BY ");
	for (uint32_t i = 0; i < shape->nkey; i++) {
		strbuf_addstr(&sql, i ? ", " : "");
		store_sql_name(&sql, shape->col[i]);
		strbuf_addstr(&sql, " DESC");
	}
	strbuf_addstr(&sql, " LIMIT 1");
	n = store_exec(from, sql.buf, NULL, &b, err);
	if (n <= 0)
		return n;
	store_key(&b, 0, shape->nkey, &key);
	j->until = xstrdup(key.buf);
	j->job.until = j->until;
	return step_set_fact(ctx, "until", json_object_new_string(key.buf),
			     err);
}

/* Is there something in the destination that an undo must tell apart? Decided
   before the first row; then the undo table is there or not. */
int step_records_decide_undo(const struct step *s, struct step_records_job *j,
			     struct store *to, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_free_ char *table = xasprintf("_upshift_undo_%s", j->id);
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct records_state st;
	int ret = records_copy_state(&j->job, to, &st, err);

	if (ret < 0 || j->job.sql_n || !store_is_pg(to))
		return ret;
	if (st.begun) {
		ret = store_columns(to, table, &b, err);
		j->job.undo = ret > 0;
	} else {
		ret = store_scan(to, &j->job.to, NULL, NULL, 1, &b, err);
		/* the source does not stay as it was copied */
		j->job.undo = ret > 0 || m->live;
	}
	return MIN(ret, 0);
}

/* whether it is the only one that has rows there */
static int note_alone(struct step_ctx *ctx, struct step_records_job *j,
		      struct store *to, struct error *err)
{
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	struct records_state st;
	int ret = records_copy_state(&j->job, to, &st, err);

	if (ret < 0 || st.begun || step_get_fact(ctx, STEP_LIVE_ALONE))
		return ret;
	ret = store_scan(to, &j->job.to, NULL, NULL, 1, &b, err);
	return ret < 0 ? ret : step_set_fact(ctx, STEP_LIVE_ALONE,
		json_object_new_boolean(ret == 0), err);
}

static int prepare(const struct step *s, struct step_ctx *ctx,
		   struct step_records_job *j, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *from = NULL, *to = NULL;
	int ret;

	step_records_job_init(s, ctx, j);
	ret = step_records_keep_query(s, ctx, j, err);

	if (ret == 0)
		ret = step_store(ctx, m->from.store->name, true, &from, err);
	if (ret == 0 && m->quarantine)
		store_set_lines(from, STORE_LINES_KEEP);
	if (ret == 0)
		ret = step_store(ctx, m->to.store->name, false, &to, err);
	if (ret == 0)
		ret = step_records_job_shape(s, from, to, j, err);
	if (ret == 0 && m->backfill)
		ret = high_water(ctx, from, j, err);
	if (ret == 0 && !m->backfill)
		ret = note_alone(ctx, j, to, err);
	if (ret == 0)
		ret = step_records_decide_undo(s, j, to, err);
	return ret;
}

int step_records_ready(const struct step *s, struct step_ctx *ctx,
		       struct step_records_job *j, struct error *err)
{
	unsigned int tried = 0;
	int ret;

	memset(j, 0, sizeof(*j));
	do {
		step_records_job_release(j);
		ret = prepare(s, ctx, j, err);
	} while (step_store_again(ctx, &tried, ret, err));
	return ret;
}

int step_records_run(const struct step *s, struct step_ctx *ctx,
		     struct step_records_job *j, struct records_result *res,
		     struct error *err)
{
	const struct records_step *m = s->priv;
	struct records_watch w = { .ctx = ctx, .throttle = &m->throttle,
				   .live = m->live ? s : NULL };
	int ret;

	j->job.tick = step_records_tick;
	j->job.note = step_records_note;
	j->job.ctx = &w;
	ret = records_copy(&j->job, res, err);
	store_close(w.lag);
	store_close(w.queue);
	if (w.failed.msg && ret < 0) {
		error_move(err, &w.failed);
		ret = -EBUSY;
	}
	error_release(&w.failed);
	return ret;
}

/* what was done again, in earlier calls too, and what is refused now */
static int keep_errors(const struct step *s, struct step_ctx *ctx,
		       const struct step_records_job *j,
		       struct records_errors *errors, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *to = NULL;
	struct json_object *was = step_get_fact(ctx, "errors");
	int ret = step_store(ctx, m->to.store->name, true, &to, err);

	records_errors_parse(errors, was);
	if (ret == 0)
		ret = records_errors_rejects(errors, j->marks, to, err);
	if (ret < 0 || (!errors->n && !was))
		return ret;
	return step_set_fact(ctx, "errors",
			     records_errors_json(errors,
						 plan_set_name(&m->to)), err);
}

int step_records_count(const struct step *s, struct step_ctx *ctx,
		       const struct step_records_job *j, uint64_t gone,
		       struct error *err)
{
	const struct records_step *m = s->priv;
	struct json_object *o = json_object_new_object();
	struct json_object *was = step_get_fact(ctx, "result");
	_cleanup_store_ struct store *to = NULL;
	struct records_state st = { .rows = 0 };
	int ret = step_store(ctx, m->to.store->name, true, &to, err);

	if (ret == 0)
		ret = records_copy_state(&j->job, to, &st, err);
	json_set_str(o, "count", plan_set_name(&m->to));
	json_set_int(o, "before", (int64_t)st.rows);
	gone += was ? (uint64_t)json_get_int(was, "gone", 0) : 0;
	json_set_int(o, "after", (int64_t)(st.rows - st.rejected - gone));
	json_set_int(o, "gone", (int64_t)gone);
	json_set_int(o, "bad", (int64_t)st.rejected);
	if (ret < 0) {
		json_object_put(o);
		return ret;
	}
	if (ret == 0)
		ret = keep_errors(s, ctx, j, j->job.errors, err);
	if (ret == 0 && (st.rejected || was))
		ret = step_records_keep_rejects(s, ctx, st.rejected, err);
	if (ret < 0) {
		json_object_put(o);
		return ret;
	}
	return step_set_fact(ctx, "result", o, err);
}

int step_records_apply(const struct step *s, struct step_ctx *ctx,
		       struct error *err)
{
	const struct records_step *m = s->priv;
	struct step_records_job j;
	struct records_result res = { .rows = 0 };
	struct records_errors errors = { .n = 0 };
	unsigned int tried = 0;
	int ret;

	ret = step_records_ready(s, ctx, &j, err);
	j.job.errors = &errors;
	while (ret == 0 && m->live) {
		ret = step_live_begin(s, ctx, &j, err);
		if (!step_store_again(ctx, &tried, ret, err))
			break;
		ret = 0;
	}
	if (ret == 0)
		ret = step_records_run(s, ctx, &j, &res, err);
	if (ret == 0 && m->live)
		ret = step_live_drain(s, ctx, NULL, false, err);
	if (ret == 0)
		ret = step_records_count(s, ctx, &j, 0, err);
	else if (store_class(ret) == STORE_CLASS_BADROW)
		(void)keep_errors(s, ctx, &j, &errors, NULL);
	if (ret == 0 && res.rejected)
		step_warn(ctx, ngettext("%ju row was refused and stands in "
					"'_upshift_reject'",
					"%ju rows were refused and stand in "
					"'_upshift_reject'", res.rejected),
			  (uintmax_t)res.rejected);
	records_errors_release(&errors);
	step_records_job_release(&j);
	return ret;
}

/* rows come and go meanwhile: the cutover compares them */
static int verify_live(const struct step *s, const struct step_records_job *j,
		       struct store *from, struct error *err)
{
	int ret = records_capture_there(&j->job, from, err);

	return ret != 0 ? MIN(ret, 0) :
		error_set(err, ERR_STEP_VERIFY, -ENOENT,
			  _("the capture of step '%s' is gone"), s->id);
}

static int not_through(const struct records_step *m, struct error *err)
{
	return error_set(err, ERR_STEP_VERIFY, -EINVAL,
			 _("not all rows of '%s' went through"),
			 plan_set_name(&m->from));
}

/* long after: the source may be gone, rows were written on both sides */
static int verify_marks(const struct step *s, struct step_ctx *ctx,
			struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *to = NULL;
	struct step_records_job j;
	struct records_state st;
	int ret;

	step_records_job_init(s, ctx, &j);
	ret = step_store(ctx, m->to.store->name, true, &to, err);
	if (ret >= 0)
		ret = records_copy_state(&j.job, to, &st, err);
	if (ret >= 0 && !st.complete)
		ret = not_through(m, err);
	step_records_job_release(&j);
	return MIN(ret, 0);
}

/* as many rows went through as the source has */
static int verify(const struct step *s, struct step_ctx *ctx,
		  struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *from = NULL, *to = NULL;
	struct step_records_job j;
	struct records_state st;
	uint64_t n;
	int ret;

	step_records_job_init(s, ctx, &j);
	ret = step_records_open(s, ctx, &j, &from, &to, err);
	if (ret == 0)
		ret = error_set(err, ERR_STEP_VERIFY, -ENOENT,
				_("'%s' or '%s' is not there"),
				plan_set_name(&m->from), plan_set_name(&m->to));
	if (ret > 0)
		ret = records_copy_state(&j.job, to, &st, err);
	if (ret == 0 && !st.complete)
		ret = not_through(m, err);
	if (ret == 0 && m->live)
		ret = verify_live(s, &j, from, err);
	else if (ret == 0 && !m->backfill)
		ret = store_count(from, &j.job.from, &n, err);
	if (ret == 0 && !m->backfill && !m->live && n != st.rows)
		ret = error_set(err, ERR_STEP_VERIFY, -EINVAL,
				_("'%s' has %ju rows, but %ju went through"),
				plan_set_name(&m->from), (uintmax_t)n,
				(uintmax_t)st.rows);
	step_records_job_release(&j);
	return ret;
}

int step_records_verify(const struct step *s, struct step_ctx *ctx,
			struct error *err)
{
	unsigned int tried = 0;
	int ret;

	do {
		ret = step_looks_back(ctx) ? verify_marks(s, ctx, err) :
			verify(s, ctx, err);
	} while (step_store_again(ctx, &tried, ret, err));
	return ret;
}
