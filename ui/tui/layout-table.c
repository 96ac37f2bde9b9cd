/* SPDX-License-Identifier: MIT */
/* Rows under their titles, in columns; where these do not fit, stacked. */
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "text-width.h"
#include "tui/layout-internal.h"

#define CELLS_MAX 8
#define TABLE_COLS 80
#define TEXT_COLS_MIN 20 /* of a column that is wrapped */

struct cells {
	char *v[CELLS_MAX];      /* label, then the parts of text and note */
	int n;
	int note;                /* index of the first part of the note */
};

struct table {
	size_t from, n;          /* items at[from .. from + n) */
	struct cells *rows;
	int cols[CELLS_MAX];
	int cell_n;
	int lead;                /* columns before the label */
	int gap;
	bool head;
	bool right[CELLS_MAX];   /* numbers */
	bool empty[CELLS_MAX];   /* a title with nothing under it: left out */
	int total;
};

static void split(struct build *b, struct cells *c, const char *s)
{
	_cleanup_free_ char *safe = build_safe(b, s, WIDTH_TABS);
	char *p = safe;

	while (*p && c->n < CELLS_MAX) {
		char *tab = strchr(p, '\t');

		if (tab)
			*tab = '\0';
		c->v[c->n++] = xstrdup(p);
		if (!tab)
			break;
		p = tab + 1;
	}
}

static void read_cells(struct build *b, const struct sheet_item *it,
		       struct cells *c)
{
	memset(c, 0, sizeof(*c));
	c->v[c->n++] = build_safe(b, it->label, 0);
	split(b, c, it->text);
	c->note = c->n;
	split(b, c, it->note);
}

static void find_empty(struct table *t)
{
	for (int k = 2; t->head && k < t->cell_n; k++) {
		t->empty[k] = true;
		for (size_t r = 1; r < t->n; r++)
			if (k < t->rows[r].n && *t->rows[r].v[k])
				t->empty[k] = false;
	}
}

static void measure(struct table *t, const struct sheet *s, const size_t *at)
{
	for (size_t r = 0; r < t->n; r++) {
		const struct sheet_item *it = &s->items[at[t->from + r]];
		const struct cells *c = &t->rows[r];

		if (it->type == SHEET_BAR)
			continue;
		if (it->type == SHEET_HEAD)
			t->head = true;
		if (it->mark != MARK_NONE)
			t->lead = MAX(t->lead, MARK_COLS);
		else if (it->type == SHEET_ROW && it->key)
			t->lead = MAX(t->lead, 3);
		t->cell_n = MAX(t->cell_n, c->n);
		for (int k = 0; k < c->n; k++)
			t->cols[k] = MAX(t->cols[k], width_of(c->v[k]));
	}
	t->gap = t->head ? 3 : 2;
	find_empty(t);
	t->total = INDENT + t->lead;
	for (int k = 0; k < t->cell_n; k++)
		if (!t->empty[k])
			t->total += t->cols[k] + (k ? t->gap : 0);
}

/* a column under a title that holds numbers alone stands to the right */
static void find_numbers(struct table *t)
{
	if (!t->head)
		return;
	for (int k = 2; k < t->cell_n; k++) {
		bool all = true;

		for (size_t r = 1; r < t->n; r++)
			if (t->rows[r].n > k && t->rows[r].v[k][0] &&
			    (t->rows[r].v[k][0] < '0' ||
			     t->rows[r].v[k][0] > '9'))
				all = false;
		t->right[k] = all;
	}
	/* the last one goes on to the edge */
	t->right[t->cell_n - 1] = false;
}

/* what runs is pointed at where nothing has the focus */
static bool is_pick(const struct build *b, const struct sheet_item *it)
{
	return !it->id && !b->in->focus && it->mark == MARK_BUSY;
}

static enum sheet_role mark_role(enum sheet_mark m)
{
	switch (m) {
	case MARK_OK:
		return ROLE_GOOD;
	case MARK_WARN:
	case MARK_UNKNOWN:
	case MARK_UNDONE:
		return ROLE_CAUTION;
	case MARK_FAIL:
		return ROLE_BAD;
	case MARK_BUSY:
		return ROLE_STRONG;
	case MARK_SKIP:
		return ROLE_DIM;
	default:
		return ROLE_NORMAL;
	}
}

/* pick, mark and key; returns the flags of the label */
static unsigned int lead_in(struct build *b, const struct sheet_item *it,
			    struct line *line, int item)
{
	bool focus = build_focused(b, it);
	char key[2] = { it->key, '\0' };

	if (focus || is_pick(b, it))
		(void)build_span(b, line, 0, ">", ROLE_STRONG, 0, item);
	if (it->mark != MARK_NONE)
		(void)build_span(b, line, INDENT, sheet_mark_text(it->mark),
				 mark_role(it->mark), SPAN_MARK, item);
	else if (it->key)
		(void)build_span(b, line, INDENT, key, ROLE_NORMAL, 0, item);
	return focus ? SPAN_FOCUS : 0;
}

static void place_cursor(struct build *b, const struct sheet_item *it, int col)
{
	if (build_focused(b, it) || (!b->in->focus && is_pick(b, it)))
		build_cursor(b, col);
}

/* what a column has no room for goes on below it */
static void draw_below(struct build *b, const struct strvec *more,
		       const int *cols, int n, enum sheet_role role, int item)
{
	size_t lines = 0;

	for (int k = 0; k < n; k++)
		lines = MAX(lines, more[k].n);
	for (size_t i = 1; i < lines; i++) {
		struct line *line = build_line(b, LINE_TEXT);

		for (int k = 0; k < n; k++)
			if (i < more[k].n)
				(void)build_span(b, line, cols[k], more[k].v[i],
						 role, 0, item);
	}
}

static void draw_columns(struct build *b, const struct table *t,
			 const struct sheet_item *it, const struct cells *c,
			 int item)
{
	struct line *line = build_line(b, LINE_TEXT);
	unsigned int flags = lead_in(b, it, line, item);
	enum sheet_role role = it->type == SHEET_HEAD ? ROLE_STRONG : it->role;
	struct strvec more[CELLS_MAX] = { 0 };
	int at[CELLS_MAX] = { 0 }, col = INDENT + t->lead;

	place_cursor(b, it, col);
	for (int k = 0; k < c->n; k++) {
		int w = width_of(c->v[k]), pad = 0;

		if (t->empty[k])
			continue;
		if (t->right[k] && it->type == SHEET_ROW)
			pad = MAX(t->cols[k] - w, 0);
		if (w > t->cols[k])
			width_wrap(&more[k], c->v[k], t->cols[k]);
		at[k] = col;
		(void)build_span(b, line, col + pad,
				 more[k].n ? more[k].v[0] : c->v[k], role,
				 k ? 0 : flags, item);
		col += t->cols[k] + t->gap;
	}
	draw_below(b, more, at, c->n, role, item);
	for (int k = 0; k < c->n; k++)
		strvec_release(&more[k]);
}

/* "Made: 12:04  Size: 0.4 GB": a note, each part with its title */
static char *named_note(const struct table *t, const struct cells *c)
{
	const struct cells *head = t->head ? &t->rows[0] : NULL;
	struct strbuf sb = STRBUF_INIT;

	for (int k = c->note; k < c->n; k++) {
		if (!*c->v[k])
			continue;
		if (sb.len)
			strbuf_addstr(&sb, ", ");
		if (head && k < head->n) {
			size_t len = strlen(head->v[k]);

			strbuf_addstr(&sb, head->v[k]);
			strbuf_addstr(&sb, len && head->v[k][len - 1] == '?' ?
				      " " : ": ");
		}
		strbuf_addstr(&sb, c->v[k]);
	}
	return strbuf_detach(&sb);
}

static void wrap_safe(struct build *b, const char *safe, int col,
		      enum sheet_role role, int item)
{
	_cleanup_strvec_ struct strvec lines = STRVEC_INIT;

	if (!*safe)
		return;
	width_wrap(&lines, safe, MAX(b->width - col, 8));
	for (size_t i = 0; i < lines.n; i++)
		(void)build_span(b, build_line(b, LINE_TEXT), col, lines.v[i],
				 role, 0, item);
}

/* a little too wide: the widest columns are wrapped, the others stay whole */
static void fit_text(struct table *t, int width)
{
	int over = t->total - width, cols[CELLS_MAX];

	if (!t->head || over <= 0)
		return;
	memcpy(cols, t->cols, sizeof(cols));
	while (over > 0) {
		int widest = 1;

		for (int k = 2; k < t->cell_n; k++)
			if (!t->empty[k] && cols[k] > cols[widest])
				widest = k;
		if (cols[widest] <= TEXT_COLS_MIN)
			return;
		cols[widest]--;
		over--;
	}
	memcpy(t->cols, cols, sizeof(cols));
	t->total = width;
}

/*
 * Where not all rows fit into columns, those that do stand in columns of their
 * own; a row with more to say does not push them about.
 */
static void find_fitting(struct table *t, int width)
{
	memset(t->cols, 0, sizeof(t->cols));
	for (size_t r = 0; r < t->n && !t->head; r++) {
		const struct cells *c = &t->rows[r];
		int cols[CELLS_MAX], total = INDENT + t->lead;

		for (int k = 0; k < t->cell_n; k++) {
			cols[k] = k < c->n ? width_of(c->v[k]) : 0;
			cols[k] = MAX(cols[k], t->cols[k]);
			total += cols[k] + (k ? t->gap : 0);
		}
		if (total <= width)
			memcpy(t->cols, cols, sizeof(cols[0]) *
			       (size_t)t->cell_n);
	}
}

static bool fits(const struct table *t, const struct cells *c)
{
	for (int k = 0; k < c->n; k++)
		if (width_of(c->v[k]) > t->cols[k])
			return false;
	return true;
}

/* label and text on a line if they fit, what is left below them */
static void draw_stacked(struct build *b, const struct table *t,
			 const struct sheet_item *it, const struct cells *c,
			 int item)
{
	struct line *line = build_line(b, LINE_TEXT);
	unsigned int flags = lead_in(b, it, line, item);
	_cleanup_free_ char *note = named_note(t, c);
	int col = INDENT + t->lead, end = col, k;

	place_cursor(b, it, col);
	end = build_span(b, line, col, c->v[0], it->role, flags, item);
	for (k = 1; k < c->note; k++) {
		int at = end + 2;

		if (at + width_of(c->v[k]) > b->width)
			break;
		end = build_span(b, line, at, c->v[k], it->role, 0, item);
	}
	if (k == c->note && *note && end + 2 + width_of(note) <= b->width) {
		(void)build_span(b, line, end + 2, note, it->role, 0, item);
		return;
	}
	for (; k < c->note; k++)
		wrap_safe(b, c->v[k], col + 2, it->role, item);
	wrap_safe(b, note, col + 2, it->role, item);
}

/* which of the rows are seen: the focus, else what runs, in their middle */
static size_t first_row(const struct build *b, const struct table *t,
			const size_t *at, size_t shown)
{
	const struct sheet *s = b->in->sheet;
	size_t skip = t->head ? 1 : 0, pick = 0, rows = t->n - skip;

	for (size_t r = 0; r < rows; r++) {
		const struct sheet_item *it = &s->items[at[t->from + skip + r]];

		if (is_pick(b, it) || build_focused(b, it) ||
		    (it->id && b->in->row && !strcmp(it->id, b->in->row)))
			pick = r;
	}
	pick = pick > shown / 2 ? pick - shown / 2 : 0;
	return MIN(pick, rows - shown);
}

void build_more(struct build *b, enum line_kind kind, size_t above,
		size_t below)
{
	struct strbuf sb = STRBUF_INIT;

	if (above && below)
		strbuf_addf(&sb, _("... %zu more above, %zu more below"),
			    above, below);
	else if (below)
		strbuf_addf(&sb, ngettext("... %zu more below",
					  "... %zu more below", below), below);
	else
		strbuf_addf(&sb, ngettext("... %zu more above",
					  "... %zu more above", above), above);
	(void)build_span(b, build_line(b, kind), INDENT, sb.buf, ROLE_DIM, 0,
			 -1);
	strbuf_release(&sb);
}

/* what is cut off can be come to: by the focus, or as the run goes on */
static bool may_cut(const struct build *b, const struct table *t,
		    const size_t *at)
{
	for (size_t r = 0; r < t->n; r++) {
		const struct sheet_item *it =
			&b->in->sheet->items[at[t->from + r]];

		if (it->id || (it->side == SIDE_LEFT && b->beside))
			return true;
	}
	return false;
}

static void draw_rows(struct build *b, const struct table *t, const size_t *at)
{
	const struct sheet *s = b->in->sheet;
	bool stacked = t->total > b->width;
	size_t skip = t->head ? 1 : 0, rows = t->n - skip;
	size_t shown = may_cut(b, t, at) ? MIN(rows, (size_t)b->row_max) : rows;
	size_t first = first_row(b, t, at, shown);

	for (size_t r = 0; r < t->n; r++) {
		size_t item = at[t->from + r];
		const struct sheet_item *it = &s->items[item];

		/* a bar belongs to the row above it and is counted as one */
		if (it->type != SHEET_HEAD &&
		    (r < skip + first || r >= skip + first + shown))
			continue;
		if (it->type == SHEET_BAR)
			build_item(b, item, true);
		else if (!stacked || (!t->head && fits(t, &t->rows[r])))
			draw_columns(b, t, it, &t->rows[r], (int)item);
		else if (it->type == SHEET_ROW)
			draw_stacked(b, t, it, &t->rows[r], (int)item);
	}
	if (shown < rows)
		build_more(b, LINE_TEXT, first, rows - first - shown);
}

/* titles begin a table, a bar goes with the row above it */
static bool in_table(const struct sheet *s, const size_t *at, size_t i,
		     size_t k)
{
	enum sheet_type type = s->items[at[i + k]].type;

	return type == SHEET_ROW || (k ? type == SHEET_BAR &&
				     s->items[at[i + k - 1]].type == SHEET_ROW :
				     type == SHEET_HEAD);
}

size_t build_table(struct build *b, const size_t *at, size_t i, size_t n)
{
	const struct sheet *s = b->in->sheet;
	struct table t = { .from = i };

	while (i + t.n < n && in_table(s, at, i, t.n))
		t.n++;
	t.rows = xcalloc(t.n, sizeof(*t.rows));
	for (size_t r = 0; r < t.n; r++)
		if (s->items[at[i + r]].type != SHEET_BAR)
			read_cells(b, &s->items[at[i + r]], &t.rows[r]);
	measure(&t, s, at);
	find_numbers(&t);
	fit_text(&t, b->width);
	if (t.total > b->width)
		find_fitting(&t, b->width);
	/* the text takes what the others leave, as far as an eye follows */
	if (t.head && t.total < MIN(b->width, TABLE_COLS) && t.cell_n > 2)
		t.cols[1] += MIN(b->width, TABLE_COLS) - t.total;
	draw_rows(b, &t, at);
	for (size_t r = 0; r < t.n; r++)
		for (int k = 0; k < t.rows[r].n; k++)
			free(t.rows[r].v[k]);
	free(t.rows);
	return i + t.n;
}
