/* SPDX-License-Identifier: MIT */
/*
 * peer-yajl IN OUT [lines]: the edit of bench/json by yajl, parser straight
 * into generator. It adds "lang" to each object that had a "content".
 */
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

struct both {
	yajl_gen g;
	FILE *out;
	int depth, had[1024];
};

static int flush(struct both *b)
{
	const unsigned char *p;
	size_t n;

	if (yajl_gen_get_buf(b->g, &p, &n) == yajl_gen_status_ok && n > 65536) {
		fwrite(p, 1, n, b->out);
		yajl_gen_clear(b->g);
	}
	return 1;
}

static int on_null(void *c)
{
	return yajl_gen_null(((struct both *)c)->g) == 0;
}

static int on_bool(void *c, int v)
{
	return yajl_gen_bool(((struct both *)c)->g, v) == 0;
}

static int on_number(void *c, const char *p, size_t n)
{
	return yajl_gen_number(((struct both *)c)->g, p, n) == 0;
}

static int on_string(void *c, const unsigned char *p, size_t n)
{
	return yajl_gen_string(((struct both *)c)->g, p, n) == 0;
}

static int on_key(void *c, const unsigned char *p, size_t n)
{
	struct both *b = c;

	if (n == 7 && !memcmp(p, "content", 7)) {
		b->had[b->depth] = 1;
		p = (const unsigned char *)"text";
		n = 4;
	}
	return yajl_gen_string(b->g, p, n) == 0;
}

static int on_map(void *c)
{
	struct both *b = c;

	b->had[++b->depth & 1023] = 0;
	return yajl_gen_map_open(b->g) == 0;
}

static int on_map_end(void *c)
{
	struct both *b = c;

	if (b->had[b->depth-- & 1023]) {
		yajl_gen_string(b->g, (const unsigned char *)"lang", 4);
		yajl_gen_string(b->g, (const unsigned char *)"en", 2);
	}
	if (yajl_gen_map_close(b->g) != 0)
		return 0;
	/* values at the top follow each other */
	if (!b->depth)
		yajl_gen_reset(b->g, "\n");
	return flush(b);
}

static int on_array(void *c)
{
	return yajl_gen_array_open(((struct both *)c)->g) == 0;
}

static int on_array_end(void *c)
{
	return yajl_gen_array_close(((struct both *)c)->g) == 0;
}

static const yajl_callbacks calls = { on_null, on_bool, NULL, NULL, on_number,
	on_string, on_map, on_key, on_map_end, on_array, on_array_end };

int main(int argc, char **argv)
{
	static unsigned char buf[1 << 20];
	struct both b = { 0 };
	const unsigned char *p;
	yajl_handle h;
	FILE *in;
	size_t n;

	if (argc < 3)
		return 64;
	in = fopen(argv[1], "r");
	b.out = fopen(argv[2], "w");
	b.g = yajl_gen_alloc(NULL);
	h = yajl_alloc(&calls, NULL, &b);
	if (argc > 3)
		yajl_config(h, yajl_allow_multiple_values, 1);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		if (yajl_parse(h, buf, n) != yajl_status_ok)
			return 1;
	if (yajl_complete_parse(h) != yajl_status_ok)
		return 1;
	yajl_gen_get_buf(b.g, &p, &n);
	fwrite(p, 1, n, b.out);
	return fclose(b.out) != 0;
}
