/* SPDX-License-Identifier: MIT */
/*
 * json-edit IN OUT [lines]: in every message "content" becomes "text" and
 * "lang" gets a default, as a step of kind json or jsonl does it. Prints
 * seconds of processor time and peak memory in MiB. For bench/json.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/xalloc.h"
#include "json-edit.h"
#include "json-op.h"
#include "json-pointer.h"
#include "json-stream.h"

struct edit {
	struct json_path *path;
	struct json_op ops[2];
	bool lines;
	int out;
};

struct batch {
	struct json_nodes nodes;
	struct json_splices splices;
};

static void *batch_new(void *ctx)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	(void)ctx;
	strbuf_init(&b->splices.text);
	return b;
}

static void batch_free(void *batch)
{
	struct batch *b = batch;

	json_nodes_release(&b->nodes);
	json_splices_release(&b->splices);
	free(b);
}

static int record(void *ctx, void *batch, const struct json_record *r,
		  struct strbuf *out, struct error *err)
{
	const struct edit *e = ctx;
	struct batch *b = batch;
	bool changed;
	int ret = r->parsed;

	b->nodes.n = 0;
	json_splices_clear(&b->splices);
	if (ret >= 0 && e->lines)
		json_path_select(e->path, r->tree, JSON_ROOT, &b->nodes);
	else if (ret >= 0)
		json_path_select_element(e->path, r->tree, JSON_ROOT,
					 &b->nodes);
	for (size_t i = 0; i < b->nodes.n && ret >= 0; i++)
		ret = json_ops_apply(e->ops, 2, r->tree, b->nodes.v[i], NULL,
				     &changed, err);
	if (ret < 0)
		return ret;
	json_splices(r->tree, &b->splices);
	json_splices_apply(&b->splices, r->text, r->len, out);
	return 0;
}

static int batch_end(void *ctx, void *batch, uint64_t line, uint64_t offset,
		     struct error *err)
{
	(void)ctx;
	(void)batch;
	(void)line;
	(void)offset;
	(void)err;
	return 0;
}

static int put(void *ctx, const char *p, size_t n, struct error *err)
{
	const struct edit *e = ctx;

	(void)err;
	return fs_write_all(e->out, p, n);
}

static const struct json_stream_ops ops = {
	.batch_new = batch_new, .record = record, .batch_end = batch_end,
	.batch_free = batch_free, .write = put,
};

int main(int argc, char **argv)
{
	struct edit e = { .ops = { { .type = JSON_OP_RENAME },
				   { .type = JSON_OP_DEFAULT } } };
	_cleanup_strvec_ struct strvec names = STRVEC_INIT;
	struct json_stream_result res;
	struct error err = ERROR_INIT;
	struct rusage ru;
	int in, ret;

	if (argc < 3)
		return 64;
	e.lines = argc > 3;
	in = fs_open(AT_FDCWD, argv[1], O_RDONLY, 0);
	e.out = fs_open(AT_FDCWD, argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (in < 0 || e.out < 0)
		return 66;
	e.ops[0].to = xstrdup("text");
	json_pointer_split("/content", &e.ops[0].from_parts);
	json_pointer_split("/lang", &e.ops[1].path_parts);
	if (json_literal_init(&e.ops[1].value, xstrdup("\"en\"")) < 0 ||
	    json_path_parse(e.lines ? "$" : "$.conversations[*].messages[*]",
			    &e.path, &err) < 0)
		return 70;
	json_op_ready(&e.ops[0]);
	json_op_ready(&e.ops[1]);
	(void)json_path_streams(e.path, &names);
	ret = json_stream(in, e.lines ? JSON_LINES : JSON_ELEMENTS, &names,
			  &ops, &e, &res, &err);
	if (ret < 0) {
		(void)fprintf(stderr, "json-edit: %d %s\n", ret,
			      err.msg ? err.msg : "");
		return 1;
	}
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)printf("%.2f %ld\n", (double)(ru.ru_utime.tv_sec +
			ru.ru_stime.tv_sec) + (double)(ru.ru_utime.tv_usec +
			ru.ru_stime.tv_usec) / 1e6, ru.ru_maxrss / 1024);
	json_path_free(e.path);
	json_op_release(&e.ops[0]);
	json_op_release(&e.ops[1]);
	return 0;
}
