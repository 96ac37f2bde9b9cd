/* SPDX-License-Identifier: MIT */
/* Every page at every size: it fits, and the focus can be come to. */
#include "scratch.h"

#include <locale.h>

#include "../tui/fake-screens.h"
#include "model.h"
#include "text-width.h"
#include "tui/field.h"
#include "tui/layout.h"

static const char *const codes[] = {
	"W10", "A15", "C20", "B30", "S40", "P50", "F60", "R70", "K80", "K81",
	"K82", "D90",
};
static const enum page pages[] = {
	PAGE_W10, PAGE_A15, PAGE_C20, PAGE_B30, PAGE_S40, PAGE_P50, PAGE_F60,
	PAGE_R70, PAGE_K80, PAGE_K81, PAGE_K82, PAGE_D90,
};

/* stands for a log of a hundred lines */
const struct model_line *model_line(const struct model *m, size_t i)
{
	static struct model_line line = {
		.time = (char *)"12:00:00",
		.text = (char *)"a line that may be as long as it wants to be, "
			"for the edge of the screen cuts it anyway",
		.stream = 'o',
	};

	(void)m;
	(void)i;
	return &line;
}

static void check(const struct layout *l, const struct look *in,
		  const char *code)
{
	if ((int)l->n > in->height)
		fail_msg("%s has %zu lines of %d at width %d", code, l->n,
			 in->height, in->width);
	assert_in_range(l->cursor_y + 1, 0, in->height);
	if (l->cursor_y >= 0)
		assert_in_range(l->cursor_x, 0, MAX(in->width - 1, 0));
	assert_in_range(l->scroll, 0, MAX(l->scroll_max, 0));
	for (size_t y = 0; y < l->n; y++)
		for (size_t i = 0; i < l->v[y].n; i++) {
			const struct span *s = &l->v[y].span[i];

			assert_true(s->col >= 0 &&
				    s->col + s->cols <= in->width);
			assert_int_equal(width_of(s->text), s->cols);
			assert_null(strchr(s->text, '\n'));
			assert_in_range(s->item + 1, 0, in->sheet->n);
		}
}

static bool can_focus(const struct sheet_item *it)
{
	return it->id && it->enabled && (it->type == SHEET_ROW ||
					 it->type == SHEET_FIELD ||
					 it->type == SHEET_CHOICE);
}

/* all that can have the focus, and none */
static void each_focus(struct look *in, const char *code)
{
	struct layout l;

	layout_init(&l);
	for (size_t i = 0; i <= in->sheet->n; i++) {
		const struct sheet_item *it = &in->sheet->items[i];

		if (i < in->sheet->n && !can_focus(it))
			continue;
		in->focus = i < in->sheet->n ? it->id : NULL;
		in->row = in->focus && it->type == SHEET_ROW ? it->id : NULL;
		for (in->scroll = 0; in->scroll < 60; in->scroll += 31) {
			in->to_focus = false;
			layout_make(&l, in);
			check(&l, in, code);
			in->to_focus = true;
			layout_make(&l, in);
			check(&l, in, code);
			/* asked for, it is seen */
			if (in->focus && in->height > 3)
				assert_true(l.cursor_y >= 0);
		}
	}
	layout_release(&l);
}

static void every_size(void **state)
{
	static const int widths[] = {
		1, 2, 8, 21, 40, 60, 79, 80, 120, 500,
	};
	static const int heights[] = { 1, 2, 3, 6, 8, 11, 18, 37, 300 };
	struct model m = { .line_n = 100, .line_total = 5000 };
	struct log_place at = { .follow = true };
	struct field f;

	(void)state;
	field_init(&f, false);
	field_set(&f, "something that was typed");
	for (size_t p = 0; p < ARRAY_SIZE(pages); p++) {
		struct sheet s;

		sheet_init(&s);
		fake_sheet(pages[p], NULL, &s);
		for (size_t w = 0; w < ARRAY_SIZE(widths); w++)
			for (size_t h = 0; h < ARRAY_SIZE(heights); h++) {
				struct look in = {
					.sheet = &s, .model = &m, .log = &at,
					.field = &f, .safe = WIDTH_UTF8,
					.width = widths[w],
					.height = heights[h],
				};

				at.follow = w % 2;
				at.last = h % 2 ? 4950 : 0;
				each_focus(&in, codes[p]);
			}
		sheet_release(&s);
	}
	field_release(&f);
}

/* a list of four thousand rows is no reason to wait */
static void long_list(void **state)
{
	struct layout l;
	struct sheet s;
	struct look in = { .sheet = &s, .width = 80, .height = 18,
			   .focus = "r2000", .row = "r2000", .to_focus = true };

	(void)state;
	sheet_init(&s);
	for (int i = 0; i < 4000; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "r%d", i);
		(void)sheet_row(&s, id, MARK_OK, id, i % 7 ? "short" :
				"a text that is longer than the line has room "
				"for, so that the list is stacked", NULL);
	}
	layout_init(&l);
	layout_make(&l, &in);
	check(&l, &in, "list");
	assert_true(l.cursor_y >= 0);
	layout_release(&l);
	sheet_release(&s);
}

/* rows on the right that need more room than there is come first, whole */
static void wide_right(void **state)
{
	struct layout l;
	struct sheet s;
	struct look in = { .sheet = &s, .width = 80, .height = 18 };

	(void)state;
	sheet_init(&s);
	sheet_row(&s, NULL, MARK_OK, "1 a-step", "00:41", NULL)->side =
		SIDE_LEFT;
	sheet_row(&s, NULL, MARK_OK, "V01", "short", NULL)->side = SIDE_RIGHT;
	layout_init(&l);
	layout_make(&l, &in);
	check(&l, &in, "narrow");
	assert_int_equal(l.n, 1);
	sheet_row(&s, NULL, MARK_OK, "V02", "a sentence on what was found out "
		  "here, some sixty columns", NULL)->side = SIDE_RIGHT;
	layout_make(&l, &in);
	check(&l, &in, "wide");
	assert_int_equal(l.n, 4);
	assert_string_equal(l.v[1].span[l.v[1].n - 1].text,
			    "a sentence on what was found out here, some sixty "
			    "columns");
	assert_string_equal(l.v[3].span[1].text, "1 a-step");
	layout_release(&l);
	sheet_release(&s);
}

/* one letter for each line: what it says begins with, a dot for a blank one */
static void assert_lines(struct look *in, int height, const char *want)
{
	struct strbuf sb = STRBUF_INIT;
	struct layout l;

	layout_init(&l);
	in->height = height;
	layout_make(&l, in);
	check(&l, in, want);
	for (size_t y = 0; y < l.n; y++)
		strbuf_addch(&sb, l.v[y].n ? l.v[y].span[0].text[0] : '.');
	assert_string_equal(sb.buf, want);
	strbuf_release(&sb);
	layout_release(&l);
}

/* they go one by one, the one that is missed least first */
static void blank_lines(void **state)
{
	struct sheet s;
	struct look in = { .sheet = &s, .width = 80 };

	(void)state;
	sheet_init(&s);
	sheet_text(&s, ROLE_STRONG, "head");
	sheet_blank(&s);
	sheet_fact(&s, "a", "fact");
	sheet_blank(&s);
	sheet_fact(&s, "b", "fact");
	sheet_blank(&s);
	sheet_text(&s, ROLE_NORMAL, "text");
	sheet_blank(&s);
	sheet_blank(&s);
	sheet_text(&s, ROLE_NORMAL, "more");
	sheet_blank(&s);
	s.flags |= SHEET_BUTTONS;
	sheet_choice(&s, 0, "exit", "Exit", NULL);
	assert_lines(&in, 12, "h.a.b.t..m.[");
	assert_lines(&in, 11, "h.a.b.t.m.[");
	assert_lines(&in, 10, "h.a.b.tm.[");
	assert_lines(&in, 9, "h.ab.tm.[");
	assert_lines(&in, 8, "h.abtm.[");
	assert_lines(&in, 7, "habtm.[");
	assert_lines(&in, 6, "habtm[");
	sheet_release(&s);
}

static void empty(void **state)
{
	struct layout l;
	struct sheet s;
	struct look in = { .sheet = &s, .width = 80, .height = 18 };

	(void)state;
	sheet_init(&s);
	layout_init(&l);
	layout_make(&l, &in);
	assert_int_equal(l.n, 0);
	assert_int_equal(l.cursor_y, -1);
	layout_release(&l);
	sheet_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_size),
		cmocka_unit_test(long_list),
		cmocka_unit_test(wide_right),
		cmocka_unit_test(blank_lines),
		cmocka_unit_test(empty),
	};

	if (!setlocale(LC_ALL, "C.UTF-8")) {
		(void)printf("1..0 # SKIP no locale C.UTF-8\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
