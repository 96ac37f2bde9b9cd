/* SPDX-License-Identifier: MIT */
#ifndef SHEET_H
#define SHEET_H
/*
 * sheet - what a screen says and offers, without saying how it is drawn
 *
 * The wizard makes a sheet of the page it is on, anew for each redraw; the
 * screens (ui/tui) and the plain front end (ui/plain.c) show it, each in its
 * way. So both say the same and both can do the same. A sheet knows no
 * columns, colours or cursor; it holds facts in the order of their weight, and
 * the choices.
 *
 * All texts are owned by the sheet, translated, and safe to show: bytes that
 * are no text of the locale are escaped already. sheet_init() makes a struct
 * that sheet_release() frees; sheet_add_*() append and return the item, valid
 * until the next one is added.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* the word in brackets before a row; always a word, never a colour alone */
enum sheet_mark {
	MARK_NONE,
	MARK_PENDING,      /* [    ] */
	MARK_WAITING,      /* [ .. ] being looked at */
	MARK_BUSY,         /* [ >> ] */
	MARK_OK,           /* [ ok ] */
	MARK_WARN,         /* [warn] */
	MARK_FAIL,         /* [FAIL] */
	MARK_SKIP,         /* [skip] */
	MARK_UNDONE,       /* [undo] */
	MARK_UNKNOWN,      /* [ ?? ] */
	MARK_COUNT
};

/* what a text is, for the theme */
enum sheet_role {
	ROLE_NORMAL,
	ROLE_TITLE,        /* first and last line of the frame */
	ROLE_STRONG,       /* the one sentence to read */
	ROLE_GOOD,
	ROLE_CAUTION,
	ROLE_BAD,
	ROLE_DIM,          /* may be missed */
	ROLE_ADDED,        /* of a diff */
	ROLE_REMOVED,
	ROLE_COUNT
};

enum sheet_type {
	SHEET_BLANK,
	SHEET_TEXT,        /* text: a paragraph, wrapped */
	SHEET_HEAD,        /* label, text, note: titles over rows */
	SHEET_ROW,         /* mark or key, label, text, note; selectable with
			      an id. Head and row: a tab in text or note begins
			      the next column */
	SHEET_FACT,        /* label: what; text: the fact, wrapped below itself */
	SHEET_BAR,         /* percent (-1: unknown), text behind it */
	SHEET_PRE,         /* text: one line as it is, cut at the edge */
	SHEET_LOG,         /* here the log goes on, as high as there is room */
	SHEET_FILL,        /* what follows stands at the lower end of the page */
	SHEET_CHOICE,      /* key, label, note; id is what wizard_act() takes */
	SHEET_FIELD,       /* label, text (present value), note: to be typed */
};

/* from 80 columns on; on narrower screens right stands over left: what goes on
   now is above the list */
enum sheet_side { SIDE_WHOLE, SIDE_LEFT, SIDE_RIGHT };

struct sheet_item {
	enum sheet_type type;
	enum sheet_side side;
	enum sheet_role role;
	enum sheet_mark mark;
	char *id;          /* NULL: cannot be selected */
	char *label, *text, *note;     /* note of a text, fact or line: at the
					  right edge */
	int percent;
	char key;          /* choice, row: digit, or 0 (a row of buttons) */
	bool enabled;      /* choice: false: named with its reason in note */
	bool secret;       /* field: not echoed */
	bool tick;         /* choice: a box; Space does what Enter does */
};

enum sheet_flags {
	SHEET_BUTTONS = 1u << 0,   /* choices side by side, not one a line */
	SHEET_COMPACT_LOG = 1u << 1,   /* the log may go when room is short */
};

/*
 * Letters that do something here, besides those that work everywhere; or other
 * words for one of those ('q', 'l', 'd', 's'). SHEET_ENTER: what Enter does on
 * a row or in a field (on a choice it takes that). SHEET_ESC: where Esc leads.
 */
#define SHEET_ENTER '\n'
#define SHEET_ESC '\033'
struct sheet_key {
	char key;
	const char *id;    /* what wizard_act() takes; literal */
	char *hint;        /* "Check again" */
};
#define SHEET_KEYS_MAX 12

struct sheet {
	unsigned int flags;
	char code[8];      /* "W10" */
	char *app;         /* "Acme Ledger  4.2 -> 5.0" */
	char *phase;       /* "4 Steps: 4 of 9" */
	char *run;         /* id, or NULL */
	char *safety;      /* DATA ... | APP ... | BACKUP ... | UNDO ... */
	char *status;      /* what happens next */
	struct sheet_item *items;
	size_t n, cap;
	const char *focus; /* id that has the focus first; literal or borrowed
			      from an item */
	struct sheet_key keys[SHEET_KEYS_MAX];
	size_t key_n;
	bool working;      /* something goes on: Ctrl-C asks how to stop */
	bool typed;        /* the field takes letters: no letter is a key */
};

void sheet_init(struct sheet *s);
void sheet_release(struct sheet *s);
struct sheet_item *sheet_add(struct sheet *s, enum sheet_type type);
void sheet_blank(struct sheet *s);
struct sheet_item *sheet_text(struct sheet *s, enum sheet_role role,
			      const char *fmt, ...) _printf_(3, 4);
struct sheet_item *sheet_fact(struct sheet *s, const char *label,
			      const char *fmt, ...) _printf_(3, 4);
struct sheet_item *sheet_pre(struct sheet *s, enum sheet_role role,
			     const char *text);
struct sheet_item *sheet_row(struct sheet *s, const char *id,
			     enum sheet_mark mark, const char *label,
			     const char *text, const char *note);
struct sheet_item *sheet_choice(struct sheet *s, char key, const char *id,
				const char *label, const char *note);
struct sheet_item *sheet_field(struct sheet *s, const char *id,
			       const char *label, const char *value,
			       bool secret);
void sheet_key(struct sheet *s, char key, const char *id, const char *hint);
const struct sheet_item *sheet_find(const struct sheet *s, const char *id);
/* "[ ok ]" */
const char *sheet_mark_text(enum sheet_mark m);
/* "ok", "FAILED", "not started", ... for plain text */
const char *sheet_mark_word(enum sheet_mark m);

#endif
