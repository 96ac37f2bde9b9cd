/* SPDX-License-Identifier: MIT */
/* The sheet of a sign-off: what is signed, by whom, and who is pending. */
#include <stdlib.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

static size_t length(struct json_object *a)
{
	return a ? json_object_array_length(a) : 0;
}

static bool ticked(const struct wizard *w, size_t i)
{
	_cleanup_free_ char *key = xasprintf("tick:%zu", i);

	return strvec_has(&w->ticks, key);
}

static bool all_ticked(const struct wizard *w)
{
	for (size_t i = 0; i < length(json_get(w->m.ask.extra, "items")); i++)
		if (!ticked(w, i))
			return false;
	return true;
}

static void item_choices(struct wizard *w, struct sheet *s)
{
	struct json_object *items = json_get(w->m.ask.extra, "items");

	for (size_t i = 0; i < length(items); i++) {
		_cleanup_free_ char *text = json_array_get_bytes(items, i);
		_cleanup_free_ char *id = xasprintf("tick:%zu", i);
		_cleanup_free_ char *label = xasprintf("[%s] %s", ticked(w, i) ?
			"x" : " ", text ? text : "?");

		sheet_choice(s, i < 9 ? (char)('1' + i) : 0, id, label,
			     NULL)->tick = true;
	}
}

static void role_item(struct wizard *w, struct sheet *s,
		      struct json_object *one)
{
	const char *role = json_get_str(one, "role", "");
	const char *name = json_get_str(one, "name", NULL);
	_cleanup_free_ char *id = xasprintf("name:%s", role);
	const char *typed;
	struct sheet_item *it;

	if (name) {
		_cleanup_free_ char *at = wizard_hhmm(json_get_str(one,
			"time", NULL));

		sheet_row(s, NULL, MARK_OK, role, name, at);
		return;
	}
	typed = json_get_str(w->names, role, "");
	it = sheet_field(s, id, role, typed, false);
	it->note = xstrdup(*typed ? _("pending: not signed yet") :
			   _("pending: type the name"));
}

static void sign_choices(struct sheet *s, struct json_object *roles)
{
	for (size_t i = 0; i < length(roles); i++) {
		struct json_object *one = json_object_array_get_idx(roles, i);
		const char *role = json_get_str(one, "role", "");
		_cleanup_free_ char *id = xasprintf("sign:%s", role);
		_cleanup_free_ char *label = xasprintf(_("Sign as %s"), role);

		if (!json_get_str(one, "name", NULL))
			(void)sheet_choice(s, 0, id, label, NULL);
	}
	(void)sheet_choice(s, 0, "stop-here", _("Leave it open"),
			   _("for days if need be; \"upshift resume\" returns "
			     "here"));
}

void page_s42(struct wizard *w, struct sheet *s)
{
	struct json_object *roles = json_get(w->m.ask.extra, "roles");
	const struct step *st = wizard_asked_step(w);

	if (!st)
		return;
	sheet_text(s, ROLE_STRONG, _("Sign-off %d  %s    %s"),
		   plan_step_index(w->s.plan, st->id) + 1, st->id,
		   wizard_title_of(w, st));
	sheet_blank(s);
	sheet_text(s, ROLE_NORMAL, "%s", _("Tick what you have looked at, type "
		"your name and sign. The run goes on when every role has "
		"signed."));
	sheet_blank(s);
	item_choices(w, s);
	sheet_blank(s);
	for (size_t i = 0; i < length(roles); i++)
		role_item(w, s, json_object_array_get_idx(roles, i));
	sheet_blank(s);
	sign_choices(s, roles);
	if (length(json_get(w->m.ask.extra, "items")))
		s->focus = "tick:0";
	sheet_status(s, w->notice ? w->notice : _("Names, times and terminals "
		     "go into the journal and the report."));
}

static unsigned int tick(struct wizard *w, const char *id)
{
	for (size_t i = 0; i < w->ticks.n; i++) {
		if (strcmp(w->ticks.v[i], id) != 0)
			continue;
		free(w->ticks.v[i]);
		w->ticks.n--;
		memmove(&w->ticks.v[i], &w->ticks.v[i + 1],
			(w->ticks.n - i + 1) * sizeof(*w->ticks.v));
		return WIZARD_REDRAW;
	}
	strvec_push(&w->ticks, id);
	return WIZARD_REDRAW;
}

static unsigned int sign(struct wizard *w, const char *role)
{
	const char *name = json_get_str(w->names, role, "");
	_cleanup_free_ char *value = xasprintf("%s:%s", role, name);

	if (!all_ticked(w))
		return wizard_say(w, WIZARD_REFUSED, "%s",
				  _("not everything is ticked yet"));
	if (!*name)
		return wizard_say(w, WIZARD_REFUSED,
				  _("the name of '%s' is missing"), role);
	/* each role ticks for itself */
	strvec_clear(&w->ticks);
	return wizard_answer(w, value);
}

unsigned int act_sign(struct wizard *w, const char *id, const char *value)
{
	if (str_starts(id, "tick:"))
		return tick(w, id);
	if (str_starts(id, "name:")) {
		if (!w->names)
			w->names = json_object_new_object();
		json_set_str(w->names, id + 5, value ? value : "");
		return WIZARD_REDRAW;
	}
	return str_starts(id, "sign:") ? sign(w, id + 5) : WIZARD_NOTHING;
}
