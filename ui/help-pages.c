/* SPDX-License-Identifier: MIT */
#include "help-pages.h"

#include <string.h>
#include <strings.h>

#include "base/i18n.h"
#include "base/strbuf.h"
#include "base/xalloc.h"

/* letters and codes are the same in all languages; labels of choices are not */
struct help_key {
	const char *key, *text;
};

struct help_page {
	const char *code, *title, *shows;
	struct help_key keys[8];
	const char *safe;
};

static const struct help_page pages[] = {
	{ "W05", N_("Which plan?"),
	  N_("The plans that were found: those in the current directory and "
	     "those that were installed with applications. A plan describes "
	     "one upgrade of one application."),
	  { { "Enter", N_("open the plan in focus") },
	    { "q", N_("leave; nothing was started") } },
	  N_("Opening a plan changes nothing.") },
	{ "W10", N_("The plan"),
	  N_("What this upgrade does, in the order of its phases: checks, "
	     "backup, steps, verification. For each phase the time it takes "
	     "and whether it can be undone. Below: how long the application "
	     "is stopped, how much room is needed, and whether there is a "
	     "step with no way back."),
	  { { N_("Start checks"), N_("makes the checks; they only read") },
	    { N_("Give answers"), N_("the questions of the plan, asked before "
				 "anything begins") },
	    { N_("Show all steps"), N_("each step with what it changes") },
	    { "Esc", N_("back") } },
	  N_("Nothing is changed until you confirm the first step. You can "
	     "stop after any step, and continue or go back later.") },
	{ "A15", N_("Answers"),
	  N_("Questions of the plan that it needs before it begins. Each has "
	     "its own field; what does not fit is refused with the reason."),
	  { { "Tab", N_("next field") },
	    { "Enter", N_("take over what was typed") },
	    { "Esc", N_("back, the answers given so far are kept") } },
	  N_("Secret answers are not shown while you type and are never "
	     "written to the disk; after an interruption they are asked "
	     "again.") },
	{ "C20", N_("Checks"),
	  N_("Questions about this computer and your data, answered by "
	     "looking only. A failed check stops the upgrade before it "
	     "begins; a warning has to be accepted. For the line in focus "
	     "you see why it matters, how it can be put right, and a command "
	     "that shows more."),
	  { { "r", N_("make the checks again, after you put something right") },
	    { "a", N_("accept the warning in focus; it is written down who "
		      "did") },
	    { "o", N_("another folder for the backup, if there is not enough "
		      "room") },
	    { "d", N_("all that the check found") } },
	  N_("Checks change nothing and can be repeated at any time. There is "
	     "no way to skip a check that failed.") },
	{ "C25", N_("Another folder for the backup"),
	  N_("The backup can stand on another disk. The folder must be yours, "
	     "must not be readable for others, and must not lie inside the "
	     "data. Under the field you see how much room there is and how "
	     "much is needed."),
	  { { "Enter", N_("take this folder and make the checks again") },
	    { "Esc", N_("back, the folder stays as it was") } },
	  N_("Nothing is moved. The folder is used when the backup begins.") },
	{ "B30", N_("Backup"),
	  N_("Everything that the steps can change is packed, written to the "
	     "disk, read back and compared. Only when all of it is there and "
	     "the same do the steps begin."),
	  { { "Ctrl-C", N_("asks how to stop") },
	    { "l", N_("the log") } },
	  N_("Stopping now is safe: your data has not been changed. An "
	     "unfinished backup is thrown away and the application is "
	     "started again.") },
	{ "S40", N_("Confirm a step"),
	  N_("The next step: what it changes, how risky it is, how it is "
	     "undone, how long it takes, and the first lines of what will be "
	     "different."),
	  { { N_("Run step"), N_("carries out this one step") },
	    { N_("Run all"), N_("carries out all steps up to the next one that "
			    "cannot be undone, without asking again") },
	    { "d", N_("everything that will be different") },
	    { N_("Stop here"), N_("leaves; later you continue with this step") } },
	  N_("A step that can be undone was saved before it begins. If it "
	     "fails you may try again, go back, or stop and ask for help.") },
	{ "S42", N_("A sign-off"),
	  N_("People say here that they have looked at something: the plan "
	     "names what, and which roles sign. The run goes on when every "
	     "role has signed; that may take days."),
	  { { N_("Enter on a line"), N_("ticks it, or takes the tick away") },
	    { N_("Sign as ..."), N_("signs for that role under the name that "
				    "was typed") },
	    { N_("Leave it open"), N_("leaves; upshift resume comes back here") } },
	  N_("Signing changes no data. Names, times and terminals go into the "
	     "journal and the report.") },
	{ "S45", N_("A step with no way back"),
	  N_("This step removes something that the backup cannot bring back "
	     "in full, or that others rely on. It is carried out only when "
	     "the words on the screen are typed."),
	  { { "Enter", N_("carry it out, if the words are right") },
	    { "Esc", N_("back without doing it") } },
	  N_("Large or small letters and extra blanks do not matter. Anything "
	     "else is refused and nothing happens. Where the plan allows it, "
	     "the step can be left out and carried out later.") },
	{ "P50", N_("Progress"),
	  N_("What is being done now: the steps, the one that is running, how "
	     "far it is, and the last lines of its output. A time that is "
	     "left is an estimate; where it is not known there is none."),
	  { { N_("Up, Down"), N_("scroll the log; it stops following") },
	    { "f", N_("follow the log again") },
	    { "Ctrl-C", N_("asks how to stop: after this step, not at all, or "
			   "at once") } },
	  N_("If this window is closed or the connection is lost the step "
	     "goes on to its end and then waits. Type upshift to see it "
	     "again, from any terminal.") },
	{ "F60", N_("A step failed"),
	  N_("What happened, what is safe, the advice of the author, and the "
	     "last lines of output. The choice in focus is the safe one. "
	     "Nothing is running and there is no time limit."),
	  { { N_("Retry"), N_("try the step again, when the cause is removed") },
	    { N_("Roll back"), N_("shows first what would be restored and lost") },
	    { N_("Quit"), N_("decide later; upshift resume comes back here") },
	    { N_("Skip"), N_("only where the plan allows it and no later step "
			 "needs it") },
	    { "s", N_("save a file for support, without passwords") } },
	  N_("The steps before this one are complete. What the failed step "
	     "changed is known and can be put back.") },
	{ "R70", N_("An unfinished upgrade"),
	  N_("An upgrade was begun and did not come to its end. The disk was "
	     "looked at just now: what is done, what was running when it "
	     "stopped, and whether the backup is complete."),
	  { { N_("Continue"), N_("go on; it asks again before the next step") },
	    { N_("Verify"), N_("compare the data first; this only reads") },
	    { N_("Roll back"), N_("shows first what would be restored and lost") },
	    { N_("Quit"), N_("decide later") } },
	  N_("Nothing is running now. Whatever stopped it, a power cut too, "
	     "both continuing and going back are possible.") },
	{ "K80", N_("Go back: to which point?"),
	  N_("The points you can go back to, newest first: after each step, "
	     "and start, the state before the upgrade. A point that cannot be "
	     "reached any more is shown with the reason."),
	  { { "1-9", N_("choose a point") },
	    { "Enter", N_("show what going back to it would do") },
	    { "Esc", N_("back") } },
	  N_("Nothing happens here. The next screen shows exactly what would "
	     "be restored and what would be lost; on the one after it words "
	     "must be typed.") },
	{ "K81", N_("Go back: what would happen"),
	  N_("RESTORED is what returns to its earlier state. LOST is what was "
	     "changed by others since; it is saved first. KEPT is what stays "
	     "as it is."),
	  { { N_("Go on"), N_("to the words that start it") },
	    { "d", N_("the full list") },
	    { N_("Other point"), N_("choose again") },
	    { N_("Cancel"), N_("leave everything as it is") } },
	  N_("Still nothing has been restored. The present state is saved "
	     "first as a point of its own, so going back can be undone as "
	     "well.") },
	{ "K82", N_("Go back: typed words"),
	  N_("The last question. The words name the point; typing them starts "
	     "going back to it."),
	  { { "Enter", N_("start, if the words are right") },
	    { "Esc", N_("back to the preview") } },
	  N_("Large or small letters and extra blanks do not matter. Anything "
	     "else is refused and nothing happens.") },
	{ "D90", N_("Finished"),
	  N_("How it ended: steps, verification, warnings, times, where the "
	     "backup is and how long it is kept, how to go back, and what is "
	     "left for you to do. It is printed again when you leave."),
	  { { N_("Exit"), N_("leave") },
	    { N_("Show warnings"), N_("what was noted on the way") },
	    { N_("Verify again"), N_("compare once more; this only reads") },
	    { N_("Roll back"), N_("shows first what would be restored and lost") } },
	  N_("Everything is on the disk. Going back stays possible as long as "
	     "the backup is kept.") },
};

static const struct help_key common_keys[] = {
	{ N_("Tab, arrows"), N_("move") },
	{ "Enter", N_("do what is in focus") },
	{ "1-9", N_("move to a numbered choice; Enter is still needed") },
	{ "Esc, <", N_("back; never a choice") },
	{ "?, F1", N_("this help") },
	{ "l", N_("the log") },
	{ "d", N_("details: differences, lists") },
	{ "s", N_("save a support file") },
	{ "q", N_("leave; asks first if something is going on") },
	{ "Ctrl-C", N_("asks how to stop; nothing stops before you choose") },
};

static const struct help_page *find(const char *code)
{
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (!strcasecmp(pages[i].code, code))
			return &pages[i];
	return NULL;
}

static void push_key(const struct help_key *k, struct strvec *ret)
{
	strvec_pushf(ret, "%s: %s", _(k->key), _(k->text));
}

bool help_page(const char *code, struct strvec *ret)
{
	const struct help_page *p = find(code);

	if (!p)
		return false;
	strvec_pushf(ret, "%s  %s", p->code, _(p->title));
	strvec_push(ret, _(p->shows));
	for (size_t i = 0; i < ARRAY_SIZE(p->keys) && p->keys[i].key; i++)
		push_key(&p->keys[i], ret);
	strvec_push(ret, _(p->safe));
	return true;
}

const char *help_page_code(size_t i)
{
	return i < ARRAY_SIZE(pages) ? pages[i].code : NULL;
}

const char *help_page_title(const char *code)
{
	const struct help_page *p = find(code);

	return p ? _(p->title) : NULL;
}

void help_common_keys(struct strvec *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(common_keys); i++)
		push_key(&common_keys[i], ret);
}
