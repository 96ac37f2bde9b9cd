/* SPDX-License-Identifier: MIT */
/* Paragraphs, facts, bars, fields and choices. */
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "text-width.h"
#include "tui/field.h"
#include "tui/layout-internal.h"

#define BAR_MAX 48
#define FACT_GAP 3
#define CHOICE_GAP 4
#define BUTTON_GAP 3          /* the sign of the focus stands free in it */

/* at the right edge of the line, one column free; or below, if it is full */
static void add_note(struct build *b, size_t line, const char *note,
		     enum sheet_role role, int item)
{
	_cleanup_free_ char *safe = build_safe(b, note, 0);
	const struct line *l = &b->out->v[line];
	int end = 0, w = width_of(safe);

	if (!w)
		return;
	for (size_t i = 0; i < l->n; i++)
		end = MAX(end, l->span[i].col + l->span[i].cols);
	if (end + 2 + w <= b->width - 1) {
		(void)build_span(b, &b->out->v[line], b->width - 1 - w, safe,
				 role, 0, item);
		return;
	}
	build_wrapped(b, build_line(b, LINE_TEXT), INDENT * 2,
		      b->width - 1 - INDENT * 2, safe, role, item);
}

static void build_text(struct build *b, size_t item)
{
	const struct sheet_item *it = &b->in->sheet->items[item];
	size_t first = b->out->n;

	build_wrapped(b, build_line(b, LINE_TEXT), 0, b->width - 1, it->text,
		      it->role, (int)item);
	add_note(b, first, it->note, it->role, (int)item);
}

static void build_pre(struct build *b, size_t item)
{
	const struct sheet_item *it = &b->in->sheet->items[item];
	_cleanup_free_ char *safe = build_safe(b, it->text, WIDTH_TABS);
	struct strbuf sb = STRBUF_INIT;
	size_t first = b->out->n;

	width_untab(&sb, safe);
	(void)build_span(b, build_line(b, LINE_TEXT), INDENT, sb.buf, it->role,
			 0, (int)item);
	add_note(b, first, it->note, it->role, (int)item);
	strbuf_release(&sb);
}

static void build_fact(struct build *b, size_t item)
{
	const struct sheet_item *it = &b->in->sheet->items[item];
	_cleanup_free_ char *label = build_safe(b, it->label, 0);
	struct line *line = build_line(b, LINE_TEXT);
	size_t first = b->out->n - 1;
	int col = INDENT + b->fact_cols + FACT_GAP;

	(void)build_span(b, line, INDENT, label, ROLE_NORMAL, 0,
			 (int)item);
	if (col > b->width / 2) {
		/* no room beside the label: below it */
		col = INDENT * 2;
		line = build_line(b, LINE_TEXT);
		first++;
	}
	build_wrapped(b, line, col, b->width - col, it->text, it->role,
		      (int)item);
	add_note(b, first, it->note, it->role, (int)item);
}

static void build_bar(struct build *b, size_t item, bool after_row)
{
	const struct sheet_item *it = &b->in->sheet->items[item];
	struct line *line = build_line(b, LINE_TEXT);
	int col = after_row ? INDENT + MARK_COLS : 0;
	int cols = MIN(BAR_MAX, b->width - col - 10), full, end;
	_cleanup_free_ char *behind = build_safe(b, it->text, 0);
	struct strbuf sb = STRBUF_INIT;

	if (cols < 4)
		cols = 4;
	/* a full bar means done, and nothing else does */
	full = it->percent < 0 ? 0 : (it->percent * cols + 50) / 100;
	if (full >= cols && it->percent < 100)
		full = cols - 1;
	strbuf_addch(&sb, '[');
	for (int i = 0; i < cols; i++)
		strbuf_addch(&sb, i < full ? '#' : '.');
	strbuf_addch(&sb, ']');
	end = build_span(b, line, col, sb.buf, ROLE_NORMAL, SPAN_MARK,
			 (int)item);
	strbuf_clear(&sb);
	if (it->percent >= 0)
		strbuf_addf(&sb, "%*d %%", it->percent == 100 ? 3 : 4,
			    it->percent);
	end = build_span(b, line, end + 1, sb.buf, it->role, 0, (int)item);
	strbuf_release(&sb);
	if (!*behind)
		return;
	if (end + 2 + width_of(behind) <= b->width)
		(void)build_span(b, line, end + 2, behind, it->role, 0,
				 (int)item);
	else
		build_wrapped(b, build_line(b, LINE_TEXT), col, b->width - col,
			      behind, it->role, (int)item);
}

static void build_field(struct build *b, size_t item)
{
	const struct sheet_item *it = &b->in->sheet->items[item];
	_cleanup_free_ char *label = build_safe(b, it->label, 0);
	bool focus = build_focused(b, it);
	struct line *line = build_line(b, LINE_TEXT);
	int col = INDENT, room, cursor = 0;
	struct field own;
	struct strbuf sb = STRBUF_INIT;
	const struct field *f = focus ? b->in->field : NULL;

	if (focus || !*label)
		(void)build_span(b, line, *label ? 0 : INDENT, ">",
				 ROLE_STRONG, 0, (int)item);
	if (*label) {
		(void)build_span(b, line, col, label, it->role, 0,
				 (int)item);
		col += b->field_cols + FACT_GAP;
		if (col > b->width / 2) {
			line = build_line(b, LINE_TEXT);
			col = INDENT * 2;
		}
	} else {
		col += INDENT;
	}
	room = MAX(b->width - col - 2, 4);
	field_init(&own, it->secret);
	if (!f) {
		field_set(&own, it->text);
		f = &own;
	}
	field_view(f, room, b->in->safe, &sb, &cursor);
	if (focus)
		build_cursor(b, col + cursor);
	/* as wide as there is room, so that it is seen where to type */
	while (*label && (int)width_of(sb.buf) < MIN(room, 40))
		strbuf_addch(&sb, '_');
	(void)build_span(b, line, col, sb.buf, ROLE_NORMAL,
			 SPAN_FIELD | (focus && *label ? SPAN_FOCUS : 0),
			 (int)item);
	field_release(&own);
	strbuf_release(&sb);
	if (it->note && *it->note)
		build_wrapped(b, build_line(b, LINE_TEXT), col, b->width - col,
			      it->note, ROLE_DIM, (int)item);
}

void build_item(struct build *b, size_t item, bool after_row)
{
	switch (b->in->sheet->items[item].type) {
	case SHEET_BLANK:
		if (b->blank_rank[item] < b->blanks)
			(void)build_line(b, LINE_BLANK);
		break;
	case SHEET_FILL:
		(void)build_line(b, LINE_FILL);
		break;
	case SHEET_TEXT:
		build_text(b, item);
		break;
	case SHEET_PRE:
		build_pre(b, item);
		break;
	case SHEET_FACT:
		build_fact(b, item);
		break;
	case SHEET_BAR:
		build_bar(b, item, after_row);
		break;
	case SHEET_FIELD:
		build_field(b, item);
		break;
	case SHEET_HEAD:
	case SHEET_ROW:
	case SHEET_LOG:
	case SHEET_CHOICE:
		break;
	}
}

static void build_buttons(struct build *b, const size_t *at, size_t i,
			  size_t end)
{
	const struct sheet *s = b->in->sheet;
	struct line *line = NULL;
	int col = 0;

	for (size_t k = i; k < end; k++) {
		const struct sheet_item *it = &s->items[at[k]];
		_cleanup_free_ char *l = build_safe(b, it->label, 0);
		_cleanup_free_ char *text = xasprintf("[ %s ]", l);
		bool focus = build_focused(b, it);

		if (!line || col + BUTTON_GAP + width_of(text) > b->width) {
			line = build_line(b, LINE_CHOICE);
			col = INDENT;
		} else {
			col += BUTTON_GAP;
		}
		if (focus) {
			(void)build_span(b, line, col - 2, ">", ROLE_STRONG, 0,
					 (int)at[k]);
			build_cursor(b, col + 2);
		}
		col = build_span(b, line, col, text, it->role,
				 (focus ? SPAN_FOCUS : 0) |
				 (it->enabled ? 0 : SPAN_OFF), (int)at[k]);
	}
}

/* below the choice, or beside it at col */
static void choice_note(struct build *b, struct line *line, int end, int col,
			const char *note, int item)
{
	_cleanup_strvec_ struct strvec lines = STRVEC_INIT;
	_cleanup_free_ char *safe = build_safe(b, note, 0);

	if (!*safe)
		return;
	if (b->width - col < 24 || end + 2 > col) {
		col = INDENT + 5;
		line = NULL;
	}
	width_wrap(&lines, safe, MAX(b->width - col, 8));
	for (size_t i = 0; i < lines.n; i++) {
		if (!line || i)
			line = build_line(b, LINE_CHOICE);
		(void)build_span(b, line, col, lines.v[i], ROLE_NORMAL, 0,
				 item);
	}
}

static void build_numbered(struct build *b, size_t item, int cols, bool note)
{
	const struct sheet_item *it = &b->in->sheet->items[item];
	_cleanup_free_ char *l = build_safe(b, it->label, 0);
	struct line *line = build_line(b, LINE_CHOICE);
	char key[2] = { it->enabled ? it->key : '-', '\0' };
	unsigned int flags = it->enabled ? 0 : SPAN_OFF;
	int end;

	if (build_focused(b, it)) {
		(void)build_span(b, line, 0, ">", ROLE_STRONG, 0, (int)item);
		build_cursor(b, INDENT + 3);
		flags |= SPAN_FOCUS;
		note = true;
	}
	(void)build_span(b, line, INDENT, key, ROLE_NORMAL, 0, (int)item);
	end = build_span(b, line, INDENT + 3, l, it->role, flags, (int)item);
	if (note)
		choice_note(b, line, end, INDENT + 3 + cols + CHOICE_GAP,
			    it->note, (int)item);
}

/* where there is no room for all: some around the focus, and its note alone */
static void build_list_of(struct build *b, const size_t *at, size_t i,
			  size_t end)
{
	const struct sheet *s = b->in->sheet;
	size_t n = end - i, shown = MIN(n, (size_t)b->choice_max), first = 0;
	int cols = 0;

	for (size_t k = i; k < end; k++) {
		_cleanup_free_ char *l = build_safe(b, s->items[at[k]].label, 0);

		cols = MAX(cols, width_of(l));
		if (build_focused(b, &s->items[at[k]]) && k - i > shown / 2)
			first = k - i - shown / 2;
	}
	first = MIN(first, n - shown);
	for (size_t k = i + first; k < i + first + shown; k++)
		build_numbered(b, at[k], cols, shown == n ||
			       !s->items[at[k]].enabled);
	if (shown < n)
		build_more(b, LINE_CHOICE, first, n - first - shown);
}

size_t build_choices(struct build *b, const size_t *at, size_t i, size_t n)
{
	const struct sheet *s = b->in->sheet;
	size_t end = i;

	while (end < n && s->items[at[end]].type == SHEET_CHOICE)
		end++;
	if (s->flags & SHEET_BUTTONS)
		build_buttons(b, at, i, end);
	else
		build_list_of(b, at, i, end);
	return end;
}
