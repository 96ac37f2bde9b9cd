/* SPDX-License-Identifier: MIT */
#include "tui/pager.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "model.h"
#include "text-width.h"
#include "tui/log.h"

void pager_init(struct pager *p)
{
	memset(p, 0, sizeof(*p));
	strbuf_init(&p->title);
	field_init(&p->search, false);
}

void pager_release(struct pager *p)
{
	strbuf_release(&p->title);
	strvec_release(&p->src);
	strvec_release(&p->lines);
	field_release(&p->search);
	free(p->src_line);
	free(p->from);
	free(p->found);
	memset(p, 0, sizeof(*p));
}

static void add_source(struct pager *p, char *line, enum sheet_role role,
		       uint64_t ordinal)
{
	VEC_GROW(p->src_line, p->src.n, p->src_cap);
	p->src_line[p->src.n].role = role;
	p->src_line[p->src.n].ordinal = ordinal;
	strvec_take(&p->src, line);
}

static enum sheet_role diff_role(const char *line)
{
	if (str_starts(line, "+"))
		return ROLE_ADDED;
	if (str_starts(line, "-"))
		return ROLE_REMOVED;
	return str_starts(line, "@@") ? ROLE_STRONG : ROLE_NORMAL;
}

void pager_open_text(struct pager *p, const char *title,
		     const struct strvec *lines, unsigned int safe)
{
	bool diff = false;

	pager_release(p);
	pager_init(p);
	p->safe = safe;
	width_safe(&p->title, title, safe);
	for (size_t i = 0; i < lines->n; i++)
		diff = diff || str_starts(lines->v[i], "@@");
	for (size_t i = 0; i < lines->n; i++) {
		struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

		width_safe(&a, lines->v[i], safe | WIDTH_TABS | WIDTH_LINES);
		width_untab(&b, a.buf);
		strbuf_release(&a);
		add_source(p, strbuf_detach(&b), diff ?
			   diff_role(lines->v[i]) : ROLE_NORMAL, i);
	}
}

void pager_open_log(struct pager *p, unsigned int safe)
{
	pager_release(p);
	pager_init(p);
	p->safe = safe;
	p->is_log = p->all = p->follow = true;
	strbuf_addstr(&p->title, _("Log"));
	p->log_end = UINT64_MAX;
}

/* before the lines change: which one is at the top */
static void remember_top(struct pager *p)
{
	if (p->top < p->lines.n)
		p->top_ordinal = p->src_line[p->from[p->top]].ordinal;
}

static void read_log(struct pager *p, const struct model *m)
{
	remember_top(p);
	strvec_clear(&p->src);
	for (uint64_t i = log_first(m); i < log_end(m); i++) {
		struct strbuf sb = STRBUF_INIT;
		enum sheet_role role;

		if (!p->all && !log_is_step_line(m, i))
			continue;
		role = log_line(m, i, p->safe, &sb);
		add_source(p, strbuf_detach(&sb), role, i);
	}
	p->log_end = log_end(m);
	p->cols = 0;
}

bool pager_update(struct pager *p, const struct model *m)
{
	if (!p->is_log || !m || p->log_end == log_end(m))
		return false;
	read_log(p, m);
	return true;
}

/* the lines for this width; the line at the top stays at the top */
static void wrap(struct pager *p, int cols)
{
	if (p->cols == cols)
		return;
	if (p->cols)
		remember_top(p);
	p->cols = cols;
	strvec_clear(&p->lines);
	for (size_t i = 0; i < p->src.n; i++) {
		size_t n = p->lines.n;

		width_wrap(&p->lines, p->src.v[i], cols);
		for (; n < p->lines.n; n++) {
			while (n >= p->from_cap)
				VEC_GROW(p->from, n, p->from_cap);
			p->from[n] = i;
		}
	}
	p->top = 0;
	while (p->top < p->lines.n &&
	       p->src_line[p->from[p->top]].ordinal < p->top_ordinal)
		p->top++;
}

static size_t top_max(const struct pager *p)
{
	return p->lines.n > (size_t)p->height ?
		p->lines.n - (size_t)p->height : 0;
}

static void scroll(struct pager *p, long by)
{
	long top = (long)p->top + by, max = (long)top_max(p);

	p->top = (size_t)MAX(MIN(top, max), 0);
	p->follow = p->is_log && by > 0 && p->top == top_max(p);
}

static bool matches(const char *line, const char *what)
{
	return strcasestr(line, what) != NULL;
}

/* the next line with it, from the top on, round the end */
static void find(struct pager *p, int by)
{
	size_t n = p->lines.n;

	p->missing = false;
	if (!p->found || !*p->found || !n)
		return;
	for (size_t k = 1; k <= n; k++) {
		size_t i = (p->top + (by > 0 ? k : n * 2 - k)) % n;

		if (!matches(p->lines.v[i], p->found))
			continue;
		p->top = i;
		p->follow = false;
		return;
	}
	p->missing = true;
}

static void search_done(struct pager *p)
{
	p->searching = false;
	if (p->search.len) {
		free(p->found);
		p->found = xstrdup(p->search.text);
	}
	/* the line at the top counts as well */
	if (p->found && p->lines.n &&
	    matches(p->lines.v[MIN(p->top, p->lines.n - 1)], p->found))
		p->missing = false;
	else
		find(p, 1);
}

static void search_key(struct pager *p, const struct key *k)
{
	switch (k->kind) {
	case K_ENTER:
		search_done(p);
		break;
	case K_ESC:
		p->searching = false;
		break;
	case K_CHAR:
		(void)field_insert(&p->search, k->text);
		break;
	case K_PASTE:
		(void)field_insert(&p->search, k->paste);
		break;
	case K_BACKSPACE:
		field_key(&p->search, FIELD_BACKSPACE);
		break;
	case K_CTRL:
		if (k->text[0] == 'U')
			field_key(&p->search, FIELD_CUT_LINE);
		if (k->text[0] == 'W')
			field_key(&p->search, FIELD_CUT_WORD);
		break;
	default:
		break;
	}
}

bool pager_key(struct pager *p, const struct key *k)
{
	int page = MAX(p->height - 1, 1);

	if (p->searching) {
		search_key(p, k);
		return true;
	}
	switch (keymap_action(k, VIEW_PAGER)) {
	case ACT_UP:
		scroll(p, -1);
		break;
	case ACT_DOWN:
		scroll(p, 1);
		break;
	case ACT_PAGE_UP:
		scroll(p, -page);
		break;
	case ACT_PAGE_DOWN:
		scroll(p, page);
		break;
	case ACT_HOME:
		scroll(p, -(long)p->lines.n);
		break;
	case ACT_END:
		scroll(p, (long)p->lines.n + 1);
		break;
	case ACT_FOLLOW:
		p->follow = p->is_log;
		break;
	case ACT_ALL_LINES:
		p->all = !p->all;
		p->log_end = UINT64_MAX;
		break;
	case ACT_SEARCH:
		p->searching = true;
		field_set(&p->search, "");
		break;
	case ACT_SEARCH_NEXT:
		find(p, 1);
		break;
	case ACT_SEARCH_PREV:
		find(p, -1);
		break;
	case ACT_BACK:
	case ACT_QUIT:
		return false;
	default:
		if (k->kind == K_WHEEL_UP)
			scroll(p, -3);
		if (k->kind == K_WHEEL_DOWN)
			scroll(p, 3);
		break;
	}
	return true;
}

static void describe(const struct pager *p, struct strbuf *out)
{
	size_t last = MIN(p->top + (size_t)p->height, p->lines.n);

	if (p->searching) {
		strbuf_addf(out, _("Search: %s"), p->search.text);
		return;
	}
	if (p->missing)
		strbuf_addf(out, _("'%s' was not found. "), p->found);
	strbuf_addf(out, _("%s: lines %zu to %zu of %zu"), p->title.buf,
		    MIN(p->top + 1, p->lines.n), last, p->lines.n);
	if (p->is_log && !p->all)
		strbuf_addf(out, ", %s", _("steps only"));
	if (p->is_log)
		strbuf_addf(out, ", %s", p->follow ? _("following") :
			    _("NOT following, f follows again"));
}

void pager_draw(struct pager *p, struct frame *f, const struct terminal *t,
		const struct model *m, struct strbuf *status, int *cursor_y,
		int *cursor_x)
{
	(void)pager_update(p, m);
	p->height = f->body_lines;
	wrap(p, t->cols);
	if (p->follow)
		p->top = top_max(p);
	p->top = MIN(p->top, p->lines.n ? p->lines.n - 1 : 0);
	for (size_t i = 0; i < (size_t)p->height && p->top + i < p->lines.n;
	     i++) {
		const char *line = p->lines.v[p->top + i];
		bool hit = p->found && matches(line, p->found);

		draw_text(t, f->body_y + (int)i, 0, line,
			  p->src_line[p->from[p->top + i]].role,
			  hit ? SPAN_FOCUS : 0);
	}
	if (!p->lines.n)
		draw_text(t, f->body_y, 0, p->is_log && !p->all ?
			  _("No line of a step yet; o shows all output.") :
			  _("Nothing here yet."), ROLE_DIM, 0);
	describe(p, status);
	*cursor_y = p->searching ? f->foot_y + 2 : f->body_y;
	*cursor_x = p->searching ? MIN(width_of(status->buf), t->cols - 1) : 0;
}
