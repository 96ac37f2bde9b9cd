/* SPDX-License-Identifier: MIT */
/*
 * The rows of a step that were refused: shown as JSON lines, and tried again,
 * as the source has them now or as somebody has mended those lines. A line is
 *
 *	{"key": ..., "sqlstate": ..., "message": ..., "at": ..., "record":
 *	 {"column": value, ...}}
 *
 * of which key and record count when it comes back; see upshift(1). A line of
 * the source that is no record has its number and its bytes in place of record:
 *
 *	"line": 17, "text": "..."   or   "line": 17, "base64": "..."
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "records-copy-internal.h"
#include "records-retry.h"
#include "step-keep.h"
#include "step-records.h"

/* more of them stand in the table alone */
#define KEPT_MOST 10000

/* --- lines --- */

static int add_line(void *ctx, const struct records_reject_line *l,
		    struct error *err)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct json_object *rec = NULL;
	uint64_t line = store_key_line(l->key);

	json_set_str(o, "key", l->key);
	json_set_str(o, "sqlstate", l->sqlstate);
	json_set_str(o, "message", l->message);
	json_set_str(o, "at", l->at);
	if (l->record && json_parse(l->record, strlen(l->record), &rec,
				    err) < 0)
		return -EINVAL;
	if (line)
		json_set_int(o, "line", (int64_t)line);
	if (json_object_is_type(rec, json_type_array)) {
		json_set_str(o, json_object_get_string(
			json_object_array_get_idx(rec, 0)),
			json_object_get_string(
			json_object_array_get_idx(rec, 1)));
		json_object_put(rec);
	} else {
		json_object_object_add(o, "record", rec);
	}
	json_print(o, ctx);
	strbuf_addch(ctx, '\n');
	return 0;
}

int step_records_rejects(const struct step *s, struct step_ctx *ctx,
			 struct strbuf *out, struct error *err)
{
	const struct records_step *m = s->priv;
	_cleanup_store_ struct store *to = NULL;
	struct step_records_job j;
	int ret = step_store(ctx, m->to.store->name, true, &to, err);

	if (ret < 0)
		return ret;
	step_records_job_init(s, ctx, &j);
	ret = records_rejects(j.marks, to, add_line, out, err);
	step_records_job_release(&j);
	return ret;
}

int step_records_keep_rejects(const struct step *s, struct step_ctx *ctx,
			      uint64_t n, struct error *err)
{
	_cleanup_free_ char *name = xasprintf("quarantine/%s.jsonl", s->id);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int ret = n > KEPT_MOST ? 0 :
		  step_records_rejects(s, ctx, &text, err);

	return ret < 0 ? ret : step_keep(ctx, name, text.buf, text.len, err);
}

/* --- lines that were mended --- */

struct mended {
	const struct store_shape *to;
	struct records_mended rows;
	unsigned int line;
};

static int wrong(const struct mended *m, struct error *err, const char *what)
{
	return error_set(err, ERR_USAGE, -EINVAL, _("line %u: %s"), m->line,
			 what);
}

static int nibble(char c)
{
	const char *p = c ? strchr("0123456789abcdef", c | 0x20) : NULL;

	return p ? (int)(p - "0123456789abcdef") : -1;
}

/* {"hex": "00ff"}: what is no text; {"bytes": "\\x00ff"}: bytes */
static int add_special(struct mended *m, struct json_object *v,
		       struct error *err)
{
	const char *hex = json_get_str(v, "hex", NULL);
	const char *bytes = json_get_str(v, "bytes", NULL);
	_cleanup_strbuf_ struct strbuf raw = STRBUF_INIT;

	if (bytes) {
		store_batch_add(&m->rows.rows, STORE_BYTES, bytes, strlen(bytes));
		return 0;
	}
	for (; hex && hex[0]; hex += 2) {
		int a = nibble(hex[0]), b = nibble(hex[1]);

		if (a < 0 || b < 0)
			return wrong(m, err, _("'hex' takes pairs of digits"));
		strbuf_addch(&raw, (char)(a << 4 | b));
	}
	if (hex)
		store_batch_add(&m->rows.rows, STORE_TEXT, raw.buf, raw.len);
	else
		store_batch_add(&m->rows.rows, STORE_JSON, json_object_to_json_string(v),
				strlen(json_object_to_json_string(v)));
	return 0;
}

static int add_value(struct mended *m, struct json_object *v,
		     struct error *err)
{
	const char *t = v ? json_object_get_string(v) : NULL;
	enum store_type type = STORE_TEXT;

	switch (json_object_get_type(v)) {
	case json_type_object:
		return add_special(m, v, err);
	case json_type_boolean:
		type = STORE_BOOL;
		t = json_object_get_boolean(v) ? "t" : "f";
		break;
	case json_type_int:
		type = STORE_INT;
		break;
	case json_type_double:
		type = STORE_NUM;
		break;
	case json_type_array:
		type = STORE_JSON;
		break;
	case json_type_null:
	case json_type_string:
		break;
	}
	store_batch_add(&m->rows.rows, type, t, !t ? 0 : type == STORE_TEXT ?
			(size_t)json_object_get_string_len(v) : strlen(t));
	return 0;
}

/* every column, and no others */
static int add_record(struct mended *m, struct json_object *rec,
		      struct error *err)
{
	int ret = 0;

	if (!json_object_is_type(rec, json_type_object))
		return wrong(m, err, _("'record' must be an object"));
	for (uint32_t i = 0; ret == 0 && i < m->to->ncol; i++) {
		struct json_object *v;

		if (!json_object_object_get_ex(rec, m->to->col[i], &v))
			return error_set(err, ERR_USAGE, -EINVAL,
				_("line %u: '%s' is missing"), m->line,
				m->to->col[i]);
		ret = add_value(m, v, err);
	}
	if (ret == 0 && json_object_object_length(rec) != (int)m->to->ncol)
		return wrong(m, err, _("the record has columns that are not "
				       "copied"));
	return ret;
}

/* the bytes of a line, to be parsed as one; 0: it has none */
static int add_text(struct mended *m, struct json_object *o,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf raw = STRBUF_INIT;
	const char *code = json_get_str(o, "base64", NULL);
	struct json_object *text = json_get(o, "text");

	if (json_get(o, "record") || (!code && !text))
		return 0;
	if (!text && base64_decode(code, strlen(code), &raw) < 0)
		return wrong(m, err, _("'base64' has other characters"));
	if (text && !json_object_is_type(text, json_type_string))
		return wrong(m, err, _("'text' must be a text"));
	if (text)
		strbuf_add(&raw, json_object_get_string(text),
			   (size_t)json_object_get_string_len(text));
	store_batch_add(&m->rows.lines, STORE_BYTES, raw.buf, raw.len);
	for (uint32_t i = 0; i < m->to->ncol; i++)
		store_batch_add(&m->rows.rows, STORE_TEXT, NULL, 0);
	return 1;
}

static int take_line(struct mended *m, const char *p, size_t n,
		     struct error *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_error_ struct error why = ERROR_INIT;
	const char *key;
	int ret;

	m->line++;
	if (!n)
		return 0;
	if (json_parse(p, n, &o, &why) < 0 ||
	    !json_object_is_type(o, json_type_object))
		return wrong(m, err, why.msg ? why.msg :
			     _("an object is needed"));
	key = json_get_str(o, "key", NULL);
	if (!key)
		return wrong(m, err, _("'key' is missing"));
	strvec_push(&m->rows.keys, key);
	ret = add_text(m, o, err);
	if (ret != 0)
		return MIN(ret, 0);
	store_batch_add(&m->rows.lines, STORE_TEXT, NULL, 0);
	return add_record(m, json_get(o, "record"), err);
}

static int take_text(struct mended *m, const char *p, size_t n,
		     struct error *err)
{
	int ret = 0;

	store_batch_clear(&m->rows.rows, m->to->ncol);
	store_batch_clear(&m->rows.lines, 1);
	while (n && ret == 0) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;

		ret = take_line(m, p, len, err);
		len += nl != NULL;
		p += len;
		n -= len;
	}
	return ret;
}

/* --- again --- */

static void say(struct step_ctx *ctx, const struct strvec *keys,
		const char *what)
{
	for (size_t i = 0; i < keys->n; i++) {
		uint64_t line = store_key_line(keys->v[i]);
		_cleanup_free_ char *text = line ?
			xasprintf(_("line %ju: %s"), (uintmax_t)line, what) :
			xasprintf("%s: %s", keys->v[i], what);

		step_log(ctx, "note", text, strlen(text));
	}
}

static int again(const struct step *s, struct step_ctx *ctx,
		 struct step_records_job *j, struct step_retry *r,
		 struct error *err)
{
	const struct records_step *m = s->priv;
	struct records_watch w = { .ctx = ctx, .throttle = &m->throttle };
	struct mended mended = { .to = &j->job.to };
	struct records_retried res = { .passed = 0 };
	int ret = r->text ? take_text(&mended, r->text, r->len, err) : 0;

	j->job.tick = step_records_tick;
	j->job.note = step_records_note;
	j->job.ctx = &w;
	if (ret == 0)
		ret = records_retry(&j->job, r->text ? &mended.rows : NULL,
				    &res, err);
	store_close(w.lag);
	r->passed = res.passed;
	r->gone = res.gone;
	r->left = res.left;
	say(ctx, &res.gone_keys, _("it is not in the source any more"));
	say(ctx, &res.unknown_keys, _("it was not refused, or went since"));
	records_retried_release(&res);
	records_mended_release(&mended.rows);
	return ret;
}

int step_records_retry(const struct step *s, struct step_ctx *ctx,
		       struct step_retry *r, struct error *err)
{
	const struct records_step *m = s->priv;
	struct records_errors errors = { .n = 0 };
	struct step_records_job j;
	int ret;

	if (r->text && m->backfill)
		return error_set(err, ERR_USAGE, -EINVAL,
			_("the rows of '%s' are mended where they are"),
			plan_set_name(&m->to));
	ret = step_records_ready(s, ctx, &j, err);
	j.job.errors = &errors;
	if (ret == 0)
		ret = again(s, ctx, &j, r, err);
	if (ret == 0)
		ret = step_records_count(s, ctx, &j, r->gone, err);
	records_errors_release(&errors);
	step_records_job_release(&j);
	return ret;
}
