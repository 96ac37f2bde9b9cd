/* SPDX-License-Identifier: MIT */
/*
 * A sign-off: what people have looked at, and who they are.
 *
 * The kind only says what is signed and by which roles; the engine asks for
 * the signatures and keeps them in the journal (engine-sign.c), for days if
 * need be. Once it gets here, all have signed.
 */
#include <string.h>

#include "base/i18n.h"
#include "steps.h"

#define ROLE_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static int parse(struct step *s, struct plan_node *n)
{
	(void)plan_node_list(n, "items", true, &s->items);
	if (!plan_node_list(n, "roles", false, &s->roles))
		strvec_push(&s->roles, "operator");
	for (size_t i = 0; i < s->roles.n; i++) {
		const char *role = s->roles.v[i];

		if (!*role || role[strspn(role, ROLE_CHARS)])
			plan_node_problem(n, "roles",
				_("role '%s' may have letters, digits, '-' "
				  "and '_' alone"), role);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(s->roles.v[k], role))
				plan_node_problem(n, "roles",
					_("role '%s' is there twice"), role);
	}
	return plan_node_failed(n) ? -1 : 0;
}

static int check(const struct step *s, struct step_ctx *c,
		 struct check_result *r, struct error *err)
{
	(void)c;
	(void)err;
	check_result_set(r, CHECK_OK, ngettext("%zu role has signed",
			 "%zu roles have signed", (unsigned long)s->roles.n),
			 s->roles.n);
	return 0;
}

const struct step_ops confirm_ops = {
	.name = "confirm",
	.flags = STEP_IS_CHECK | STEP_SIGN_OFF,
	.parse = parse,
	.check = check,
};
