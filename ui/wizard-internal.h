/* SPDX-License-Identifier: MIT */
#ifndef WIZARD_INTERNAL_H
#define WIZARD_INTERNAL_H
/*
 * wizard-internal - what the files of the wizard share
 *
 * wizard-open.c: where it begins. wizard.c: listening, which page follows.
 * wizard-act.c: what choices do. wizard-sheet.c: the frame around each page, the
 * safety line. wizard-facts.c: what several pages say. wizard-details.c: what d
 * opens.
 * wizard-plan.c, wizard-checks.c, wizard-steps.c, wizard-progress.c,
 * wizard-sign.c, wizard-fail.c,
 * wizard-back.c, wizard-finish.c: the pages.
 */
#include "client.h"
#include "run.h"
#include "session.h"
#include "wizard.h"

/* what follows when the engine has ended */
enum intent {
	INTENT_NONE,
	INTENT_QUIT,
	INTENT_ROLLBACK,     /* to the choice of a point */
	INTENT_AGAIN,        /* a new run: other folder, checks again */
	INTENT_PLAN,         /* back to the plan's page */
	INTENT_RESUME,       /* goes on in an engine of ours */
};

struct wizard {
	struct options o;
	const struct step_ops *const *kinds;
	bool read_only;
	enum page page, back;        /* back: where a look returns to */
	struct session s;            /* its plan is what is shown */
	char id[RUN_ID_LEN + 1];     /* of the run; before there is one too */
	struct state_dir sd;
	struct run *run;             /* the journal as it was read last */
	bool live;                   /* an engine holds the lock */
	struct lock_holder holder;
	char *wheel;                 /* who controls, where we only watch */
	char *environ;               /* names of what is set otherwise where the
					engine was started; NULL: none, or it is
					ours */
	struct model m;
	struct client *c;            /* the engine */
	struct client *look;         /* one that only looks */
	enum intent intent;
	bool stopping;               /* after this step; told to the engine */
	struct strvec plans;         /* W05: paths */
	struct strvec accepted;      /* C20: ids of warnings */
	struct json_object *need;    /* W10: measured */
	struct json_object *preview; /* K81 */
	char *point;                 /* K80 to K82 */
	char *backup_dir;            /* C25 */
	char *row;                   /* that has the focus */
	struct strvec ticks;         /* S42: items that are ticked */
	struct json_object *names;   /* S42: role -> name as typed */
	enum page answers_for;       /* A15: where it leads to, with a run */
	char *typed_for;             /* S45: id of the question */
	char *notice;
	struct strvec text;          /* WIZARD_SHOW_TEXT */
	const char *text_title;
	int exit;                    /* of the last engine, -1: none yet */
	int died;                    /* signal that ended it, or -1: vanished */
	unsigned int seen;           /* changes of the model that were acted on */
	enum event_phase phase_seen;
	uint64_t phase_since, looked_ns;
	uint64_t ticked_ns;          /* the clock of the page moved on */
	uint64_t lines, line_seen;   /* of the log: how many, and since when */
	uint64_t answered;           /* seq of the question answered last */
	uint64_t asked;              /* seq of the question rung for last */
	uint64_t engine_seq;         /* of the engine's last event; looks count on
					their own from there */
	char *root_given;            /* what o.root points to, if it is ours */
	int verified;                /* exit of the last look, -1: none */
};

/* --- wizard-open.c --- */
/* the plan of o.args: its page, or the run that stands there; as
   wizard_open() */
int wizard_load_plan(struct wizard *w);

/* --- wizard.c --- */
/* reads the journal again; NULL run: there is none */
void wizard_look(struct wizard *w);
unsigned int wizard_go(struct wizard *w, enum page p);
unsigned int wizard_say(struct wizard *w, unsigned int ret, const char *fmt,
			...) _printf_(3, 4);
/* the page of a run that nobody works on */
enum page wizard_rest_page(const struct wizard *w);
/* back to the page of the plan; what begins from there is another run */
unsigned int wizard_to_plan(struct wizard *w);
/* starts an engine, or one that only looks */
unsigned int wizard_start(struct wizard *w, enum client_verb verb);
/* to the question that is open, once; the journal is looked at first */
unsigned int wizard_answer(struct wizard *w, const char *value);
/* "quit", "stop" or "abort" to the engine; it answers nothing any more */
bool wizard_command(struct wizard *w, const char *name);
/* a question that was not answered yet */
bool wizard_is_asked(const struct wizard *w);
/* the lines for WIZARD_SHOW_TEXT, emptied; title is literal or borrowed */
struct strvec *wizard_text_begin(struct wizard *w, const char *title);

/* --- wizard-details.c --- */
/* what the journal says of a step */
const char *wizard_run_step(const struct run *r, const struct run_step *st,
			    enum sheet_mark *ret);
/* all steps, and how far each is once there is a run */
unsigned int wizard_show_steps(struct wizard *w);
/* what the page tells, uncut, and all steps */
unsigned int wizard_show_details(struct wizard *w);

/* --- wizard-environ.c --- */
/* variables that this process has otherwise than that one; NULL: none, or
   nobody can tell. Caller frees. */
char *wizard_environ(long engine);

/* --- wizard-fail.c --- */
/* an engine of ours goes on with the run */
unsigned int wizard_resume(struct wizard *w);

/* --- wizard-support.c --- */
/* writes a bundle of the run as it is now */
unsigned int wizard_save_support(struct wizard *w);

/* --- facts --- */
const char *wizard_lang(const struct wizard *w);
/* in the user's language, or the id */
const char *wizard_title_of(const struct wizard *w, const struct step *s);
bool wizard_is_check(const struct step *s);   /* it changes nothing */
bool wizard_undoable_to_end(const struct wizard *w, int from, int *last);
/* questions of the plan that have no answer and need one */
int wizard_unanswered(const struct wizard *w);
/* to them, and back to this page: an engine does not begin without them, nor
   does one that only looks */
unsigned int wizard_ask_answers(struct wizard *w);
bool wizard_ask_is(const struct wizard *w, const char *prefix);
const struct step *wizard_asked_step(const struct wizard *w);
/* "12:04" of an event's or a record's time */
char *wizard_hhmm(const char *time);
char *wizard_bytes(uint64_t n);
char *wizard_count(uint64_t n);
char *wizard_time(double s);        /* "6 min" */
char *wizard_elapsed(double s);     /* "02:50" */
/* index of the step that is being undone, or -1 */
int wizard_undoing(const struct wizard *w);
enum sheet_mark wizard_step_mark(const struct wizard *w, size_t i);

/* --- wizard-act.c --- */
/* what one may do who only watches */
bool wizard_may_watch(const char *id);

/* --- wizard-sheet.c --- */
void sheet_status(struct sheet *s, const char *text);
/* the rest of a page that wants typed words; enter, esc: what the keys do */
void sheet_words(struct sheet *s, const char *words, const char *enter,
		 const char *esc);
/* escapes what is no text of the locale; tabs stay */
void sheet_make_safe(struct sheet *s);

/* --- one for each page --- */
void page_w05(struct wizard *w, struct sheet *s);
void page_w10(struct wizard *w, struct sheet *s);
void page_a15(struct wizard *w, struct sheet *s);
void page_c20(struct wizard *w, struct sheet *s);
void page_c25(struct wizard *w, struct sheet *s);
void page_b30(struct wizard *w, struct sheet *s);
void page_s40(struct wizard *w, struct sheet *s);
void page_s42(struct wizard *w, struct sheet *s);
void page_s45(struct wizard *w, struct sheet *s);
void page_p50(struct wizard *w, struct sheet *s);
void page_f60(struct wizard *w, struct sheet *s);
void page_r70(struct wizard *w, struct sheet *s);
void page_k80(struct wizard *w, struct sheet *s);
void page_k81(struct wizard *w, struct sheet *s);
void page_k82(struct wizard *w, struct sheet *s);
void page_d90(struct wizard *w, struct sheet *s);

/* what a choice of the page does; WIZARD_NOTHING: none of its own */
unsigned int act_plan(struct wizard *w, const char *id, const char *value);
unsigned int act_checks(struct wizard *w, const char *id, const char *row,
			const char *value);
unsigned int act_steps(struct wizard *w, const char *id, const char *value);
unsigned int act_sign(struct wizard *w, const char *id, const char *value);
unsigned int act_fail(struct wizard *w, const char *id);
unsigned int act_back(struct wizard *w, const char *id, const char *row,
		      const char *value);
unsigned int act_finish(struct wizard *w, const char *id);

/* --- wizard-told.c: RESTORED, LOST, KEPT --- */
/* o as of rollback_preview_json(); at most max names of each list */
void wizard_told(struct sheet *s, struct json_object *o, size_t max);
unsigned int wizard_show_told(struct wizard *w, struct json_object *o);
/* what the last rollback of the run did; new, or NULL */
struct json_object *wizard_last_rollback(const struct wizard *w);

#endif
