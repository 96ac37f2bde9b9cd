/* SPDX-License-Identifier: MIT */
#ifndef COMPLETION_H
#define COMPLETION_H
/*
 * completion - the record that a run is done, for those who sign it off
 *
 * Result, counts, data loss, the backup and whether it is whole now, whether
 * the way back was ever gone, and the verifications as PASS or FAIL. Made from
 * the journal; the archive is read once, to compare its digest. What nobody
 * tried or counted is said to be so, and never taken for good.
 *
 * An object with the keys plan, from, to, plan_digest, environment (if the plan
 * has any), run, root, result, started, finished,
 * steps {id, state}, counts {step, what, before, after, quarantined},
 * errors {step, class, sqlstate, table, hour, count},
 * data_loss {counts that shrank, checks that failed}, data_loss_known {was
 * anything counted or verified},
 * backup {made, path, bytes, items, integrity}, rollback {tested, run, time}, rolled_back {point, r, time, restored, lost,
 * kept, lost_names, tables} if there was one,
 * verification {id, result, message}, sum (of all before it).
 */
#include <stdbool.h>

struct error;
struct json_object;
struct run;
struct strbuf;

struct json_object *completion_json(struct run *r);
/* nobody changed it since it was made */
bool completion_sum_is_right(struct json_object *record);
/* the same as lines of text, in the user's language */
void completion_text(struct json_object *record, struct strbuf *out);

#endif
