/* SPDX-License-Identifier: MIT */
/* Rows that did not go, with what the store said about them. */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "json-text.h"
#include "records-copy-internal.h"
#include "records-live.h"

#define DEFER_TRIES 10u
#define REJECTS "_upshift_reject"

int records_make_table(struct store *s, const char *name, const char *sql,
		       struct error *err)
{
	_cleanup_store_batch_ struct store_batch cols = STORE_BATCH_INIT;
	int ret = store_columns(s, name, &cols, err);

	if (ret != 0)
		return MIN(ret, 0);
	ret = store_exec(s, sql, NULL, NULL, err);
	/* of two at once one may be told that it is there */
	if (ret < 0 && store_columns(s, name, &cols, NULL) > 0)
		ret = 0;
	return MIN(ret, 0);
}

int records_reject_setup(_unused_ struct records_run *run, struct store *to,
			 struct error *err)
{
	return records_make_table(to, REJECTS, "CREATE TABLE IF NOT EXISTS "
		REJECTS " (step text NOT NULL, key text NOT NULL, "
		"sqlstate text NOT NULL, message text NOT NULL, record text, "
		"at timestamp DEFAULT CURRENT_TIMESTAMP, "
		"PRIMARY KEY (step, key))", err);
}

void records_reject_text(const struct records_worker *w, uint32_t row,
			 struct strbuf *out)
{
	const struct store_shape *to = &w->run->job->to;

	for (uint32_t i = 0; i < to->ncol; i++) {
		const struct store_cell *c = store_batch_cell(&w->out, row, i);
		const char *p = store_batch_text(&w->out, c);
		size_t n = p ? (size_t)c->len : 0;

		strbuf_addch(out, i ? ',' : '{');
		json_text_encode(to->col[i], strlen(to->col[i]), out);
		strbuf_addch(out, ':');
		if (!p) {
			strbuf_addstr(out, "null");
		} else if (c->type == STORE_INT && n <= 15) {
			strbuf_add(out, p, n);
		} else if (c->type == STORE_BOOL) {
			strbuf_addstr(out, *p == 't' ? "true" : "false");
		} else if (c->type == STORE_BYTES) {
			strbuf_addstr(out, "{\"bytes\":");
			json_text_encode(p, n, out);
			strbuf_addch(out, '}');
		} else if (utf8_valid(p, n) && !memchr(p, 0, n)) {
			json_text_encode(p, n, out);
		} else {
			/* what no text can hold */
			strbuf_addstr(out, "{\"hex\":\"");
			for (size_t k = 0; k < n; k++)
				strbuf_addf(out, "%02x", (unsigned char)p[k]);
			strbuf_addstr(out, "\"}");
		}
	}
	strbuf_addch(out, '}');
}

void records_line_text(const char *p, size_t n, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf code = STRBUF_INIT;

	if (utf8_valid(p, n) && !memchr(p, 0, n)) {
		strbuf_addstr(out, "[\"text\",");
		json_text_encode(p, n, out);
	} else {
		strbuf_addstr(out, "[\"base64\",");
		base64_encode(p, n, &code);
		json_text_encode(code.buf, code.len, out);
	}
	strbuf_addch(out, ']');
}

/* the line that the source has under the key; none for a row that cannot be
   read */
static int add_line(struct store *from, const char *key, struct strbuf *out,
		    struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int ret = store_line_text(from, key, &text, err);

	if (ret > 0)
		records_line_text(text.buf, text.len, out);
	return MIN(ret, 0);
}

int records_reject(struct records_worker *w, int row, const char *sqlstate,
		   const struct error *why, struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf record = STRBUF_INIT;
	const struct records_job *job = w->run->job;
	bool whole = row >= 0 && !job->sql_n;
	int ret = 0;

	if (row >= 0)
		store_key(&w->rows, (uint32_t)row, job->from.nkey, &key);
	else
		strbuf_addstr(&key, w->bad_key);
	if (whole)
		records_reject_text(w, (uint32_t)row, &record);
	else if (row < 0)
		ret = add_line(w->from, key.buf, &record, err);
	if (ret < 0)
		return ret;
	store_batch_clear(&args, 5);
	records_add_text(&args, job->marks);
	records_add_text(&args, key.buf);
	records_add_text(&args, sqlstate);
	records_add_text(&args, why && why->msg ? why->msg : "");
	records_add_text(&args, record.len ? record.buf : NULL);
	ret = store_exec(w->to, "INSERT INTO " REJECTS " (step, key, sqlstate, "
		"message, record) VALUES ($1, $2, $3, $4, $5)", &args, NULL,
		err);
	return MIN(ret, 0);
}

static int stopped(void *run)
{
	return atomic_load(&((struct records_run *)run)->stop);
}

static int add_keys(struct records_worker *w, const struct strvec *keys,
		    struct error *err)
{
	int ret = store_begin(w->queue, true, err);

	for (size_t i = 0; ret == 0 && i < keys->n; i++)
		ret = records_capture_add(w->run->job, w->queue, keys->v[i],
					  err);
	return ret == 0 ? store_commit(w->queue, err) : ret;
}

int records_defer(struct records_worker *w, const struct strvec *keys,
		  struct error *err)
{
	struct store_options o = w->run->job->from_options;
	int ret = 0;

	o.read_only = false;
	o.tick = stopped;
	o.ctx = w->run;
	for (unsigned int n = 0;; n++) {
		_cleanup_error_ struct error why = ERROR_INIT;

		if (!w->queue)
			ret = store_open(w->run->job->from_url, &o, &w->queue,
					 &why);
		if (ret == 0)
			ret = add_keys(w, keys, &why);
		if (ret == 0)
			return 0;
		store_close(w->queue);
		w->queue = NULL;
		if (n == DEFER_TRIES ||
		    (store_class(ret) != STORE_CLASS_RECONNECT &&
		     store_class(ret) != STORE_CLASS_RETRY)) {
			error_move(err, &why);
			return ret;
		}
		ret = 0;
		if (!records_nap(w->run, store_delay_ms(n), &w->lock_ns))
			return error_set(err, ERR_CANCELLED, -ECANCELED,
					 _("cancelled"));
	}
}

int records_reject_count(struct store *to, const char *marks, uint64_t *ret,
			 struct error *err)
{
	_cleanup_store_batch_ struct store_batch args = STORE_BATCH_INIT;
	_cleanup_store_batch_ struct store_batch b = STORE_BATCH_INIT;
	int n = store_columns(to, REJECTS, &b, err);

	*ret = 0;
	if (n <= 0)
		return n;
	store_batch_clear(&args, 1);
	records_add_text(&args, marks);
	n = store_exec(to, "SELECT count(*) FROM " REJECTS " WHERE step = $1",
		       &args, &b, err);
	if (n == 1)
		*ret = records_cell_number(&b, 0, 0);
	return MIN(n, 0);
}
