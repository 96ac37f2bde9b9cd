/* SPDX-License-Identifier: MIT */
#include "tui/layout.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "text-width.h"
#include "tui/layout-internal.h"

#define LOG_BESIDE_FROM 120
#define PAGE_COLS 80          /* where the log stands beside */
#define TIME_COLS 7           /* of a step in the list */

void layout_init(struct layout *l)
{
	memset(l, 0, sizeof(*l));
	l->cursor_y = l->cursor_x = -1;
}

void build_line_release(struct line *line)
{
	for (size_t i = 0; i < line->n; i++)
		free(line->span[i].text);
	free(line->span);
}

void layout_release(struct layout *l)
{
	for (size_t i = 0; i < l->n; i++)
		build_line_release(&l->v[i]);
	free(l->v);
	layout_init(l);
}

struct line *build_line(struct build *b, enum line_kind kind)
{
	struct layout *l = b->out;
	struct line *line;

	VEC_GROW(l->v, l->n, l->cap);
	line = &l->v[l->n++];
	memset(line, 0, sizeof(*line));
	line->kind = kind;
	return line;
}

static struct span *add_span(struct line *line)
{
	struct span *span;

	VEC_GROW(line->span, line->n, line->cap);
	span = &line->span[line->n++];
	memset(span, 0, sizeof(*span));
	return span;
}

int build_span(struct build *b, struct line *line, int col, const char *text,
	       enum sheet_role role, unsigned int flags, int item)
{
	struct strbuf sb = STRBUF_INIT;
	struct span *span;

	if (!text || !*text || col >= b->width)
		return col;
	width_cut(&sb, text, b->width - col);
	span = add_span(line);
	span->col = col;
	span->role = role;
	span->flags = flags;
	span->item = item;
	span->text = strbuf_detach(&sb);
	span->cols = width_of(span->text);
	return col + span->cols;
}

char *build_safe(const struct build *b, const char *s, unsigned int flags)
{
	struct strbuf sb = STRBUF_INIT;

	width_safe(&sb, s ? s : "", b->in->safe | flags);
	return strbuf_detach(&sb);
}

bool build_focused(const struct build *b, const struct sheet_item *it)
{
	return it->id && b->in->focus && !strcmp(it->id, b->in->focus);
}

void build_cursor(struct build *b, int col)
{
	b->out->cursor_y = (int)b->out->n - 1;
	b->out->cursor_x = MIN(col, b->width - 1);
}

void build_wrapped(struct build *b, struct line *line, int col, int cols,
		   const char *text, enum sheet_role role, int item)
{
	_cleanup_strvec_ struct strvec lines = STRVEC_INIT;
	_cleanup_free_ char *safe = build_safe(b, text, WIDTH_LINES);

	width_wrap(&lines, safe, MAX(cols, 8));
	for (size_t i = 0; i < lines.n; i++) {
		if (i)
			line = build_line(b, LINE_TEXT);
		(void)build_span(b, line, col, lines.v[i], role, 0, item);
	}
}

/* a blank line parts it from what is above, whether the sheet has one or not */
static void place_log(struct build *b)
{
	struct layout *l = b->out;

	if (b->blanks && l->n && l->v[l->n - 1].kind != LINE_BLANK)
		(void)build_line(b, LINE_BLANK);
	build_log(b, b->log_room);
}

static void build_list(struct build *b, const size_t *at, size_t n)
{
	const struct sheet *s = b->in->sheet;
	bool after_row = false;

	for (size_t i = 0; i < n;) {
		enum sheet_type type = s->items[at[i]].type;

		if (type == SHEET_HEAD || type == SHEET_ROW) {
			i = build_table(b, at, i, n);
			after_row = true;
			continue;
		}
		if (type == SHEET_CHOICE) {
			i = build_choices(b, at, i, n);
		} else if (type == SHEET_LOG) {
			if (b->log_room > 0)
				place_log(b);
			i++;
		} else {
			build_item(b, at[i++], after_row);
		}
		after_row = false;
	}
}

/* the right side's lines beside the left side's, from column col on */
static void join_sides(struct build *b, struct layout *left,
		       struct layout *right, int col)
{
	size_t from = b->out->n;

	for (size_t y = 0; y < MAX(left->n, right->n); y++) {
		struct line *line = build_line(b, LINE_TEXT);

		if (y < left->n) {
			struct line tmp = *line;

			*line = left->v[y];
			left->v[y] = tmp;
			line->kind = LINE_TEXT;
		}
		for (size_t i = 0; y < right->n && i < right->v[y].n; i++) {
			struct span *span = add_span(line);

			*span = right->v[y].span[i];
			right->v[y].span[i].text = NULL;
			span->col += col;
		}
	}
	if (left->cursor_y >= 0) {
		b->out->cursor_y = (int)from + left->cursor_y;
		b->out->cursor_x = left->cursor_x;
	} else if (right->cursor_y >= 0) {
		b->out->cursor_y = (int)from + right->cursor_y;
		b->out->cursor_x = right->cursor_x + col;
	}
}

static int natural_cols(const struct layout *l)
{
	int w = 0;

	for (size_t y = 0; y < l->n; y++)
		for (size_t i = 0; i < l->v[y].n; i++)
			w = MAX(w, l->v[y].span[i].col + l->v[y].span[i].cols);
	return w;
}

/* room for times that come and go, so that the right side stays where it is */
static int left_cols(struct build *b, const size_t *left, size_t n,
		     const struct layout *l)
{
	int w = natural_cols(l);

	for (size_t i = 0; i < n; i++) {
		const struct sheet_item *it = &b->in->sheet->items[left[i]];
		_cleanup_free_ char *label = build_safe(b, it->label, 0);

		if (it->type == SHEET_ROW && it->mark != MARK_NONE)
			w = MAX(w, INDENT + MARK_COLS + width_of(label) + 2 +
				TIME_COLS);
	}
	return MIN(w, b->width / 2);
}

/* rows on the right that would not fit there in a line each */
static bool right_is_wide(struct build *b, const size_t *right, size_t n,
			  int room)
{
	struct build part = *b;
	struct layout whole;
	bool rows = false, wide;

	for (size_t i = 0; i < n; i++)
		rows = rows || b->in->sheet->items[right[i]].type == SHEET_ROW;
	if (!rows)
		return false;
	layout_init(&whole);
	part.out = &whole;
	build_list(&part, right, n);
	wide = natural_cols(&whole) > room;
	layout_release(&whole);
	return wide;
}

static void build_sides(struct build *b, const size_t *left, size_t left_n,
			const size_t *right, size_t right_n)
{
	struct layout l, r;
	struct build part = *b;
	int col;

	if (b->width < SIDES_FROM) {
		build_list(b, right, right_n);
		build_list(b, left, left_n);
		return;
	}
	layout_init(&l);
	layout_init(&r);
	part.beside = true;
	part.out = &l;
	part.width = b->width / 2;
	build_list(&part, left, left_n);
	col = left_n ? left_cols(b, left, left_n, &l) + 3 : 0;
	if (right_is_wide(b, right, right_n, b->width - col)) {
		layout_release(&l);
		build_list(b, right, right_n);
		if (b->blanks && left_n)
			(void)build_line(b, LINE_BLANK);
		build_list(b, left, left_n);
		return;
	}
	part.out = &r;
	part.width = b->width - col;
	build_list(&part, right, right_n);
	join_sides(b, &l, &r, col);
	layout_release(&l);
	layout_release(&r);
}

void build_page(struct build *b)
{
	const struct sheet *s = b->in->sheet;
	size_t *one = xcalloc(s->n + 1, sizeof(*one));
	size_t *two = xcalloc(s->n + 1, sizeof(*two));

	for (size_t i = 0; i < s->n;) {
		size_t n = 0, m = 0;

		for (; i < s->n && s->items[i].side == SIDE_WHOLE; i++)
			one[n++] = i;
		build_list(b, one, n);
		for (n = 0; i < s->n && s->items[i].side != SIDE_WHOLE; i++) {
			if (s->items[i].side == SIDE_LEFT)
				one[n++] = i;
			else
				two[m++] = i;
		}
		if (n || m)
			build_sides(b, one, n, two, m);
	}
	free(one);
	free(two);
}

static void label_cols(struct build *b)
{
	const struct sheet *s = b->in->sheet;

	b->fact_cols = 6;
	for (size_t i = 0; i < s->n; i++) {
		_cleanup_free_ char *safe = build_safe(b, s->items[i].label, 0);
		int w = width_of(safe);

		if (s->items[i].type == SHEET_FACT)
			b->fact_cols = MAX(b->fact_cols, w);
		if (s->items[i].type == SHEET_FIELD)
			b->field_cols = MAX(b->field_cols, w);
	}
}

static bool has_type(const struct sheet *s, enum sheet_type type)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].type == type)
			return true;
	return false;
}

static void log_beside(struct build *b, int height)
{
	struct layout log;
	struct build part = *b;

	layout_init(&log);
	part.out = &log;
	part.width = b->in->width - PAGE_COLS - 2;
	build_log(&part, height);
	b->width = b->in->width;
	while ((int)b->out->n < (int)log.n)
		(void)build_line(b, LINE_BLANK);
	for (size_t y = 0; y < log.n; y++)
		for (size_t i = 0; i < log.v[y].n; i++) {
			struct span *span = add_span(&b->out->v[y]);

			*span = log.v[y].span[i];
			log.v[y].span[i].text = NULL;
			span->col += PAGE_COLS + 2;
		}
	b->out->log_y = log.log_y;
	b->out->log_n = log.log_n;
	layout_release(&log);
}

void layout_make(struct layout *l, const struct look *in)
{
	struct build b = { .in = in, .out = l, .width = MAX(in->width, 1) };
	bool log = in->model && has_type(in->sheet, SHEET_LOG);
	bool beside = log && in->width >= LOG_BESIDE_FROM;

	layout_release(l);
	if (beside)
		b.width = PAGE_COLS;
	b.log_room = log && !beside;
	label_cols(&b);
	build_fit(&b, in->height);
	free(b.blank_rank);
	if (beside)
		log_beside(&b, in->height);
}
