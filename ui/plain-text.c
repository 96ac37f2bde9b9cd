/* SPDX-License-Identifier: MIT */
/* Texts that are too long to be said at once: log, diff, lists. */
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "plain-internal.h"

#define PART_LINES 20
#define LOG_LINES 20

static void text_close(struct plain *p)
{
	strvec_clear(&p->text);
	p->text_at = 0;
	p->mode = MODE_PAGE;
}

static void say_part(struct plain *p, size_t n)
{
	for (; n && p->text_at < p->text.n; n--)
		plain_line(p, p->text.v[p->text_at++]);
	if (p->text_at >= p->text.n) {
		plain_say(p, "%s", _("End of the text."));
		text_close(p);
		return;
	}
	plain_say(p, ngettext("%zu more line. Enter goes on, a is all, "
			      "/word looks for a word, < ends.",
			      "%zu more lines. Enter goes on, a is all, "
			      "/word looks for a word, < ends.",
			      (unsigned long)(p->text.n - p->text_at)),
		  p->text.n - p->text_at);
}

void plain_text_open(struct plain *p, const char *title,
		     const struct strvec *lines)
{
	if (!lines || !lines->n) {
		plain_say(p, "%s", _("There is nothing to show here."));
		return;
	}
	strvec_clear(&p->text);
	strvec_copy(&p->text, lines);
	p->text_at = 0;
	p->mode = MODE_TEXT;
	plain_say(p, ngettext("%s: %zu line.", "%s: %zu lines.",
			      (unsigned long)lines->n), title ? title : "",
		  lines->n);
	say_part(p, PART_LINES);
}

static void look_for(struct plain *p, const char *word)
{
	size_t i = p->text_at;

	while (i < p->text.n && !strcasestr(p->text.v[i], word))
		i++;
	if (i == p->text.n) {
		plain_say(p, _("'%s' does not come again."), word);
		return;
	}
	plain_say(p, _("Line %zu:"), i + 1);
	p->text_at = i;
	say_part(p, PART_LINES);
}

void plain_text_more(struct plain *p, const char *line)
{
	if (!*line)
		say_part(p, PART_LINES);
	else if (!strcmp(line, "a"))
		say_part(p, SIZE_MAX);
	else if (line[0] == '/' && line[1])
		look_for(p, line + 1);
	else
		text_close(p);
}

/* the log as lines, those with the word in them alone if there is one */
static void log_lines(const struct plain *p, const char *word,
		      struct strvec *ret)
{
	const struct model *m = wizard_model(p->w);

	for (size_t i = 0; i < m->line_n; i++) {
		const struct model_line *l = model_line(m, i);

		if (!word || strcasestr(l->text, word))
			strvec_push(ret, l->text);
	}
}

void plain_log(struct plain *p, const char *arg)
{
	_cleanup_strvec_ struct strvec lines = STRVEC_INIT;
	unsigned long n = strtoul(arg, NULL, 10);

	log_lines(p, *arg == '/' ? arg + 1 : NULL, &lines);
	if (!n)
		n = LOG_LINES;
	if (*arg == '/' || !strcmp(arg, "all")) {
		plain_text_open(p, _("Log"), &lines);
		return;
	}
	if (!lines.n) {
		plain_say(p, "%s", _("The log is empty."));
		return;
	}
	n = MIN(n, lines.n);
	plain_say(p, ngettext("The last %lu line of the log; l all shows all, "
			      "l /word looks for a word:",
			      "The last %lu lines of the log; l all shows all, "
			      "l /word looks for a word:", n), n);
	for (size_t i = lines.n - n; i < lines.n; i++)
		plain_line(p, lines.v[i]);
}
