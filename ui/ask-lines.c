/* SPDX-License-Identifier: MIT */
/* Answers without a screen: from options alone, or a line on a terminal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "frontend.h"

int ask_batch(void *ctx, struct ask *a)
{
	const struct options *o = ctx;

	if (a->kind == ASK_WORDS) {
		for (size_t i = 0; i < o->confirm.n; i++)
			if (ask_words_match(o->confirm.v[i], a->words)) {
				a->answer = xstrdup(a->words);
				return 0;
			}
		return -ENOTTY;
	}
	if (a->def && (o->yes || a->kind == ASK_CHOICE)) {
		a->answer = xstrdup(a->def);
		return 0;
	}
	return -ENOTTY;
}

static void show(const char *s)
{
	/* a terminal that is gone is found by the read that follows */
	(void)fs_write_all(STDOUT_FILENO, s, strlen(s));
}

static void show_question(const struct ask *a)
{
	struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "\n%s\n", a->prompt);
	if (a->kind == ASK_CHOICE)
		for (int i = 0; a->choices[i]; i++)
			strbuf_addf(&sb, "  %d  %s%s\n", i + 1, a->choices[i],
				    a->def && !strcmp(a->def, a->choices[i]) ?
				    _(" (default)") : "");
	if (a->kind == ASK_WORDS)
		strbuf_addf(&sb, _("This cannot be undone. Type these words "
				   "to go on: %s\n"), a->words);
	strbuf_addstr(&sb, a->kind == ASK_YES_NO ? _("y/n, q stops> ") :
		      a->kind == ASK_WORDS ? _("words> ") : "> ");
	show(sb.buf);
	strbuf_release(&sb);
}

static int take_answer(struct ask *a, char *line)
{
	char *end = line + strlen(line);

	while (end > line && (end[-1] == '\n' || end[-1] == '\r' ||
			      end[-1] == ' '))
		*--end = '\0';
	if (!strcmp(line, "q"))
		return -ECANCELED;
	switch (a->kind) {
	case ASK_YES_NO:
		if (*line == 'y' || *line == 'Y')
			a->answer = xstrdup("yes");
		else if (*line == 'n' || *line == 'N')
			return -ECANCELED;
		return a->answer ? 0 : -EAGAIN;
	case ASK_CHOICE:
		if (!*line && a->def)
			a->answer = xstrdup(a->def);
		for (int i = 0; a->choices[i]; i++) {
			char number[16];

			(void)snprintf(number, sizeof(number), "%d", i + 1);
			if (!strcmp(line, number) ||
			    !strcmp(line, a->choices[i]))
				a->answer = xstrdup(a->choices[i]);
		}
		return a->answer ? 0 : -EAGAIN;
	case ASK_TEXT:
	case ASK_WORDS:
		if (!*line && a->def)
			line = (char *)(uintptr_t)a->def;
		a->answer = xstrdup(line);
		return 0;
	}
	return -EAGAIN;
}

int ask_terminal(void *ctx, struct ask *a)
{
	char *line = NULL;
	size_t cap = 0;
	int ret = -EAGAIN;

	(void)ctx;
	while (ret == -EAGAIN) {
		show_question(a);
		if (getline(&line, &cap, stdin) < 0)
			ret = -ECANCELED;
		else
			ret = take_answer(a, line);
	}
	free(line);
	return ret;
}
