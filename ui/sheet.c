/* SPDX-License-Identifier: MIT */
#include "sheet.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

void sheet_init(struct sheet *s)
{
	memset(s, 0, sizeof(*s));
}

void sheet_release(struct sheet *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->items[i].id);
		free(s->items[i].label);
		free(s->items[i].text);
		free(s->items[i].note);
	}
	for (size_t i = 0; i < s->key_n; i++)
		free(s->keys[i].hint);
	free(s->items);
	free(s->app);
	free(s->phase);
	free(s->run);
	free(s->safety);
	free(s->status);
	sheet_init(s);
}

struct sheet_item *sheet_add(struct sheet *s, enum sheet_type type)
{
	struct sheet_item *it;

	VEC_GROW(s->items, s->n, s->cap);
	it = &s->items[s->n++];
	memset(it, 0, sizeof(*it));
	it->type = type;
	it->percent = -1;
	it->enabled = true;
	return it;
}

void sheet_blank(struct sheet *s)
{
	(void)sheet_add(s, SHEET_BLANK);
}

struct sheet_item *sheet_text(struct sheet *s, enum sheet_role role,
			      const char *fmt, ...)
{
	struct sheet_item *it = sheet_add(s, SHEET_TEXT);
	struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	it->role = role;
	it->text = strbuf_detach(&sb);
	return it;
}

struct sheet_item *sheet_fact(struct sheet *s, const char *label,
			      const char *fmt, ...)
{
	struct sheet_item *it = sheet_add(s, SHEET_FACT);
	struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	it->label = xstrdup(label);
	it->text = strbuf_detach(&sb);
	return it;
}

struct sheet_item *sheet_pre(struct sheet *s, enum sheet_role role,
			     const char *text)
{
	struct sheet_item *it = sheet_add(s, SHEET_PRE);

	it->role = role;
	it->text = xstrdup(text);
	return it;
}

struct sheet_item *sheet_row(struct sheet *s, const char *id,
			     enum sheet_mark mark, const char *label,
			     const char *text, const char *note)
{
	struct sheet_item *it = sheet_add(s, SHEET_ROW);

	it->id = xstrdup_null(id);
	it->mark = mark;
	it->label = xstrdup_null(label);
	it->text = xstrdup_null(text);
	it->note = xstrdup_null(note);
	return it;
}

struct sheet_item *sheet_choice(struct sheet *s, char key, const char *id,
				const char *label, const char *note)
{
	struct sheet_item *it = sheet_add(s, SHEET_CHOICE);

	it->key = key;
	it->id = xstrdup(id);
	it->label = xstrdup(label);
	it->note = xstrdup_null(note);
	return it;
}

struct sheet_item *sheet_field(struct sheet *s, const char *id,
			       const char *label, const char *value,
			       bool secret)
{
	struct sheet_item *it = sheet_add(s, SHEET_FIELD);

	it->id = xstrdup(id);
	it->label = xstrdup_null(label);
	it->text = xstrdup_null(value);
	it->secret = secret;
	return it;
}

void sheet_key(struct sheet *s, char key, const char *id, const char *hint)
{
	if (s->key_n == SHEET_KEYS_MAX)
		return;
	s->keys[s->key_n].key = key;
	s->keys[s->key_n].id = id;
	s->keys[s->key_n++].hint = xstrdup(hint);
}

const struct sheet_item *sheet_find(const struct sheet *s, const char *id)
{
	for (size_t i = 0; id && i < s->n; i++)
		if (s->items[i].id && !strcmp(s->items[i].id, id))
			return &s->items[i];
	return NULL;
}

const char *sheet_mark_text(enum sheet_mark m)
{
	/* the same in all languages: support staff ask for them */
	static const char *const texts[MARK_COUNT] = {
		[MARK_NONE] = "",
		[MARK_PENDING] = "[    ]",
		[MARK_WAITING] = "[ .. ]",
		[MARK_BUSY] = "[ >> ]",
		[MARK_OK] = "[ ok ]",
		[MARK_WARN] = "[warn]",
		[MARK_FAIL] = "[FAIL]",
		[MARK_SKIP] = "[skip]",
		[MARK_UNDONE] = "[undo]",
		[MARK_UNKNOWN] = "[ ?? ]",
	};

	return m < MARK_COUNT ? texts[m] : "";
}

const char *sheet_mark_word(enum sheet_mark m)
{
	switch (m) {
	case MARK_PENDING:
		return _("not started");
	case MARK_WAITING:
		return _("waiting");
	case MARK_BUSY:
		return _("running");
	case MARK_OK:
		return _("ok");
	case MARK_WARN:
		return _("warning");
	case MARK_FAIL:
		return _("FAILED");
	case MARK_SKIP:
		return _("skipped");
	case MARK_UNDONE:
		return _("undone");
	case MARK_UNKNOWN:
		return _("not known");
	case MARK_NONE:
	case MARK_COUNT:
		break;
	}
	return "";
}
