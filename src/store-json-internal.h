/* SPDX-License-Identifier: MIT */
#ifndef STORE_JSON_INTERNAL_H
#define STORE_JSON_INTERNAL_H
/*
 * store-json-internal - records in a JSON document or in JSON lines
 *
 * An index, sorted by key, says where each record stands: in the file, in what
 * was written since (FILE.upshift-part, of a document), or in the transaction.
 * Where a line has the key of an earlier one it counts. What is more than a few
 * MiB of the index goes to a file without a name, in runs that are sorted; a
 * run of them is written together with those before it that are not much
 * longer, so there are few. UPSHIFT_TEST_JSON_INDEX, for tests: bytes in place
 * of these MiB.
 *
 * A document is rendered as a whole when the last range of a step is done (or
 * at once where there are no ranges); until then its new records are lines of
 * the part, {"@key": NAME, "@value": ELEMENT} or {"@gone": KEY}. New lines of
 * JSONL are appended; where one is to be replaced or removed the file is
 * written anew.
 *
 * On disk: what is appended is flushed, and then FILE.upshift replaced, which
 * holds the lengths that count and the marks. What stands behind these lengths
 * after a crash is cut off by the next one who may write. A file that is
 * written anew is flushed under the name FILE.upshift-new; FILE.upshift then
 * names its inode, and whoever opens the store finishes the rename. So rows and
 * marks change together.
 */
#include "base/strbuf.h"
#include "store-internal.h"

struct json_path;
struct json_filter;
struct json_tree;

enum json_src { SRC_FILE, SRC_PART, SRC_TX };

struct json_entry {
	size_t key;              /* in keys */
	uint64_t off;
	uint32_t len;
	/* of a member of the file: its name begins so far ahead, with quotes */
	uint32_t back, name_len;
	uint8_t src;             /* enum json_src */
	bool gone;
	bool bad;                /* no record; its key is that of a line */
};

struct json_entries {
	struct json_entry *v;
	size_t n, cap;
};

/* a few entries of a run that were read */
struct json_page {
	struct strbuf buf;
	size_t block, at;
	uint64_t nth;            /* of the entry at at */
};

struct json_block {
	uint64_t off, first;     /* in the file; number of its first entry */
	size_t key;              /* of that, in keys */
};

struct json_run {
	int fd;
	uint64_t n, len;
	struct json_block *block;
	size_t nblock, blockcap;
	struct strbuf keys;
	struct strbuf last;      /* the last key */
	struct strbuf buf;       /* while it is written */
	struct json_page page;   /* of json_run_find() */
};

#define JSON_RUNS_MAX 32

/* one place of those that a walk goes through */
struct json_source {
	const struct json_run *run; /* or NULL: */
	const struct json_entries *in;
	size_t i, end;
	struct json_page page;
	bool live;
	struct json_entry e;
	const char *key;
};

struct json_walk {
	struct json_store *q;
	struct json_source src[JSON_RUNS_MAX + 2];
	size_t n;
	struct strbuf hi;
	struct strbuf key;       /* of the entry */
};

struct json_mark {
	char *step, *lo, *hi, *pos;
	int part;
	uint64_t rows, batches;
	bool done;
};

struct json_marks {
	struct json_mark *v;
	size_t n, cap;
};

/* bytes of a file around the last place that was read */
struct json_window {
	struct strbuf buf;
	uint64_t off;
};

struct json_store {
	struct store s;
	struct store_clock clock;
	bool lines, read_only, create;
	int dir_fd;
	char *path, *base;       /* below the root; its last name */
	char *member;            /* names with dots between, "" the document */
	int fd[2];               /* SRC_FILE, SRC_PART; -1: none */
	uint64_t len[2];         /* what counts */
	struct json_window win[2];
	bool dirty;              /* this session has said that it writes */
	uint64_t new_ino;        /* of the file written anew */
	struct json_marks marks, marks_before;
	/* the index; sign says of which keys */
	char *sign;
	struct strvec key;       /* its columns */
	struct strbuf keys;
	struct json_entries index, pending;
	struct json_run run[JSON_RUNS_MAX]; /* oldest first, older than index */
	size_t nrun;
	size_t room;             /* for what is in memory, bytes */
	int scratch_fd;          /* <= 0: /tmp */
	struct strbuf tx;
	size_t keys_before;
	bool rewrite, moved;     /* in this transaction */
	char *step;              /* the last one whose range moved in it */
	/* of a document: first byte in the container, its closing bracket */
	bool object, found, named; /* named: new elements have names */
	uint64_t open_at, close_at;
	uint64_t key_at;         /* of the element of json_each_element() */
	/* of JSON lines: what those are that are no records, the number of the
	   line of json_each_line(), and a line that was found and where */
	enum store_lines how;
	uint64_t line_at;
	uint64_t seen_line, seen_off;
};

/* how rows of a shape are read from elements */
struct json_reader {
	const struct store_shape *shape;
	struct json_path **path; /* or NULL for a member */
	struct json_filter *where;
};

/* --- store-json-row.c --- */
int json_reader_init(struct json_reader *r, const struct json_store *q,
		     const struct store_shape *shape, bool exprs,
		     struct error *err);
void json_reader_release(struct json_reader *r);
/* cells from .. to of an element at node; name: of the member, or NULL */
void json_reader_cells(const struct json_reader *r, const struct json_tree *t,
		       uint32_t node, const char *name, size_t n,
		       uint32_t to, struct store_batch *b);
bool json_reader_takes(const struct json_reader *r, const struct json_tree *t,
		       uint32_t node);
/* the column of a value that it cannot have, or -1 */
int json_row_lost(const struct store_shape *shape, const struct store_batch *b,
		  uint32_t row);
/* the text of a new element; old: the tree of the one before, or NULL */
void json_row_text(const struct store_shape *shape,
		   const struct store_batch *b, uint32_t row,
		   const struct json_tree *old, uint32_t node,
		   struct strbuf *out);
/* the column "@key" of a row; NULL: none */
const struct store_cell *json_row_name(const struct store_shape *shape,
				       const struct store_batch *b,
				       uint32_t row);

/* --- store-json-scan.c --- */
/* every element of the file in its order; key: span of the member's name with
   quotes, n 0 in arrays and lines; nonzero ends it */
typedef int json_element_fn(struct json_store *q, uint64_t off, uint32_t len,
			    const char *key, size_t n, void *ctx,
			    struct error *err);
int json_each_element(struct json_store *q, json_element_fn *fn, void *ctx,
		      struct error *err);
int json_each_line(struct json_store *q, enum json_src src,
		   json_element_fn *fn, void *ctx, struct error *err);
/* the same from the line at off on, which has this number */
int json_lines_from(struct json_store *q, enum json_src src, uint64_t off,
		    uint64_t line, json_element_fn *fn, void *ctx,
		    struct error *err);
/* the bytes of an entry, valid until the next call */
const char *json_entry_text(struct json_store *q, const struct json_entry *e,
			    struct error *err);
/* the element in it: the text itself, or "@value" of a line of the part.
   -EINVAL, err filled, where it is no document; 1: name has "@key" */
int json_entry_parse(struct json_store *q, const struct json_entry *e,
		     struct json_tree *t, uint32_t *node, struct strbuf *name,
		     struct error *err);

/* --- store-json-lines.c --- */
/* 1: it is known as one that is no record; 0: this does not bear one */
int json_lines_bad(struct json_store *q, uint32_t nkey, struct json_entry *e);
/* -EBADMSG, and why */
int json_lines_refuse(struct json_store *q, const struct store_shape *shape,
		      const struct json_entry *e, const char *key,
		      struct error *err);
int json_lines_get(struct json_store *q, const struct store_shape *shape,
		   const char *key, struct store_batch *b, struct error *err);
void json_set_lines(struct store *s, enum store_lines how);
int json_line_text(struct store *s, uint64_t line, struct strbuf *out,
		   struct error *err);
int json_line_parse(struct store *s, const struct store_shape *shape,
		    const char *p, size_t n, struct store_batch *b,
		    struct error *err);

/* --- store-json-index.c --- */
/* the index for these keys and this condition; 0 or -errno */
int json_index(struct json_store *q, const struct store_shape *shape,
	       bool exprs, struct error *err);
void json_index_drop(struct json_store *q);
/* appends to keys; the offset */
size_t json_index_key(struct json_store *q, const struct store_batch *b,
		      uint32_t row, uint32_t nkey);
/* the first whose key is not before (after: is behind) */
size_t json_index_seek(const struct json_store *q,
		       const struct json_entries *in, const char *key,
		       bool after);
struct json_entry *json_index_find(const struct json_store *q,
				   const struct json_entries *in,
				   const char *key);
void json_index_pend(struct json_store *q, const struct json_entry *e);
/* what was pending is in the index, at src, from + its offset */
int json_index_merge(struct json_store *q, enum json_src src, uint64_t from,
		     struct error *err);
int json_key_cmp(const char *a, const char *b);

/* --- store-json-runs.c: what is on the disk --- */
size_t json_key_len(const char *key);
int json_run_begin(struct json_store *q, struct json_run *r,
		   struct error *err);
/* each behind the one before it */
int json_run_add(struct json_store *q, struct json_run *r,
		 const struct json_entry *e, const char *key,
		 struct error *err);
int json_run_end(struct json_store *q, struct json_run *r, struct error *err);
void json_run_release(struct json_run *r);
/* p is at the first whose key is not before (past: is behind) */
int json_run_seek(struct json_store *q, const struct json_run *r,
		  struct json_page *p, const char *key, bool past,
		  struct error *err);
/* 1, or 0 at the end; the key is valid until the next call with p */
int json_run_next(struct json_store *q, const struct json_run *r,
		  struct json_page *p, struct json_entry *e, const char **key,
		  struct error *err);
/* 1 or 0; *nth: its number */
int json_run_find(struct json_store *q, struct json_run *r, const char *key,
		  struct json_entry *e, uint64_t *nth, struct error *err);

/* --- store-json-walk.c: all of the index --- */
/* from lo (past: behind it) to hi, NULL: open; in order, without those that
   are gone. Nothing may be written meanwhile. */
int json_walk_open(struct json_walk *w, struct json_store *q, const char *lo,
		   bool past, const char *hi, struct error *err);
/* 1, w->key its key; 0 at the end */
int json_walk_next(struct json_walk *w, struct json_entry *e,
		   struct error *err);
void json_walk_release(struct json_walk *w);
/* without what is pending: 1 or 0. *nth: its number, if json_index_unite() was
   called, in the order of a walk */
int json_index_get(struct json_store *q, const char *key,
		   struct json_entry *e, uint64_t *nth, struct error *err);
/* for what is in memory */
size_t json_index_room(void);
/* what is in memory goes to the disk, if it is too much; nothing is pending */
int json_index_spill(struct json_store *q, struct error *err);
/* all of it is in one place */
int json_index_unite(struct json_store *q, struct error *err);
/* with what is gone */
static inline uint64_t json_index_count(const struct json_store *q)
{
	uint64_t n = q->index.n;

	for (size_t i = 0; i < q->nrun; i++)
		n += q->run[i].n;
	return n;
}

/* --- store-json-file.c --- */
int json_files_open(struct json_store *q, struct error *err);
/* what the transaction brings, and the marks; durable */
int json_files_commit(struct json_store *q, struct error *err);
int json_files_close(struct json_store *q, struct error *err);
/* a record that says so before the first change of a session */
int json_files_begin(struct json_store *q, struct error *err);
int json_files_marks(struct json_store *q, struct error *err);
void json_marks_copy(struct json_marks *dst, const struct json_marks *src);
void json_marks_release(struct json_marks *m);

/* --- store-json-marks.c --- */
int json_store_mark(struct store *s, const struct store_mark *m,
		    const char *old, struct error *err);
int json_store_marks(struct store *s, const char *step,
		     struct store_batch *b, struct error *err);

/* --- store-json-render.c --- */
int json_render(struct json_store *q, int fd, struct error *err);

#endif
