/* SPDX-License-Identifier: MIT */
#include "tui/layout.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "tui/layout-internal.h"
#include "tui/text-width.h"

#define SIDES_FROM 80         /* columns */
#define LOG_BESIDE_FROM 120
#define PAGE_COLS 80          /* where the log stands beside */
#define LOG_MIN 3             /* lines, with its title */
#define DETAIL_LINES 7        /* kept below a list that is cut */
#define ROWS_MIN 4
#define TIME_COLS 7           /* of a step in the list */

void layout_init(struct layout *l)
{
	memset(l, 0, sizeof(*l));
	l->cursor_y = l->cursor_x = -1;
}

static void line_release(struct line *line)
{
	for (size_t i = 0; i < line->n; i++)
		free(line->span[i].text);
	free(line->span);
}

void layout_release(struct layout *l)
{
	for (size_t i = 0; i < l->n; i++)
		line_release(&l->v[i]);
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
	part.out = &r;
	part.width = b->width - col;
	build_list(&part, right, right_n);
	join_sides(b, &l, &r, col);
	layout_release(&l);
	layout_release(&r);
}

static void build_page(struct build *b)
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

/*
 * Lines that the rows of a list take which may be cut, and those below it. May
 * be: the focus moves through it, or it points at what runs.
 */
static void measure_rows(const struct look *in, const struct layout *l,
			 int *rows, int *below)
{
	const struct sheet *s = in->sheet;
	int first = -1, last = -1;

	for (size_t y = 0; y < l->n; y++)
		for (size_t i = 0; i < l->v[y].n; i++) {
			int item = l->v[y].span[i].item;

			if (item < 0 || s->items[item].type != SHEET_ROW ||
			    (!s->items[item].id &&
			     (in->width < SIDES_FROM ||
			      s->items[item].side != SIDE_LEFT)))
				continue;
			if (first < 0)
				first = (int)y;
			last = (int)y;
		}
	*rows = first < 0 ? 0 : last - first + 1;
	*below = first < 0 ? 0 : (int)l->n - 1 - last;
}

/* the first line of the choices; -1: there are none */
static int kept_from(const struct layout *l)
{
	for (size_t y = 0; y < l->n; y++)
		if (l->v[y].kind == LINE_CHOICE)
			return (int)y;
	return -1;
}

static void attempt(struct build *b)
{
	layout_release(b->out);
	build_page(b);
}

/* at most half of the page for the choices: a window around the focus */
static void cut_choices(struct build *b, int height)
{
	int from = kept_from(b->out), n = 0;

	if (b->in->sheet->flags & SHEET_BUTTONS)
		return;
	for (size_t i = 0; i < b->in->sheet->n; i++)
		n += b->in->sheet->items[i].type == SHEET_CHOICE;
	b->choice_max = n;
	while (from >= 0 && b->choice_max > 1 &&
	       (int)b->out->n - from > MAX(height / 2, 3)) {
		b->choice_max--;
		attempt(b);
		from = kept_from(b->out);
	}
}

/*
 * Fewer rows until the page fits. A list whose rows can be selected keeps a
 * fixed part below it for what is said on the selected row, so that the list
 * does not change its height with each step through it.
 */
static void cut_rows(struct build *b, int height, int rows_min)
{
	int rows, below, want;

	measure_rows(b->in, b->out, &rows, &below);
	if (!rows)
		return;
	want = below;
	if (b->in->row && height >= 18)
		want = MAX(below, DETAIL_LINES);
	if ((int)b->out->n - below + want <= height)
		return;
	b->row_max = MAX(rows - ((int)b->out->n - below + want - height) - 1,
			 rows_min);
	attempt(b);
	/* rows of several lines each: few at a time, many if far from it */
	while ((int)b->out->n > height && b->row_max > rows_min) {
		b->row_max -= MAX(((int)b->out->n - height) / 8, 1);
		b->row_max = MAX(b->row_max, rows_min);
		attempt(b);
	}
}

static void make_fit(struct build *b, int height)
{
	int log = b->log_room > 0 ? LOG_MIN : 0;

	b->log_room = log;
	b->row_max = b->choice_max = INT_MAX;
	b->blanks = true;
	attempt(b);
	cut_rows(b, height, ROWS_MIN);
	if ((int)b->out->n > height) {
		b->blanks = false;
		attempt(b);
	}
	if ((int)b->out->n > height && log &&
	    (b->in->sheet->flags & SHEET_COMPACT_LOG)) {
		b->log_room = 0;
		b->row_max = INT_MAX;
		attempt(b);
		cut_rows(b, height, ROWS_MIN);
	}
	if ((int)b->out->n > height)
		cut_rows(b, height, 1);
	if ((int)b->out->n > height)
		cut_choices(b, height);
	if (b->log_room > 0 && (int)b->out->n < height) {
		b->log_room += height - (int)b->out->n;
		attempt(b);
	}
}

static void delete_lines(struct layout *l, size_t at, size_t n)
{
	if (!n)
		return;
	for (size_t i = at; i < at + n; i++)
		line_release(&l->v[i]);
	memmove(l->v + at, l->v + at + n, (l->n - at - n) * sizeof(*l->v));
	l->n -= n;
	if (l->cursor_y >= (int)(at + n))
		l->cursor_y -= (int)n;
	else if (l->cursor_y >= (int)at)
		l->cursor_y = -1;
	if (l->log_y >= (int)(at + n))
		l->log_y -= (int)n;
}

static void insert_blank(struct build *b, size_t at)
{
	struct layout *l = b->out;
	struct line line;

	(void)build_line(b, LINE_BLANK);
	line = l->v[l->n - 1];
	memmove(l->v + at + 1, l->v + at, (l->n - 1 - at) * sizeof(*l->v));
	l->v[at] = line;
	if (l->cursor_y >= (int)at)
		l->cursor_y++;
	if (l->log_n && l->log_y >= (int)at)
		l->log_y++;
}

static void spread_fill(struct build *b, int height)
{
	struct layout *l = b->out;

	for (size_t y = 0; y < l->n; y++) {
		if (l->v[y].kind != LINE_FILL)
			continue;
		l->v[y].kind = LINE_BLANK;
		if ((int)l->n > height)
			delete_lines(l, y, 1);
		while ((int)l->n < height)
			insert_blank(b, y);
		return;
	}
}

/* lines from the first choice on, if they are few enough to stay in sight */
static int kept_below(const struct layout *l, int height)
{
	int from = kept_from(l), n = (int)l->n - from;

	return from >= 0 && n <= height * 2 / 3 ? n : 0;
}

static void add_more_line(struct build *b, size_t at, int above, int below)
{
	struct strbuf sb = STRBUF_INIT;
	struct line *line = &b->out->v[at];

	if (above && below)
		strbuf_addf(&sb, _("... %d above, %d below (PgUp/PgDn)"),
			    above, below);
	else if (below)
		strbuf_addf(&sb, ngettext("... %d more line below (PgDn)",
					  "... %d more lines below (PgDn)",
					  (unsigned long)below), below);
	else
		strbuf_addf(&sb, ngettext("... %d more line above (PgUp)",
					  "... %d more lines above (PgUp)",
					  (unsigned long)above), above);
	line_release(line);
	memset(line, 0, sizeof(*line));
	(void)build_span(b, line, INDENT, sb.buf, ROLE_DIM, 0, -1);
	strbuf_release(&sb);
}

static void scroll_page(struct build *b, int height)
{
	struct layout *l = b->out;
	int kept = kept_below(l, height);
	int room = height - kept - 1, whole = (int)l->n - kept;
	int top = b->in->scroll;

	if (room < 1)
		room = 1;
	l->scroll_max = MAX(whole - room, 0);
	l->scroll_room = room;
	if (b->in->to_focus && b->in->focus && l->cursor_y >= 0 &&
	    l->cursor_y < whole) {
		if (top > l->cursor_y)
			top = l->cursor_y;
		if (top < l->cursor_y - room + 1)
			top = l->cursor_y - room + 1;
	}
	top = MAX(MIN(top, l->scroll_max), 0);
	l->scroll = top;
	delete_lines(l, (size_t)(top + room + 1),
		     (size_t)MAX(whole - top - room - 1, 0));
	if (top + room < (int)l->n - kept)
		add_more_line(b, (size_t)(top + room), top,
			      whole - top - room);
	else if (top > 0)
		insert_blank(b, (size_t)(top + room)),
		add_more_line(b, (size_t)(top + room), top, 0);
	delete_lines(l, 0, (size_t)top);
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
	b.log_room = log && !beside ? LOG_MIN : 0;
	label_cols(&b);
	make_fit(&b, in->height);
	spread_fill(&b, in->height);
	if ((int)l->n > in->height)
		scroll_page(&b, in->height);
	/* too low for a line and the one that counts the others */
	if ((int)l->n > in->height)
		delete_lines(l, (size_t)in->height,
			     l->n - (size_t)in->height);
	if (beside)
		log_beside(&b, in->height);
}
