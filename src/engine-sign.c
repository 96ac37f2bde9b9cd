/* SPDX-License-Identifier: MIT */
/*
 * Sign-offs: a step of this kind is through when every role has signed. A
 * signature is a decision in the journal (kind "sign", the step, "ROLE:NAME",
 * and who typed it where), so that a sign-off may stay open for days: the run
 * is paused with exit 8 and goes on with `upshift resume --approve ROLE:NAME`.
 * What was signed before a rollback does not count behind it.
 */
#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "engine-internal.h"

/* role -> the decision, as far as they have signed; new */
static struct json_object *signatures(struct engine *e, const struct step *s)
{
	struct json_object *list = e->run->decisions;
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *d = json_object_array_get_idx(list, i);
		const char *kind = json_get_str(d, "kind", "");
		const char *value = json_get_str(d, "value", "");
		_cleanup_free_ char *role = NULL;

		if (!strcmp(kind, "rollback")) {
			json_object_put(o);
			o = json_object_new_object();
		}
		if (strcmp(kind, "sign") != 0 || !strchr(value, ':') ||
		    strcmp(json_get_str(d, "subject", ""), s->id) != 0)
			continue;
		role = xstrndup(value, strcspn(value, ":"));
		if (strvec_has(&s->roles, role))
			json_object_object_add(o, role, json_object_get(d));
	}
	return o;
}

/* the first role that has not signed, NULL: all have */
static const char *pending_role(const struct step *s, struct json_object *done)
{
	for (size_t i = 0; i < s->roles.n; i++)
		if (!json_get(done, s->roles.v[i]))
			return s->roles.v[i];
	return NULL;
}

/* "ROLE:NAME" of a role that is pending */
static bool is_signature(const struct step *s, struct json_object *done,
			 const char *text)
{
	size_t n = strcspn(text, ":");
	_cleanup_free_ char *role = xstrndup(text, n);

	return text[n] == ':' && text[n + 1] && strvec_has(&s->roles, role) &&
		!json_get(done, role);
}

static struct json_object *facts(const struct step *s,
				 struct json_object *done)
{
	struct json_object *o = json_object_new_object();
	struct json_object *items = json_object_new_array();
	struct json_object *roles = json_object_new_array();

	for (size_t i = 0; i < s->items.n; i++)
		json_array_add_bytes(items, s->items.v[i]);
	for (size_t i = 0; i < s->roles.n; i++) {
		struct json_object *one = json_object_new_object();
		struct json_object *d = json_get(done, s->roles.v[i]);
		const char *value = json_get_str(d, "value", NULL);

		json_set_str(one, "role", s->roles.v[i]);
		if (value) {
			json_set_str(one, "name", strchr(value, ':') + 1);
			json_set_str(one, "time", json_get_str(d, "time",
							       NULL));
		}
		json_object_array_add(roles, one);
	}
	json_object_object_add(o, "items", items);
	json_object_object_add(o, "roles", roles);
	return o;
}

static int record(struct engine *e, const struct step *s, const char *text,
		  struct error *err)
{
	return run_record_decision(e->run, "sign", s->id, text, err);
}

/* those that were given on the command line */
static int given(struct engine *e, const struct step *s, struct error *err)
{
	for (size_t i = 0; i < e->opts.approve.n; i++) {
		_cleanup_json_ struct json_object *done = signatures(e, s);
		const char *text = e->opts.approve.v[i];

		if (is_signature(s, done, text) && record(e, s, text, err) < 0)
			return -EIO;
	}
	return 0;
}

static int ask_one(struct engine *e, const struct step *s,
		   struct json_object *done, const char *role,
		   struct error *err)
{
	_cleanup_free_ char *id = xasprintf("sign:%s", s->id);
	struct ask a = { .id = id, .kind = ASK_TEXT, .step = s->id,
			 .prompt = engine_title(e, s) };
	int ret;

	engine_notify(e, NOTIFY_SIGN_OFF, s->id, role);
	ret = engine_ask(e, &a, facts(s, done));
	if (ret >= 0 && is_signature(s, done, a.answer))
		ret = record(e, s, a.answer, err);
	else if (ret == -ECANCELED)
		(void)error_set(err, ERR_CANCELLED, ret,
				_("step '%s' was not signed"), s->id);
	else if (ret < 0) {
		(void)error_set(err, ERR_CONFIRM, ret,
				_("step '%s' waits for the signature of '%s'"),
				s->id, role);
		error_hint(err, "upshift resume --approve %s:NAME", role);
	}
	ask_release(&a);
	return ret;
}

int engine_sign_off(struct engine *e, const struct step *s, struct error *err)
{
	int ret = given(e, s, err);

	while (ret >= 0) {
		_cleanup_json_ struct json_object *done = signatures(e, s);
		const char *role = pending_role(s, done);

		if (!role)
			return 0;
		ret = ask_one(e, s, done, role, err);
	}
	return ret;
}
