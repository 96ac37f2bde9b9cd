/* SPDX-License-Identifier: MIT */
#include "json-op.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-edit.h"
#include "json-text.h"

const char *const json_op_names[] = {
	"add", "remove", "replace", "move", "copy", "test", "rename",
	"default", "map", "convert", "secret", NULL,
};

int json_literal_init(struct json_literal *l, char *text)
{
	json_tree_init(&l->tree);
	l->len = strlen(text);
	if (json_tree_parse(&l->tree, text, l->len) < 0) {
		json_tree_release(&l->tree);
		return -EINVAL;
	}
	l->text = text;
	return 0;
}

void json_literal_release(struct json_literal *l)
{
	if (l->text)
		json_tree_release(&l->tree);
	free(l->text);
	memset(l, 0, sizeof(*l));
}

void json_op_release(struct json_op *op)
{
	free(op->path);
	free(op->from);
	strvec_release(&op->path_parts);
	strvec_release(&op->from_parts);
	json_filter_free(op->where);
	json_literal_release(&op->value);
	free(op->to);
	for (size_t i = 0; i < op->map_n * 2; i++)
		json_literal_release(&op->map[i]);
	free(op->map);
	free(op->name);
	free(op->leave);
	json_literal_release(&op->key);
}

void json_op_ready(struct json_op *op)
{
	struct strbuf token = STRBUF_INIT;
	size_t n = op->path_parts.n;
	const char *name = op->type == JSON_OP_RENAME ? op->to :
		n ? op->path_parts.v[n - 1] : NULL;

	if (!name)
		return;
	json_text_encode(name, strlen(name), &token);
	/* bytes that are no UTF-8 cannot be put anywhere */
	if (json_literal_init(&op->key, token.buf) < 0)
		strbuf_release(&token);
}

bool json_op_is_outer(const struct json_op *op)
{
	switch (op->type) {
	case JSON_OP_REMOVE:
	case JSON_OP_SECRET:
		return !op->path_parts.n;
	case JSON_OP_RENAME:
	case JSON_OP_MOVE:
		return !op->from_parts.n;
	default:
		return false;
	}
}

/* --- finding --- */

/* digits without a leading zero; UINT64_MAX: no index */
static uint64_t index_of(const char *part)
{
	size_t n = strspn(part, "0123456789");
	uint64_t v = 0;

	if (!n || part[n] || n > 15 || (*part == '0' && n > 1))
		return UINT64_MAX;
	for (; *part; part++)
		v = v * 10 + (uint64_t)(*part - '0');
	return v;
}

static uint32_t step_down(const struct json_tree *t, uint32_t node,
			  const char *part, bool *twice)
{
	switch (json_type_of(t, node)) {
	case JSON_T_OBJECT:
		return json_member_twice(t, node, part, strlen(part), twice);
	case JSON_T_ARRAY:
		return json_element(t, node, index_of(part));
	default:
		return 0;
	}
}

uint32_t json_op_find(const struct json_tree *t, uint32_t node,
		      const struct strvec *parts, size_t n, bool *twice)
{
	for (size_t i = 0; node && i < n; i++)
		node = step_down(t, node, parts->v[i], twice);
	return node;
}

struct run {
	struct json_tree *t;
	uint32_t node;
	const struct json_op *op;
	const struct json_op_hooks *hooks;
	bool changed;
	struct error *err;
};

static int refuse(struct run *r, const char *why)
{
	return error_set(r->err, ERR_STEP, -EINVAL, "%s", _(why));
}

static int find(struct run *r, const struct strvec *parts, size_t n,
		uint32_t *ret)
{
	bool twice = false;

	*ret = json_op_find(r->t, r->node, parts, n, &twice);
	return twice ? refuse(r, N_("the name is there twice")) : 0;
}

static int find_there(struct run *r, const struct strvec *parts, uint32_t *ret)
{
	int c = find(r, parts, parts->n, ret);

	return c < 0 || *ret ? c : refuse(r, N_("there is no such value"));
}

/* what is there, and what it stands in; parts are one at least */
static int find_both(struct run *r, const struct strvec *parts, uint32_t *up,
		     uint32_t *ret)
{
	bool twice = false;

	*up = json_op_find(r->t, r->node, parts, parts->n - 1, &twice);
	*ret = *up ? step_down(r->t, *up, parts->v[parts->n - 1], &twice) : 0;
	return twice ? refuse(r, N_("the name is there twice")) : 0;
}

static bool same(struct run *r, uint32_t i, const struct json_literal *v)
{
	return json_equal(r->t, i, &v->tree, JSON_ROOT);
}

/* --- operations --- */

static int edited(struct run *r, int ret)
{
	r->changed = true;
	return ret < 0 ? refuse(r, N_("the value becomes too large")) : 0;
}

/* what is put in: a text, or a value of the plan, which is laid out */
struct put {
	const char *json;
	size_t n;
	const struct json_literal *value;
};

static uint32_t graft(struct run *r, const struct put *w)
{
	return w->value ? json_tree_graft_tree(r->t, &w->value->tree) :
		json_tree_graft(r->t, w->json, w->n);
}

/* under the last part of the operation's path */
static int put_member(struct run *r, uint32_t obj, const struct put *w)
{
	uint32_t key = json_tree_graft_tree(r->t, &r->op->key.tree);

	return edited(r, json_edit_member_node(r->t, obj, key, graft(r, w),
					       w->value));
}

static int put_there(struct run *r, uint32_t i, const struct put *w)
{
	return edited(r, json_edit_replace_node(r->t, i, graft(r, w),
						w->value));
}

static int put_value(struct run *r, uint32_t i, const struct json_literal *v)
{
	return put_there(r, i, &(struct put) { .value = v });
}

static int put_element(struct run *r, uint32_t arr, const char *part,
		       const struct put *w)
{
	uint64_t count = json_count(r->t, arr);
	uint64_t at = strcmp(part, "-") ? index_of(part) : count;

	if (at == UINT64_MAX)
		return refuse(r, N_("the value above is an array, and this is "
				    "no index"));
	if (at > count)
		return refuse(r, N_("the index is behind the end of the "
				    "array"));
	return edited(r, json_edit_element_node(r->t, arr, at, graft(r, w),
						w->value));
}

/* RFC 6902, 4.1 */
static int put(struct run *r, const struct put *w)
{
	const struct strvec *parts = &r->op->path_parts;
	const char *last;
	uint32_t up, i = r->node;
	int ret = parts->n ? find(r, parts, parts->n - 1, &up) : 0;

	if (ret < 0)
		return ret;
	last = parts->n ? parts->v[parts->n - 1] : NULL;
	if (last && up && json_type_of(r->t, up) == JSON_T_ARRAY)
		return put_element(r, up, last, w);
	if (last && (!up || json_type_of(r->t, up) != JSON_T_OBJECT))
		return refuse(r, N_("there is nothing to put it into"));
	if (last) {
		ret = find(r, parts, parts->n, &i);
		if (ret < 0)
			return ret;
		if (!i)
			return put_member(r, up, w);
	}
	if (w->value && same(r, i, w->value))
		return 0;
	return put_there(r, i, w);
}

static int do_default(struct run *r)
{
	const struct strvec *parts = &r->op->path_parts;
	uint32_t up, i;
	int ret = find_both(r, parts, &up, &i);

	if (ret < 0 || i)
		return ret;
	if (!up || json_type_of(r->t, up) != JSON_T_OBJECT)
		return refuse(r, N_("there is nothing to put it into"));
	return put_member(r, up, &(struct put) { .value = &r->op->value });
}

static int do_remove(struct run *r, uint32_t i)
{
	if (i == JSON_ROOT)
		return refuse(r, N_("the document itself cannot be removed"));
	json_edit_remove(r->t, i);
	r->changed = true;
	return 0;
}

static bool is_below(const struct strvec *path, const struct strvec *above)
{
	for (size_t i = 0; i < above->n; i++)
		if (i >= path->n || strcmp(path->v[i], above->v[i]) != 0)
			return false;
	return true;
}

static int do_move(struct run *r)
{
	const struct json_op *op = r->op;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	uint32_t i;
	int ret = find_there(r, &op->from_parts, &i);

	if (ret < 0)
		return ret;
	if (is_below(&op->path_parts, &op->from_parts)) {
		if (op->path_parts.n == op->from_parts.n)
			return 0;
		if (op->type == JSON_OP_MOVE)
			return refuse(r, N_("a value cannot be moved into "
					    "itself"));
	}
	json_edit_text(r->t, i, &text);
	if (op->type == JSON_OP_MOVE)
		ret = do_remove(r, i);
	return ret < 0 ? ret :
		put(r, &(struct put) { .json = text.buf, .n = text.len });
}

static int do_rename(struct run *r)
{
	const struct json_op *op = r->op;
	size_t n = strlen(op->to);
	uint32_t i, up;
	int ret = find_both(r, &op->from_parts, &up, &i);

	if (ret < 0 || !i)
		return ret < 0 ? ret : refuse(r, N_("there is no such value"));
	if (json_type_of(r->t, up) != JSON_T_OBJECT)
		return refuse(r, N_("an element of an array has no name"));
	if (json_key_is(r->t, i, op->to, n))
		return 0;
	if (json_member(r->t, up, op->to, n))
		return refuse(r, N_("the new name is there already"));
	return edited(r, json_edit_rename_node(r->t, i,
				json_tree_graft_tree(r->t, &op->key.tree)));
}

static int do_map(struct run *r, uint32_t i)
{
	const struct json_op *op = r->op;
	const struct json_literal *to = NULL;

	for (size_t k = 0; k < op->map_n && !to; k++)
		if (same(r, i, &op->map[2 * k]))
			to = &op->map[2 * k + 1];
	if (!to && op->otherwise == JSON_FAIL)
		return refuse(r, N_("the value is none of those in 'values'"));
	if (!to && op->otherwise == JSON_VALUE)
		to = &op->value;
	if (!to || same(r, i, to))
		return 0;
	return put_value(r, i, to);
}

static int do_convert(struct run *r, uint32_t i)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	size_t n = 0;
	const char *raw = json_raw(r->t, i, &n);
	int ret = json_convert_value(r->t, i, r->op->convert, &text, r->err);

	if (ret < 0 || (raw && text.len == n && !memcmp(raw, text.buf, n)))
		return ret;
	return edited(r, json_edit_replace(r->t, i, text.buf, text.len,
					   false));
}

/* --- secrets --- */

static int leave(struct run *r, uint32_t i, const char *text, size_t n)
{
	_cleanup_strbuf_ struct strbuf token = STRBUF_INIT;

	switch (r->op->leave_what) {
	case JSON_LEAVE_NOTHING:
		return do_remove(r, i);
	case JSON_LEAVE_NULL:
		return edited(r, json_edit_replace(r->t, i, "null", 4, false));
	case JSON_LEAVE_TEXT:
		break;
	}
	json_text_encode(text, n, &token);
	return edited(r, json_edit_replace(r->t, i, token.buf, token.len,
					   false));
}

/* name and what is left, filled in */
static int secret_names(struct run *r, struct strbuf *name,
			struct strbuf *left)
{
	const char *extra[] = { "name", NULL, NULL };
	const char *why;
	int ret = json_template_fill(r->op->name, r->t, r->node, NULL, name,
				     r->err);

	if (ret < 0)
		return ret;
	why = json_name_refused(name->buf, name->len);
	if (why)
		return refuse(r, why);
	extra[1] = name->buf;
	return r->op->leave_what == JSON_LEAVE_TEXT ?
		json_template_fill(r->op->leave, r->t, r->node, extra, left,
				   r->err) : 0;
}

static int do_secret(struct run *r, uint32_t i)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT, left = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	enum json_node_type type = json_type_of(r->t, i);
	int ret;

	/* nothing that would be secret */
	if (type == JSON_T_NULL)
		return 0;
	if (type == JSON_T_STRING)
		json_string(r->t, i, &text);
	else
		json_edit_text(r->t, i, &text);
	if (!text.len)
		return 0;
	ret = secret_names(r, &name, &left);
	if (ret < 0)
		return ret;
	/* taken out before */
	if (type == JSON_T_STRING && r->op->leave_what == JSON_LEAVE_TEXT &&
	    text.len == left.len && !memcmp(text.buf, left.buf, left.len))
		return 0;
	if (r->hooks && r->hooks->secret)
		ret = r->hooks->secret(r->hooks->ctx, r->op, name.buf,
				       text.buf, text.len, r->err);
	return ret < 0 ? ret : leave(r, i, left.buf, left.len);
}

/* --- all of them --- */

static int on_value(struct run *r)
{
	uint32_t i;
	int ret = find_there(r, &r->op->path_parts, &i);

	if (ret < 0)
		return ret;
	switch (r->op->type) {
	case JSON_OP_REMOVE:
		return do_remove(r, i);
	case JSON_OP_REPLACE:
		if (same(r, i, &r->op->value))
			return 0;
		return put_value(r, i, &r->op->value);
	case JSON_OP_TEST:
		return same(r, i, &r->op->value) ? 0 :
			refuse(r, N_("the value is another one"));
	case JSON_OP_MAP:
		return do_map(r, i);
	case JSON_OP_CONVERT:
		return do_convert(r, i);
	default:
		return do_secret(r, i);
	}
}

static int apply_one(struct run *r)
{
	switch (r->op->type) {
	case JSON_OP_ADD:
		return put(r, &(struct put) { .value = &r->op->value });
	case JSON_OP_DEFAULT:
		return do_default(r);
	case JSON_OP_MOVE:
	case JSON_OP_COPY:
		return do_move(r);
	case JSON_OP_RENAME:
		return do_rename(r);
	default:
		return on_value(r);
	}
}

int json_ops_apply(const struct json_op *ops, size_t n, struct json_tree *t,
		   uint32_t node, const struct json_op_hooks *hooks,
		   bool *changed, struct error *err)
{
	struct run r = { .t = t, .node = node, .hooks = hooks, .err = err };
	int ret = 0;

	for (size_t i = 0; i < n && ret >= 0; i++) {
		r.op = &ops[i];
		/* an operation ahead of this one took the value itself away */
		if (!json_is_live(t, node))
			break;
		if (r.op->where && !json_filter_test(r.op->where, t, node))
			continue;
		ret = apply_one(&r);
		if (ret < 0)
			error_prefix(err, _("operation %zu, %s '%s'"), i + 1,
				     json_op_names[r.op->type],
				     r.op->from ? r.op->from : r.op->path);
	}
	*changed |= r.changed;
	return ret;
}
