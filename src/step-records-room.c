/* SPDX-License-Identifier: MIT */
/*
 * What a copy keeps on the disk while it works: the keys of a file of records
 * whose index does not fit into memory (store-json-runs.c). How many there are
 * is judged by how the file begins, as to count them takes as long as a pass.
 */
#include "step-records.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsutil.h"
#include "base/strbuf.h"
#include "store.h"

#define SAMPLE (256 * 1024)
/* a record of a file whose beginning has none */
#define RECORD 64

/* where the elements of a document begin: in its own array or object, or in
   that of the member */
static unsigned int depth_of(const char *url)
{
	const char *member = strchr(url, '#');
	unsigned int depth = 1;

	for (; member && member[1]; member = strchr(member + 1, '.'))
		depth++;
	return depth;
}

/* bytes from one record to the next, about */
static uint64_t of_lines(const char *p, size_t n)
{
	size_t lines = 0, end = 0;

	for (size_t i = 0; i < n; i++)
		if (p[i] == '\n') {
			lines++;
			end = i + 1;
		}
	return lines ? MAX(end / lines, 1u) : MAX(n, 1u);
}

static uint64_t of_elements(const char *p, size_t n, unsigned int at)
{
	size_t found = 0, first = 0, last = 0;
	unsigned int depth = 0;
	bool text = false;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\\' && text) {
			i++;
		} else if (p[i] == '"') {
			text = !text;
		} else if (!text && (p[i] == '{' || p[i] == '[')) {
			if (depth++ == at) {
				first = found++ ? first : i;
				last = i;
			}
		} else if (!text && (p[i] == '}' || p[i] == ']')) {
			depth -= depth > 0;
		}
	}
	return found > 1 ? (last - first) / (found - 1) : RECORD;
}

/* how many a file has; 0 as well: it is not there, or cannot be read */
static uint64_t records_of(const struct plan_store *st, struct step_ctx *ctx)
{
	int fd = fs_open_beneath(step_root_fd(ctx), st->path,
				 O_RDONLY | O_NONBLOCK, 0);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct stat sb;
	uint64_t each = 1;
	ssize_t n = -1;

	if (fd < 0)
		return 0;
	if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode)) {
		strbuf_grow(&text, SAMPLE);
		n = fs_pread_full(fd, text.buf, SAMPLE, 0);
	}
	(void)fs_close(fd); /* only read */
	if (n <= 0)
		return 0;
	each = st->kind == PLAN_STORE_JSONL ? of_lines(text.buf, (size_t)n) :
		of_elements(text.buf, (size_t)n, depth_of(st->url));
	return (uint64_t)sb.st_size / each + 1;
}

uint64_t step_records_room(const struct step *s, struct step_ctx *ctx)
{
	const struct records_step *m = s->priv;
	uint64_t from = 0, to = 0, ret;
	struct step_records_job j;

	if (plan_set_is_file(&m->from))
		from = records_of(m->from.store, ctx);
	if (plan_set_is_file(&m->to))
		to = records_of(m->to.store, ctx) + from;
	step_records_job_init(s, ctx, &j);
	/* each reader has its own */
	ret = store_index_size(from) * (from ? j.job.workers : 0) +
		store_index_size(to);
	step_records_job_release(&j);
	return ret;
}
