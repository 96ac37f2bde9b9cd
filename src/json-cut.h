/* SPDX-License-Identifier: MIT */
#ifndef JSON_CUT_H
#define JSON_CUT_H
/*
 * json-cut - where the elements of a large array end
 *
 * Looks at quotes, escapes and brackets alone, 64 bytes at a time, and says
 * where the commas between the elements are and where the array ends. It does
 * not check the elements: whoever parses each of them strictly (json-tree.h)
 * has checked the array too, for no wrong cut leaves valid values behind.
 *
 * The masks of quotes and escapes are those of G. Langdale and D. Lemire,
 * "Parsing Gigabytes of JSON per Second" (2019), section 3.1.
 *
 *	json_cut_init(&c);                  behind the opening bracket
 *	while (!json_cut_scan(&c, buf, len, at_end)) ... read more
 *
 * buf is what was given before and more behind it. Elements are c.v: begin and
 * end in buf, blanks in, without the commas.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_span {
	size_t begin, end;
};

struct json_cut {
	struct json_span *v;
	size_t n, cap;
	size_t scanned;          /* bytes of buf that were looked at */
	size_t begin;            /* of the element that is not over yet */
	size_t close;            /* the closing bracket, once it was found */
	bool any;                /* a comma came before begin */
	int64_t depth;
	uint64_t in_string, escaped;
};

void json_cut_init(struct json_cut *c);
void json_cut_release(struct json_cut *c);
/* true: the array ends, at c->close. last: there is no more than len */
bool json_cut_scan(struct json_cut *c, const char *buf, size_t len,
		   bool last);
/* forgets the elements and the first n bytes of buf, which are theirs */
void json_cut_drop(struct json_cut *c, size_t n);

#endif
