/* SPDX-License-Identifier: MIT */
#ifndef PLAIN_INTERNAL_H
#define PLAIN_INTERNAL_H
/* shared by the files plain-*.c alone */
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "wizard.h"

/* --- plain-input.c: lines and signals --- */
#define PLAIN_LINE_MAX 4096

enum plain_signal {
	PLAIN_INTERRUPT = 1u << 0,   /* ^C */
	PLAIN_LEAVE = 1u << 1,       /* TERM, HUP, QUIT */
	PLAIN_SUSPEND = 1u << 2,     /* ^Z while echo is off */
};

enum plain_read {
	PLAIN_NO_LINE,
	PLAIN_LINE,
	PLAIN_BAD_LINE,              /* too long, or no text: thrown away */
	PLAIN_END,                   /* of input */
};

struct plain_in {
	bool tty;
	bool end;
	bool overlong;               /* the rest of a line is passed over */
	char buf[PLAIN_LINE_MAX];
	size_t len;
};

void plain_in_open(struct plain_in *in);
/* echo on, the signals as they were, no line left in memory */
void plain_in_close(struct plain_in *in);
void plain_in_echo(struct plain_in *in, bool on);
/* drops what was typed ahead at a terminal; a pipe keeps its lines */
void plain_in_discard(struct plain_in *in);
/* is there a line in memory, or an end, so that poll() must not wait? */
bool plain_in_ready(const struct plain_in *in);
/* descriptor to wait for when a signal came */
int plain_in_signal_fd(void);
/* signals since the last call, or-ed */
unsigned int plain_in_signals(void);
/* stops this process as ^Z does, with echo on until it goes on */
void plain_in_suspend(struct plain_in *in);
/* reads once without waiting if readable; line: borrowed until the next call */
enum plain_read plain_in_line(struct plain_in *in, bool readable,
			      char line[PLAIN_LINE_MAX]);

/* --- what has been said --- */
struct plain_fact {
	char *key;
	char *line;
	enum sheet_mark mark;
};

struct plain_memory {
	struct plain_fact *v;
	size_t n, cap;
};

enum plain_mode {
	MODE_PAGE,                   /* a choice, or nothing */
	MODE_FIELD,                  /* the value of field */
	MODE_STOP,                   /* how to stop */
	MODE_TEXT,                   /* a long text, part by part */
};

struct plain_entry {
	unsigned int number;
	const struct sheet_item *item;   /* of plain.sheet */
};
#define PLAIN_ENTRIES_MAX 200

#define PLAIN_HOLD_NS 1000000000u

struct plain {
	struct wizard *w;
	struct plain_in in;
	struct sheet sheet;          /* as it is now */
	struct plain_memory page;    /* said since the page was opened */
	struct plain_memory rows;    /* rows with a mark, on any page */
	enum plain_mode mode;
	bool prompted;               /* the cursor stands behind a prompt */
	char *asked;                 /* the question that was said last */
	bool out_failed;
	bool done;
	uint64_t lines;              /* said */
	/* a choice was taken and the page has not changed yet: no prompt, and
	   a pipe is not read, until it has or this much time is over; 0: no */
	uint64_t hold_ns;
	char *safety, *status, *app; /* as said last */
	char *notice;                /* said just now: not again on the page */
	char *told;                  /* the wizard's notice that was said last */
	/* what a number means on this page */
	struct plain_entry entries[PLAIN_ENTRIES_MAX];
	size_t entry_n;
	char *row;                   /* id of the row chosen last, or NULL */
	size_t field;                /* which is asked now, from 0 */
	bool walking;                /* and after it the next one */
	enum wizard_stop stop;       /* what MODE_STOP asks about */
	bool stop_abort;             /* and Enter there means abort */
	/* progress */
	uint64_t spoke_ns;
	char *subject;
	int tenth;
	size_t warning_n;
	uint64_t line_total;
	/* MODE_TEXT */
	struct strvec text;
	size_t text_at;
};

/* --- plain-say.c: one line at a time --- */
void plain_say(struct plain *p, const char *fmt, ...) _printf_(2, 3);
void plain_line(struct plain *p, const char *line);
void plain_prompt(struct plain *p, const char *prompt);
/* "DATA x | APP y" as "Data: x. App: y." */
void plain_safety(struct plain *p);
/* two blanks and more become a comma; NULL is "" */
void plain_spoken(const char *text, struct strbuf *out);
/* label, text, note with commas */
void plain_join(const struct sheet_item *it, struct strbuf *out);

/* --- plain-page.c: a sheet as lines --- */
void plain_memory_clear(struct plain_memory *m);
/* a page that was just opened: all of it */
void plain_open_page(struct plain *p);
/* what is new on the page since */
void plain_update(struct plain *p);
/* the line of progress, if it is due */
void plain_progress(struct plain *p);
/* ms until it is due, -1: nothing goes on */
int plain_progress_timeout(const struct plain *p);

/* --- plain-menu.c: what a page lets one choose --- */
/* the numbers of p->sheet; before plain_open_page() */
void plain_menu(struct plain *p);
const struct sheet_item *plain_menu_find(const struct plain *p,
					 unsigned int number);
/* i-th field of the page, or NULL */
const struct sheet_item *plain_field(const struct plain *p, size_t i);
/* a row by id or by the first word of its label, or NULL */
const struct sheet_item *plain_row(const struct plain *p, const char *word);
/* what Enter alone does: an enabled choice or a row; NULL: nothing */
const struct sheet_item *plain_default(const struct plain *p);
/* id of a letter of this page (or of SHEET_ENTER, SHEET_ESC), or NULL */
const char *plain_key(const struct plain *p, char key);
/* says numbers, letters and the way to answer */
void plain_menu_say(struct plain *p);
/* changes when plain_menu_say() would say something else; caller frees */
char *plain_menu_text(const struct plain *p);

/* --- plain-ask.c: questions and what is typed --- */
/* says the question that is open, if it was not, and prompts */
void plain_ask(struct plain *p);
/* is the page still the one before a choice that was taken? */
bool plain_holds(const struct plain *p);
/* must the next line be read? A pipe is left alone while something goes on */
bool plain_listens(const struct plain *p);
/* a line that was typed; wizard_result of what it did */
unsigned int plain_answer(struct plain *p, const char *line);
/* q or ^C */
unsigned int plain_stop(struct plain *p, bool interrupted);
/* another page was opened: what was asked before is over */
void plain_begin(struct plain *p);

/* --- plain-text.c: long texts --- */
/* lines: copied */
void plain_text_open(struct plain *p, const char *title,
		     const struct strvec *lines);
/* says the next part; line: what was typed at its end */
void plain_text_more(struct plain *p, const char *line);
/* arg: "", a number of lines, "all", or "/words" */
void plain_log(struct plain *p, const char *arg);

#endif
