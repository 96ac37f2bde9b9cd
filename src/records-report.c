/* SPDX-License-Identifier: MIT */
#include "records-report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "json-text.h"

#define BUFFER (64u << 10)

int records_file_begin(struct records_file *f, int dirfd, const char *name,
		       struct error *err)
{
	int ret;

	memset(f, 0, sizeof(*f));
	strbuf_init(&f->text);
	if (dirfd < 0)
		return 0;
	ret = atomic_file_begin(&f->file, dirfd, name);
	if (ret < 0)
		return error_errno(err, ERR_IO, ret, _("cannot write '%s'"),
				   name);
	f->open = true;
	return 0;
}

static int failed(int ret, struct error *err)
{
	return error_errno(err, ERR_IO, ret, "%s",
			   _("cannot write the report of a comparison"));
}

static int flush(struct records_file *f, struct error *err)
{
	int ret = f->open ? fs_write_all(f->file.fd, f->text.buf, f->text.len)
		: 0;

	strbuf_clear(&f->text);
	return ret < 0 ? failed(ret, err) : 0;
}

int records_file_end(struct records_file *f, struct error *err)
{
	int ret = flush(f, err);

	if (ret == 0 && f->open) {
		ret = atomic_file_commit(&f->file, 0600);
		if (ret < 0)
			return failed(ret, err);
	}
	records_file_release(f);
	return ret;
}

void records_file_release(struct records_file *f)
{
	if (f->open)
		atomic_file_release(&f->file);
	strbuf_release(&f->text);
	f->open = false;
}

uint64_t records_file_size(const struct records_file *f)
{
	off_t at = f->open ? lseek(f->file.fd, 0, SEEK_CUR) : 0;

	return (at < 0 ? 0 : (uint64_t)at) + f->text.len;
}

int records_file_cut(struct records_file *f, uint64_t size, struct error *err)
{
	int ret = flush(f, err);

	if (ret < 0 || !f->open)
		return ret;
	ret = fs_truncate(f->file.fd, (off_t)size);
	if (ret == 0 && lseek(f->file.fd, (off_t)size, SEEK_SET) < 0)
		ret = -errno;
	return ret < 0 ? failed(ret, err) : 0;
}

static int line_done(struct records_file *f, struct error *err)
{
	strbuf_addch(&f->text, '\n');
	f->lines++;
	return f->text.len > BUFFER ? flush(f, err) : 0;
}

int records_file_found(struct records_file *f, const char *copy,
		       const char *kind, const struct records_found *found,
		       const char *const *cols, struct error *err)
{
	struct strbuf *sb = &f->text;

	if (!f->open)
		return 0;
	strbuf_addch(sb, '{');
	if (copy) {
		strbuf_addstr(sb, "\"copy\":");
		json_text_encode(copy, strlen(copy), sb);
		strbuf_addch(sb, ',');
	}
	strbuf_addf(sb, "\"kind\":\"%s\",\"key\":%s", kind ? kind :
		    records_kind_name(found->kind), found->key);
	for (uint32_t i = 0; i < found->ncol; i++) {
		const char *name = cols[found->col[i]];

		strbuf_addstr(sb, i ? "," : ",\"columns\":[");
		json_text_encode(name, strlen(name), sb);
	}
	strbuf_addstr(sb, found->ncol ? "]}" : "}");
	return line_done(f, err);
}

int records_file_chain(struct records_file *f, struct json_object *o,
		       struct error *err)
{
	_cleanup_json_ struct json_object *mine = o;
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	if (!f->open)
		return 0;
	json_set_int(o, "seq", (int64_t)f->lines + 1);
	json_set_str(o, "prev", f->sum);
	json_print(o, &line);
	blake2_of(line.buf, line.len, f->sum);
	strbuf_set_len(&line, line.len - 1);
	strbuf_addf(&line, ",\"sum\":\"%s\"}", f->sum);
	strbuf_add(&f->text, line.buf, line.len);
	return line_done(f, err);
}

static void add_pair(struct json_object *o, const char *key,
		     const uint64_t v[2], const char *fmt)
{
	struct json_object *a = json_object_new_array();

	for (int i = 0; i < 2; i++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		if (fmt) {
			strbuf_addf(&sb, "%016" PRIx64, v[i]);
			json_object_array_add(a, json_object_new_string(
				sb.buf));
		} else {
			json_object_array_add(a, json_object_new_int64(
				(int64_t)v[i]));
		}
	}
	json_object_object_add(o, key, a);
}

struct json_object *records_part_json(const struct records_part *part)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "what", "part");
	json_set_str(o, "after", part->lo);
	json_set_str(o, "until", part->hi);
	add_pair(o, "rows", part->rows, NULL);
	add_pair(o, "digest", part->digest, "x");
	json_set_int(o, "differences", (int64_t)part->found);
	return o;
}

void records_found_text(const struct records_found *found,
			const char *const *cols, struct strbuf *out)
{
	strbuf_addf(out, "%s ", records_kind_name(found->kind));
	strbuf_add_escaped(out, found->key, strlen(found->key));
	for (uint32_t i = 0; i < found->ncol; i++) {
		strbuf_addstr(out, i ? ", " : ": ");
		strbuf_add_escaped(out, cols[found->col[i]],
				   strlen(cols[found->col[i]]));
	}
}
