/* SPDX-License-Identifier: MIT */
/* A page into the height there is: what is cut, what scrolls, what stays. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "tui/layout-internal.h"

#define LOG_MIN 3             /* lines, with its title */
#define DETAIL_LINES 7        /* kept below a list that is cut */
#define ROWS_MIN 4

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

/* with the bars among them, which are counted as rows where these are drawn */
static size_t count_rows(const struct sheet *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->items[i].type == SHEET_ROW ||
		     s->items[i].type == SHEET_BAR;
	return n;
}

/*
 * A list whose rows can be selected keeps a fixed part below it for what is
 * said on the selected row, so that the list does not change its height with
 * each step through it.
 */
static bool rows_fit(struct build *b, int height, int row_max)
{
	int rows, below, want, count = (int)count_rows(b->in->sheet);

	b->row_max = row_max;
	attempt(b);
	measure_rows(b->in, b->out, &rows, &below);
	want = below;
	if (rows && b->in->row && height >= 18)
		want = MAX(below, DETAIL_LINES + (row_max < count));
	return (int)b->out->n - below + want <= height;
}

/* as many rows as there is room for, but not fewer than so many */
static void cut_rows(struct build *b, int height, int rows_min)
{
	int low = rows_min, high = (int)count_rows(b->in->sheet), rows, below;

	measure_rows(b->in, b->out, &rows, &below);
	if (!rows || rows_fit(b, height, high))
		return;
	while (low < high) {
		int middle = low + (high - low + 1) / 2;

		if (rows_fit(b, height, middle))
			low = middle;
		else
			high = middle - 1;
	}
	(void)rows_fit(b, height, low);
}

/* what stands next to a blank line: by steps of 1 or -1; NONE at the ends */
static enum sheet_type beside_blank(const struct sheet *s, size_t i, int by)
{
	for (i += (size_t)by; i < s->n; i += (size_t)by)
		if (s->items[i].type != SHEET_BLANK)
			return s->items[i].type == SHEET_HEAD ||
				s->items[i].type == SHEET_BAR ? SHEET_ROW :
				s->items[i].type;
	return SHEET_BLANK;
}

/*
 * How much a blank line is missed: least among things of one kind, more
 * between two kinds, still more below the line that says it all, and most
 * where something is to be chosen or typed.
 */
static int blank_weight(const struct sheet *s, size_t i)
{
	enum sheet_type above = beside_blank(s, i, -1);
	enum sheet_type below = beside_blank(s, i, 1);

	if (i && s->items[i - 1].type == SHEET_BLANK)
		return 0;
	if (below == SHEET_CHOICE || below == SHEET_FIELD ||
	    above == SHEET_FIELD)
		return 4;
	if (i == 1)
		return 3;
	return above == below ? 1 : 2;
}

/* of equal ones the lower goes first */
static void rank_blanks(struct build *b)
{
	const struct sheet *s = b->in->sheet;

	b->blanks = 1;
	b->blank_rank = xcalloc(s->n + 1, sizeof(*b->blank_rank));
	for (int weight = 4; weight >= 0; weight--)
		for (size_t i = 0; i < s->n; i++)
			if (s->items[i].type == SHEET_BLANK &&
			    blank_weight(s, i) == weight)
				b->blank_rank[i] = b->blanks++;
}

static void make_fit(struct build *b, int height)
{
	int log = b->log_room ? LOG_MIN : 0;

	b->log_room = log;
	b->row_max = b->choice_max = INT_MAX;
	rank_blanks(b);
	attempt(b);
	cut_rows(b, height, ROWS_MIN);
	while ((int)b->out->n > height && b->blanks) {
		b->blanks--;
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
		build_line_release(&l->v[i]);
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

/*
 * Where the page scrolls the choices are its lower end, so that they stay in
 * sight; what stood below them goes above.
 */
static void choices_last(struct layout *l)
{
	int from = kept_from(l), to = (int)l->n;
	struct line *tmp;
	size_t choices, below;

	if (from < 0)
		return;
	while (l->v[to - 1].kind != LINE_CHOICE)
		to--;
	choices = (size_t)(to - from);
	below = l->n - (size_t)to;
	if (!below)
		return;
	tmp = xcalloc(choices, sizeof(*tmp));
	memcpy(tmp, l->v + from, choices * sizeof(*tmp));
	memmove(l->v + from, l->v + to, below * sizeof(*tmp));
	memcpy(l->v + from + below, tmp, choices * sizeof(*tmp));
	free(tmp);
	if (l->cursor_y >= to)
		l->cursor_y -= (int)choices;
	else if (l->cursor_y >= from)
		l->cursor_y += (int)below;
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
	build_line_release(line);
	memset(line, 0, sizeof(*line));
	(void)build_span(b, line, INDENT, sb.buf, ROLE_DIM, 0, -1);
	strbuf_release(&sb);
}

static void scroll_page(struct build *b, int height)
{
	struct layout *l = b->out;
	int kept, room, whole, top = b->in->scroll;

	choices_last(l);
	kept = kept_below(l, height);
	room = height - kept - 1;
	whole = (int)l->n - kept;
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

void build_fit(struct build *b, int height)
{
	struct layout *l = b->out;

	make_fit(b, height);
	spread_fill(b, height);
	if ((int)l->n > height)
		scroll_page(b, height);
	/* too low for a line and the one that counts the others */
	if ((int)l->n > height)
		delete_lines(l, (size_t)height, l->n - (size_t)height);
}
