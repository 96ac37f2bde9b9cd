/* SPDX-License-Identifier: MIT */
/*
 * monitor - watches figures for a time
 *
 * run (an argument list: prints a JSON object or lines "name value"), or store
 * and query (rows of a name and a number); limits ({ name = "< 500"; }),
 * every (60 s), for, samples (1: how many looks in a row must break a limit),
 * timeout (30 s, of one look), on_breach.
 *
 * How long it was watched without a breach is in the journal (fact "watched",
 * in seconds) at least every hundredth of the time: who resumes watches the
 * rest alone. The time between two processes does not count, nobody watched.
 * A look that gives no figure is one that breaks the limit: what cannot be
 * seen is not known to be fine. UPSHIFT_TEST_MONITOR_S, in seconds, stands for
 * `for` in tests.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "event.h"
#include "sql-grants.h"
#include "steps.h"
#include "store.h"

#define EVERY_S 60.0
#define TIMEOUT_S 30.0
#define RECORDS 100.0
#define TELL_S 1.0

enum compare { LESS, LESS_EQUAL, MORE, MORE_EQUAL };

struct limit {
	char *name, *text;
	enum compare how;
	double value;
};

struct monitor {
	struct strvec argv;
	const struct plan_store *store;
	char *query;
	struct limit *limits;
	size_t limit_n;
	double every_s, for_s, timeout_s;
	int64_t samples;
};

/* --- keys --- */

/* "12.5" or "0.1%"; the rest must be blank */
static int number(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	if (end == text)
		return -EINVAL;
	if (*end == '%') {
		*ret /= 100;
		end++;
	}
	return end[strspn(end, " \t\r")] ? -EINVAL : 0;
}

static int parse_limit(const char *text, struct limit *l)
{
	const char *p = text + strspn(text, " ");

	if (*p != '<' && *p != '>')
		return -EINVAL;
	l->how = *p == '<' ? LESS : MORE;
	if (*++p == '=') {
		l->how = l->how == LESS ? LESS_EQUAL : MORE_EQUAL;
		p++;
	}
	return number(p, &l->value);
}

static void parse_limits(struct plan_node *n, struct monitor *m)
{
	_cleanup_strvec_ struct strvec pairs = STRVEC_INIT;

	if (!plan_node_pairs(n, "limits", &pairs) || !pairs.n)
		plan_node_problem(n, "limits", _("'limits' is missing: "
				  "{ name = \"< 500\"; }"));
	m->limits = xcalloc(pairs.n / 2 + 1, sizeof(*m->limits));
	for (size_t i = 0; i + 1 < pairs.n; i += 2) {
		struct limit *l = &m->limits[m->limit_n++];

		l->name = xstrdup(pairs.v[i]);
		l->text = xstrdup(pairs.v[i + 1]);
		if (parse_limit(l->text, l) < 0)
			plan_node_problem(n, "limits", _("'%s' is no limit "
					  "(like '< 500' or '>= 85%%')"),
					  l->text);
	}
}

static int parse(struct step *s, struct plan_node *n)
{
	static const char *const on_breach[] = { "stop", "rollback", NULL };
	struct monitor *m = xcalloc(1, sizeof(*m));
	int w;

	s->priv = m;
	m->every_s = EVERY_S;
	m->timeout_s = TIMEOUT_S;
	m->samples = 1;
	(void)plan_node_argv(n, "run", false, &m->argv);
	(void)plan_node_store(n, "store", plan_node_has(n, "query"),
			      &m->store);
	(void)plan_node_string(n, "query", plan_node_has(n, "store"),
			       &m->query);
	if (!m->argv.n == !plan_node_has(n, "query"))
		plan_node_problem(n, NULL, _("figures come from 'run', or "
				  "from 'store' and 'query'"));
	parse_limits(n, m);
	(void)plan_node_duration(n, "every", &m->every_s);
	if (!plan_node_duration(n, "for", &m->for_s) && !plan_node_failed(n))
		plan_node_problem(n, "for", _("'for' is missing"));
	(void)plan_node_duration(n, "timeout", &m->timeout_s);
	(void)plan_node_int(n, "samples", false, 1, 1000, &m->samples);
	if (plan_node_word(n, "on_breach", false, on_breach, &w)) {
		s->on_breach_given = true;
		s->on_breach = w ? PLAN_ROLLBACK : PLAN_STOP;
	}
	return 0;
}

static int no_effects(const struct step *s, struct step_ctx *ctx,
		      struct effects *out, struct error *err)
{
	(void)s;
	(void)ctx;
	(void)out;
	(void)err;
	return 0;
}

static int preview(const struct step *s, struct step_ctx *ctx,
		   struct preview *p, struct error *err)
{
	const struct monitor *m = s->priv;
	_cleanup_strbuf_ struct strbuf span = STRBUF_INIT;

	(void)ctx;
	(void)err;
	clock_duration(m->for_s, &span);
	for (size_t i = 0; i < m->limit_n; i++)
		strvec_pushf(&p->lines, _("watch '%s' %s for %s"),
			     m->limits[i].name, m->limits[i].text, span.buf);
	return 0;
}

/* --- figures: pairs of name and text --- */

static void json_figures(const char *text, size_t len, struct strvec *ret)
{
	_cleanup_json_ struct json_object *o = NULL;

	if (json_parse(text, len, &o, NULL) < 0 ||
	    !json_object_is_type(o, json_type_object))
		return;
	json_object_object_foreach(o, name, v) {
		if (!v)
			continue;
		strvec_push(ret, name);
		strvec_push(ret, json_object_get_string(v));
	}
}

/* "name value", "name: value", "name=value" */
static void line_figures(const char *text, struct strvec *ret)
{
	while (*text) {
		size_t line = strcspn(text, "\n");
		size_t n = strcspn(text, " \t:=\n");
		size_t at = n + strspn(text + n, " \t:=");

		if (n && at < line) {
			strvec_take(ret, xstrndup(text, n));
			strvec_take(ret, xstrndup(text + at, line - at));
		}
		text += line + (text[line] == '\n');
	}
}

static int from_command(const struct monitor *m, struct step_ctx *ctx,
			struct strvec *ret, struct error *err)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct step_command cmd = {
		.argv = &m->argv, .timeout_s = m->timeout_s,
		.read_only = true, .capture = &out, .quiet = true,
	};
	struct child_result res;
	int r = step_command(ctx, &cmd, &res, err);

	if (r < 0)
		return r;
	if (res.timed_out)
		return error_set(err, ERR_STEP_TIMEOUT, -ETIMEDOUT,
				 _("'%s' took longer than %.0f s"),
				 m->argv.v[0], m->timeout_s);
	if (res.exit_status)
		return error_set(err, ERR_STEP_COMMAND, -EPIPE,
				 _("'%s' ended with status %d"), m->argv.v[0],
				 res.exit_status);
	if (out.buf[strspn(out.buf, " \t\r\n")] == '{')
		json_figures(out.buf, out.len, ret);
	else
		line_figures(out.buf, ret);
	return 0;
}

static int from_store(const struct monitor *m, struct step_ctx *ctx,
		      struct strvec *ret, struct error *err)
{
	_cleanup_store_ struct store *s = NULL;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int r = step_store_timeout(ctx, m->store->name, true, m->timeout_s,
				   &s, err);

	if (r >= 0)
		r = store_exec(s, m->query, NULL, &b, err);
	for (uint32_t i = 0; r >= 0 && b.ncol == 2 && i < b.nrow; i++)
		for (uint32_t k = 0; k < 2; k++) {
			const struct store_cell *c = store_batch_cell(&b, i,
								      k);

			strvec_take(ret, c->len < 0 ? xstrdup("") :
				    xstrndup(b.buf + c->off, (size_t)c->len));
		}
	return MIN(r, 0);
}

/* --- limits --- */

static bool holds(const struct limit *l, double v)
{
	switch (l->how) {
	case LESS: return v < l->value;
	case LESS_EQUAL: return v <= l->value;
	case MORE: return v > l->value;
	case MORE_EQUAL: return v >= l->value;
	}
	return false;
}

/* as they were at the last look, for who looks on: one for each limit */
struct seen {
	struct event_figure *f;
	size_t n;
};

static void seen_init(struct seen *s, const struct monitor *m)
{
	s->n = m->limit_n;
	s->f = xcalloc(s->n + 1, sizeof(*s->f));
	for (size_t i = 0; i < s->n; i++) {
		s->f[i].name = m->limits[i].name;
		s->f[i].limit = m->limits[i].text;
	}
}

static void seen_clear(struct seen *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->f[i].value);
		s->f[i].value = NULL;
		s->f[i].holds = false;
	}
}

static void seen_release(struct seen *s)
{
	seen_clear(s);
	free(s->f);
}

/* what does not hold, into why; empty: all do */
static void judge(const struct monitor *m, const struct strvec *figures,
		  struct seen *seen, struct strbuf *why)
{
	for (size_t i = 0; i < m->limit_n; i++) {
		const struct limit *l = &m->limits[i];
		const char *text = NULL, *glue = why->len ? ", " : "";
		double v;

		for (size_t k = 0; k + 1 < figures->n; k += 2)
			if (!strcmp(figures->v[k], l->name))
				text = figures->v[k + 1];
		seen->f[i].value = xstrdup_null(text);
		if (!text || number(text, &v) < 0)
			strbuf_addf(why, _("%s'%s' gave no number"), glue,
				    l->name);
		else if (!holds(l, v))
			strbuf_addf(why, _("%s'%s' is %s, not %s"), glue,
				    l->name, text, l->text);
		else
			seen->f[i].holds = true;
	}
}

static int look(const struct monitor *m, struct step_ctx *ctx,
		struct seen *seen, struct strbuf *why, struct error *err)
{
	_cleanup_strvec_ struct strvec figures = STRVEC_INIT;
	_cleanup_error_ struct error now = ERROR_INIT;
	int ret = m->query ? from_store(m, ctx, &figures, &now) :
		from_command(m, ctx, &figures, &now);

	if (ret < 0 && now.code == ERR_CANCELLED) {
		error_move(err, &now);
		return ret;
	}
	seen_clear(seen);
	if (ret < 0)
		strbuf_addstr(why, now.msg);
	else
		judge(m, &figures, seen, why);
	return 0;
}

/* --- the watch --- */

static double for_s(const struct monitor *m)
{
	const char *v = getenv("UPSHIFT_TEST_MONITOR_S");

	return v && *v ? strtod(v, NULL) : m->for_s;
}

static double watched(struct step_ctx *ctx)
{
	struct json_object *v = step_get_fact(ctx, "watched");

	return v ? json_object_get_double(v) : 0;
}

static int keep(struct step_ctx *ctx, double s, struct error *err)
{
	return step_set_fact(ctx, "watched", json_object_new_double(s), err);
}

static int breach(const struct step *s, struct step_ctx *ctx, double so_far,
		  const struct strbuf *why, struct error *err)
{
	_cleanup_strbuf_ struct strbuf span = STRBUF_INIT;
	_cleanup_free_ char *t = NULL;

	(void)s;
	clock_duration(so_far, &span);
	t = xasprintf(_("after %s: %s"), span.buf, why->buf);
	step_notify(ctx, NOTIFY_BREACH, t);
	return error_set(err, ERR_BREACH, -ERANGE, "%s", t);
}

static int probe(const struct step *s, struct step_ctx *ctx,
		 enum step_probe *ret, struct error *err)
{
	(void)err;
	/* never `not`: what was watched counts */
	*ret = watched(ctx) >= for_s(s->priv) ? PROBE_FULLY : PROBE_PARTLY;
	return 0;
}

/* the end is not waited past, but a limit that is broken then is looked at
   again as often as before */
static double next_look(const struct monitor *m, double left)
{
	return left > 0 ? MAX(MIN(m->every_s, left), 0.01) : m->every_s;
}

/* an interval is long for one who looks on; from: when it began, 0 where the
   time does not count */
static int wait_s(struct step_ctx *ctx, double seconds, double sum,
		  double total, uint64_t from, const struct seen *seen,
		  struct error *err)
{
	uint64_t begun = clock_mono_ns();
	double left;
	int ret = 0;

	while (ret >= 0 && (left = seconds - clock_since(begun)) > 0) {
		ret = step_wait(ctx, MIN(left, TELL_S), err);
		step_watches(ctx, sum + (from ? clock_since(from) : 0), total,
			     seen->f, seen->n, false);
	}
	return ret;
}

static int watch(const struct step *s, struct step_ctx *ctx,
		 struct seen *seen, struct error *err)
{
	const struct monitor *m = s->priv;
	double total = for_s(m), sum = watched(ctx), kept = sum;
	int64_t broken = 0;
	int ret = 0;

	/* the first look may take its time */
	step_progress(ctx, (uint64_t)MIN(sum, total), (uint64_t)total, "s");
	while (ret >= 0) {
		_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
		uint64_t begun = clock_mono_ns();

		ret = look(m, ctx, seen, &why, err);
		if (ret < 0)
			break;
		step_watches(ctx, sum, total, seen->f, seen->n, true);
		broken = why.len ? broken + 1 : 0;
		if (why.len)
			step_log(ctx, "note", why.buf, why.len);
		if (broken >= m->samples)
			return breach(s, ctx, sum, &why, err);
		if (sum >= total && !broken)
			break;
		ret = wait_s(ctx, next_look(m, total - sum), sum, total,
			     broken ? 0 : begun, seen, err);
		/* time in which a limit was broken is not time that was fine */
		if (!broken)
			sum += clock_since(begun);
		if (sum - kept >= total / RECORDS || ret < 0) {
			int r = keep(ctx, sum, ret < 0 ? NULL : err);

			ret = ret < 0 ? ret : r;
			kept = sum;
		}
	}
	return ret < 0 ? ret : keep(ctx, sum, err);
}

static int apply(const struct step *s, struct step_ctx *ctx,
		 struct error *err)
{
	struct seen seen;
	int ret;

	seen_init(&seen, s->priv);
	ret = watch(s, ctx, &seen, err);
	seen_release(&seen);
	return ret;
}

static int verify(const struct step *s, struct step_ctx *ctx,
		  struct error *err)
{
	if (watched(ctx) >= for_s(s->priv))
		return 0;
	return error_set(err, ERR_STEP_VERIFY, -EBADMSG,
			 _("it was not watched to the end"));
}

static void grants(const struct step *s, struct sql_grants *g)
{
	const struct monitor *m = s->priv;

	sql_grants_text(g, m->store, m->query);
}

static void release(struct step *s)
{
	struct monitor *m = s->priv;

	if (!m)
		return;
	strvec_release(&m->argv);
	free(m->query);
	for (size_t i = 0; i < m->limit_n; i++) {
		free(m->limits[i].name);
		free(m->limits[i].text);
	}
	free(m->limits);
	free(m);
	s->priv = NULL;
}

const struct step_ops monitor_ops = {
	.name = "monitor",
	.flags = STEP_RESUMES | STEP_LOOKS,
	.parse = parse,
	.effects = no_effects,
	.preview = preview,
	.probe = probe,
	.apply = apply,
	.verify = verify,
	.grants = grants,
	.release = release,
};
