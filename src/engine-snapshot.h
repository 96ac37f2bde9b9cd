/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_SNAPSHOT_H
#define ENGINE_SNAPSHOT_H
/*
 * engine-snapshot - a provider's snapshot, beside the backup
 *
 * Made when the backup is durable and before the first change (plan:
 * backup.snapshot); put back by a rollback that was asked to (--strategy
 * snapshot, or a scenario), never by itself; dropped with the backup
 * (run-snapshot.c).
 *
 * `creating` is durable before the command, `created` with what it calls the
 * snapshot behind it. Killed in between, or where the backup had to be made
 * again, what may stand under the name of this run is dropped first, and the
 * command is run once more. A failure ends the run before any change.
 * `restoring` and `restored` the same: going on runs the command again, unless
 * the journal says that it is done.
 *
 * Commands have a lock and a record as those of steps have; nobody of ours is
 * connected to a database while one is put back.
 */
#include <stdbool.h>

struct engine;
struct error;

/* anew: the backup was made now. Nothing, where the plan makes none. */
int engine_snapshot_create(struct engine *e, bool anew, struct error *err);
/* may this rollback put it back? ERR_NO_WAY_BACK; nothing was changed yet */
int engine_snapshot_may(struct engine *e, const char *point, int goal,
			struct error *err);
int engine_snapshot_restore(struct engine *e, struct error *err);
/* the programs that the plan names for it are there; ERR_TOOL */
int engine_snapshot_check(struct engine *e, struct error *err);
/* dry run: what would be started */
void engine_snapshot_preview(struct engine *e);

#endif
