/* SPDX-License-Identifier: MIT */
#include "tui/draw.h"

#include <curses.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "text-width.h"

#define WIDE 80                  /* from here on the header has columns */
#define PHASE_COL 38
#define TWO_ROWS_FROM 16         /* lines */
#define MORE_ROWS_FROM 24

void draw_text(const struct terminal *t, int y, int x, const char *text,
	       enum sheet_role role, unsigned int flags)
{
	struct strbuf sb = STRBUF_INIT;

	if (y < 0 || y >= t->lines || x < 0 || x >= t->cols)
		return;
	width_cut(&sb, text, t->cols - x);
	(void)attrset((int)theme_attr(&t->theme, role, flags));
	/* the last cell of the screen is drawn although this is "ERR" */
	(void)mvaddstr(y, x, sb.buf);
	(void)attrset(A_NORMAL);
	strbuf_release(&sb);
}

static char *safe_of(const struct terminal *t, const char *s)
{
	struct strbuf sb = STRBUF_INIT;

	width_safe(&sb, s ? s : "", t->safe);
	return strbuf_detach(&sb);
}

static void rule(const struct terminal *t, int y)
{
	if (y >= 0 && y < t->lines)
		(void)mvhline(y, 0, '-', t->cols);
}

/* parts, of which sb has the first already, in rows of cols columns */
static void pack(const struct terminal *t, const struct strvec *parts,
		 size_t rows_max, struct strbuf *sb, struct strvec *rows)
{
	for (size_t i = 1; i < parts->n; i++) {
		if (sb->len && width_of(sb->buf) + 3 + width_of(parts->v[i]) >
		    t->cols && rows->n + 1 < rows_max) {
			strvec_push(rows, sb->buf);
			strbuf_clear(sb);
		}
		if (sb->len)
			strbuf_addstr(sb, " | ");
		strbuf_addstr(sb, parts->v[i]);
	}
}

/* the first, longer than a row, in as many as there are but one, which is for
   the others */
static void break_first(const struct terminal *t, const char *first,
			size_t rows_max, struct strbuf *sb,
			struct strvec *rows)
{
	_cleanup_strvec_ struct strvec all = STRVEC_INIT;
	size_t n = 0;

	width_wrap(&all, first, t->cols);
	for (; n + 1 < all.n && n + 2 < rows_max; n++)
		strvec_push(rows, all.v[n]);
	for (; n < all.n; n++)
		strbuf_addf(sb, "%s%s", sb->len ? " " : "", all.v[n]);
}

/* all of it in one row: what may go goes, then blanks, then what says of the
   data in how far it is changed; not what can be undone */
static void squeeze(const struct terminal *t, struct strvec *parts, bool cut,
		    struct strbuf *sb)
{
	static const int drop[] = { 2, 1 };

	for (size_t k = 0; k < ARRAY_SIZE(drop) && parts->n == 4 &&
	     width_of(sb->buf) > t->cols; k++) {
		strbuf_clear(sb);
		parts->v[drop[k]][0] = '\0';
		for (size_t i = 0; i < parts->n; i++)
			if (parts->v[i][0])
				strbuf_addf(sb, "%s%s", sb->len ? " | " : "",
					    parts->v[i]);
	}
	if (width_of(sb->buf) > t->cols) {
		char *tight = sb->buf;

		for (char *bar; (bar = strstr(tight, " | ")); tight = bar + 1) {
			bar[0] = '|';
			memmove(bar + 1, bar + 3, strlen(bar + 3) + 1);
		}
		strbuf_set_len(sb, strlen(sb->buf));
	}
	if (cut && parts->n == 4 && width_of(sb->buf) > t->cols) {
		strbuf_clear(sb);
		width_cut(sb, parts->v[0],
			  MAX(t->cols - width_of(parts->v[3]) - 1, 0));
		strbuf_addf(sb, "|%s", parts->v[3]);
	}
}

/*
 * "DATA ... | APP ... | BACKUP ... | UNDO ..." in rows of cols columns; where
 * one row is all there is, what the user's data needs least goes first.
 */
static void safety_rows(const struct terminal *t, const char *safety,
			size_t rows_max, struct strvec *rows)
{
	_cleanup_free_ char *s = safe_of(t, safety);
	struct strvec parts = STRVEC_INIT;
	struct strbuf sb = STRBUF_INIT;

	for (char *p = s, *bar; p; p = bar ? bar + 3 : NULL) {
		bar = strstr(p, " | ");
		if (bar)
			*bar = '\0';
		strvec_push(&parts, p);
	}
	if (rows_max > 1 && width_of(parts.v[0]) > t->cols)
		break_first(t, parts.v[0], rows_max, &sb, rows);
	else
		strbuf_addstr(&sb, parts.v[0]);
	pack(t, &parts, rows_max, &sb, rows);
	if (rows->n == 0)
		squeeze(t, &parts, rows_max == 1, &sb);
	strvec_push(rows, sb.buf);
	strbuf_release(&sb);
	strvec_release(&parts);
}

static void status_rows(const struct frame *f, const struct terminal *t,
			size_t rows_max, struct strvec *rows)
{
	_cleanup_free_ char *s = safe_of(t, f->status ? f->status :
					 f->sheet->status);
	struct strvec all = STRVEC_INIT;

	if (width_of(s) <= t->cols || rows_max == 1) {
		strvec_push(rows, s);
		return;
	}
	width_wrap(&all, s, t->cols);
	for (size_t i = 0; i < all.n && i < rows_max; i++)
		strvec_push(rows, all.v[i]);
	strvec_release(&all);
}

static size_t rows_max(const struct terminal *t)
{
	return t->lines >= TWO_ROWS_FROM ? 2 : 1;
}

/* names of tables may be long */
static size_t safety_max(const struct terminal *t)
{
	return rows_max(t) + (t->lines >= MORE_ROWS_FROM ? 2 : 0);
}

void draw_frame_size(struct frame *f, const struct terminal *t)
{
	_cleanup_strvec_ struct strvec rows = STRVEC_INIT;
	int foot;

	safety_rows(t, f->sheet->safety, safety_max(t), &rows);
	foot = (int)rows.n;
	strvec_clear(&rows);
	status_rows(f, t, rows_max(t), &rows);
	foot += (int)rows.n + 1;
	f->body_y = 2;
	f->foot_y = t->lines - foot - 1;
	f->body_lines = MAX(f->foot_y - f->body_y, 1);
}

/* "Some long na...  4.2 -> 5.0": the name gives way before the versions do */
static void cut_app(struct strbuf *out, const char *app, int cols)
{
	const char *versions = app;
	_cleanup_free_ char *name = NULL;

	for (const char *p = app; (p = strstr(p, "  ")); p++)
		versions = p;
	if (versions == app || width_of(versions) + 4 > cols) {
		width_cut(out, app, cols);
		return;
	}
	name = xstrndup(app, (size_t)(versions - app));
	width_cut(out, name, cols - width_of(versions));
	strbuf_addstr(out, versions);
}

static void wide_header(const struct frame *f, const struct terminal *t)
{
	_cleanup_free_ char *app = safe_of(t, f->sheet->app);
	_cleanup_free_ char *phase = safe_of(t, f->sheet->phase);
	_cleanup_free_ char *run = safe_of(t, f->sheet->run);
	_cleanup_free_ char *code = xasprintf("[%s]", f->sheet->code);
	struct strbuf left = STRBUF_INIT;
	int at = t->cols - 1 - width_of(code), run_at = t->cols - 20, phase_at;

	draw_text(t, 0, at, code, ROLE_TITLE, 0);
	if (*run) {
		_cleanup_free_ char *text = xasprintf(_("run %s"), run);

		run_at = MIN(run_at, at - 2 - width_of(text));
		draw_text(t, 0, run_at, text, ROLE_TITLE, 0);
	}
	/* a long name of the application pushes the phase, then gives way */
	phase_at = MAX(PHASE_COL, width_of(app) + 2);
	phase_at = MAX(MIN(phase_at, run_at - 2 - width_of(phase)), 20);
	cut_app(&left, app, phase_at - 2);
	draw_text(t, 0, 0, left.buf, ROLE_TITLE, 0);
	strbuf_clear(&left);
	width_cut(&left, phase, run_at - 2 - phase_at);
	draw_text(t, 0, phase_at, left.buf, ROLE_TITLE, 0);
	strbuf_release(&left);
}

static void narrow_header(const struct frame *f, const struct terminal *t)
{
	_cleanup_free_ char *app = safe_of(t, f->sheet->app);
	_cleanup_free_ char *phase = safe_of(t, f->sheet->phase);
	_cleanup_free_ char *run = safe_of(t, f->sheet->run);
	_cleanup_free_ char *right = xasprintf("%s%s[%s]", run,
					       *run ? " " : "", f->sheet->code);
	int at = MAX(t->cols - width_of(right), 0), room = at - 2;
	struct strbuf left = STRBUF_INIT;

	if (width_of(app) + 2 + width_of(phase) <= room)
		strbuf_addf(&left, "%s  %s", app, phase);
	else
		cut_app(&left, app, room);
	draw_text(t, 0, 0, left.buf, ROLE_TITLE, 0);
	draw_text(t, 0, at, right, ROLE_TITLE, 0);
	strbuf_release(&left);
}

void draw_frame(const struct frame *f, const struct terminal *t)
{
	_cleanup_strvec_ struct strvec rows = STRVEC_INIT;
	int y = f->foot_y;
	size_t safety_n;

	if (t->cols >= WIDE)
		wide_header(f, t);
	else
		narrow_header(f, t);
	rule(t, 1);
	rule(t, y++);
	safety_rows(t, f->sheet->safety, safety_max(t), &rows);
	safety_n = rows.n;
	status_rows(f, t, rows_max(t), &rows);
	for (size_t i = 0; i < rows.n; i++)
		draw_text(t, y++, 0, rows.v[i], i < safety_n ? ROLE_TITLE :
			  f->status_role, 0);
	draw_text(t, y, 0, f->keys, ROLE_NORMAL, 0);
}

void draw_layout(const struct layout *l, const struct frame *f,
		 const struct terminal *t)
{
	for (size_t y = 0; y < l->n && (int)y < f->body_lines; y++)
		for (size_t i = 0; i < l->v[y].n; i++) {
			const struct span *s = &l->v[y].span[i];

			draw_text(t, f->body_y + (int)y, s->col, s->text,
				  s->role, s->flags);
		}
}

void draw_begin(void)
{
	(void)erase();
}

void draw_end(int y, int x)
{
	(void)move(y, x);
	(void)refresh();
}

void draw_too_small(const struct terminal *t, const char *text)
{
	_cleanup_strvec_ struct strvec rows = STRVEC_INIT;
	_cleanup_free_ char *safe = safe_of(t, text);

	draw_begin();
	width_wrap(&rows, safe, t->cols);
	for (size_t i = 0; i < rows.n; i++)
		draw_text(t, (int)i, 0, rows.v[i], ROLE_NORMAL, 0);
	draw_end(0, 0);
}
