/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_PACE_H
#define RECORDS_PACE_H
/*
 * records-pace - how many rows make a batch
 *
 * A batch should take 0.8 seconds: short enough to lose nothing by doing it
 * again and to hold no lock for long, long enough that COMMIT does not count.
 * The time of the last 20 batches by that of the target is smoothed, newest
 * first with the weights 0.6^i; between 0.90 and 0.95 the size stays, else it is
 * multiplied by what would give 0.95, by 1.2 at most, or by 2 below 0.25. From 100 to 200,000 rows,
 * and no more than 8 MiB if rows are as heavy as those before. A batch with
 * fewer rows than the size counts as if it were full, but is no reason to take
 * fewer.
 * Source: GitLab, doc/development/database/batched_background_migrations.md
 */
#include <stdint.h>

#define RECORDS_PACE_SAMPLES 20
#define RECORDS_BYTES (8u << 20)

struct records_pace {
	uint32_t fixed;          /* 0: adaptive */
	uint32_t size;
	uint32_t limit;          /* not more, after it was too much */
	uint32_t n;              /* samples, newest first */
	double eff[RECORDS_PACE_SAMPLES];
	double row_bytes;        /* 0: not known yet */
	uint32_t bytes;          /* at most, of rows as before; 8 MiB */
};

void records_pace_init(struct records_pace *p, uint32_t fixed);
/* rows to take next, at least 1 */
uint32_t records_pace_next(const struct records_pace *p);
/* a batch of so many rows and bytes took so long */
void records_pace_add(struct records_pace *p, uint32_t rows, uint64_t bytes,
		      double seconds);
/* so many rows were too many */
void records_pace_halve(struct records_pace *p, uint32_t rows);

#endif
