/* SPDX-License-Identifier: MIT */
#ifndef FAKE_SCREENS_H
#define FAKE_SCREENS_H
/*
 * fake-screens - the fake wizard as tests of the screens use it
 *
 * Its sheets hold the facts of the screens in tests/tui/screens.txt. What the
 * screens ask of it goes, a line each, to the file that FAKE_LOG names. The
 * pages of this walk follow each other: W10 start, C20, ... as Enter goes.
 */
#include "../unit/fake-wizard.h"

struct wizard *fake_screens_new(enum page page, const struct options *o);
void fake_screens_free(struct wizard *w);
/* the sheet of one page, in fake-pages.c; row: the selected one, or NULL */
void fake_sheet(enum page page, const char *row, struct sheet *s);
/* P50 after n updates; 0 is fake_sheet() */
void fake_work(struct sheet *s, int n);
/* what fake-clock.c says; stands still without FAKE_CLOCK */
uint64_t fake_clock_ms(void);

#endif
