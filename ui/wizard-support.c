/* SPDX-License-Identifier: MIT */
/* The support file, from any page: list and place as a text to be read. */
#include "base/error.h"
#include "base/i18n.h"
#include "support.h"
#include "wizard-internal.h"

unsigned int wizard_save_support(struct wizard *w)
{
	struct support_spec spec = { .sd = &w->sd,
				     .plan = w->s.plan };
	struct error err = ERROR_INIT;
	struct strvec *text;
	unsigned int ret = WIZARD_SHOW_TEXT;

	wizard_look(w);
	spec.run = w->run;
	if (!w->run || w->sd.fd < 0)
		return wizard_say(w, WIZARD_REFUSED, "%s", _("There is no run "
				  "yet, so there is nothing to save."));
	spec.id = w->run->id;
	text = wizard_text_begin(w, _("Support file"));
	if (support_bundle(&spec, text, NULL, &err) < 0)
		ret |= wizard_say(w, WIZARD_REFUSED, "%s", err.msg);
	error_release(&err);
	return ret;
}
