/* SPDX-License-Identifier: MIT */
#include "records-pace.h"

#include <string.h>

#include "base/compiler.h"

#define TARGET_S 0.8
#define FIRST 1000u
#define FIRST_UNSEEN 100u
#define LEAST 100u
#define MOST 200000u
#define WEIGHT 0.6
#define KEEP_FROM 0.90
#define KEEP_TO 0.95
#define GROW 1.2
/* while it is far from the target, which costs nothing to try */
#define GROW_FAR 2.0
#define FAR 0.25

void records_pace_init(struct records_pace *p, uint32_t fixed)
{
	memset(p, 0, sizeof(*p));
	p->fixed = fixed;
	p->size = fixed ? fixed : FIRST;
	p->limit = fixed ? fixed : MOST;
	p->bytes = RECORDS_BYTES;
}

uint32_t records_pace_next(const struct records_pace *p)
{
	double most = p->row_bytes > 0 ? p->bytes / p->row_bytes :
		      FIRST_UNSEEN;
	uint32_t n = MIN(p->size, p->limit);

	if (n > most && (!p->fixed || p->row_bytes > 0))
		n = (uint32_t)most;
	return MAX(n, 1);
}

static double smoothed(const struct records_pace *p)
{
	double sum = 0, weights = 0, w = 1;

	for (uint32_t i = 0; i < p->n; i++, w *= WEIGHT) {
		sum += p->eff[i] * w;
		weights += w;
	}
	return sum / weights;
}

void records_pace_add(struct records_pace *p, uint32_t rows, uint64_t bytes,
		      double seconds)
{
	double eff, factor;

	if (!rows)
		return;
	p->row_bytes = (double)bytes / rows;
	if (p->row_bytes < 1)
		p->row_bytes = 1;
	if (p->fixed) {
		/* what was too much may be no more */
		p->limit = MIN(p->fixed, p->limit + MAX(p->limit / 5, 1));
		return;
	}
	if (p->limit < MOST)
		p->limit = MIN(MOST, p->limit + MAX(p->limit / 20, 1));
	memmove(p->eff + 1, p->eff, (RECORDS_PACE_SAMPLES - 1) *
		sizeof(p->eff[0]));
	eff = seconds / TARGET_S;
	p->eff[0] = MAX(eff, MIN(eff * p->size / rows, KEEP_TO));
	p->n = MIN(p->n + 1, RECORDS_PACE_SAMPLES);
	eff = smoothed(p);
	if (eff >= KEEP_FROM && eff <= KEEP_TO)
		return;
	factor = p->eff[0] < FAR && eff < FAR ? GROW_FAR :
		 eff > KEEP_TO / GROW ? KEEP_TO / eff : GROW;
	p->size = (uint32_t)(p->size * factor + 0.5);
	p->size = MIN(MAX(p->size, LEAST), MOST);
}

void records_pace_halve(struct records_pace *p, uint32_t rows)
{
	p->limit = MAX(rows / 2, 1);
	p->size = MIN(p->size, MAX(p->limit, p->fixed ? 1 : LEAST));
	if (p->fixed)
		p->size = p->fixed;
	p->n = 0;
}
