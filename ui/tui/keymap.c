/* SPDX-License-Identifier: MIT */
#include "tui/keymap.h"

#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "text-width.h"

#define ANY (VIEW_PAGE | VIEW_TYPED | VIEW_PAGER | VIEW_DIALOG)
#define LETTERS (VIEW_PAGE | VIEW_PAGER | VIEW_DIALOG)
#define PAGES (VIEW_PAGE | VIEW_TYPED)

static const struct binding {
	enum key_kind kind;
	char ch;                 /* of K_CHAR and K_CTRL */
	enum action action;
	unsigned int views;
} bindings[] = {
	{ K_TAB, 0, ACT_NEXT, ANY },
	{ K_BACKTAB, 0, ACT_PREV, ANY },
	{ K_UP, 0, ACT_UP, ANY },
	{ K_DOWN, 0, ACT_DOWN, ANY },
	{ K_LEFT, 0, ACT_LEFT, LETTERS },
	{ K_RIGHT, 0, ACT_RIGHT, LETTERS },
	{ K_CHAR, 'k', ACT_UP, LETTERS },
	{ K_CHAR, 'j', ACT_DOWN, LETTERS },
	{ K_CHAR, 'h', ACT_LEFT, LETTERS },
	{ K_PGUP, 0, ACT_PAGE_UP, ANY },
	{ K_PGDN, 0, ACT_PAGE_DOWN, ANY },
	{ K_CHAR, ' ', ACT_PAGE_DOWN, VIEW_PAGER },
	{ K_CHAR, ' ', ACT_TICK, VIEW_PAGE },
	{ K_CTRL, 'B', ACT_PAGE_UP, LETTERS },
	{ K_CTRL, 'F', ACT_PAGE_DOWN, LETTERS },
	{ K_HOME, 0, ACT_HOME, LETTERS },
	{ K_END, 0, ACT_END, LETTERS },
	{ K_CHAR, 'g', ACT_HOME, LETTERS },
	{ K_CHAR, 'G', ACT_END, LETTERS },
	{ K_ENTER, 0, ACT_ENTER, ANY },
	{ K_ESC, 0, ACT_BACK, ANY },
	{ K_CHAR, '<', ACT_BACK, LETTERS },
	{ K_CHAR, '?', ACT_HELP, LETTERS },
	{ K_F1, 0, ACT_HELP, ANY },
	{ K_CHAR, 'l', ACT_LOG, VIEW_PAGE },
	{ K_CHAR, 'd', ACT_DETAILS, VIEW_PAGE },
	{ K_CHAR, 's', ACT_SUPPORT, VIEW_PAGE },
	{ K_CHAR, 'f', ACT_FOLLOW, VIEW_PAGE | VIEW_PAGER },
	{ K_CHAR, '/', ACT_SEARCH, VIEW_PAGER },
	{ K_CHAR, 'n', ACT_SEARCH_NEXT, VIEW_PAGER },
	{ K_CHAR, 'N', ACT_SEARCH_PREV, VIEW_PAGER },
	{ K_CHAR, 'o', ACT_ALL_LINES, VIEW_PAGER },
	{ K_CHAR, 'm', ACT_MOUSE, LETTERS },
	{ K_CTRL, 'L', ACT_REDRAW, ANY },
	{ K_CTRL, 'Z', ACT_SUSPEND, ANY },
	{ K_CHAR, 'q', ACT_QUIT, LETTERS },
	{ K_CTRL, 'C', ACT_STOP, ANY },
};

enum action keymap_action(const struct key *k, enum keymap_view view)
{
	if (k->kind == K_CHAR && k->text[0] >= '1' && k->text[0] <= '9' &&
	    (view & (VIEW_PAGE | VIEW_DIALOG)))
		return ACT_DIGIT;
	for (size_t i = 0; i < ARRAY_SIZE(bindings); i++) {
		const struct binding *b = &bindings[i];

		if (b->kind != k->kind || !(b->views & view))
			continue;
		if ((b->kind == K_CHAR || b->kind == K_CTRL) &&
		    (b->ch != k->text[0] || k->text[1]))
			continue;
		return b->action;
	}
	return ACT_NONE;
}

/*
 * Which keys a page names, in order. T: Tab moves; A, S: arrows select, scroll
 * the log; N: digits; t: Space ticks; E: Enter; *: the sheet's own; B: Esc; C: ^C; 1: F1; the
 * others are themselves.
 */
static const char *const orders[PAGE_COUNT] = {
	[PAGE_W05] = "AE*l?Bq",
	[PAGE_W10] = "TE*?lsBq",
	[PAGE_A15] = "TE*?Bq",
	[PAGE_C20] = "AE*?q",
	[PAGE_C25] = "TE*?Bq",
	[PAGE_B30] = "TE*l?sCq",
	[PAGE_S40] = "TE*dl?Bq",
	[PAGE_S42] = "TtE*l?q",
	[PAGE_S45] = "EB1",
	[PAGE_P50] = "SEf*ld?Cq",
	[PAGE_F60] = "NE*ld?q",
	[PAGE_R70] = "NE*lds?q",
	[PAGE_K80] = "NE*l?Bq",
	[PAGE_K81] = "TE*dl?Bq",
	[PAGE_K82] = "EB1",
	[PAGE_D90] = "TE*ls?q",
};

/* what goes first when the line is too short */
static const char gives_way[] = "smTAStfdl*NBE";

static const struct sheet_key *own_key(const struct sheet *s, char key)
{
	for (size_t i = 0; i < s->key_n; i++)
		if (s->keys[i].key == key)
			return &s->keys[i];
	return NULL;
}

static const char *own_hint(const struct sheet *s, char key,
			    const char *otherwise)
{
	const struct sheet_key *k = own_key(s, key);

	return k ? k->hint : otherwise;
}

/* "1-4" of the choices and rows that have a number; false: none has */
static bool digit_range(const struct sheet *s, struct strbuf *out)
{
	char low = 0, high = 0;

	for (size_t i = 0; i < s->n; i++) {
		char key = s->items[i].key;

		if (key < '1' || key > '9' || !s->items[i].enabled ||
		    !s->items[i].id)
			continue;
		low = low ? MIN(low, key) : key;
		high = MAX(high, key);
	}
	if (!low)
		return false;
	strbuf_addch(out, low);
	if (high > low)
		strbuf_addf(out, "-%c", high);
	return true;
}

static const char *enter_hint(const struct hints *h)
{
	const char *own = own_hint(h->sheet, SHEET_ENTER, NULL);

	if (h->focus && h->focus->type == SHEET_CHOICE)
		return h->sheet->flags & SHEET_BUTTONS ? _("Choose") :
			_("Do it");
	if (h->focus && h->focus->type == SHEET_FIELD)
		return own ? own : _("Accept");
	return own;
}

/* keys that pages share; own: under which key a sheet has other words for it */
static const struct common {
	char code;
	char own;
	const char *key, *words;
} commons[] = {
	{ 'T', 0, "Tab", N_("Move") },
	{ 'A', 0, N_("Up/Down"), N_("Select") },
	{ 'S', 0, N_("Up/Down"), N_("Scroll log") },
	{ 'N', 0, "", N_("Select") },
	{ 't', 0, N_("Space"), N_("Tick") },
	{ 'E', 0, N_("Enter"), "" },
	{ 'B', SHEET_ESC, "Esc", N_("Back") },
	{ 'C', 0, "^C", N_("Stop...") },
	{ '1', 0, "F1", N_("Help") },
	{ '?', 0, "?", N_("Help") },
	{ 'l', 'l', "l", N_("Log") },
	{ 'd', 'd', "d", N_("Details") },
	{ 's', 's', "s", N_("Support file") },
	{ 'f', 'f', "f", N_("Follow") },
	{ 'q', 'q', "q", N_("Quit") },
};

/* nothing is named that would do nothing now */
static bool is_offered(const struct hints *h, char code)
{
	switch (code) {
	case 'T':
	case 'A':
		return h->stops > 1;
	case 'S':
		return h->log_shown;
	case 't':
		return h->focus && h->focus->tick;
	case 'C':
		return h->sheet->working;
	default:
		return true;
	}
}

/* one key with its words; NULL: not offered now */
static const char *page_hint(const struct hints *h, char code,
			     struct strbuf *key)
{
	const struct common *c = commons;

	while (c->code != code)
		c++;
	if (!is_offered(h, code))
		return NULL;
	if (code == 'N')
		return digit_range(h->sheet, key) ? _(c->words) : NULL;
	strbuf_addstr(key, _(c->key));
	if (code == 'E')
		return enter_hint(h);
	if (code == 'q' && h->stop != STOP_FREE)
		return own_hint(h->sheet, 'q', _("Quit..."));
	return c->own ? own_hint(h->sheet, c->own, _(c->words)) : _(c->words);
}

struct entry {
	char code;
	char *text;              /* "q Quit" */
};
#define ENTRIES_MAX 24

static void add_entry(struct entry *e, size_t *n, char code, const char *key,
		      const char *words)
{
	if (*n == ENTRIES_MAX || !words || !*words)
		return;
	e[*n].code = code;
	e[(*n)++].text = xasprintf("%s %s", key, words);
}

static void add_own(const struct hints *h, const char *order, struct entry *e,
		    size_t *n)
{
	for (size_t i = 0; i < h->sheet->key_n; i++) {
		char key = h->sheet->keys[i].key;
		char text[2] = { key, '\0' };

		/* a letter that stands elsewhere in the order, or no letter */
		if ((unsigned char)key < '!' || strchr(order, key))
			continue;
		add_entry(e, n, '*', text, h->sheet->keys[i].hint);
	}
}

static size_t pager_entries(const struct hints *h, struct entry *e)
{
	size_t n = 0;

	add_entry(e, &n, 'A', _("Up/Down"), _("Scroll"));
	add_entry(e, &n, '/', "/", _("Search"));
	if (h->is_log) {
		add_entry(e, &n, 'f', "f", _("Follow"));
		add_entry(e, &n, 'o', "o", _("All output or steps only"));
	}
	add_entry(e, &n, 'q', "Esc", _("Close"));
	return n;
}

static size_t page_entries(const struct hints *h, struct entry *e)
{
	const char *order = orders[h->page];
	size_t n = 0;

	if (h->view == VIEW_PAGER)
		return pager_entries(h, e);
	if (h->view == VIEW_DIALOG)
		order = "NEB?";
	else if (h->view == VIEW_TYPED)
		order = "TEB1";
	for (const char *p = order; *p; p++) {
		struct strbuf key = STRBUF_INIT;
		const char *words;

		if (*p == '*') {
			add_own(h, order, e, &n);
			continue;
		}
		words = page_hint(h, *p, &key);
		add_entry(e, &n, *p, key.buf, words);
		strbuf_release(&key);
	}
	return n;
}

static void join(const struct entry *e, size_t n, unsigned int safe,
		 struct strbuf *out)
{
	strbuf_clear(out);
	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_addstr(out, "  ");
		width_safe(out, e[i].text, safe);
	}
}

static bool give_way(struct entry *e, size_t *n)
{
	for (const char *p = gives_way; *p; p++)
		for (size_t i = *n; i-- > 0;) {
			if (e[i].code != *p)
				continue;
			free(e[i].text);
			memmove(e + i, e + i + 1, (*n - i - 1) * sizeof(*e));
			(*n)--;
			return true;
		}
	return false;
}

void keymap_line(const struct hints *h, int cols, unsigned int safe,
		 struct strbuf *out)
{
	struct entry e[ENTRIES_MAX];
	size_t n = page_entries(h, e);

	join(e, n, safe, out);
	while (width_of(out->buf) > cols && give_way(e, &n))
		join(e, n, safe, out);
	for (size_t i = 0; i < n; i++)
		free(e[i].text);
}

void keymap_help(const struct hints *h, struct strvec *out)
{
	struct entry e[ENTRIES_MAX];
	size_t n = page_entries(h, e);

	for (size_t i = 0; i < n; i++) {
		if (e[i].code == '*')
			strvec_pushf(out, "  %s", e[i].text);
		free(e[i].text);
	}
	strvec_pushf(out, "  PgUp PgDn %s", _("Scroll, where there is more"));
	strvec_pushf(out, "  / n N %s", _("Search in long texts and the log"));
	strvec_pushf(out, "  m %s",
		     _("Mouse on or off (off: the terminal selects text)"));
	strvec_pushf(out, "  ^L %s", _("Draw the screen again"));
	strvec_pushf(out, "  ^Z %s",
		     _("Suspend this screen; the upgrade goes on"));
}
