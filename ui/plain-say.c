/* SPDX-License-Identifier: MIT */
/* Lines to standard output, safe to show and fit to be read aloud. */
#include <string.h>

#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "plain-internal.h"
#include "text-width.h"
#include "text.h"

void plain_line(struct plain *p, const char *line)
{
	_cleanup_strbuf_ struct strbuf safe = STRBUF_INIT;

	if (p->prompted)
		(void)out_line("");
	p->prompted = false;
	strbuf_add_escaped(&safe, line, strlen(line));
	p->lines++;
	if (!out_line(safe.buf))
		p->out_failed = true;
}

void plain_say(struct plain *p, const char *fmt, ...)
{
	_cleanup_free_ char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	line = xvasprintf(fmt, ap);
	va_end(ap);
	plain_line(p, line);
}

void plain_prompt(struct plain *p, const char *prompt)
{
	_cleanup_strbuf_ struct strbuf safe = STRBUF_INIT;

	if (p->prompted)
		return;
	strbuf_add_escaped(&safe, prompt, strlen(prompt));
	strbuf_addstr(&safe, "> ");
	if (fs_write_all(STDOUT_FILENO, safe.buf, safe.len) < 0)
		p->out_failed = true;
	p->prompted = true;
}

/* the columns of a screen are set apart by tabs and blanks, speech by commas */
void plain_spoken(const char *text, struct strbuf *out)
{
	const char *s = text ? text : "";

	s += strspn(s, " \t");
	while (*s) {
		size_t n = strcspn(s, " \t");
		size_t gap = strspn(s + n, " \t");

		strbuf_add(out, s, n);
		if (!s[n + gap])
			return;
		strbuf_addstr(out, (gap < 2 && s[n] == ' ') ||
			      strchr(",.:;", s[n - 1]) ? " " : ", ");
		s += n + gap;
	}
}

void plain_join(const struct sheet_item *it, struct strbuf *out)
{
	const char *parts[] = { it->label, it->text, it->note };
	size_t before = out->len;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!parts[i] || !parts[i][strspn(parts[i], " \t")])
			continue;
		if (out->len > before)
			strbuf_addstr(out, ", ");
		plain_spoken(parts[i], out);
	}
}

/* a word in capitals is spelled by some readers */
static void add_field(const char *s, size_t n, struct strbuf *out)
{
	const char *blank = memchr(s, ' ', n);
	size_t word = blank ? (size_t)(blank - s) : n;
	_cleanup_free_ char *head = xstrndup(s, word);

	width_uncapital(out, head);
	if (word < n) {
		strbuf_addstr(out, ": ");
		strbuf_add(out, s + word + 1, n - word - 1);
	}
	strbuf_addstr(out, ". ");
}

void plain_safety(struct plain *p)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	const char *s = p->sheet.safety ? p->sheet.safety : "";

	while (*s) {
		const char *bar = strstr(s, " | ");
		size_t n = bar ? (size_t)(bar - s) : strlen(s);

		add_field(s, n, &sb);
		s += n + (bar ? 3 : 0);
	}
	while (sb.len && sb.buf[sb.len - 1] == ' ')
		strbuf_set_len(&sb, sb.len - 1);
	if (sb.len)
		plain_line(p, sb.buf);
	free(p->safety);
	p->safety = xstrdup_null(p->sheet.safety);
}
