/* SPDX-License-Identifier: MIT */
#ifndef ASK_H
#define ASK_H
/*
 * ask - a question with an id, a default and a slot for the answer
 *
 * The engine asks; whoever is in front answers: a terminal, --yes, an answers
 * file, or nobody. ask_fn fills answer (the caller's ask_release() frees it)
 * and returns 0, -ECANCELED if the person backed out, or -ENOTTY if nobody can
 * answer; the engine then ends with exit 8 and never hangs.
 *
 * Ids: "checks" (go-on, retry, stop: before the backup), "confirm:STEP" (yes,
 * all, no, or typed words; skip), "failed:STEP" (retry, skip, rollback, stop),
 * "unknown:STEP" (applied, not-applied, stop), "failed:verify" (retry,
 * rollback, stop).
 */
#include <stdbool.h>
#include <stddef.h>

enum ask_kind {
	ASK_YES_NO,
	ASK_CHOICE,
	ASK_TEXT,
	ASK_WORDS,      /* exactly these words, trimmed and case-folded */
};

struct ask {
	const char *id;
	enum ask_kind kind;
	const char *step;              /* step or check it is about, or NULL */
	const char *prompt;            /* translated, or the plan's */
	const char *def;               /* NULL: no default */
	const char *const *choices;    /* ASK_CHOICE, NULL at the end */
	const char *words;             /* ASK_WORDS: what must be typed */
	const char *pattern;           /* ASK_TEXT, may be NULL */
	bool secret;
	bool undoable;                 /* --yes may answer it */
	bool skippable;                /* "skip" is an answer as well */
	char *answer;
};

typedef int ask_fn(void *ctx, struct ask *ask);

void ask_release(struct ask *ask);
/* trimmed, inner blanks folded to one, ASCII case folded: equal? */
bool ask_words_match(const char *typed, const char *words);

#endif
