/* SPDX-License-Identifier: MIT */
#include "rollback-text.h"

#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine.h"
#include "frontend.h"
#include "run.h"
#include "text.h"

struct json_object *rollback_preview_json(const struct rollback_preview *p)
{
	static const char *const keys[] = { "restored", "lost", "kept",
					    "carried", "alone" };
	const struct strvec *const lists[] = {
		&p->restored_names, &p->lost_names, &p->kept_names,
		&p->carried_names, &p->alone_names };
	const uint64_t n[] = { p->restored, p->lost, p->kept, p->carried,
			       p->alone };
	struct json_object *o = json_object_new_object();

	json_set_str(o, "type", "preview");
	json_set_int(o, "bytes", (int64_t)p->bytes);
	json_set_int(o, "steps", p->undone_steps);
	if (p->snapshot)
		json_set_str(o, "snapshot", p->snapshot);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_free_ char *list = xasprintf("%s_names", keys[i]);
		struct json_object *a;

		/* of a plan without a cutover there is nothing to say */
		if (i >= 3 && !n[i])
			continue;
		a = json_object_new_array();
		json_set_int(o, keys[i], (int64_t)n[i]);
		for (size_t k = 0; k < lists[i]->n; k++)
			json_array_add_bytes(a, lists[i]->v[k]);
		json_object_object_add(o, list, a);
	}
	json_object_object_add(o, "tables", rollback_tables_json(p));
	return o;
}

struct json_object *rollback_done_json(const struct run_point *p)
{
	static const char *const keys[] = { "restored", "lost", "kept",
					    "carried" };
	struct json_object *o = run_point_json(p);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		_cleanup_free_ char *list = xasprintf("%s_names", keys[i]);
		struct json_object *a = json_object_new_array();
		struct json_object *t = p->tables;

		for (size_t k = 0; t && k < json_object_array_length(t); k++) {
			struct json_object *one =
				json_object_array_get_idx(t, k);
			_cleanup_free_ char *name = json_get_bytes(one, "table");
			uint64_t n = (uint64_t)json_get_int(one, keys[i], 0);
			_cleanup_free_ char *count = count_text(n);
			_cleanup_free_ char *text = xasprintf(ngettext(
				"%s: %s row", "%s: %s rows", n),
				name ? name : "?", count);

			if (n)
				json_array_add_bytes(a, text);
			else if (i == 0 && name && !json_get(one, keys[i]))
				json_array_add_bytes(a, name);
		}
		for (size_t k = 0; i == 1 && k < p->lost_names.n; k++)
			json_array_add_bytes(a, p->lost_names.v[k]);
		if (i == 3 && !p->carried)
			json_object_put(a);
		else
			json_object_object_add(o, list, a);
	}
	return o;
}

static void show_names(const char *label, uint64_t n,
		       const struct strvec *names)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%s ", label);
	text_count(n, &sb);
	(void)out_line(sb.buf);
	for (size_t i = 0; i < names->n; i++) {
		_cleanup_free_ char *shown = escape_bytes(names->v[i]);
		_cleanup_free_ char *line = xasprintf("  %s", shown);

		(void)out_line(line);
	}
}

void rollback_preview_show(const struct rollback_preview *p, const char *point)
{
	/* an R point: where the last rollback began */
	bool takes_back = (*point == 'R' || *point == 'r') &&
			  point[1] >= '0' && point[1] <= '9';
	_cleanup_free_ char *head = takes_back ? xasprintf(
		_("rollback to %s takes the last rollback back"), point) :
		xasprintf(ngettext("rollback to %s undoes %d step",
				   "rollback to %s undoes %d steps",
				   (unsigned long)p->undone_steps), point,
			  p->undone_steps);

	(void)out_line(head);
	show_names(_("RESTORED"), p->restored, &p->restored_names);
	if (p->carried)
		show_names(_("CARRIED"), p->carried, &p->carried_names);
	/* TRANSLATORS: rows of new tables that cannot be CARRIED */
	if (p->alone)
		show_names(_("NOT CARRIED"), p->alone, &p->alone_names);
	show_names(_("LOST"), p->lost, &p->lost_names);
	show_names(_("KEPT"), p->kept, &p->kept_names);
	if (p->snapshot) {
		_cleanup_free_ char *line = xasprintf(_("The provider puts "
			"snapshot '%s' back: what others wrote since to what it "
			"holds is lost, in all tables."), p->snapshot);

		(void)out_line(line);
	}
	(void)out_line(_("The state before is saved as a point of its own, so "
			 "that this rollback can be undone."));
}
