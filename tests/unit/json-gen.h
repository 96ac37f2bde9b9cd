/* SPDX-License-Identifier: MIT */
#ifndef JSON_GEN_H
#define JSON_GEN_H
/*
 * json-gen - JSON texts of every kind from a seed: escapes, halves of pairs,
 * numbers of any size, blanks of all sorts anywhere, names twice, depth.
 */
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/strbuf.h"

struct gen {
	uint64_t state;
	/* 0: no blanks, 1: ", " and ": ", 2: lines, 3: anything */
	unsigned int style;
};

/* xorshift64* */
static inline uint32_t gen_next(struct gen *g)
{
	g->state ^= g->state >> 12;
	g->state ^= g->state << 25;
	g->state ^= g->state >> 27;
	return (uint32_t)(g->state * UINT64_C(2685821657736338717) >> 32);
}

static inline uint32_t gen_below(struct gen *g, uint32_t n)
{
	return gen_next(g) % n;
}

static inline void gen_init(struct gen *g, uint64_t seed)
{
	g->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	g->style = gen_below(g, 4);
}

static inline void gen_string(struct gen *g, struct strbuf *out)
{
	static const char *const parts[] = {
		"a", "bc", "key", "\\n", "\\\"", "\\\\", "\\/", "\\b\\f\\r\\t",
		"\\u00e9", "\\ud83d\\ude00", "\\ud800", "\\uDFFF", "\\u0000",
		"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", " ", "\x7f",
		"plain text that is longer than sixteen bytes ", "/", "~",
		"{", "}", "[", "]", ",", ":",
	};

	strbuf_addch(out, '"');
	for (uint32_t n = gen_below(g, 4); n; n--)
		strbuf_addstr(out, parts[gen_below(g, ARRAY_SIZE(parts))]);
	strbuf_addch(out, '"');
}

static inline void gen_number(struct gen *g, struct strbuf *out)
{
	static const char *const fixed[] = {
		"0", "-0", "9007199254740993", "18446744073709551616", "1e400",
		"-1E-7", "0.10", "1.0", "123456789012345678901234567890.5e+3",
	};

	if (gen_below(g, 2))
		strbuf_addstr(out, fixed[gen_below(g, ARRAY_SIZE(fixed))]);
	else
		strbuf_addf(out, "%u", gen_below(g, 1000));
}

static inline void gen_blank(struct gen *g, int depth, bool inner,
			     struct strbuf *out)
{
	static const char *const any[] = { "", " ", "  ", "\t", "\n", "\r\n",
		"\n            ", " \n\t " };

	if (g->style == 3)
		strbuf_addstr(out, any[gen_below(g, ARRAY_SIZE(any))]);
	else if (g->style == 2 && inner)
		strbuf_addf(out, "\n%*s", depth * 2, "");
}

static inline void gen_value(struct gen *g, int depth, struct strbuf *out);

static inline void gen_container(struct gen *g, int depth, struct strbuf *out)
{
	bool object = gen_below(g, 2);
	uint32_t n = gen_below(g, 5);

	strbuf_addch(out, object ? '{' : '[');
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			strbuf_addstr(out, g->style == 1 ? ", " : ",");
		gen_blank(g, depth + 1, true, out);
		if (object) {
			gen_string(g, out);
			gen_blank(g, depth, false, out);
			strbuf_addstr(out, g->style ? ": " : ":");
			gen_blank(g, depth, false, out);
		}
		gen_value(g, depth + 1, out);
		gen_blank(g, depth, false, out);
	}
	gen_blank(g, depth, n, out);
	strbuf_addch(out, object ? '}' : ']');
}

static inline void gen_value(struct gen *g, int depth, struct strbuf *out)
{
	static const char *const words[] = { "null", "true", "false" };

	switch (gen_below(g, depth > 5 ? 3 : depth ? 6 : 12)) {
	case 0:
		strbuf_addstr(out, words[gen_below(g, 3)]);
		break;
	case 1:
		gen_number(g, out);
		break;
	case 2:
		gen_string(g, out);
		break;
	default:
		gen_container(g, depth, out);
	}
}

static inline void gen_document(struct gen *g, struct strbuf *out)
{
	gen_blank(g, 0, false, out);
	gen_value(g, 0, out);
	gen_blank(g, 0, false, out);
}

#endif
