/* SPDX-License-Identifier: MIT */
/*
 * Every page at every size: against screens.txt (what the pages were designed
 * to say, blanks between columns left aside) and against expected/, to the
 * cell. UPDATE_GOLDEN=1 writes expected/ anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/xalloc.h"
#include "fake-screens.h"
#include "pty.h"

static const char *const codes[] = {
	"W10", "C20", "B30", "S40", "P50", "F60", "R70", "K80", "K81", "K82",
	"D90",
};

static char *read_text(const char *path)
{
	struct strbuf sb = STRBUF_INIT;
	FILE *f = fopen(path, "r");
	char buf[4096];
	size_t n;

	if (!f)
		return NULL;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		strbuf_add(&sb, buf, n);
	(void)fclose(f);
	return strbuf_detach(&sb);
}

static char *source(const char *name)
{
	return xasprintf("%s/tests/tui/%s", getenv("top_srcdir"), name);
}

/* runs of blanks become one, none at the ends of a line */
static char *folded(const char *s)
{
	struct strbuf sb = STRBUF_INIT;

	for (; *s; s++) {
		if (*s == ' ' && (!sb.len || sb.buf[sb.len - 1] == ' ' ||
				  sb.buf[sb.len - 1] == '\n'))
			continue;
		if (*s == '\n' && sb.len && sb.buf[sb.len - 1] == ' ')
			strbuf_set_len(&sb, sb.len - 1);
		strbuf_addch(&sb, *s);
	}
	return strbuf_detach(&sb);
}

/* the 24 lines below "#N CODE ..." */
static char *designed(const char *code)
{
	_cleanup_free_ char *path = source("screens.txt");
	_cleanup_free_ char *all = read_text(path);
	_cleanup_free_ char *mark = xasprintf(" %s ", code);
	const char *p = all;

	assert_non_null(all);
	while ((p = strchr(p, '#'))) {
		const char *end = strchr(p, '\n'), *stop;
		const char *at = strstr(p, mark);

		p = end + 1;
		if (!at || at > end)
			continue;
		stop = p;
		for (int i = 0; i < 24; i++)
			stop = strchr(stop, '\n') + 1;
		return xstrndup(p, (size_t)(stop - p));
	}
	fail_msg("no screen %s", code);
	return NULL;
}

/* the design shows the cursor as an underscore */
static char *without_cursor(char *s)
{
	char *at = strstr(s, "roll back to _");

	if (at)
		at[strlen("roll back to")] = '\n';
	if (at)
		memmove(at + strlen("roll back to") + 1,
			at + strlen("roll back to _") + 1,
			strlen(at + strlen("roll back to _") + 1) + 1);
	return s;
}

static void wait_equal(struct pty *p, const char *want, bool fold)
{
	struct strbuf got = STRBUF_INIT;

	/* the last line is drawn last; when it is there, all is */
	for (int i = 0; i < 200; i++) {
		_cleanup_free_ char *f = NULL;

		strbuf_clear(&got);
		pty_text(p, &got);
		f = fold ? folded(got.buf) : xstrdup(got.buf);
		if (!strcmp(f, want)) {
			strbuf_release(&got);
			return;
		}
		(void)poll(NULL, 0, 10);
		pty_drain(p);
	}
	{
		_cleanup_free_ char *f = fold ? folded(got.buf) :
			xstrdup(got.buf);

		assert_string_equal(f, want);
	}
	strbuf_release(&got);
}

static void start(struct pty *p, const char *code, int cols, int lines,
		  const struct pty_setup *setup)
{
	char mark[8];

	(void)snprintf(mark, sizeof(mark), "[%s]", code);
	pty_start(p, code, cols, lines, setup);
	pty_wait(p, mark);
	/* what follows is typed on a page that is there already */
	if (!strcmp(code, "K82")) {
		pty_keys(p, "roll back to ");
		pty_wait_cursor(p, -1, 17);
	}
}

static void as_designed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		_cleanup_free_ char *raw = without_cursor(designed(codes[i]));
		_cleanup_free_ char *want = folded(raw);
		struct pty p;

		start(&p, codes[i], 80, 24, NULL);
		wait_equal(&p, want, true);
		assert_true(p.cursor_seen);
		(void)pty_end(&p);
	}
}

static void golden(const char *code, int cols, int lines,
		   const struct pty_setup *setup)
{
	_cleanup_free_ char *name = xasprintf("expected/%s-%dx%d.screen", code,
					      cols, lines);
	_cleanup_free_ char *path = source(name);
	_cleanup_free_ char *want = NULL;
	struct pty p;

	start(&p, code, cols, lines, setup);
	if (getenv("UPDATE_GOLDEN")) {
		struct strbuf sb = STRBUF_INIT;
		FILE *f;

		assert_true(pty_sync(&p));
		pty_text(&p, &sb);
		f = fopen(path, "w");
		assert_non_null(f);
		(void)fputs(sb.buf, f);
		assert_int_equal(fclose(f), 0);
		strbuf_release(&sb);
	}
	want = read_text(path);
	if (!want)
		fail_msg("no %s", path);
	wait_equal(&p, want, false);
	(void)pty_end(&p);
}

static void to_the_cell(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		golden(codes[i], 80, 24, NULL);
	golden("A15", 80, 24, NULL);
}

static void other_sizes(void **state)
{
	static const int sizes[][2] = { { 60, 16 }, { 40, 12 }, { 132, 43 } };
	static const char *const pages[] = {
		"W10", "C20", "S40", "P50", "F60", "K80", "K81", "K82", "D90",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		for (size_t k = 0; k < ARRAY_SIZE(pages); k++)
			golden(pages[k], sizes[i][0], sizes[i][1], NULL);
}

/* other terminals show the same text */
static void other_terminals(void **state)
{
	static const char *const terms[] = {
		"linux", "vt100", "screen-256color", "xterm",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(terms); i++) {
		struct pty_setup s = { .term = terms[i] };

		golden("C20", 80, 24, &s);
		golden("P50", 80, 24, &s);
	}
}

static void plain_bytes(void **state)
{
	const struct pty_setup setups[] = {
		/* libvterm counts REP wrong, which curses uses here for a rule
		   on an xterm; this one has none */
		{ .locale = "C", .term = "screen-256color" },
		{ .option = "--ascii" },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(setups); k++)
		for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
			_cleanup_free_ char *raw =
				without_cursor(designed(codes[i]));
			_cleanup_free_ char *want = folded(raw);
			struct pty p;

			start(&p, codes[i], 80, 24, &setups[k]);
			wait_equal(&p, want, true);
			for (size_t n = 0; n < p.raw.len; n++)
				assert_true((unsigned char)p.raw.buf[n] < 0x80);
			(void)pty_end(&p);
		}
}

/* ESC [ ... 3x m or 4x m, 9x m, 10x m: a colour */
static bool sends_colour(const struct strbuf *raw)
{
	for (size_t i = 0; i + 1 < raw->len; i++) {
		const char *s = raw->buf + i + 2;
		size_t n;

		if (raw->buf[i] != '\033' || raw->buf[i + 1] != '[')
			continue;
		n = strspn(s, "0123456789;");
		if (s[n] != 'm')
			continue;
		for (size_t k = 0; k < n; k++)
			if ((k == 0 || s[k - 1] == ';') &&
			    strchr("349", s[k]) && k + 1 < n &&
			    s[k + 1] >= '0' && s[k + 1] <= '9')
				return true;
	}
	return false;
}

static bool page_has_colour(const struct pty_setup *s)
{
	struct pty p;
	bool colour;

	start(&p, "C20", 80, 24, s);
	pty_wait(&p, "o Other folder");
	colour = sends_colour(&p.raw);
	(void)pty_end(&p);
	return colour;
}

static void colours(void **state)
{
	const struct pty_setup never[] = {
		{ .env = "NO_COLOR=1" },
		{ .env = "UPSHIFT_NO_COLOR=1" },
		{ .option = "--no-color" },
		{ .option = "--theme=mono" },
		{ .env = "UPSHIFT_THEME=mono" },
		{ .term = "vt100" },
	};
	const struct pty_setup some[] = {
		{ .env = "NO_COLOR=" },
		{ .term = "linux" },
		{ .option = "--theme=contrast" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_false(page_has_colour(&never[i]));
	for (size_t i = 0; i < ARRAY_SIZE(some); i++)
		assert_true(page_has_colour(&some[i]));
}

/* each word of s stands in seen */
static void assert_words(const char *s, const char *seen, const char *code)
{
	_cleanup_free_ char *copy = xstrdup(s ? s : "");

	for (char *w = strtok(copy, " \t\n"); w; w = strtok(NULL, " \t\n"))
		if (!strstr(seen, w))
			fail_msg("%s does not show '%s' anywhere", code, w);
}

static void look(struct pty *p, struct strbuf *seen)
{
	assert_true(pty_sync(p));
	pty_text(p, seen);
}

/* what the page says on a small screen, scrolled and walked through */
static void see_all(struct pty *p, const char *code, struct strbuf *seen)
{
	look(p, seen);
	for (int i = 0; i < 8; i++) {
		pty_keys(p, "\033[6~");
		look(p, seen);
	}
	if (!strcmp(code, "K82"))
		return;
	pty_keys(p, "g");
	for (int i = 0; i < 14; i++) {
		look(p, seen);
		pty_keys(p, "\033OB");
	}
}

static void nothing_is_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct strbuf seen = STRBUF_INIT;
		struct sheet s;
		struct pty p;

		start(&p, codes[i], 60, 16, NULL);
		see_all(&p, codes[i], &seen);
		(void)pty_end(&p);
		sheet_init(&s);
		fake_sheet(fake_page(codes[i]), NULL, &s);
		for (size_t k = 0; k < s.n; k++) {
			/* the titles of a list that is stacked: those of its
			   notes go to each row, two need no title */
			if (s.items[k].type == SHEET_HEAD) {
				assert_words(s.items[k].note, seen.buf,
					     codes[i]);
				continue;
			}
			assert_words(s.items[k].label, seen.buf, codes[i]);
			assert_words(s.items[k].text, seen.buf, codes[i]);
			assert_words(s.items[k].note, seen.buf, codes[i]);
		}
		assert_words(s.app, seen.buf, codes[i]);
		assert_words(s.phase, seen.buf, codes[i]);
		assert_words(s.run, seen.buf, codes[i]);
		assert_words(s.status, seen.buf, codes[i]);
		sheet_release(&s);
		strbuf_release(&seen);
	}
}

/* the versions and what tells support where one is, at any length of name */
static void long_names(void **state)
{
	const struct pty_setup s = {
		.env = "FAKE_APP=An application with quite a long name of its "
		       "own  10.2 -> 11.0",
	};
	static const int widths[] = { 80, 60, 40 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		struct strbuf line = STRBUF_INIT;
		struct pty p;

		start(&p, "P50", widths[i], 24, &s);
		pty_line(&p, 0, &line);
		assert_non_null(strstr(line.buf, "An appl"));
		assert_non_null(strstr(line.buf, "...  10.2 -> 11.0 "));
		assert_non_null(strstr(line.buf, "7K4Q"));
		assert_non_null(strstr(line.buf, "[P50]"));
		strbuf_release(&line);
		(void)pty_end(&p);
	}
}

/* tables that nobody can write to, by all of their names; what can be undone is
   said at every size */
static void long_safety(void **state)
{
	const struct pty_setup s = {
		.env = "FAKE_SAFETY=DATA changed by steps 1-9; nobody can "
		       "write 'history.configurations_of_every_tenant', "
		       "'history.relations_between_documents' (step 9) | "
		       "APP not managed | BACKUP verified | UNDO possible",
	};
	static const int sizes[][2] = { { 80, 24 }, { 60, 16 }, { 40, 12 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct strbuf all = STRBUF_INIT;
		_cleanup_free_ char *f = NULL;
		struct pty p;

		start(&p, "P50", sizes[i][0], sizes[i][1], &s);
		/* what is behind it is drawn last */
		pty_wait(&p, "UNDO possible");
		pty_wait(&p, "l Log");
		pty_text(&p, &all);
		f = folded(all.buf);
		for (char *nl; (nl = strchr(f, '\n'));)
			*nl = ' ';
		assert_non_null(strstr(f, "DATA changed by steps 1"));
		if (i == 0)
			assert_non_null(strstr(f, "nobody can write "
				"'history.configurations_of_every_tenant', "
				"'history.relations_between_documents' "
				"(step 9) | APP not managed | BACKUP verified"));
		strbuf_release(&all);
		(void)pty_end(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_designed),
		cmocka_unit_test(long_safety),
		cmocka_unit_test(to_the_cell),
		cmocka_unit_test(other_sizes),
		cmocka_unit_test(other_terminals),
		cmocka_unit_test(plain_bytes),
		cmocka_unit_test(colours),
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
