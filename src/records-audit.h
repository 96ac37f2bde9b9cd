/* SPDX-License-Identifier: MIT */
#ifndef RECORDS_AUDIT_H
#define RECORDS_AUDIT_H
/*
 * records-audit - is the audit of a forensic comparison as it was written?
 *
 * Each line bears the sum of the one before it and its own (records-report.h),
 * so a line that was changed, removed, added or moved breaks the chain there.
 * The last line says that it is the last, so an end that was cut off is
 * missed; and the journal of the run, which is a chain of its own, has the sum
 * of the last line, so that nobody can write all of it anew.
 *
 * Nothing is written. Errors: ERR_VERIFY names the first line that is broken;
 * ERR_IO; what journal_open() says of a journal that is damaged.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"

struct error;

struct records_audit {
	uint64_t lines, rows;    /* rows of old, over all pairs */
	uint64_t broken;         /* the first bad line, from 1; 0: none */
	char sum[BLAKE2_TEXT_SIZE]; /* of the last line */
	bool in_journal;         /* the run's own: it has the same sum */
};

/*
 * path: "runs/ID/CHECK.audit.jsonl" or a copy elsewhere; the journal is looked
 * for beside it.
 */
int records_audit_check(const char *path, struct records_audit *ret,
			struct error *err);

#endif
