/* SPDX-License-Identifier: MIT */
/* RESTORED, LOST and KEPT: what a rollback would do, and what it did. */
#include <stdlib.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "rollback-text.h"
#include "wizard-internal.h"

static const struct {
	const char *label, *key, *names, *none;
} lists[] = {
	{ N_("RESTORED"), "restored", "restored_names", N_("nothing") },
	{ N_("CARRIED"), "carried", "carried_names", NULL },
	{ N_("NOT CARRIED"), "alone", "alone_names", NULL },
	{ N_("LOST"), "lost", "lost_names", N_("nothing") },
	{ N_("KEPT"), "kept", "kept_names", N_("all logs, all backups") },
};

/* rows of tables, and what else there is: paths, tables nobody could count */
static char *told_count(struct json_object *o, const char *key)
{
	struct json_object *tables = json_get(o, "tables");
	uint64_t all = (uint64_t)json_get_int(o, key, 0), n = 0;
	_cleanup_free_ char *rows = NULL, *items = NULL, *text = NULL;

	for (size_t i = 0; tables && i < json_object_array_length(tables); i++)
		n += (uint64_t)json_get_int(json_object_array_get_idx(tables,
					    i), key, 0);
	n = MIN(n, all);
	items = wizard_count(all - n);
	text = xasprintf(ngettext("%s item", "%s items", all - n), items);
	if (!n)
		return TAKE_PTR(text);
	rows = wizard_count(n);
	if (n == all)
		return xasprintf(ngettext("%s row", "%s rows", n), rows);
	return xasprintf(ngettext("%s row, %s", "%s rows, %s", n), rows, text);
}

void wizard_told(struct sheet *s, struct json_object *o, size_t max)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct json_object *list = json_get(o, lists[i].names);
		uint64_t n = (uint64_t)json_get_int(o, lists[i].key, 0);
		size_t have = list ? json_object_array_length(list) : 0;
		_cleanup_free_ char *count = told_count(o, lists[i].key);

		if (!n && !lists[i].none)
			continue;
		if (!n) {
			sheet_fact(s, _(lists[i].label), "%s",
				   _(lists[i].none));
			continue;
		}
		sheet_fact(s, _(lists[i].label), "%s", count);
		for (size_t k = 0; k < have && k < max; k++) {
			_cleanup_free_ char *name = json_array_get_bytes(list,
									 k);

			sheet_fact(s, "", "%s", name ? name : "?");
		}
		if (max && have > max)
			sheet_fact(s, "", "%s", _("... (d shows all)"));
	}
}

unsigned int wizard_show_told(struct wizard *w, struct json_object *o)
{
	struct strvec *t = wizard_text_begin(w, _("What the rollback does"));

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct json_object *a = json_get(o, lists[i].names);

		if (!a && !lists[i].none)
			continue;
		strvec_push(t, _(lists[i].label));
		for (size_t k = 0; a && k < json_object_array_length(a); k++) {
			_cleanup_free_ char *name = json_array_get_bytes(a, k);

			strvec_pushf(t, "  %s", name ? name : "?");
		}
		if (!a || !json_object_array_length(a))
			strvec_pushf(t, "  %s", _(lists[i].none));
	}
	return WIZARD_SHOW_TEXT;
}

struct json_object *wizard_last_rollback(const struct wizard *w)
{
	const struct run_point *p = w->run ? run_last_point(w->run) : NULL;

	return p ? rollback_done_json(p) : NULL;
}
