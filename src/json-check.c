/* SPDX-License-Identifier: MIT */
/*
 * Files through the scanner of json-scan.c. A file is read once, in pieces;
 * memory does not depend on its size.
 */
#include "json-scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "json-notes.h"

#define PIECE ((size_t)64 * 1024)
#define TICK_EVERY ((uint64_t)4 * 1024 * 1024)

struct check {
	struct json_scan *scan;
	struct json_notes *notes;       /* NULL: not asked for */
	const struct json_check_ops *ops;
	void *ctx;
	bool lines;
	/* JSONL: of the line we are in, and where it begins */
	uint64_t line, line_begin;
	uint64_t count;
};

static int scan_piece(struct check *c, const char *p, size_t n)
{
	return c->notes ? json_notes_feed(c->notes, p, n) :
		json_scan_feed(c->scan, p, n);
}

static void on_note(void *ctx, const struct json_place *where,
		    const char *what)
{
	const struct check *c = ctx;
	struct json_place at = *where;

	if (c->lines) {
		at.offset += c->line_begin;
		at.line = c->line;
	}
	c->ops->note(c->ctx, &at, what);
}

/* the document (lines: the line) is over */
static int document_end(struct check *c, bool torn)
{
	struct json_place at;
	const char *reason;
	int r = 0;

	if (c->lines && json_scan_is_blank(c->scan))
		return 0;
	if (json_scan_end(c->scan) == 0) {
		c->count++;
		return 0;
	}
	reason = json_scan_reason(c->scan, &at);
	if (c->lines) {
		at.offset += c->line_begin;
		at.line = c->line;
	}
	if (c->ops && c->ops->fault)
		r = c->ops->fault(c->ctx, &at, reason, torn);
	return r;
}

static int feed_lines(struct check *c, const char *p, size_t n, uint64_t at)
{
	const char *end = p + n;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);
		int r;

		/* a fault stays until the end of its line */
		(void)scan_piece(c, p, len);
		if (!nl)
			break;
		r = document_end(c, false);
		if (r)
			return r;
		if (c->notes)
			json_notes_reset(c->notes);
		else
			json_scan_reset(c->scan);
		at += len + 1;
		c->line++;
		c->line_begin = at;
		p = nl + 1;
	}
	return 0;
}

/* 1: nothing more to be found */
static int feed(struct check *c, const char *p, size_t n, uint64_t at)
{
	if (c->lines)
		return feed_lines(c, p, n, at);
	return scan_piece(c, p, n) ? 1 : 0;
}

static int read_through(struct check *c, int fd, const char *where,
			struct error *err)
{
	_cleanup_free_ char *piece = xmalloc(PIECE);
	uint64_t at = 0, told = 0;
	int r = 0;

	for (;;) {
		ssize_t n = fs_read_full(fd, piece, PIECE);

		if (n < 0)
			return error_errno(err, ERR_IO, (int)n,
					   _("cannot read '%s'"), where);
		r = feed(c, piece, (size_t)n, at);
		at += (uint64_t)n;
		if (r == 1 || (size_t)n < PIECE)
			break;
		if (r)
			return r;
		if (c->ops && c->ops->tick && at - told >= TICK_EVERY) {
			r = c->ops->tick(c->ctx, at);
			if (r)
				return r;
			told = at;
		}
	}
	if (r < 0)
		return r;
	return document_end(c, c->lines);
}

int json_check_faults(int root_fd, const char *path, bool lines,
		      const struct json_check_ops *ops, void *ctx,
		      uint64_t *ret_count, struct error *err)
{
	struct check c = { .ops = ops, .ctx = ctx, .lines = lines, .line = 1 };
	_cleanup_json_notes_ struct json_notes *notes = NULL;
	_cleanup_json_scan_ struct json_scan *scan = NULL;
	_cleanup_free_ char *where = escape_bytes(path);
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	/* a FIFO must not keep us waiting for a writer */
	fd = fs_open_beneath(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
			     0);
	if (fd < 0)
		return error_errno(err, ERR_IO, fd, _("cannot open '%s'"),
				   where);
	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_IO, -errno, _("cannot read '%s'"),
				   where);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_JSON, -EINVAL,
				 _("'%s' is not a regular file"), where);
	if (ops && ops->note)
		c.notes = notes = json_notes_new(on_note, &c);
	else
		scan = json_scan_new(NULL, NULL);
	c.scan = notes ? json_notes_scan(notes) : scan;
	r = read_through(&c, fd, where, err);
	if (ret_count)
		*ret_count = c.count;
	return r;
}

struct first_fault {
	bool found;
	struct json_place at;
	const char *reason;
};

static int keep_first(void *ctx, const struct json_place *at,
		      const char *reason, bool torn)
{
	struct first_fault *f = ctx;

	(void)torn; /* a fault all the same */
	f->found = true;
	f->at = *at;
	f->reason = reason;
	return 1;
}

int json_check_file(int root_fd, const char *path, bool lines,
		    uint64_t *ret_count, struct error *err)
{
	static const struct json_check_ops ops = { .fault = keep_first };
	_cleanup_free_ char *where = NULL;
	struct first_fault f = { 0 };
	int r;

	r = json_check_faults(root_fd, path, lines, &ops, &f, ret_count, err);
	if (!f.found)
		return r;
	where = escape_bytes(path);
	return error_set(err, ERR_JSON, -EINVAL, "%s:%llu:%llu: %s", where,
			 (unsigned long long)f.at.line,
			 (unsigned long long)f.at.column, _(f.reason));
}
