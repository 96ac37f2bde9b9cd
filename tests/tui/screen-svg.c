/* SPDX-License-Identifier: MIT */
/*
 * A page of the wizard as SVG, for the README: made of the same cells that the
 * tests look at. Usage: screen-svg CODE COLS LINES TEXT; it waits until TEXT
 * stands on the screen and writes to standard output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pty.h"

#define CELL_W 9
#define CELL_H 19
#define MARGIN 12

static void put(uint32_t c)
{
	switch (c) {
	case 0:
		(void)fputs(" ", stdout);
		break;
	case '&':
		(void)fputs("&amp;", stdout);
		break;
	case '<':
		(void)fputs("&lt;", stdout);
		break;
	case '>':
		(void)fputs("&gt;", stdout);
		break;
	default:
		if (c < 0x80)
			(void)putchar((int)c);
		else
			(void)printf("&#x%x;", c);
	}
}

static bool same(const VTermScreenCell *a, const VTermScreenCell *b)
{
	return a->attrs.reverse == b->attrs.reverse &&
		a->attrs.bold == b->attrs.bold &&
		!memcmp(&a->fg, &b->fg, sizeof(a->fg));
}

static void colour(struct pty *p, const VTermScreenCell *cell, char out[8])
{
	VTermColor c = cell->fg;

	if (VTERM_COLOR_IS_DEFAULT_FG(&c)) {
		(void)strcpy(out, "#d8dee9");
		return;
	}
	vterm_screen_convert_color_to_rgb(p->screen, &c);
	(void)snprintf(out, 8, "#%02x%02x%02x", c.rgb.red, c.rgb.green,
		       c.rgb.blue);
}

static void cell_at(struct pty *p, int y, int x, VTermScreenCell *cell)
{
	VTermPos pos = { .row = y, .col = x };

	memset(cell, 0, sizeof(*cell));
	(void)vterm_screen_get_cell(p->screen, pos, cell);
}

/* cells that look alike, in one element */
static int run_of_cells(struct pty *p, int y, int from)
{
	VTermScreenCell first, cell;
	char fg[8];
	int to = from;

	cell_at(p, y, from, &first);
	colour(p, &first, fg);
	do
		cell_at(p, y, ++to, &cell);
	while (to < p->cols && same(&first, &cell));
	if (first.attrs.reverse)
		(void)printf("<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" "
			     "fill=\"%s\"/>\n", MARGIN + from * CELL_W,
			     MARGIN + y * CELL_H, (to - from) * CELL_W,
			     CELL_H, fg);
	(void)printf("<text x=\"%d\" y=\"%d\" textLength=\"%d\" fill=\"%s\"%s>",
		     MARGIN + from * CELL_W, MARGIN + y * CELL_H + 14,
		     (to - from) * CELL_W, first.attrs.reverse ? "#2e3440" :
		     fg, first.attrs.bold ? " font-weight=\"bold\"" : "");
	for (int x = from; x < to; x++) {
		cell_at(p, y, x, &cell);
		/* the second half of a wide character */
		if (cell.chars[0] != (uint32_t)-1)
			put(cell.chars[0]);
	}
	(void)printf("</text>\n");
	return to;
}

static void draw(struct pty *p)
{
	int w = p->cols * CELL_W + 2 * MARGIN, h = p->lines * CELL_H + 2 * MARGIN;

	(void)printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
		     "height=\"%d\" font-family=\"monospace\" "
		     "font-size=\"15\" xml:space=\"preserve\">\n"
		     "<rect width=\"%d\" height=\"%d\" rx=\"8\" "
		     "fill=\"#2e3440\"/>\n", w, h, w, h);
	for (int y = 0; y < p->lines; y++)
		for (int x = 0; x < p->cols;)
			x = run_of_cells(p, y, x);
	(void)printf("</svg>\n");
}

int main(int argc, char **argv)
{
	struct pty p;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: screen-svg CODE COLS LINES TEXT\n");
		return 64;
	}
	pty_start(&p, argv[1], atoi(argv[2]), atoi(argv[3]), NULL);
	pty_wait(&p, argv[4]);
	pty_sync(&p);
	draw(&p);
	(void)pty_end(&p);
	return fflush(stdout) ? 74 : 0;
}
