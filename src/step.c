/* SPDX-License-Identifier: MIT */
#include "step.h"

#include <errno.h>
#include <string.h>

#include "base/xalloc.h"

static const char *const state_names[STEP_STATE_COUNT] = {
	[STEP_PENDING] = "pending",
	[STEP_APPLYING] = "applying",
	[STEP_APPLIED] = "applied",
	[STEP_VERIFIED] = "verified",
	[STEP_FAILED] = "failed",
	[STEP_SKIPPED] = "skipped",
	[STEP_UNDOING] = "undoing",
	[STEP_UNDONE] = "undone",
	[STEP_UNDO_FAILED] = "undo-failed",
};

#define TO(s) (1u << STEP_##s)

/* From a state, by a record, to another. A killed engine repeats its record,
   so some states may follow themselves. */
static const unsigned int may[STEP_STATE_COUNT] = {
	[STEP_PENDING] = TO(APPLYING) | TO(APPLIED) | TO(SKIPPED) | TO(FAILED),
	[STEP_APPLYING] = TO(APPLYING) | TO(APPLIED) | TO(FAILED) |
		TO(UNDOING),
	[STEP_APPLIED] = TO(APPLIED) | TO(VERIFIED) | TO(FAILED) |
		TO(UNDOING),
	/* what was refused is tried again */
	[STEP_VERIFIED] = TO(APPLIED) | TO(UNDOING),
	[STEP_FAILED] = TO(APPLYING) | TO(APPLIED) | TO(FAILED) |
		TO(SKIPPED) | TO(UNDOING),
	[STEP_SKIPPED] = TO(APPLYING) | TO(APPLIED) | TO(FAILED) |
		TO(SKIPPED),
	[STEP_UNDOING] = TO(UNDOING) | TO(UNDONE) | TO(UNDO_FAILED),
	[STEP_UNDONE] = TO(APPLYING) | TO(APPLIED) | TO(SKIPPED) | TO(FAILED),
	[STEP_UNDO_FAILED] = TO(UNDOING),
};

const char *step_state_name(enum step_state s)
{
	return s < STEP_STATE_COUNT ? state_names[s] : "unknown";
}

int step_state_parse(const char *name, enum step_state *ret)
{
	for (int i = 0; i < STEP_STATE_COUNT; i++)
		if (!strcmp(state_names[i], name)) {
			*ret = (enum step_state)i;
			return 0;
		}
	return -EINVAL;
}

bool step_state_may(enum step_state from, enum step_state to)
{
	return from < STEP_STATE_COUNT && to < STEP_STATE_COUNT &&
		(may[from] & 1u << to);
}

const char *step_probe_name(enum step_probe p)
{
	switch (p) {
	case PROBE_NOT:
		return "not";
	case PROBE_PARTLY:
		return "partly";
	case PROBE_FULLY:
		return "applied";
	case PROBE_UNKNOWN:
		break;
	}
	return "unknown";
}

void check_result_init(struct check_result *r)
{
	memset(r, 0, sizeof(*r));
	strbuf_init(&r->message);
}

void check_result_release(struct check_result *r)
{
	strbuf_release(&r->message);
	strvec_release(&r->details);
	free(r->audit);
	r->audit = NULL;
}

void check_result_set(struct check_result *r, enum check_state state,
		      const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list ap;

	/* the arguments may point into the old message */
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	strbuf_release(&r->message);
	r->message = text;
	r->state = state;
}

static void text_release(struct plan_text *t)
{
	free(t->text);
	for (char **p = t->langs; p && *p; p++)
		free(*p);
	free(t->langs);
}

void step_free(struct step *s)
{
	if (!s)
		return;
	if (s->ops && s->ops->release && s->priv)
		s->ops->release(s);
	free(s->id);
	text_release(&s->title);
	text_release(&s->risk);
	text_release(&s->hint);
	strvec_release(&s->needs);
	strvec_release(&s->items);
	strvec_release(&s->roles);
	free(s);
}

bool step_undoable(const struct step *s)
{
	return !s->ops->undoable || s->ops->undoable(s);
}

const struct step_ops *step_kind_find(const struct step_ops *const *kinds,
				      const char *name, bool check)
{
	const struct step_ops *found = NULL;

	for (; *kinds; kinds++)
		if (!strcmp((*kinds)->name, name)) {
			found = *kinds;
			if (!(found->flags & STEP_IS_CHECK) == !check)
				break;
		}
	return found;
}
