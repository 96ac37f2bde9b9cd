/* SPDX-License-Identifier: MIT */
#include "json-pointer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/strbuf.h"

bool json_pointer_valid(const char *pointer)
{
	if (*pointer && *pointer != '/')
		return false;
	for (const char *p = strchr(pointer, '~'); p; p = strchr(p + 1, '~'))
		if (p[1] != '0' && p[1] != '1')
			return false;
	return true;
}

int json_string_text(const char *token, size_t n, struct strbuf *out,
		     struct error *err)
{
	_cleanup_json_ struct json_object *o = NULL;
	int ret;

	if (!memchr(token, '\\', n)) {
		strbuf_add(out, token + 1, n - 2);
		return 0;
	}
	ret = json_parse(token, n, &o, err);
	if (ret < 0)
		return ret;
	strbuf_add(out, json_object_get_string(o),
		   (size_t)json_object_get_string_len(o));
	return 0;
}

/*
 * parts[0..open-1] are the containers that are open and on the path, so a
 * token at depth == open stands right in the innermost of them (or is the
 * document itself). Whatever is in a container off the path stands deeper.
 */
struct find {
	const char *text;
	struct strvec parts;
	int open;
	/* in the innermost container: was the last key the one we look for? */
	bool key_fits;
	/* its elements so far, if it is an array; one for each level */
	bool is_array[JSON_DEPTH_MAX + 1];
	uint64_t elements[JSON_DEPTH_MAX + 1];
	bool found;
	struct json_token at;
};

void json_pointer_split(const char *pointer, struct strvec *parts)
{
	while (*pointer) {
		size_t n = strcspn(++pointer, "/");
		struct strbuf part = STRBUF_INIT;

		for (size_t i = 0; i < n; i++) {
			if (pointer[i] == '~')
				strbuf_addch(&part, pointer[++i] == '1' ?
					     '/' : '~');
			else
				strbuf_addch(&part, pointer[i]);
		}
		strvec_take(parts, strbuf_detach(&part));
		pointer += n;
	}
}

static int take_key(struct find *f, const struct json_token *t)
{
	_cleanup_strbuf_ struct strbuf key = STRBUF_INIT;
	const char *part = f->parts.v[f->open - 1];
	int ret = json_string_text(f->text + t->begin,
				   (size_t)(t->end - t->begin), &key, NULL);

	f->key_fits = ret >= 0 && key.len == strlen(part) &&
		!memcmp(key.buf, part, key.len);
	return ret;
}

static bool value_fits(struct find *f)
{
	char index[24];

	if (!f->open)
		return true;
	if (!f->is_array[f->open])
		return f->key_fits;
	(void)snprintf(index, sizeof(index), "%llu",
		       (unsigned long long)f->elements[f->open]++);
	return !strcmp(index, f->parts.v[f->open - 1]);
}

static bool is_end(const struct json_token *t)
{
	return t->type == JSON_OBJECT_END || t->type == JSON_ARRAY_END;
}

static int find_token(void *ctx, const struct json_token *t)
{
	struct find *f = ctx;

	if (is_end(t)) {
		if (t->depth == f->open - 1)
			f->open--;
		return 0;
	}
	if (t->depth != f->open)
		return 0;
	if (t->type == JSON_KEY)
		return take_key(f, t);
	if (!value_fits(f))
		return 0;
	if ((size_t)f->open == f->parts.n) {
		f->found = true;
		f->at = *t;
	} else if (t->type == JSON_OBJECT_BEGIN ||
		   t->type == JSON_ARRAY_BEGIN) {
		/* the last one of two with this name: forget the first */
		f->found = false;
		f->open++;
		f->key_fits = false;
		f->is_array[f->open] = t->type == JSON_ARRAY_BEGIN;
		f->elements[f->open] = 0;
	}
	return 0;
}

int json_pointer_find(const char *text, size_t n, const char *pointer,
		      struct json_token *ret, struct error *err)
{
	_cleanup_json_scan_ struct json_scan *scan = NULL;
	struct find f = { .text = text };
	struct json_place at;
	const char *reason;
	int r;

	json_pointer_split(pointer, &f.parts);
	scan = json_scan_new(find_token, &f);
	r = json_scan_feed(scan, text, n);
	if (!r)
		r = json_scan_end(scan);
	strvec_release(&f.parts);
	if (!r) {
		*ret = f.at;
		return f.found;
	}
	reason = json_scan_reason(scan, &at);
	if (!reason)
		return error_set(err, ERR_JSON, r,
				 _("a key cannot be decoded"));
	return error_set(err, ERR_JSON, r, "%llu:%llu: %s",
			 (unsigned long long)at.line,
			 (unsigned long long)at.column, _(reason));
}
