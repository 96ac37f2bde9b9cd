/* SPDX-License-Identifier: MIT */
/*
 * The stores of a plan, and what steps say of them: "STORE", "STORE:SET",
 * "STORE:SELECT ...".
 *
 * A value from the environment in a URL is not like others: it may hold a
 * password. Its name goes into plan->store_env before anything is filled in,
 * and from then on nothing that is written or seen by others may have it; it
 * is read from the environment again by every process that needs it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "effects.h"
#include "plan-internal.h"
#include "step.h"

static const char *const schemes[] = {
	[PLAN_STORE_PG] = "pg:",
	[PLAN_STORE_SQLITE] = "sqlite:",
	[PLAN_STORE_JSON] = "json:",
	[PLAN_STORE_JSONL] = "jsonl:",
};

static enum plan_store_kind kind_of(const char *url)
{
	for (size_t i = PLAN_STORE_PG; i < ARRAY_SIZE(schemes); i++)
		if (str_starts(url, schemes[i]))
			return (enum plan_store_kind)i;
	return PLAN_STORE_UNKNOWN;
}

static bool is_file(enum plan_store_kind kind)
{
	return kind == PLAN_STORE_SQLITE || kind == PLAN_STORE_JSON ||
	       kind == PLAN_STORE_JSONL;
}

/* --- names in the URLs, before anything is filled in --- */

static const char *raw_url(const struct plan_value *v)
{
	if (v->type == VALUE_STRING)
		return v->str;
	for (size_t i = 0; v->type == VALUE_GROUP && i < v->n; i++)
		if (!strcmp(v->items[i].key, "url") &&
		    v->items[i].type == VALUE_STRING)
			return v->items[i].str;
	return "";
}

struct noting {
	struct plan *plan;
};

static char *note_env(void *ctx, const char *name)
{
	struct noting *n = ctx;

	if (str_starts(name, "env:") &&
	    !strvec_has(&n->plan->store_env, name + strlen("env:")))
		strvec_push(&n->plan->store_env, name + strlen("env:"));
	return xstrdup("");
}

void load_store_env(struct plan_load *l, struct plan_node *top)
{
	const struct plan_value *v = node_get(top, "stores", 0);
	struct noting n = { .plan = l->plan };

	for (size_t i = 0; v && v->type == VALUE_GROUP && i < v->n; i++) {
		_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
		const char *url = raw_url(&v->items[i]);

		/* the path of a file is no secret */
		if (!is_file(kind_of(url)))
			(void)expand_text(url, strlen(url), false, note_env,
					  &n, &out, NULL);
	}
}

/* --- passwords --- */

/* The value behind a key, in quotes or not; *next: behind it. */
static char *word_value(const char *s, const char **next)
{
	struct strbuf out = STRBUF_INIT;
	bool quoted;

	s += strspn(s, " \t\n");
	quoted = *s == '\'';
	s += quoted;
	while (*s && (quoted ? *s != '\'' : !strchr(" \t\n&", *s))) {
		if (*s == '\\' && s[1])
			s++;
		strbuf_addch(&out, *s++);
	}
	*next = s;
	return strbuf_detach(&out);
}

/* user:PASSWORD@ of a URI, or NULL */
static char *user_password(const char *url)
{
	const char *s = strstr(url, "//"), *end, *at = NULL, *colon;

	if (!s)
		return NULL;
	s += 2;
	end = s + strcspn(s, "/?");
	/* a password may have an @ that nobody encoded: all of it */
	for (const char *p = s; p < end; p++)
		if (*p == '@')
			at = p;
	colon = at ? memchr(s, ':', (size_t)(at - s)) : NULL;
	return colon ? xstrndup(colon + 1, (size_t)(at - colon - 1)) : NULL;
}

/* every password of a URL of libpq, as it stands there */
static void find_passwords(const char *url, struct strvec *ret)
{
	const char *s = url;
	char *user = user_password(url);

	if (user)
		strvec_take(ret, user);
	while ((s = strstr(s, "password"))) {
		const char *eq = s + strlen("password");

		eq += strspn(eq, " \t\n");
		if (*eq == '=')
			strvec_take(ret, word_value(eq + 1, &s));
		else
			s = eq;
	}
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *percent_decoded(const char *s)
{
	struct strbuf out = STRBUF_INIT;

	for (; *s; s++) {
		if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0) {
			strbuf_addch(&out, (char)(hex(s[1]) * 16 + hex(s[2])));
			s += 2;
		} else {
			strbuf_addch(&out, *s);
		}
	}
	return strbuf_detach(&out);
}

void plan_store_secrets(const struct plan *p, struct strvec *ret)
{
	for (size_t i = 0; i < p->store_n; i++) {
		_cleanup_strvec_ struct strvec found = STRVEC_INIT;

		if (is_file(p->stores[i].kind))
			continue;
		find_passwords(p->stores[i].url, &found);
		for (size_t k = 0; k < found.n; k++) {
			if (!*found.v[k])
				continue;
			strvec_push(ret, found.v[k]);
			strvec_take(ret, percent_decoded(found.v[k]));
		}
	}
}

#define FROM_OUTSIDE "\001"

/* what the author did not write: the environment, and secret answers */
static char *mark_ref(void *ctx, const char *name)
{
	const struct plan *p = ctx;

	if (str_starts(name, "env:"))
		return xstrdup(FROM_OUTSIDE);
	for (size_t i = 0; p && i < p->answer_n; i++)
		if (!strcmp(p->answers[i].id, name) && p->answers[i].secret)
			return xstrdup(FROM_OUTSIDE);
	return xstrdup("x");
}

static bool has_password(const struct plan *p, const char *raw)
{
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	if (expand_text(raw, strlen(raw), false, mark_ref, (void *)p, &out,
			NULL) < 0)
		return false;
	find_passwords(out.buf, &found);
	for (size_t i = 0; i < found.n; i++)
		if (found.v[i][strspn(found.v[i], FROM_OUTSIDE)])
			return true;
	return false;
}

bool plan_url_has_password(const char *raw)
{
	return has_password(NULL, raw);
}

/* --- one store --- */

/* Below the root, with what stands behind '#' as it is. */
static char *file_url(struct plan_node *n, const char *key, int line,
		      enum plan_store_kind kind, const char *url, char **path)
{
	const char *rest = url + strlen(schemes[kind]);
	size_t len = kind == PLAN_STORE_JSON ? strcspn(rest, "#") :
		     strlen(rest);
	_cleanup_free_ char *name = xstrndup(rest, len);

	*path = node_place(n, key, line, name, false);
	if (!*path)
		return NULL;
	if (**path == '/') {
		node_problem_at(n, line, _("'%s': '%s' is outside the root"),
				key, name);
		return NULL;
	}
	return xasprintf("%s%s%s", schemes[kind], *path, rest + len);
}

/* false: no kind, or a place that may not be */
static bool judge_url(struct plan_node *n, const char *key, int line,
		      const char *raw, struct strbuf *url, bool guess,
		      struct plan_store *s)
{
	char *placed;

	s->kind = kind_of(url->buf);
	if (s->kind == PLAN_STORE_UNKNOWN && !guess) {
		/* what it is instead may be a whole URL with a password */
		node_problem_at(n, line, "'%s': %s", key,
			_("a store begins with 'sqlite:', 'pg:', 'json:' or "
			  "'jsonl:'"));
		return false;
	}
	if (!is_file(s->kind) && has_password(n->load->plan, raw)) {
		node_problem_at(n, line,
				_("'%s': a password cannot stand in a plan; "
				  "take it from '${env:NAME}', or leave it "
				  "out for .pgpass or a service file"), key);
		return false;
	}
	if (!is_file(s->kind)) {
		s->url = xstrdup(url->buf);
		return true;
	}
	placed = file_url(n, key, line, s->kind, url->buf, &s->path);
	s->url = placed;
	return placed != NULL;
}

static void load_store(struct plan_load *l, struct plan_node *n,
		       const struct plan_value *v)
{
	_cleanup_strbuf_ struct strbuf url = STRBUF_INIT;
	_cleanup_free_ char *raw = NULL;
	struct plan_store *s = &l->plan->stores[l->plan->store_n];
	const char *key = v->key, *why = var_name_refused(v->key);
	bool guess = false;

	s->line = v->line;
	if (why)
		node_problem_at(n, v->line, _("store '%s': %s"), v->key,
				_(why));
	if (v->type == VALUE_GROUP) {
		n = plan_node_child(n, v->key, 0);
		key = "url";
		plan_node_bool(n, "allow_plaintext", &s->allow_plaintext);
	}
	if (!plan_node_raw(n, key, true, &raw) ||
	    !node_expand(n, key, v->line, raw, USE_STORE, &guess, &url) ||
	    !judge_url(n, key, v->line, raw, &url, guess, s)) {
		/* steps that name it have no further problem */
		strvec_push(&l->bad_stores, v->key);
		free(s->path);
		memset(s, 0, sizeof(*s));
		return;
	}
	s->name = xstrdup(v->key);
	l->plan->store_n++;
}

void load_stores(struct plan_load *l, struct plan_node *top)
{
	const struct plan_value *v = node_get(top, "stores", 0);
	struct plan_node *n;

	if (!v)
		return;
	if (v->type != VALUE_GROUP) {
		node_problem_at(top, v->line,
				_("'stores' must be a group: { name = "
				  "\"URL\"; }"));
		return;
	}
	n = plan_node_child(top, "stores", 0);
	l->plan->stores = xcalloc(v->n ? v->n : 1, sizeof(*l->plan->stores));
	for (size_t i = 0; i < v->n; i++)
		load_store(l, n, &v->items[i]);
}

const struct plan_store *plan_find_store(const struct plan *p,
					 const char *name)
{
	for (size_t i = 0; i < p->store_n; i++)
		if (!strcmp(p->stores[i].name, name))
			return &p->stores[i];
	return NULL;
}

void plan_store_is_same(struct plan_store *st, const struct plan_store *first)
{
	free(st->url);
	free(st->path);
	st->url = xstrdup(first->url);
	st->path = first->path ? xstrdup(first->path) : NULL;
	st->allow_plaintext = first->allow_plaintext;
	st->same = first->name;
}

const char *plan_store_of(const struct plan *p, const char *name)
{
	const struct plan_store *st = plan_find_store(p, name);

	return st && st->same ? st->same : name;
}

/* --- what steps say of them --- */

static const struct plan_store *find(struct plan_node *n, const char *key,
				     const char *name)
{
	const struct plan_load *l = n->load;
	const struct plan_store *s = plan_find_store(l->plan, name);
	_cleanup_strvec_ struct strvec words = STRVEC_INIT;
	const char *near;

	if (s)
		return s;
	n->failed = true;
	if (strvec_has(&l->bad_stores, name))
		return NULL;
	for (size_t i = 0; i < l->plan->store_n; i++)
		strvec_push(&words, l->plan->stores[i].name);
	near = nearest_word(name, (const char *const *)words.v);
	if (near)
		plan_node_problem(n, key, _("'%s': unknown store '%s' (did "
					    "you mean '%s'?)"), key, name,
				  near);
	else
		plan_node_problem(n, key, _("'%s': unknown store '%s'"), key,
				  name);
	return NULL;
}

bool plan_node_store(struct plan_node *n, const char *key, bool required,
		     const struct plan_store **ret)
{
	_cleanup_free_ char *name = NULL;

	if (!plan_node_string(n, key, required, &name))
		return false;
	*ret = find(n, key, name);
	return *ret != NULL;
}

static bool is_query(const char *s)
{
	static const char *const words[] = { "SELECT", "WITH", "VALUES" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i]);

		if (!strncasecmp(s, words[i], len) && s[len] &&
		    strchr(" \t\r\n(*", s[len]))
			return true;
	}
	return false;
}

static bool fits(struct plan_node *n, const char *key,
		 const struct plan_set *set, unsigned int flags)
{
	enum plan_store_kind kind = set->store->kind;
	const char *name = set->store->name;
	bool records = kind == PLAN_STORE_JSON || kind == PLAN_STORE_JSONL;

	if (set->query && records)
		plan_node_problem(n, key, _("'%s': '%s' is a file of records "
					    "and takes no queries"), key,
				  name);
	else if (set->query && !(flags & PLAN_SET_QUERY))
		plan_node_problem(n, key, _("'%s' takes the name of a table, "
					    "not a query"), key);
	else if (kind == PLAN_STORE_JSONL && *set->set)
		plan_node_problem(n, key, _("'%s': '%s' is one set by itself "
					    "('%s' alone)"), key, name, name);
	else if (!records && !*set->set && !(flags & PLAN_SET_WHOLE))
		plan_node_problem(n, key, _("'%s': name the table too: "
					    "'%s:TABLE'"), key, name);
	else
		return true;
	return false;
}

bool plan_node_set_text(struct plan_node *n, const char *key, const char *text,
			unsigned int flags, struct plan_set *ret)
{
	size_t len = strcspn(text, ":");
	_cleanup_free_ char *name = xstrndup(text, len);
	struct plan_set set = { .store = find(n, key, name) };

	if (!set.store)
		return false;
	text += len + (text[len] == ':');
	text += strspn(text, " \t\r\n");
	set.set = xstrdup(text);
	set.query = is_query(text);
	if (!fits(n, key, &set, flags)) {
		plan_set_release(&set);
		return false;
	}
	*ret = set;
	return true;
}

bool plan_node_set(struct plan_node *n, const char *key, bool required,
		   unsigned int flags, struct plan_set *ret)
{
	_cleanup_free_ char *text = NULL;

	return plan_node_string(n, key, required, &text) &&
	       plan_node_set_text(n, key, text, flags, ret);
}

void plan_set_release(struct plan_set *set)
{
	free(set->set);
	memset(set, 0, sizeof(*set));
}

const char *plan_set_name(const struct plan_set *set)
{
	return *set->set ? set->set : set->store->name;
}

bool plan_set_is_file(const struct plan_set *set)
{
	return set->store && (set->store->kind == PLAN_STORE_JSON ||
			      set->store->kind == PLAN_STORE_JSONL);
}
