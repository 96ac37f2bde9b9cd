/* SPDX-License-Identifier: MIT */
#ifndef HELP_PAGES_H
#define HELP_PAGES_H
/*
 * help-pages - what each screen shows, what its keys do, what is safe there
 *
 * One text for ? on a screen, for ? in plain mode, and for `upshift help W10`.
 * A page is known by its code, which is the same in all languages; so support
 * staff can read along. Paragraphs are translated and not yet broken into
 * lines.
 */
#include <stdbool.h>
#include <stddef.h>

struct strvec;

/* code in large or small letters; false: there is no such page */
bool help_page(const char *code, struct strvec *ret);
/* the i-th code, or NULL behind the last; in the order of the walk */
const char *help_page_code(size_t i);
/* "The plan", translated; NULL: no such page */
const char *help_page_title(const char *code);
/* keys that work on every screen, as paragraphs */
void help_common_keys(struct strvec *ret);

#endif
