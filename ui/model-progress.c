/* SPDX-License-Identifier: MIT */
/* How far it is: of one thing, of several at once, of all steps. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "model-internal.h"

static void clear_figures(struct model_progress *p)
{
	for (size_t i = 0; i < p->figure_n; i++) {
		free(p->figures[i].name);
		free(p->figures[i].value);
		free(p->figures[i].limit);
	}
	free(p->figures);
	p->figures = NULL;
	p->figure_n = 0;
}

static void on_figures(struct model_progress *p, struct json_object *a)
{
	clear_figures(p);
	if (!a || !json_object_is_type(a, json_type_array))
		return;
	p->figure_n = json_object_array_length(a);
	p->figures = xcalloc(p->figure_n + 1, sizeof(*p->figures));
	for (size_t i = 0; i < p->figure_n; i++) {
		struct json_object *o = json_object_array_get_idx(a, i);
		struct event_figure *f = &p->figures[i];

		f->name = xstrdup(json_get_str(o, "name", "?"));
		f->value = xstrdup_null(json_get_str(o, "value", NULL));
		f->limit = xstrdup(json_get_str(o, "limit", ""));
		f->holds = json_get_bool(o, "holds", false);
	}
}

void model_progress_clear(struct model_progress *p)
{
	clear_figures(p);
	for (size_t i = 0; i < p->part_n; i++)
		free(p->parts[i].name);
	free(p->parts);
	free(p->id);
	free(p->unit);
	free(p->bound);
	free(p->wait);
	memset(p, 0, sizeof(*p));
	p->rate = p->eta_s = -1;
}

/* Never falls while the work is the same, and 100 only when all is done. */
static int percent_of(uint64_t done, uint64_t total, int was)
{
	int now;

	if (!total)
		return -1;
	if (done >= total)
		return 100;
	now = (int)((double)done * 100 / (double)total);
	now = MIN(now, 99);
	return MAX(now, was);
}

/* by name, whoever speaks first; "#10" behind "#9" */
static struct model_part *add_part(struct model_progress *p, const char *name)
{
	size_t at = p->part_n;

	while (at > 0 && strverscmp(p->parts[at - 1].name, name) > 0)
		at--;
	p->parts = xrealloc(p->parts, p->part_n + 1, sizeof(*p->parts));
	memmove(&p->parts[at + 1], &p->parts[at],
		(p->part_n++ - at) * sizeof(*p->parts));
	memset(&p->parts[at], 0, sizeof(*p->parts));
	p->parts[at].name = xstrdup(name);
	p->parts[at].percent = -1;
	return &p->parts[at];
}

/* the whole is the sum of its parts, as far as they are known, where nothing
   else is said of it */
static void on_part(struct model_progress *p, const char *name,
		    struct json_object *o)
{
	struct model_part *part = NULL;
	uint64_t done = (uint64_t)json_get_int(o, "done", 0), total = 0;
	bool known = true;
	int percent;

	for (size_t i = 0; i < p->part_n && !part; i++)
		if (!strcmp(p->parts[i].name, name))
			part = &p->parts[i];
	if (!part)
		part = add_part(p, name);
	/* a worker goes from one range to the next */
	percent = done < part->done ? -1 : part->percent;
	part->done = done;
	part->total = (uint64_t)json_get_int(o, "total", 0);
	part->percent = percent_of(part->done, part->total, percent);
	if (p->whole)
		return;
	done = 0;
	for (size_t i = 0; i < p->part_n; i++) {
		done += p->parts[i].done;
		total += p->parts[i].total;
		known &= p->parts[i].total != 0;
	}
	p->done = done;
	p->total = known ? total : 0;
	p->rate = p->eta_s = -1;
	p->percent = percent_of(p->done, p->total, p->percent);
}

void model_on_progress(struct model *m, struct json_object *o)
{
	struct model_progress *p = &m->progress;
	enum event_phase phase = model_phase_of(o);
	const char *id = json_get_str(o, "id", "");
	const char *unit = json_get_str(o, "unit", "");
	const char *part = json_get_str(o, "part", NULL);
	uint64_t done = (uint64_t)json_get_int(o, "done", 0);
	uint64_t total = (uint64_t)json_get_int(o, "total", 0);
	int was = -1;

	/* a step may count several things in turn, each from nothing */
	if (p->given && p->phase == phase && !strcmp(p->id, id) &&
	    (part || !strcmp(p->unit, unit))) {
		if (part || done >= p->done || total == p->total)
			was = p->percent;
	} else {
		model_progress_clear(p);
		p->begun_ns = clock_mono_ns();
	}
	p->given = true;
	p->phase = phase;
	model_set(&p->id, id);
	model_set(&p->unit, unit);
	p->heard_ns = clock_mono_ns();
	if (part) {
		on_part(p, part, o);
		return;
	}
	p->whole = true;
	p->done = done;
	p->total = total;
	p->batch = (uint64_t)json_get_int(o, "batch", 0);
	p->rejected = (uint64_t)json_get_int(o, "rejected", 0);
	model_set(&p->bound, json_get_str(o, "bound", NULL));
	model_set(&p->wait, json_get_str(o, "wait", NULL));
	on_figures(p, json_get(o, "figures"));
	p->records = (uint64_t)json_get_int(o, "records", 0);
	p->rate = json_get_double(o, "rate", -1);
	p->eta_s = json_get_double(o, "eta_s", -1);
	p->percent = percent_of(p->done, p->total, was);
}

static bool is_over(enum event_state s)
{
	return s == EVENT_VERIFIED || s == EVENT_SKIPPED;
}

int model_percent(const struct model *m)
{
	size_t over = 0;
	double done = 0;

	if (!m->step_n)
		return 0;
	for (size_t i = 0; i < m->step_n; i++) {
		const struct model_step *s = &m->steps[i];

		over += is_over(s->state);
		if (is_over(s->state) || s->state == EVENT_APPLIED)
			done += 1;
		else if (s->running && m->progress.given &&
			 m->progress.percent > 0 &&
			 !strcmp(m->progress.id, s->id))
			done += m->progress.percent / 100.0;
	}
	if (over == m->step_n)
		return 100;
	return MIN((int)(done * 100 / (double)m->step_n), 99);
}
