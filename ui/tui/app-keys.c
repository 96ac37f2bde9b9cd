/* SPDX-License-Identifier: MIT */
/* What keys lead to. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "tui/app-internal.h"
#include "tui/dialog.h"
#include "tui/tui.h"

/* status and safety in full first: narrow screens cut them */
static void open_help(struct app *a)
{
	_cleanup_strvec_ struct strvec lines = STRVEC_INIT;
	const struct sheet *s = &a->page.sheet;
	_cleanup_free_ char *title = xasprintf(_("Help for %s"), s->code);
	struct hints h = app_hints(a);

	strvec_pushf(&lines, "%s  %s  [%s]", s->app ? s->app : "",
		     s->phase ? s->phase : "", s->code);
	strvec_push(&lines, s->safety ? s->safety : "");
	strvec_push(&lines, s->status ? s->status : "");
	strvec_push(&lines, "");
	wizard_help(a->w, &lines);
	strvec_push(&lines, "");
	strvec_push(&lines, _("More keys"));
	keymap_help(&h, &lines);
	pager_open_text(&a->pager, title, &lines, a->term.safe);
	a->pager_open = true;
}

void app_act(struct app *a, const char *id, const char *row,
	     const char *value)
{
	unsigned int result = wizard_act(a->w, id, row, value);
	const char *title = NULL;

	app_result(a, result);
	/* what a key did is shown at once */
	a->dirty = true;
	a->stale = true;
	a->notice = wizard_notice(a->w) != NULL;
	if (a->done)
		return;
	if (result & WIZARD_SHOW_LOG) {
		pager_open_log(&a->pager, a->term.safe);
		a->pager_open = true;
	}
	if (result & WIZARD_SHOW_TEXT) {
		const struct strvec *lines = wizard_text(a->w, &title);

		if (lines) {
			pager_open_text(&a->pager, title, lines, a->term.safe);
			a->pager_open = true;
		}
	}
}

static void act_here(struct app *a, const char *id)
{
	const struct sheet_item *it = pane_focus(&a->page);
	_cleanup_free_ char *what = xstrdup(id);
	_cleanup_free_ char *row = NULL;
	char *value = NULL;

	row = xstrdup_null(it && it->type != SHEET_CHOICE ? it->id :
			   a->page.row);
	if (it && it->type == SHEET_FIELD)
		value = xstrdup(a->page.field.text);
	app_act(a, what, row, value);
	if (value)
		explicit_bzero(value, strlen(value));
	free(value);
}

static const char *own_key(const struct sheet *s, char key)
{
	for (size_t i = 0; i < s->key_n; i++)
		if (s->keys[i].key == key)
			return s->keys[i].id;
	return NULL;
}

/* the focus leaves a field: what was typed there is handed over */
static bool commit_field(struct app *a)
{
	struct pane *p = &a->page;
	_cleanup_free_ char *id = NULL;
	char *value;
	unsigned int result;

	/* words that Enter alone hands over are nobody's before */
	if (!pane_typing(p) || !p->field.changed ||
	    own_key(&p->sheet, SHEET_ENTER))
		return true;
	id = xstrdup(p->field_id);
	value = xstrdup(p->field.text);
	result = wizard_act(a->w, id, id, value);
	explicit_bzero(value, strlen(value));
	free(value);
	app_result(a, result);
	a->stale = a->dirty = true;
	a->notice = wizard_notice(a->w) != NULL;
	if (result & WIZARD_REFUSED)
		return false;
	p->field.changed = false;
	return true;
}

static void close_dialog(struct app *a)
{
	a->dialog_open = false;
	a->dirty = true;
}

static void dialog_choice(struct app *a, const char *id)
{
	_cleanup_free_ char *what = xstrdup(id);

	close_dialog(a);
	if (strcmp(what, "stay"))
		app_act(a, what, NULL, NULL);
}

static void enter(struct app *a)
{
	struct pane *p = a->dialog_open ? &a->dialog : &a->page;
	const struct sheet_item *it = pane_focus(p);
	const char *own = own_key(&p->sheet, SHEET_ENTER);

	if (pane_show_focus(p)) {
		a->dirty = true;
		return;
	}
	if (a->dialog_open) {
		if (it)
			dialog_choice(a, it->id);
		return;
	}
	if (it && it->type == SHEET_CHOICE)
		act_here(a, it->id);
	else if (own)
		act_here(a, own);
	else if (it && it->type == SHEET_FIELD) {
		/* a form: on to the next field */
		if (commit_field(a))
			(void)pane_move(p, ACT_NEXT, NULL);
	} else if (it) {
		act_here(a, it->id);
	}
}

static void tick(struct app *a)
{
	const struct sheet_item *it = pane_focus(&a->page);

	if (it && it->tick && !a->dialog_open)
		enter(a);
}

void app_ask_stop(struct app *a, bool interrupt)
{
	enum wizard_stop kind = wizard_stop_kind(a->w);
	struct sheet s;

	if (a->dialog_open && interrupt) {
		/* the second ^C goes to what it is pressed for; Enter decides */
		(void)pane_set_focus(&a->dialog, "abort");
		a->dirty = true;
		return;
	}
	if (app_too_small(a)) {
		app_act(a, kind == STOP_WORKING ? "leave" : "quit", NULL, NULL);
		return;
	}
	if (kind == STOP_FREE ||
	    (kind == STOP_BETWEEN && own_key(&a->page.sheet, 'q'))) {
		const char *own = own_key(&a->page.sheet, 'q');

		act_here(a, own ? own : "quit");
		return;
	}
	sheet_init(&s);
	dialog_stop(&s, &a->page.sheet, a->w);
	(void)pane_take(&a->dialog, &s, true);
	a->dialog_open = true;
	a->pager_open = false;
	a->dirty = true;
}

static void back(struct app *a)
{
	const char *own = own_key(&a->page.sheet, SHEET_ESC);

	if (a->dialog_open)
		close_dialog(a);
	else
		act_here(a, own ? own : "back");
}

static void toggle_mouse(struct app *a)
{
	a->mouse = !a->mouse;
	terminal_mouse(a->mouse);
}

static void page_action(struct app *a, const struct key *k, enum action act)
{
	struct pane *p = a->dialog_open ? &a->dialog : &a->page;

	switch (act) {
	case ACT_ENTER:
		enter(a);
		return;
	case ACT_TICK:
		tick(a);
		return;
	case ACT_BACK:
		back(a);
		return;
	case ACT_DIGIT:
		(void)pane_digit(p, k->text[0]);
		break;
	case ACT_HELP:
		open_help(a);
		break;
	case ACT_LOG:
		act_here(a, "log");
		return;
	case ACT_DETAILS:
		act_here(a, "details");
		return;
	case ACT_SUPPORT:
		act_here(a, "support");
		return;
	case ACT_MOUSE:
		toggle_mouse(a);
		return;
	case ACT_QUIT:
		app_ask_stop(a, false);
		return;
	case ACT_NONE:
		return;
	default:
		/* a refused value stays until it is right or Esc leaves it */
		if (a->dialog_open || commit_field(a))
			(void)pane_move(p, act, wizard_model(a->w));
		break;
	}
	a->dirty = true;
	a->stale = true;
}

static bool mouse(struct app *a, const struct key *k)
{
	struct pane *p = a->dialog_open ? &a->dialog : &a->page;

	switch (k->kind) {
	case K_CLICK:
		if (commit_field(a))
			pane_click(p, &a->frame, k->x, k->y);
		break;
	case K_WHEEL_UP:
		(void)pane_move(p, ACT_UP, wizard_model(a->w));
		break;
	case K_WHEEL_DOWN:
		(void)pane_move(p, ACT_DOWN, wizard_model(a->w));
		break;
	default:
		return false;
	}
	a->dirty = a->stale = true;
	return true;
}

static void pane_keys(struct app *a, const struct key *k)
{
	struct pane *p = a->dialog_open ? &a->dialog : &a->page;
	bool typing = !a->dialog_open &&
		(pane_typing(p) || p->sheet.typed);
	enum action act;

	if (mouse(a, k))
		return;
	if (typing && pane_typing(p) && pane_type(p, k)) {
		a->notice = false;
		a->dirty = true;
		return;
	}
	/* what was pasted is no key */
	if (k->kind == K_PASTE)
		return;
	if (!typing && !a->dialog_open && k->kind == K_CHAR && !k->text[1] &&
	    own_key(&p->sheet, k->text[0]) && k->text[0] != 'q') {
		act_here(a, own_key(&p->sheet, k->text[0]));
		return;
	}
	act = keymap_action(k, a->dialog_open ? VIEW_DIALOG :
			    typing ? VIEW_TYPED : VIEW_PAGE);
	if (act != ACT_NONE && a->notice)
		a->notice = false, a->dirty = true;
	page_action(a, k, act);
}

static void small_key(struct app *a, const struct key *k, enum action act)
{
	if (k->kind == K_CHAR && k->text[0] == 'p') {
		a->done = true;
		a->ret = TUI_PLAIN;
	} else if (act == ACT_QUIT) {
		app_ask_stop(a, false);
	}
}

void app_key(struct app *a, const struct key *k)
{
	enum action act = keymap_action(k, VIEW_PAGE);

	switch (act) {
	case ACT_REDRAW:
		terminal_redraw();
		a->dirty = true;
		return;
	case ACT_SUSPEND:
		/* the way of all stops: see take_signals() */
		(void)raise(SIGTSTP);
		return;
	case ACT_STOP:
		app_ask_stop(a, true);
		return;
	default:
		break;
	}
	if (app_too_small(a)) {
		small_key(a, k, act);
	} else if (a->pager_open) {
		a->pager_open = pager_key(&a->pager, k);
		a->dirty = true;
	} else {
		pane_keys(a, k);
	}
}
