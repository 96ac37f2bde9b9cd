/* SPDX-License-Identifier: MIT */
/*
 * What a power cut can leave of the last pwrite: nothing, a prefix (the size
 * did not grow, or only partly), or the full length with sectors that were not
 * written and read as zero. Records before it were followed by fdatasync, so
 * they are whole: anything else wrong in the file is damage, not a crash.
 *
 * A record that is cut was never acknowledged: journal_append() had not
 * returned, and nothing that depends on the record was begun.
 */
#include "journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "journal-line.h"

#define ROOM_BASE (256 * 1024)
#define ROOM_STEP 4096
/* what the start of a step may not eat into */
#define ROOM_KEPT (64 * 1024)
#define LINE_MAX_BYTES (256u * 1024 * 1024)
#define STATE_MAX_BYTES (64u * 1024 * 1024)
#define CHUNK (64 * 1024)

struct journal {
	int fd;
	bool writable;
	/* of the first I/O error; every append after it fails */
	int failed;
	uint64_t seq;
	/* end of the last whole record, and of what is allocated */
	off_t end, room_end;
	char sum[BLAKE2_TEXT_SIZE];
	char time[CLOCK_TEXT_SIZE];
};

/* what state.json says about the journal */
struct witness {
	uint64_t seq;           /* 0: there is no state.json */
	char sum[BLAKE2_TEXT_SIZE];
};

struct scan {
	struct journal *j;
	const struct witness *w;
	const char *const *kinds;       /* NULL: all */
	/* of facts the last of each key alone, but for keys with this in them;
	   NULL: all */
	const char *last;
	struct journal_facts *facts;
	size_t waiting;
	struct blake2 *b;
	journal_fn *fn;
	void *ctx;
	off_t size;
	bool torn;
};

static void journal_closep(struct journal **j)
{
	journal_close(*j);
}
#define _cleanup_journal_ _cleanup_(journal_closep)

static struct journal *journal_alloc(bool writable)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->fd = -1;
	j->writable = writable;
	return j;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	/* every record was flushed by its append */
	closep(&j->fd);
	free(j);
}

uint64_t journal_seq(const struct journal *j)
{
	return j->seq;
}

const char *journal_sum(const struct journal *j)
{
	return j->sum;
}

const char *journal_last_time(const struct journal *j)
{
	return j->time;
}

/*
 * Blocks beyond the end, so that records can be written on a full disk. A file
 * system that cannot reserve is no reason to refuse; a full one is, when the
 * journal is made.
 */
static int journal_reserve(struct journal *j, off_t room)
{
	struct stat st;
	int r;

	r = fs_fallocate_keep(j->fd, j->end, room);
	if (r == 0) {
		j->room_end = j->end + room;
		return 0;
	}
	if (fstat(j->fd, &st) == 0)
		j->room_end = (off_t)st.st_blocks * 512;
	if (r == -EOPNOTSUPP || r == -ENOSYS)
		return 0;
	return r;
}

int journal_create(struct journal **ret, int dirfd, int steps,
		   struct error *err)
{
	_cleanup_journal_ struct journal *j = journal_alloc(true);
	int r;

	j->fd = fs_open(dirfd, JOURNAL_NAME,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (j->fd < 0)
		return error_errno(err, ERR_JOURNAL, j->fd,
				   _("cannot create the journal"));
	r = journal_reserve(j, ROOM_BASE + (off_t)steps * ROOM_STEP);
	if (r < 0)
		return error_errno(err, ERR_JOURNAL, r,
				   _("cannot reserve room for the journal"));
	r = fs_sync(j->fd);
	if (r == 0)
		r = fs_sync_dir(dirfd, ".");
	if (r < 0)
		return error_errno(err, ERR_JOURNAL, r,
				   _("cannot flush the journal"));
	*ret = TAKE_PTR(j);
	return 0;
}

/* --- reading --- */

static int witness_load(int dirfd, struct witness *w, struct error *err)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;
	const char *sum;
	int64_t seq;
	int r;

	r = fs_read_file(dirfd, JOURNAL_STATE_NAME, STATE_MAX_BYTES, &text);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_errno(err, ERR_JOURNAL, r, _("cannot read '%s'"),
				   JOURNAL_STATE_NAME);
	r = json_parse(text.buf, text.len, &o, NULL);
	seq = r == 0 ? json_get_int(o, "seq", 0) : 0;
	sum = r == 0 ? json_get_str(o, "sum", "") : "";
	if (seq <= 0 || strlen(sum) != BLAKE2_TEXT_SIZE - 1) {
		/* Atomically replaced, so no crash does this. Without it
		   a journal cut at a record's end cannot be told. */
		error_set(err, ERR_JOURNAL_DAMAGED, -EBADMSG,
			  _("'%s' is damaged"), JOURNAL_STATE_NAME);
		error_hint(err, _("it tells whether records are missing at "
				  "the end of the journal; move it away to "
				  "go by the journal alone"));
		return -EBADMSG;
	}
	w->seq = (uint64_t)seq;
	strcpy(w->sum, sum);
	return 0;
}

/*
 * A record that belongs here, as build_line() begins one, and that nobody asked
 * for, or not yet. Anything else is for line_check() to judge.
 */
static bool line_skip(struct scan *sc, const char *line, size_t len)
{
	const char *const *k = sc->kinds;
	struct journal *j = sc->j;
	struct journal_head h;

	if (!j->seq || (!k && !sc->last) ||
	    !journal_line_head(line, len, j->seq + 1, j->sum, &h) ||
	    (!k && strcmp(h.what, "fact")) ||
	    !journal_sum_ok(sc->b, line, len))
		return false;
	for (; k && *k; k++)
		if (!strcmp(*k, h.what))
			return false;
	if (!sc->kinds) {
		if (!journal_facts_add(sc->facts, line, len, &h, sc->last))
			return false;
		sc->waiting++;
	}
	memcpy(j->sum, line + len - BLAKE2_TEXT_SIZE - 1,
	       BLAKE2_TEXT_SIZE - 1);
	strcpy(j->time, h.time);
	return true;
}

/* NULL if the line is the record that belongs here, else what is wrong */
static const char *line_check(const struct scan *sc, const char *line,
			      size_t len, struct json_object **ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	const struct journal *j = sc->j;

	if (!journal_sum_ok(sc->b, line, len))
		return N_("its checksum is wrong");
	if (json_parse(line, len, &o, NULL) < 0)
		return N_("it is no JSON object");
	if (json_get_int(o, "seq", -1) != (int64_t)j->seq + 1)
		return N_("its number is out of sequence");
	if (strcmp(json_get_str(o, "prev", "?"), j->sum))
		return N_("it does not follow the record before it");
	*ret = TAKE_PTR(o);
	return NULL;
}

/* behind those that wait; o NULL: these alone */
static int tell(struct scan *sc, struct json_object *o, struct error *err)
{
	int r = sc->waiting ? journal_facts_flush(sc->facts, sc->fn, sc->ctx,
						  err) : 0;

	sc->waiting = 0;
	return r < 0 || !o ? r : sc->fn(sc->ctx, o, err);
}

static int scan_line(struct scan *sc, const char *line, size_t len,
		     off_t start, struct error *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct journal *j = sc->j;
	off_t next = start + (off_t)len + 1;
	const char *why = NULL;
	bool skip = line_skip(sc, line, len);

	if (!skip)
		why = line_check(sc, line, len, &o);
	if (why && next == sc->size &&
	    journal_nuls_torn(line, len, start, sc->size)) {
		sc->torn = true;
		return 0;
	}
	if (why)
		return error_set(err, ERR_JOURNAL_DAMAGED, -EBADMSG,
				 _("record %llu of the journal is damaged: %s"),
				 (unsigned long long)j->seq + 1, _(why));
	if (j->seq == 0 && json_get_int(o, "journal", JOURNAL_FORMAT) >
	    JOURNAL_FORMAT)
		return error_set(err, ERR_JOURNAL_FORMAT, -EPROTO,
				 _("the journal has format %lld, written by "
				   "upshift %s; this one knows format %d"),
				 (long long)json_get_int(o, "journal", 0),
				 json_get_str(o, "upshift", "?"),
				 JOURNAL_FORMAT);
	j->seq++;
	j->end = next;
	if (!skip) {
		strcpy(j->sum, json_get_str(o, "sum", ""));
		(void)snprintf(j->time, sizeof(j->time), "%s",
			       json_get_str(o, "time", ""));
	}
	if (j->seq == sc->w->seq && strcmp(j->sum, sc->w->sum))
		return error_set(err, ERR_JOURNAL_DAMAGED, -EBADMSG,
				 _("record %llu of the journal is not the one "
				   "that '%s' names"),
				 (unsigned long long)j->seq,
				 JOURNAL_STATE_NAME);
	return sc->fn && !skip ? tell(sc, o, err) : 0;
}

static int scan_file(struct scan *sc, struct error *err)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	_cleanup_free_ char *chunk = xmalloc(CHUNK);
	off_t pos = 0, start = 0;
	const char *p, *nl;
	ssize_t n;
	int r;

	while (pos < sc->size && !sc->torn) {
		n = fs_pread_full(sc->j->fd, chunk,
				  MIN((off_t)CHUNK, sc->size - pos), pos);
		if (n < 0)
			return error_errno(err, ERR_JOURNAL, (int)n,
					   _("cannot read the journal"));
		if (n == 0)
			break;
		pos += n;
		for (p = chunk; (nl = memchr(p, '\n', chunk + n - p));
		     p = nl + 1) {
			strbuf_add(&line, p, nl - p);
			r = scan_line(sc, line.buf, line.len, start, err);
			if (r < 0)
				return r;
			start += (off_t)line.len + 1;
			strbuf_clear(&line);
		}
		strbuf_add(&line, p, chunk + n - p);
		if (line.len > LINE_MAX_BYTES)
			return error_set(err, ERR_JOURNAL_DAMAGED, -EBADMSG,
					 _("record %llu of the journal is "
					   "damaged: %s"),
					 (unsigned long long)sc->j->seq + 1,
					 _("it has no end"));
	}
	if (line.len)
		sc->torn = true;
	return 0;
}

static int scan(struct scan *sc, struct error *err)
{
	int r;

	sc->b = blake2_new();
	sc->facts = journal_facts_new();
	r = scan_file(sc, err);
	if (r >= 0)
		r = tell(sc, NULL, err);
	journal_facts_free(sc->facts);
	blake2_free(sc->b);
	return r;
}

/* only the writer, under the lock: what is behind the last whole record goes */
static int journal_make_writable(struct journal *j, bool torn,
				 struct error *err)
{
	int r;

	if (torn) {
		r = fs_truncate(j->fd, j->end);
		if (r == 0)
			r = fs_sync(j->fd);
		if (r < 0)
			return error_errno(err, ERR_JOURNAL, r,
					   _("cannot cut the torn end of the "
					     "journal"));
	}
	/* a full disk is no reason to refuse to go back */
	(void)journal_reserve(j, ROOM_BASE);
	return 0;
}

static int open_at(struct journal **ret, int dirfd, bool writable,
		   const char *const *kinds, const char *last, journal_fn *fn,
		   void *ctx, struct error *err)
{
	_cleanup_journal_ struct journal *j = journal_alloc(writable);
	struct witness w = { 0 };
	struct scan sc = {
		.j = j, .w = &w, .kinds = kinds, .last = last, .fn = fn,
		.ctx = ctx,
	};
	struct stat st;
	int r;

	r = witness_load(dirfd, &w, err);
	if (r < 0)
		return r;
	j->fd = fs_open(dirfd, JOURNAL_NAME,
			(writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW |
			O_NONBLOCK, 0);
	if (j->fd < 0)
		return error_errno(err, ERR_JOURNAL, j->fd,
				   _("cannot open the journal"));
	if (fstat(j->fd, &st) < 0)
		return error_errno(err, ERR_JOURNAL, -errno,
				   _("cannot read the journal"));
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_JOURNAL_DAMAGED, -EBADMSG,
				 _("the journal is not a regular file"));
	sc.size = st.st_size;
	r = scan(&sc, err);
	if (r < 0)
		return r;
	if (j->seq < w.seq)
		return error_set(err, ERR_JOURNAL_TRUNCATED, -EBADMSG,
				 _("the journal was truncated: it ends with "
				   "record %llu, but record %llu was written"),
				 (unsigned long long)j->seq,
				 (unsigned long long)w.seq);
	if (writable) {
		r = journal_make_writable(j, sc.torn, err);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(j);
	return 0;
}

int journal_open(struct journal **ret, int dirfd, bool writable,
		 journal_fn *fn, void *ctx, struct error *err)
{
	return open_at(ret, dirfd, writable, NULL, NULL, fn, ctx, err);
}

int journal_open_last(struct journal **ret, int dirfd, bool writable,
		      const char *all, journal_fn *fn, void *ctx,
		      struct error *err)
{
	return open_at(ret, dirfd, writable, NULL, all, fn, ctx, err);
}

int journal_open_some(struct journal **ret, int dirfd,
		      const char *const *kinds, journal_fn *fn, void *ctx,
		      struct error *err)
{
	return open_at(ret, dirfd, false, kinds, NULL, fn, ctx, err);
}

static int peek_first(void *ctx, struct json_object *rec, struct error *err)
{
	struct json_object **ret = ctx;

	(void)err;
	*ret = json_object_get(rec);
	return -ECANCELED; /* enough */
}

int journal_peek(int dirfd, struct json_object **ret)
{
	_cleanup_journal_ struct journal *j = journal_alloc(false);
	_cleanup_json_ struct json_object *first = NULL;
	struct witness w = { 0 };
	struct scan sc = { .j = j, .w = &w, .fn = peek_first, .ctx = &first };
	struct stat st;
	int r;

	j->fd = fs_open(dirfd, JOURNAL_NAME,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (j->fd == -ENOENT)
		return 0;
	if (j->fd < 0)
		return j->fd;
	if (fstat(j->fd, &st) < 0)
		return -errno;
	sc.size = st.st_size;
	r = scan(&sc, NULL);
	if (r < 0 && r != -EBADMSG && r != -EPROTO && r != -ECANCELED)
		return r;
	if (!first)
		return r < 0;
	if (ret)
		*ret = TAKE_PTR(first);
	return 1;
}

/* --- writing --- */

/* strings that are no UTF-8 would make the line unreadable for every parser */
static void make_utf8(struct strbuf *sb)
{
	size_t i, k;

	if (utf8_valid(sb->buf, sb->len))
		return;
	for (i = 0; i < sb->len; i += k) {
		for (k = 1; k <= 4 && i + k <= sb->len; k++)
			if (utf8_valid(sb->buf + i, k))
				break;
		if (k > 4 || i + k > sb->len) {
			sb->buf[i] = '?';
			k = 1;
		}
	}
}

static void build_line(const struct journal *j, struct json_object *rec,
		       const char *now, struct strbuf *line,
		       char sum[BLAKE2_TEXT_SIZE])
{
	_cleanup_strbuf_ struct strbuf body = STRBUF_INIT;

	json_print(rec, &body);
	make_utf8(&body);
	if (body.len < 2 || body.buf[0] != '{')
		BUG("journal record is no object");
	strbuf_addf(line, "{\"seq\":%llu,\"time\":\"%s\",\"prev\":\"%s\"",
		    (unsigned long long)j->seq + 1, now, j->sum);
	if (body.len > 2)
		strbuf_addch(line, ',');
	strbuf_add(line, body.buf + 1, body.len - 1);
	blake2_of(line->buf, line->len, sum);
	strbuf_set_len(line, line->len - 1);
	strbuf_addf(line, SUM_KEY "%s\"}\n", sum);
}

static bool opens_a_step(struct json_object *rec)
{
	return !strcmp(json_get_str(rec, "what", ""), "step") &&
	       !strcmp(json_get_str(rec, "state", ""), "applying");
}

static int journal_latch(struct journal *j, int r, struct error *err)
{
	j->failed = r;
	return error_errno(err, ERR_JOURNAL, r,
			   _("cannot write record %llu of the journal"),
			   (unsigned long long)j->seq + 1);
}

int journal_append(struct journal *j, struct json_object *rec,
		   struct error *err)
{
	_cleanup_json_ struct json_object *own = rec;
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	char sum[BLAKE2_TEXT_SIZE], now[CLOCK_TEXT_SIZE];
	struct timespec ts;
	off_t want;
	int r;

	if (!j->writable)
		BUG("journal is open for reading");
	if (json_get(own, "seq") || json_get(own, "time") ||
	    json_get(own, "prev") || json_get(own, "sum"))
		BUG("journal record with a key of the journal's own");
	if (j->failed)
		return error_errno(err, ERR_JOURNAL, j->failed,
				   _("the journal ends with record %llu: an "
				     "earlier write failed"),
				   (unsigned long long)j->seq);
	clock_now(&ts);
	clock_format(&ts, now);
	build_line(j, own, now, &line, sum);
	want = j->end + (off_t)line.len + ROOM_KEPT;
	if (want > j->room_end) {
		r = journal_reserve(j, want - j->end + ROOM_BASE);
		if (r < 0 && want > j->room_end && opens_a_step(own))
			return error_errno(err, ERR_NO_SPACE, r,
					   _("no room for the journal"));
	}
	r = fs_pwrite_all(j->fd, line.buf, line.len, j->end);
	if (r < 0)
		return journal_latch(j, r, err);
	r = fs_datasync(j->fd);
	if (r < 0)
		return journal_latch(j, r, err);
	j->end += (off_t)line.len;
	j->seq++;
	strcpy(j->sum, sum);
	strcpy(j->time, now);
	return 0;
}
