/* SPDX-License-Identifier: MIT */
#ifndef MANIFEST_INTERNAL_H
#define MANIFEST_INTERNAL_H
/*
 * manifest-internal - what the two halves of a manifest's text share
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/strbuf.h"

struct item;

/* The flags that are written by name; ends with a NULL name. */
struct manifest_flag {
	const char *name;
	unsigned int bit;
};
extern const struct manifest_flag manifest_flags[];

enum manifest_line_kind { LINE_ITEM, LINE_HEAD, LINE_END };

struct manifest_line {
	enum manifest_line_kind kind;
	uint64_t format;         /* of the head */
	uint64_t items, bytes;   /* of the end */
};

/*
 * One line without its newline. tmp: memory to be used again. An item is
 * filled in only for LINE_ITEM; the caller releases it in any case. 0 or
 * -EBADMSG.
 */
int manifest_parse_line(const char *s, size_t n, struct strbuf *tmp,
			struct manifest_line *line, struct item *it);

#endif
