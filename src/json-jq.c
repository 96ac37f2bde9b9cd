/* SPDX-License-Identifier: MIT */
#include "json-jq.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-edit.h"
#include "json-text.h"
#include "json-tree.h"

static int refuse(struct error *err, const char *why)
{
	return error_set(err, ERR_STEP, -EINVAL, "%s", _(why));
}

/* --- what jq would change by itself --- */

static bool name_twice(const struct json_tree *t, uint32_t obj, uint32_t i)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	size_t n;
	const char *key = json_key(t, i, &n);

	json_text_decode(key, n, &name);
	return json_member(t, obj, name.buf, name.len) != i;
}

static bool has_lone(const char *token, size_t n)
{
	return memchr(token, '\\', n) && json_text_has_lone(token, n);
}

static int check_scalar(const struct json_tree *t, uint32_t i,
			struct error *err)
{
	enum json_node_type type = json_type_of(t, i);
	const char *raw;
	size_t n;

	raw = json_raw(t, i, &n);
	if (type == JSON_T_NUMBER && !json_number_fits_double(raw, n))
		return refuse(err, N_("jq would change a number: it has more "
				      "digits than a double"));
	if (type == JSON_T_STRING && has_lone(raw, n))
		return refuse(err, N_("jq would change a string: it holds "
				      "half a surrogate pair"));
	return 0;
}

static int check(const struct json_tree *t, uint32_t i, struct error *err)
{
	enum json_node_type type = json_type_of(t, i);
	int ret = 0;

	if (type < JSON_T_ARRAY)
		return check_scalar(t, i, err);
	for (uint32_t c = json_child(t, i); c && ret >= 0;
	     c = json_next(t, c)) {
		size_t n;
		const char *key = json_key(t, c, &n);

		if (type == JSON_T_OBJECT && has_lone(key, n))
			return refuse(err, N_("jq would change a name: it "
					      "holds half a surrogate pair"));
		if (type == JSON_T_OBJECT && name_twice(t, i, c))
			return refuse(err, N_("jq would drop a member: its "
					      "name is there twice"));
		ret = check(t, c, err);
	}
	return ret;
}

/* --- taking over what differs --- */

static int merge(struct json_tree *t, uint32_t i, const struct json_tree *u,
		 uint32_t k);

static uint32_t same_name(const struct json_tree *t, uint32_t obj,
			  const struct json_tree *u, uint32_t k)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	size_t n;
	const char *key = json_key(u, k, &n);

	json_text_decode(key, n, &name);
	return json_member(t, obj, name.buf, name.len);
}

static int merge_objects(struct json_tree *t, uint32_t i,
			 const struct json_tree *u, uint32_t k)
{
	int ret = 0;

	for (uint32_t c = json_child(t, i); c; c = json_next(t, c))
		if (!same_name(u, k, t, c))
			json_edit_remove(t, c);
	for (uint32_t c = json_child(u, k); c && ret >= 0;
	     c = json_next(u, c)) {
		uint32_t old = same_name(t, i, u, c);
		size_t kn, n;
		const char *key = json_key(u, c, &kn), *v;

		if (old) {
			ret = merge(t, old, u, c);
			continue;
		}
		v = json_raw(u, c, &n);
		ret = json_edit_member(t, i, key, kn, v, n, true);
	}
	return ret;
}

static int merge_arrays(struct json_tree *t, uint32_t i,
			const struct json_tree *u, uint32_t k)
{
	uint32_t a = json_child(t, i), b = json_child(u, k);
	int ret = 0;

	for (; a && b && ret >= 0; a = json_next(t, a), b = json_next(u, b))
		ret = merge(t, a, u, b);
	return ret;
}

static int merge(struct json_tree *t, uint32_t i, const struct json_tree *u,
		 uint32_t k)
{
	enum json_node_type type = json_type_of(t, i);
	const char *v;
	size_t n;

	if (json_equal(t, i, u, k))
		return 0;
	if (type == json_type_of(u, k)) {
		if (type == JSON_T_OBJECT)
			return merge_objects(t, i, u, k);
		if (type == JSON_T_ARRAY &&
		    json_count(t, i) == json_count(u, k))
			return merge_arrays(t, i, u, k);
	}
	v = json_raw(u, k, &n);
	return json_edit_replace(t, i, v, n, true);
}

#ifdef HAVE_JQ
#include <jq.h>

#define MACHINES 8

struct json_jq {
	char *program;
	pthread_mutex_t lock;
	jq_state *idle[MACHINES];
	size_t n;
};

bool json_jq_available(void)
{
	return true;
}

static void take_message(void *ctx, jv msg)
{
	struct strbuf *out = ctx;

	if (out && jv_get_kind(msg) == JV_KIND_STRING && !out->len)
		strbuf_add_escaped(out, jv_string_value(msg),
				   strcspn(jv_string_value(msg), "\n"));
	jv_free(msg);
}

/* NULL: the program is wrong, and why says how (may be NULL) */
static jq_state *machine(const char *program, struct strbuf *why)
{
	jq_state *jq = jq_init();

	if (!jq)
		die("no memory for jq");
	jq_set_error_cb(jq, take_message, why);
	if (jq_compile(jq, program)) {
		/* from now on values may be in its messages */
		jq_set_error_cb(jq, take_message, NULL);
		return jq;
	}
	jq_teardown(&jq);
	return NULL;
}

int json_jq_new(const char *program, struct json_jq **ret, struct error *err)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	jq_state *jq = machine(program, &why);
	struct json_jq *q;

	if (!jq)
		return error_set(err, ERR_PLAN_VALUE, -EINVAL, "%s", why.buf);
	q = xcalloc(1, sizeof(*q));
	q->program = xstrdup(program);
	(void)pthread_mutex_init(&q->lock, NULL);
	q->idle[q->n++] = jq;
	*ret = q;
	return 0;
}

void json_jq_free(struct json_jq *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->n; i++)
		jq_teardown(&q->idle[i]);
	(void)pthread_mutex_destroy(&q->lock);
	free(q->program);
	free(q);
}

static jq_state *take_machine(struct json_jq *q)
{
	jq_state *jq = NULL;

	(void)pthread_mutex_lock(&q->lock);
	if (q->n)
		jq = q->idle[--q->n];
	(void)pthread_mutex_unlock(&q->lock);
	return jq ? jq : machine(q->program, NULL);
}

static void give_machine(struct json_jq *q, jq_state *jq)
{
	(void)pthread_mutex_lock(&q->lock);
	if (q->n < MACHINES)
		q->idle[q->n++] = TAKE_PTR(jq);
	(void)pthread_mutex_unlock(&q->lock);
	if (jq)
		jq_teardown(&jq);
}

/* exactly one value; takes in */
static int run(jq_state *jq, jv in, jv *ret, struct error *err)
{
	jv more;

	jq_start(jq, in, 0);
	*ret = jq_next(jq);
	if (!jv_is_valid(*ret)) {
		bool failed = jv_invalid_has_msg(jv_copy(*ret));

		jv_free(*ret);
		return refuse(err, failed ? N_("the filter fails for this "
			"value") : N_("the filter gives no value for this "
			"one"));
	}
	more = jq_next(jq);
	if (!jv_is_valid(more) && !jv_invalid_has_msg(jv_copy(more)) &&
	    !jq_halted(jq)) {
		jv_free(more);
		return 0;
	}
	jv_free(more);
	jv_free(*ret);
	return refuse(err, N_("the filter gives more than one value"));
}

static int filter(struct json_jq *q, const struct strbuf *text,
		  struct strbuf *out, struct error *err)
{
	jv in = jv_parse_sized(text->buf, (int)text->len), res;
	jq_state *jq;
	int ret;

	if (!jv_is_valid(in)) {
		jv_free(in);
		return refuse(err, N_("jq cannot read this value"));
	}
	jq = take_machine(q);
	ret = run(jq, in, &res, err);
	give_machine(q, jq);
	if (ret < 0)
		return ret;
	res = jv_dump_string(res, 0);
	strbuf_add(out, jv_string_value(res),
		   (size_t)jv_string_length_bytes(jv_copy(res)));
	jv_free(res);
	return 0;
}
#else
struct json_jq {
	char unused;
};

bool json_jq_available(void)
{
	return false;
}

int json_jq_new(const char *program, struct json_jq **ret, struct error *err)
{
	(void)program;
	(void)ret;
	return error_set(err, ERR_PLAN_VALUE, -EINVAL,
			 _("this upshift was built without jq"));
}

void json_jq_free(struct json_jq *q)
{
	free(q);
}

static int filter(struct json_jq *q, const struct strbuf *text,
		  struct strbuf *out, struct error *err)
{
	(void)q;
	(void)text;
	(void)out;
	return refuse(err, N_("this upshift was built without jq"));
}
#endif

int json_jq_apply(struct json_jq *q, struct json_tree *t, uint32_t i,
		  bool *changed, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
	struct json_tree u;
	int ret = check(t, i, err);

	if (ret < 0)
		return ret;
	json_edit_text(t, i, &text);
	if (text.len > INT_MAX)
		return refuse(err, N_("the value is too large for jq"));
	ret = filter(q, &text, &out, err);
	if (ret < 0)
		return ret;
	json_tree_init(&u);
	ret = json_tree_parse(&u, out.buf, out.len);
	if (ret < 0) {
		ret = refuse(err, N_("the filter gives no valid JSON"));
	} else if (!json_equal(t, i, &u, JSON_ROOT)) {
		*changed = true;
		ret = merge(t, i, &u, JSON_ROOT);
		if (ret < 0)
			ret = refuse(err, N_("the value becomes too large"));
	}
	json_tree_release(&u);
	return ret;
}
