/* SPDX-License-Identifier: MIT */
#include "tui/pane.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "tui/log.h"

#define PAGE_ROWS 8

void pane_init(struct pane *p)
{
	memset(p, 0, sizeof(*p));
	sheet_init(&p->sheet);
	layout_init(&p->layout);
	field_init(&p->field, false);
	p->log.follow = true;
}

void pane_release(struct pane *p)
{
	sheet_release(&p->sheet);
	layout_release(&p->layout);
	field_release(&p->field);
	free(p->focus);
	free(p->row);
	free(p->field_id);
	memset(p, 0, sizeof(*p));
}

static bool can_focus(const struct sheet_item *it)
{
	if (!it->id)
		return false;
	switch (it->type) {
	case SHEET_ROW:
	case SHEET_FIELD:
		return true;
	case SHEET_CHOICE:
		return it->enabled;
	default:
		return false;
	}
}

static void set_string(char **dst, const char *s)
{
	char *copy = xstrdup_null(s);

	free(*dst);
	*dst = copy;
}

const struct sheet_item *pane_focus(const struct pane *p)
{
	const struct sheet_item *it = sheet_find(&p->sheet, p->focus);

	return it && can_focus(it) ? it : NULL;
}

bool pane_typing(const struct pane *p)
{
	const struct sheet_item *it = pane_focus(p);

	return it && it->type == SHEET_FIELD;
}

int pane_stops(const struct pane *p)
{
	int n = 0;

	for (size_t i = 0; i < p->sheet.n; i++)
		n += can_focus(&p->sheet.items[i]);
	return n;
}

/* what is being typed outlives a new sheet; else the sheet's text counts */
static void load_field(struct pane *p)
{
	const struct sheet_item *it = pane_focus(p);

	if (!it || it->type != SHEET_FIELD) {
		if (p->field_id)
			field_set(&p->field, "");
		free(p->field_id);
		p->field_id = NULL;
		return;
	}
	if (p->field_id && !strcmp(p->field_id, it->id) &&
	    (p->field.changed ||
	     !strcmp(p->field.text, it->text ? it->text : "")))
		return;
	set_string(&p->field_id, it->id);
	p->field.secret = it->secret;
	field_set(&p->field, it->text);
}

bool pane_set_focus(struct pane *p, const char *id)
{
	const struct sheet_item *it = sheet_find(&p->sheet, id);

	if (!it || !can_focus(it))
		return false;
	set_string(&p->focus, it->id);
	p->to_focus = true;
	if (it->type == SHEET_ROW)
		set_string(&p->row, it->id);
	load_field(p);
	return true;
}

static void first_focus(struct pane *p)
{
	for (size_t i = 0; i < p->sheet.n; i++)
		if (can_focus(&p->sheet.items[i]) &&
		    pane_set_focus(p, p->sheet.items[i].id))
			return;
	set_string(&p->focus, NULL);
	load_field(p);
}

bool pane_take(struct pane *p, struct sheet *s, bool anew)
{
	_cleanup_free_ char *before = xstrdup_null(anew ? NULL : p->focus);

	sheet_release(&p->sheet);
	p->sheet = *s;
	sheet_init(s);
	if (anew) {
		set_string(&p->focus, NULL);
		set_string(&p->row, NULL);
		free(p->field_id);
		p->field_id = NULL;
		field_set(&p->field, "");
		p->scroll = 0;
		p->touched = false;
		p->log.follow = true;
	}
	if (p->row && !sheet_find(&p->sheet, p->row))
		set_string(&p->row, NULL);
	if (pane_focus(p) && (p->touched || !p->sheet.focus ||
			      !strcmp(p->focus, p->sheet.focus)))
		load_field(p);
	else if (!pane_set_focus(p, p->sheet.focus) && !pane_focus(p))
		first_focus(p);
	return before && p->focus && strcmp(before, p->focus) != 0;
}

static int index_of_focus(const struct pane *p)
{
	const struct sheet_item *it = pane_focus(p);

	return it ? (int)(it - p->sheet.items) : -1;
}

/* the next item that can have the focus; at the end it stays */
static bool step_focus(struct pane *p, int by)
{
	for (int i = index_of_focus(p) + by;
	     i >= 0 && i < (int)p->sheet.n; i += by)
		if (can_focus(&p->sheet.items[i]))
			return pane_set_focus(p, p->sheet.items[i].id);
	return false;
}

static bool is_row(const struct pane *p, int i)
{
	return i >= 0 && p->sheet.items[i].type == SHEET_ROW;
}

/*
 * Tab goes round. A list of rows is one stop, unless there is nothing else:
 * nobody wants to pass forty rows on the way to the buttons.
 */
static void tab_focus(struct pane *p, int by)
{
	int n = (int)p->sheet.n, from = index_of_focus(p);
	bool rows_only = true;

	for (int i = 0; i < n; i++)
		if (can_focus(&p->sheet.items[i]) && !is_row(p, i))
			rows_only = false;
	for (int k = 1; k <= n; k++) {
		int i = ((from < 0 ? (by > 0 ? -1 : n) : from) +
			 by * k + n * 2) % n;

		if (!can_focus(&p->sheet.items[i]))
			continue;
		if (is_row(p, i) && !rows_only) {
			if (is_row(p, from))
				continue;
			if (p->row && pane_set_focus(p, p->row))
				return;
		}
		if (pane_set_focus(p, p->sheet.items[i].id))
			return;
	}
}

/* is the focus in a list, so that up and down move it? */
static bool in_list(const struct pane *p)
{
	const struct sheet_item *it = pane_focus(p);

	return it && (it->type != SHEET_CHOICE ||
		      !(p->sheet.flags & SHEET_BUTTONS));
}

static bool scrolls_log(const struct pane *p)
{
	return p->layout.log_n > 0 && !in_list(p);
}

static void up_down(struct pane *p, int by, const struct model *m)
{
	if (scrolls_log(p) && m)
		log_move(&p->log, m, by, p->layout.log_n);
	else if (!step_focus(p, by)) {
		p->scroll += by;
		p->to_focus = false;
	}
}

static void page(struct pane *p, int by, const struct model *m)
{
	if (p->layout.scroll_max > 0) {
		p->scroll += by * MAX(p->layout.scroll_room - 1, 1);
		p->to_focus = false;
	} else if (scrolls_log(p) && m) {
		log_move(&p->log, m, by * MAX(p->layout.log_n - 1, 1),
			 p->layout.log_n);
	} else {
		for (int i = 0; i < PAGE_ROWS && in_list(p); i++)
			(void)step_focus(p, by);
	}
}

static void to_end(struct pane *p, int by, const struct model *m)
{
	if (scrolls_log(p) && m) {
		log_move(&p->log, m, by * MODEL_LINES_MAX, p->layout.log_n);
		return;
	}
	while (step_focus(p, by))
		;
	p->scroll = by < 0 ? 0 : p->layout.scroll_max;
	p->to_focus = false;
}

bool pane_move(struct pane *p, enum action a, const struct model *m)
{
	p->touched = true;
	p->scroll = p->layout.scroll;
	switch (a) {
	case ACT_NEXT:
		tab_focus(p, 1);
		return true;
	case ACT_PREV:
		tab_focus(p, -1);
		return true;
	case ACT_LEFT:
		(void)step_focus(p, -1);
		return true;
	case ACT_RIGHT:
		(void)step_focus(p, 1);
		return true;
	case ACT_UP:
		up_down(p, -1, m);
		return true;
	case ACT_DOWN:
		up_down(p, 1, m);
		return true;
	case ACT_PAGE_UP:
		page(p, -1, m);
		return true;
	case ACT_PAGE_DOWN:
		page(p, 1, m);
		return true;
	case ACT_HOME:
		to_end(p, -1, m);
		return true;
	case ACT_END:
		to_end(p, 1, m);
		return true;
	case ACT_FOLLOW:
		p->log.follow = true;
		return true;
	default:
		return false;
	}
}

bool pane_digit(struct pane *p, char digit)
{
	p->touched = true;
	for (size_t i = 0; i < p->sheet.n; i++)
		if (p->sheet.items[i].key == digit)
			return pane_set_focus(p, p->sheet.items[i].id);
	return false;
}

static bool control_key(struct field *f, char c)
{
	switch (c) {
	case 'A':
		field_key(f, FIELD_HOME);
		return true;
	case 'E':
		field_key(f, FIELD_END);
		return true;
	case 'U':
		field_key(f, FIELD_CUT_LINE);
		return true;
	case 'K':
		field_key(f, FIELD_CUT_END);
		return true;
	case 'W':
		field_key(f, FIELD_CUT_WORD);
		return true;
	default:
		return false;
	}
}

bool pane_type(struct pane *p, const struct key *k)
{
	static const struct {
		enum key_kind kind;
		enum field_key key;
	} keys[] = {
		{ K_LEFT, FIELD_LEFT }, { K_RIGHT, FIELD_RIGHT },
		{ K_HOME, FIELD_HOME }, { K_END, FIELD_END },
		{ K_BACKSPACE, FIELD_BACKSPACE }, { K_DELETE, FIELD_DELETE },
	};

	p->touched = true;
	if (k->kind == K_CHAR)
		return field_insert(&p->field, k->text);
	if (k->kind == K_PASTE)
		return field_insert(&p->field, k->paste);
	if (k->kind == K_CTRL)
		return control_key(&p->field, k->text[0]);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].kind != k->kind)
			continue;
		field_key(&p->field, keys[i].key);
		return true;
	}
	return false;
}

/* a key must not act on what is not seen: it is shown first */
bool pane_show_focus(struct pane *p)
{
	if (!pane_focus(p) || p->layout.cursor_y >= 0)
		return false;
	p->to_focus = true;
	return true;
}

void pane_click(struct pane *p, const struct frame *f, int x, int y)
{
	const struct line *line;

	p->touched = true;
	y -= f->body_y;
	if (y < 0 || y >= (int)p->layout.n)
		return;
	line = &p->layout.v[y];
	for (size_t i = 0; i < line->n; i++) {
		const struct span *s = &line->span[i];

		if (s->item < 0 || s->item >= (int)p->sheet.n ||
		    x < s->col || x >= s->col + s->cols)
			continue;
		(void)pane_set_focus(p, p->sheet.items[s->item].id);
		return;
	}
}

void pane_draw(struct pane *p, const struct frame *f, const struct terminal *t,
	       const struct model *m)
{
	struct look look = {
		.sheet = &p->sheet,
		.model = m,
		.log = &p->log,
		.field = p->field_id ? &p->field : NULL,
		.focus = p->focus,
		.row = p->row,
		.width = t->cols,
		.height = f->body_lines,
		.scroll = p->scroll,
		.to_focus = p->to_focus,
		.safe = t->safe,
	};

	layout_make(&p->layout, &look);
	p->scroll = p->layout.scroll;
	draw_layout(&p->layout, f, t);
}
