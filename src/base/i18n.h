/* SPDX-License-Identifier: MIT */
#ifndef I18N_H
#define I18N_H
/*
 * i18n - marks for translation
 *
 * _() translates now, N_() marks a string in a table that _() translates when
 * it is shown, ngettext() picks a plural. Without NLS all of them are no-ops.
 */
#ifdef ENABLE_NLS
#include <libintl.h>
#define _(s) gettext(s)
#else
#define _(s) (s)
#define ngettext(one, many, n) ((n) == 1 ? (one) : (many))
#define gettext(s) (s)
#endif
#define N_(s) (s)

#endif
