/* SPDX-License-Identifier: MIT */
#ifndef I18N_H
#define I18N_H
/*
 * i18n - marks for translation
 *
 * _() translates now, N_() marks a string in a table that _() translates when
 * it is shown, ngettext() picks a plural. pgettext() is for a word that other
 * languages have several of: "running" of an application and of a backup; both
 * arguments are literals, context and word. Without NLS all of them are no-ops.
 */
#ifdef ENABLE_NLS
#include <libintl.h>
#define _(s) gettext(s)
/* as gettext.h has it; libintl.h does not */
#define pgettext(context, s) i18n_in_context(context "\004" s, s)
static inline const char *i18n_in_context(const char *key, const char *s)
{
	const char *t = gettext(key);

	return t == key ? s : t;
}
#else
#define pgettext(context, s) (s)
#define _(s) (s)
#define ngettext(one, many, n) ((n) == 1 ? (one) : (many))
#define gettext(s) (s)
#endif
#define N_(s) (s)

#endif
