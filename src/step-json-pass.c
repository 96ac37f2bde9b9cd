/* SPDX-License-Identifier: MIT */
/*
 * One pass over one file: select, hold what is expected before, edit, hold
 * what is expected after, write. Records are worked on in several threads
 * (json-stream.h); what they find is merged in the order of the file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "json-edit.h"
#include "json-jq.h"
#include "json-scan.h"
#include "step-json-internal.h"

#define READ_BYTES 65536u
/* a sample is for the eye */
#define SAMPLE_BYTES 120u
/* what is kept of bad records at all */
#define BAD_BYTES (64u * 1024u * 1024u)

struct bad {
	uint64_t line;
	char *reason, *text;
	size_t len;
};

struct batch {
	struct json_nodes nodes;
	struct json_splices splices;
	struct json_held before, after;
	struct json_secrets secrets;
	uint64_t selected, left, changed, records, spliced;
	struct json_sample *samples;
	size_t sample_n;
	struct bad *bad;
	size_t bad_n, bad_cap;
};

struct pass_run {
	struct json_pass *p;
	enum json_stream_mode mode;
};

void json_pass_init(struct json_pass *p, const struct json_step *m,
		    struct step_ctx *c)
{
	memset(p, 0, sizeof(*p));
	p->m = m;
	p->c = c;
	p->out_fd = -1;
	strbuf_init(&p->bad);
	p->hash = xxh_stream_new();
}

static void samples_free(struct json_sample *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].before);
		free(v[i].after);
	}
	free(v);
}

void json_pass_release(struct json_pass *p)
{
	strbuf_release(&p->bad);
	samples_free(p->samples, p->sample_n);
	xxh_stream_free(p->hash);
}

/* --- batches --- */

static void *batch_new(void *ctx)
{
	const struct pass_run *r = ctx;
	struct batch *b = xcalloc(1, sizeof(*b));

	strbuf_init(&b->splices.text);
	json_secrets_init(&b->secrets);
	json_held_init(&b->before, r->p->before);
	json_held_init(&b->after, r->p->after);
	return b;
}

static void batch_free(void *batch)
{
	struct batch *b = batch;

	json_nodes_release(&b->nodes);
	json_splices_release(&b->splices);
	json_held_release(&b->before);
	json_held_release(&b->after);
	json_secrets_release(&b->secrets);
	samples_free(b->samples, b->sample_n);
	for (size_t i = 0; i < b->bad_n; i++) {
		free(b->bad[i].reason);
		free(b->bad[i].text);
	}
	free(b->bad);
	free(b);
}

static int take_secret(void *ctx, const struct json_op *op, const char *name,
		       const char *text, size_t n, struct error *err)
{
	struct batch *b = ctx;

	return json_secrets_add(&b->secrets, op->store, name, text, n, err);
}

static void find(const struct pass_run *r, const struct json_tree *t,
		 struct json_nodes *out)
{
	out->n = 0;
	if (r->mode == JSON_ELEMENTS)
		json_path_select_element(r->p->m->select, t, JSON_ROOT, out);
	else
		json_path_select(r->p->m->select, t, JSON_ROOT, out);
}

static int hold_all(const struct json_holding *h, struct json_held *d,
		    const struct batch *b, const struct json_tree *t,
		    struct error *err)
{
	int ret = 0;

	for (size_t i = 0; h && i < b->nodes.n && ret >= 0; i++)
		ret = json_held_value(h, d, t, b->nodes.v[i], err);
	return ret;
}

static int edit(const struct pass_run *r, struct batch *b,
		struct json_tree *t, struct error *err)
{
	const struct json_step *m = r->p->m;
	struct json_op_hooks hooks = { .secret = take_secret, .ctx = b };
	int ret = 0;

	for (size_t i = 0; i < b->nodes.n && ret >= 0; i++) {
		bool changed = false;

		if (!json_is_live(t, b->nodes.v[i]))
			continue;
		ret = m->filter ? json_jq_apply(m->filter, t, b->nodes.v[i],
						&changed, err) :
			json_ops_apply(m->ops, m->op_n, t, b->nodes.v[i],
				       &hooks, &changed, err);
		b->changed += changed;
	}
	return ret;
}

/* --- what is shown --- */

static char *excerpt(const char *p, size_t n)
{
	struct strbuf s = STRBUF_INIT;

	strbuf_add_escaped(&s, p, MIN(n, SAMPLE_BYTES));
	if (n > SAMPLE_BYTES)
		strbuf_addstr(&s, "...");
	return strbuf_detach(&s);
}

static void take_samples(const struct pass_run *r, struct batch *b,
			 const struct json_record *rec)
{
	const struct json_splices *s = &b->splices;

	for (size_t i = 0; i < s->n && b->sample_n < r->p->sample_max; i++) {
		const struct json_splice *p = &s->v[i];

		if (!b->samples)
			b->samples = xcalloc(r->p->sample_max,
					     sizeof(*b->samples));
		b->samples[b->sample_n++] = (struct json_sample) {
			.offset = rec->offset + p->at,
			.before = excerpt(rec->text + p->at, p->removed),
			.after = excerpt(s->text.buf + p->text, p->len),
		};
	}
}

/* --- one record --- */

/* of a line; a whole document is looked at once more later on */
static int not_valid(const struct pass_run *r, const struct json_record *rec,
		     struct error *err)
{
	_cleanup_json_scan_ struct json_scan *s = NULL;
	struct json_place at = { 0 };
	const char *reason;

	if (r->mode != JSON_LINES)
		return -EINVAL;
	s = json_scan_new(NULL, NULL);
	if (json_scan_feed(s, rec->text, rec->len) >= 0)
		(void)json_scan_end(s);
	reason = json_scan_reason(s, &at);
	return error_set(err, ERR_JSON, -EINVAL, _("column %llu: %s"),
			 (unsigned long long)at.column,
			 reason ? _(reason) : "");
}

static int work(const struct pass_run *r, struct batch *b,
		const struct json_record *rec, struct error *err)
{
	const struct json_pass *p = r->p;
	struct json_tree *t = rec->tree;
	int ret;

	if (rec->parsed < 0)
		return rec->parsed == -EFBIG ?
			error_set(err, ERR_UNSUPPORTED, -EFBIG,
				  _("a record of more than 2 GiB cannot be "
				    "edited")) :
			not_valid(r, rec, err);
	find(r, t, &b->nodes);
	b->selected += b->nodes.n;
	ret = hold_all(p->before, &b->before, b, t, err);
	if (ret >= 0 && p->edit)
		ret = edit(r, b, t, err);
	if (ret < 0)
		return ret;
	if (t->v[JSON_ROOT].flags & JSON_DIRTY)
		find(r, t, &b->nodes);
	b->left += b->nodes.n;
	return hold_all(p->after, &b->after, b, t, err);
}

static void put_record(const struct pass_run *r, struct batch *b,
		       const struct json_record *rec, struct strbuf *out)
{
	json_splices_clear(&b->splices);
	if (rec->parsed >= 0)
		json_splices(rec->tree, &b->splices);
	b->spliced += b->splices.n;
	if (r->p->sample_max)
		take_samples(r, b, rec);
	json_splices_apply(&b->splices, rec->text, rec->len, out);
}

static void keep_bad(struct batch *b, const struct json_record *rec,
		     struct error *why)
{
	VEC_GROW(b->bad, b->bad_n, b->bad_cap);
	b->bad[b->bad_n++] = (struct bad) {
		.line = rec->line, .reason = xstrdup(why->msg),
		.text = xmemdup(rec->text, rec->len), .len = rec->len,
	};
	error_release(why);
}

static int on_record(void *ctx, void *batch, const struct json_record *rec,
		     struct strbuf *out, struct error *err)
{
	const struct pass_run *r = ctx;
	struct batch *b = batch;
	struct error why = ERROR_INIT;
	int ret = work(r, b, rec, &why);

	b->records++;
	if (ret >= 0) {
		put_record(r, b, rec, out);
		return 0;
	}
	if (r->mode == JSON_LINES && r->p->m->quarantine) {
		keep_bad(b, rec, &why);
		strbuf_add(out, rec->text, rec->len);
		return 0;
	}
	/* which byte of the file that is, only a look at all of it tells */
	if (rec->parsed == -EINVAL && r->mode != JSON_LINES) {
		error_release(&why);
		return -EBADMSG;
	}
	error_move(err, &why);
	return ret;
}

/* --- in order --- */

static void merge_samples(struct json_pass *p, struct batch *b,
			  uint64_t offset)
{
	for (size_t i = 0; i < b->sample_n && p->sample_n < p->sample_max;
	     i++) {
		if (!p->samples)
			p->samples = xcalloc(p->sample_max,
					     sizeof(*p->samples));
		b->samples[i].offset += offset;
		p->samples[p->sample_n++] = b->samples[i];
		b->samples[i] = (struct json_sample) { 0 };
	}
}

static int merge_bad(struct json_pass *p, const struct batch *b, uint64_t line,
		     struct error *err)
{
	for (size_t i = 0; i < b->bad_n; i++) {
		_cleanup_json_ struct json_object *o = json_object_new_object();
		_cleanup_free_ char *text = xstrndup(b->bad[i].text,
						     b->bad[i].len);

		json_set_str(o, "file", p->path);
		json_set_int(o, "line", (int64_t)(line + b->bad[i].line));
		json_set_str(o, "reason", b->bad[i].reason);
		/* what is no record nobody can take a secret out of */
		if (!p->hide)
			json_set_bytes(o, "record", text);
		json_print(o, &p->bad);
		strbuf_addch(&p->bad, '\n');
		if (++p->bad_n <= (uint64_t)p->m->max_bad &&
		    p->bad.len <= BAD_BYTES)
			continue;
		return error_set(err, ERR_STEP, -EINVAL,
			_("%s:%llu: %s (and %llu bad records before it; "
			  "'max_bad' is %lld)"), p->path,
			(unsigned long long)(line + b->bad[i].line),
			b->bad[i].reason, (unsigned long long)p->bad_n - 1,
			(long long)p->m->max_bad);
	}
	return 0;
}

static int batch_end(void *ctx, void *batch, uint64_t line, uint64_t offset,
		     struct error *err)
{
	const struct pass_run *r = ctx;
	struct json_pass *p = r->p;
	struct batch *b = batch;
	int ret = 0;

	p->selected += b->selected;
	p->left += b->left;
	p->changed += b->changed;
	p->records += b->records;
	p->spliced += b->spliced;
	json_held_merge(p->before, &b->before);
	json_held_merge(p->after, &b->after);
	merge_samples(p, b, offset);
	for (size_t i = 0; p->secrets && i < b->secrets.n && ret >= 0; i++)
		ret = json_secrets_add(p->secrets, b->secrets.v[i].store,
				       b->secrets.v[i].name,
				       b->secrets.v[i].text,
				       b->secrets.v[i].len, err);
	return ret < 0 ? ret : merge_bad(p, b, line, err);
}

static int on_write(void *ctx, const char *buf, size_t n, struct error *err)
{
	const struct pass_run *r = ctx;
	int ret = 0;

	xxh_stream_add(r->p->hash, buf, n);
	if (r->p->out)
		strbuf_add(r->p->out, buf, n);
	if (r->p->out_fd >= 0)
		ret = fs_write_all(r->p->out_fd, buf, n);
	return ret < 0 ? error_errno(err, ERR_STEP, ret, _("cannot write")) :
		ret;
}

static int on_tick(void *ctx, uint64_t done, struct error *err)
{
	const struct pass_run *r = ctx;

	if (r->mode != JSON_WHOLE)
		step_records(r->p->c, r->p->recorded + r->p->records);
	step_progress(r->p->c, r->p->done + done, r->p->total, "bytes");
	if (step_cancelled(r->p->c))
		return error_set(err, ERR_CANCELLED, -ECANCELED,
				 _("stopped on request"));
	return 0;
}

/* --- the pass --- */

static enum json_stream_mode mode_of(const struct json_step *m,
				     struct strvec *names)
{
	if (m->lines)
		return JSON_LINES;
	for (size_t i = 0; i < m->op_n; i++)
		if (json_op_is_outer(&m->ops[i]))
			return JSON_WHOLE;
	return json_path_streams(m->select, names) ? JSON_ELEMENTS :
		JSON_WHOLE;
}

/* --- what is wrong, and where; read into what is wiped when it goes --- */

uint64_t json_line_of(int fd, uint64_t offset)
{
	_cleanup_strbuf_ struct strbuf buf = STRBUF_INIT;
	uint64_t at = 0, line = 1;

	strbuf_grow(&buf, READ_BYTES);
	while (at < offset) {
		ssize_t n = fs_pread_full(fd, buf.buf, (size_t)MIN(offset - at,
					  (uint64_t)READ_BYTES), (off_t)at);

		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			line += buf.buf[i] == '\n';
		at += (uint64_t)n;
	}
	return line;
}

/* the scanner says what is wrong, and where */
static int say_fault(const struct json_pass *p, int fd, struct error *err)
{
	_cleanup_json_scan_ struct json_scan *s = json_scan_new(NULL, NULL);
	_cleanup_strbuf_ struct strbuf buf = STRBUF_INIT;
	_cleanup_free_ char *shown = NULL;
	struct json_place place = { 0 };
	const char *reason;
	ssize_t n;
	uint64_t at = 0;
	int ret = 0;

	strbuf_grow(&buf, READ_BYTES);
	while (ret >= 0 && (n = fs_pread_full(fd, buf.buf, READ_BYTES,
					      (off_t)at)) > 0) {
		ret = json_scan_feed(s, buf.buf, (size_t)n);
		at += (uint64_t)n;
	}
	if (ret >= 0)
		ret = json_scan_end(s);
	reason = json_scan_reason(s, &place);
	if (ret >= 0 || !reason)
		return error_set(err, ERR_JSON, -EINVAL,
				 _("'%s' changed while it was read"), p->path);
	shown = escape_bytes(p->path);
	return error_set(err, ERR_JSON, -EINVAL, _("%s:%llu:%llu: %s (byte "
			 "%llu)"), shown, (unsigned long long)place.line,
			 (unsigned long long)place.column, _(reason),
			 (unsigned long long)place.offset);
}

static int say_where(const struct json_pass *p, int fd, int ret,
		     const struct json_stream_result *res, struct error *err)
{
	uint64_t line;

	if (ret == -EBADMSG)
		return say_fault(p, fd, err);
	if (ret == -ECANCELED || !res->failed_line)
		return ret;
	line = p->m->lines ? res->failed_line :
		json_line_of(fd, res->failed_offset);
	error_prefix(err, "%s:%llu", p->path, (unsigned long long)line);
	return ret;
}

int json_pass_run(struct json_pass *p, int fd, struct error *err)
{
	struct json_stream_ops ops = {
		.batch_new = batch_new, .record = on_record,
		.batch_end = batch_end, .batch_free = batch_free,
		.write = on_write, .tick = on_tick,
	};
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	struct pass_run r = { .p = p, .mode = mode_of(p->m, &names) };
	struct json_stream_result res;
	int ret;

	xxh_stream_reset(p->hash);
	p->records = 0;
	ret = json_stream(fd, r.mode, &names, &ops, &r, &res, err);
	p->digest = xxh_stream_end(p->hash);
	if (ret < 0)
		return say_where(p, fd, ret, &res, err);
	p->done += res.bytes;
	p->recorded += p->records;
	return 0;
}
