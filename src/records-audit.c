/* SPDX-License-Identifier: MIT */
#include "records-audit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "journal.h"

#define ENDING ".audit.jsonl"
#define LINE_MOST (1u << 20)
#define SUM ",\"sum\":\""
/* behind the sum, whose text is always of one length */
#define SUM_LEN (sizeof(SUM) - 1 + BLAKE2_TEXT_SIZE - 1 + 2)

struct chain {
	struct records_audit *a;
	char sum[BLAKE2_TEXT_SIZE];
	bool closed;
};

/* the sum that the line says of itself, and the one that it has */
static bool sum_is_right(const char *line, size_t n,
			 char sum[BLAKE2_TEXT_SIZE])
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	const char *end = line + n - SUM_LEN;

	if (n <= SUM_LEN || memcmp(end, SUM, sizeof(SUM) - 1) != 0 ||
	    memcmp(line + n - 2, "\"}", 2) != 0)
		return false;
	strbuf_add(&sb, line, n - SUM_LEN);
	strbuf_addch(&sb, '}');
	blake2_of(sb.buf, sb.len, sum);
	return !memcmp(end + sizeof(SUM) - 1, sum, BLAKE2_TEXT_SIZE - 1);
}

static int one_line(struct chain *c, const char *line, size_t n,
		    struct error *err)
{
	struct records_audit *a = c->a;
	_cleanup_json_ struct json_object *o = NULL;
	unsigned long long line_no = ++a->lines;
	char sum[BLAKE2_TEXT_SIZE];
	const char *what;

	a->broken = line_no;
	if (!n || (line[n - 1] != '\n' && n + 1 == LINE_MOST))
		return error_set(err, ERR_VERIFY, -EBADMSG,
			_("line %llu was changed: its sum is another"),
			line_no);
	if (line[n - 1] != '\n')
		return error_set(err, ERR_VERIFY, -EBADMSG,
			_("line %llu is not whole: the end was cut off"),
			line_no);
	if (!sum_is_right(line, n - 1, sum) ||
	    json_parse(line, n - 1, &o, NULL) < 0)
		return error_set(err, ERR_VERIFY, -EBADMSG,
			_("line %llu was changed: its sum is another"),
			line_no);
	if (c->closed || json_get_int(o, "seq", 0) != (int64_t)line_no ||
	    strcmp(json_get_str(o, "prev", ""), c->sum) != 0)
		return error_set(err, ERR_VERIFY, -EBADMSG,
			_("line %llu does not follow the one before it: lines "
			  "were removed, added or moved"), line_no);
	a->broken = 0;
	memcpy(c->sum, sum, sizeof(sum));
	what = json_get_str(o, "what", "");
	c->closed = !strcmp(what, "close");
	if (!strcmp(what, "end"))
		a->rows += (uint64_t)json_get_int(o, "rows", 0);
	return 0;
}

static int all_lines(struct chain *c, FILE *f, struct error *err)
{
	_cleanup_free_ char *line = xmalloc(LINE_MOST);
	int ret = 0;

	/* a longer one, or one with a zero byte, is none of ours */
	while (ret >= 0 && fgets(line, LINE_MOST, f))
		ret = one_line(c, line, strlen(line), err);
	if (ret >= 0 && ferror(f))
		return error_errno(err, ERR_IO, -EIO, "%s",
				   _("cannot read it"));
	if (ret >= 0 && !c->closed) {
		c->a->broken = c->a->lines + 1;
		return error_set(err, ERR_VERIFY, -EBADMSG,
			_("line %llu is not there: the end was cut off"),
			(unsigned long long)c->a->broken);
	}
	memcpy(c->a->sum, c->sum, sizeof(c->sum));
	return ret;
}

/* --- what the journal says of it --- */

struct said {
	char *id;                /* of the check */
	char *sum;               /* NULL: nothing */
};

static int one_record(void *ctx, struct json_object *rec,
		      _unused_ struct error *err)
{
	struct said *s = ctx;
	const char *sum = json_get_str(rec, "audit", NULL);

	if (!sum || strcmp(json_get_str(rec, "what", ""), "verify") != 0 ||
	    strcmp(json_get_str(rec, "id", ""), s->id) != 0)
		return 0;
	free(s->sum);
	s->sum = xstrdup(sum);
	return 0;
}

static int ask_journal(int dir, const char *name, struct records_audit *a,
		       struct error *err)
{
	_cleanup_free_ char *id = NULL;
	struct said s = { 0 };
	struct journal *j = NULL;
	int ret;

	if (!str_ends(name, ENDING) ||
	    faccessat(dir, JOURNAL_NAME, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	s.id = id = xstrndup(name, strlen(name) - strlen(ENDING));
	ret = journal_open(&j, dir, false, one_record, &s, err);
	journal_close(j);
	a->in_journal = ret >= 0 && s.sum && !strcmp(s.sum, a->sum);
	if (ret >= 0 && s.sum && !a->in_journal) {
		a->broken = a->lines;
		ret = error_set(err, ERR_VERIFY, -EBADMSG,
			_("line %llu is not the last one that the journal "
			  "speaks of: the end was cut off, or all of it was "
			  "written anew"), (unsigned long long)a->broken);
	}
	free(s.sum);
	return MIN(ret, 0);
}

int records_audit_check(const char *path, struct records_audit *ret,
			struct error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	_cleanup_free_ char *parent = slash ?
		xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	_cleanup_close_ int dir = fs_open(AT_FDCWD, parent,
					  O_RDONLY | O_DIRECTORY, 0);
	struct chain c = { .a = ret };
	struct stat st;
	FILE *f = NULL;
	int fd, r;

	memset(ret, 0, sizeof(*ret));
	fd = dir < 0 ? dir : fs_open(dir, name, O_RDONLY | O_NONBLOCK, 0);
	/* a device may have no end */
	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		closep(&fd);
		fd = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	if (fd >= 0)
		f = fdopen(fd, "r");
	if (!f) {
		r = fd < 0 ? fd : -errno;
		closep(&fd);
		return error_errno(err, r == -EACCES ? ERR_PERMISSION :
				   ERR_NO_FILE, r, _("cannot open '%s'"),
				   path);
	}
	r = all_lines(&c, f, err);
	(void)fclose(f); /* it was only read */
	if (r >= 0)
		r = ask_journal(dir, name, ret, err);
	if (r < 0)
		error_prefix(err, "'%s'", path);
	return r;
}
