/* SPDX-License-Identifier: MIT */
/*
 * fake-tui CODE [OPTION...]: the screens over the fake wizard, from that page
 * on. Run it in a terminal to look at a page, or under a test.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake-screens.h"
#include "tui/tui.h"

static bool take_option(struct options *o, const char *arg)
{
	if (!strcmp(arg, "--ascii"))
		o->ascii = true;
	else if (!strcmp(arg, "--mouse"))
		o->mouse = true;
	else if (!strcmp(arg, "--no-color"))
		o->color = "never";
	else if (!strncmp(arg, "--theme=", 8))
		o->theme = arg + 8;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct options o;
	struct wizard *w;
	const char *why;
	int ret;

	(void)setlocale(LC_ALL, "");
	memset(&o, 0, sizeof(o));
	if (argc < 2 || fake_page(argv[1]) == PAGE_COUNT)
		return 64;
	for (int i = 2; i < argc; i++)
		if (!take_option(&o, argv[i]))
			return 64;
	why = tui_unusable(&o);
	if (why) {
		(void)fprintf(stderr, "no screens: %s\n", why);
		return 69;
	}
	w = fake_screens_new(fake_page(argv[1]), &o);
	ret = tui_run(w);
	if (ret == TUI_PLAIN)
		(void)printf("plain mode\n");
	fake_screens_free(w);
	return ret == TUI_PLAIN ? 99 : ret;
}
