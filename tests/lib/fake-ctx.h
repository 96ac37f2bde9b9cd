/* SPDX-License-Identifier: MIT */
#ifndef FAKE_CTX_H
#define FAKE_CTX_H
/*
 * fake-ctx - the context of a step without an engine around it
 *
 * A world is a scratch directory: root/ with the data, state/ with pre-images,
 * facts and stage, plan.conf. All that must outlive a crash is in files, so a
 * world can be opened by a second process (fake_child()) that is killed in the
 * middle of apply, and looked at by the first.
 *
 * fake_begin() does what the engine does ahead of apply: effects, pre-image.
 * fake_put_back() what it does to a step that was cut short.
 */
#include <stdbool.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "effects.h"
#include "plan.h"
#include "step.h"

#define FAKE_STARTED "2026-11-20T11:46:03.123Z"

struct step_ctx {
	char *dir, *root;            /* of the world, of the data */
	int root_fd, state_fd, backup_fd;
	struct plan *plan;
	struct plan_scope scope;
	struct plan_problems problems;
	const struct step *step;
	struct effects effects;      /* resolved, of the attempt */
	int attempt;
	char pre[BLAKE2_TEXT_SIZE];  /* "": none */
	struct json_object *facts;
	struct strvec stages;
	struct strvec log;           /* "out: text", "warning: text" */
	bool cancelled;
	bool force_beside;           /* stage beside the target */
	uint64_t done, total, records;
	struct error err;
};

/* new world with an empty root; NULL if it cannot be made */
struct step_ctx *fake_new(void);
/* the world of another process; the plan is loaded */
struct step_ctx *fake_open(const char *dir);
/* closes it; remove: the directory goes, too */
void fake_free(struct step_ctx *c, bool remove);
/* loads a plan with these steps; the first check, or the first step where there
   is none, becomes c->step. Problems are in
   c->problems, and -EINVAL is returned */
int fake_load(struct step_ctx *c, const char *steps);
/* new world, a sh line in its root, these steps; ends the test if it fails */
struct step_ctx *fake_world(const char *steps, const char *line);
/* the first problem, "" if there is none */
const char *fake_problem(struct step_ctx *c);
/* another step of the plan; facts and attempt begin anew */
void fake_step(struct step_ctx *c, size_t i);

/* what must outlive a crash goes to the disk; done by all that changes it */
void fake_save(struct step_ctx *c);
/* ID.ATTEMPT and suffix, as the engine names pre-images */
void fake_pre_name(struct step_ctx *c, char *buf, size_t size,
		   const char *suffix);

int fake_begin(struct step_ctx *c);
/* begin and apply */
int fake_apply(struct step_ctx *c);
int fake_put_back(struct step_ctx *c);
enum step_probe fake_probe(struct step_ctx *c);
/* check's state; message in c->log */
enum check_state fake_check(struct step_ctx *c);
/* lines of the preview, one string; caller frees */
char *fake_preview(struct step_ctx *c);
/* verify, or what stands in for it */
int fake_verify(struct step_ctx *c);

/*
 * Applies the step in a process of its own with UPSHIFT_TEST_FAULT set to
 * fault (may be NULL): exit status, or 128 + signal. main() of the test calls
 * fake_child_main() first.
 */
int fake_child(struct step_ctx *c, const char *fault);
void fake_child_main(int argc, char **argv);

/* a sh line in root */
void fake_sh(struct step_ctx *c, const char *line);
/* the data as text, a line a name: mode, size or target, digest, time if it
   is before 2001, links; without times of directories. caller frees */
char *fake_tree(struct step_ctx *c);

/*
 * The sweep: prepare (a sh line) makes the data; the step is applied once to
 * see what it leads to, then anew for each call it makes, killed there, and
 * probed; then it goes on as the engine would. Each state must be old or new,
 * the probe must tell which, and the end must be the unbroken one. Then again
 * with ENOSPC at each call: that fails, and goes back to the start. Returns
 * the number of calls; fails the test otherwise.
 */
int fake_sweep(const char *steps, const char *prepare);

#endif
