/* SPDX-License-Identifier: MIT */
#ifndef MODEL_INTERNAL_H
#define MODEL_INTERNAL_H
/* model-internal - what model.c and model-progress.c share */
#include "model.h"

/* a copy of v (or NULL) in place of what was there; v may be a part of it */
void model_set(char **dst, const char *v);
enum event_phase model_phase_of(struct json_object *o);
void model_progress_clear(struct model_progress *p);
void model_on_progress(struct model *m, struct json_object *o);

#endif
