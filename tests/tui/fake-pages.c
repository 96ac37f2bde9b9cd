/* SPDX-License-Identifier: MIT */
/* The facts of the screens in screens.txt. */
#include "fake-screens.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static void frame(struct sheet *s, const char *code, const char *phase,
		  const char *safety, const char *status)
{
	(void)strcpy(s->code, code);
	s->app = xstrdup(getenv("FAKE_APP") ? getenv("FAKE_APP") :
			 "Acme Ledger  4.2 -> 5.0");
	s->run = xstrdup("7K4Q");
	s->phase = xstrdup(phase);
	s->safety = xstrdup(getenv("FAKE_SAFETY") ? getenv("FAKE_SAFETY") :
			    safety);
	s->status = xstrdup(status);
}

#define UNCHANGED "DATA not changed | APP running | BACKUP none yet | " \
	"UNDO not needed"
#define CHANGED "DATA changed by steps 1-3 | APP stopped 11:47 | " \
	"BACKUP verified | UNDO possible"

static struct sheet_item *text(struct sheet *s, const char *t)
{
	return sheet_text(s, ROLE_NORMAL, "%s", t);
}

static void noted(struct sheet_item *it, const char *note)
{
	it->note = xstrdup(note);
}

static void head(struct sheet *s, const char *label, const char *t,
		 const char *note)
{
	struct sheet_item *it = sheet_add(s, SHEET_HEAD);

	it->label = xstrdup(label);
	it->text = xstrdup(t);
	it->note = xstrdup(note);
}

static struct sheet_item *bar(struct sheet *s, int percent)
{
	struct sheet_item *it = sheet_add(s, SHEET_BAR);

	it->percent = percent;
	return it;
}

static void sides(struct sheet *s, size_t from, enum sheet_side side)
{
	for (; from < s->n; from++)
		s->items[from].side = side;
}

static void page_w10(struct sheet *s)
{
	frame(s, "W10", "1 Plan", UNCHANGED, "Enter starts read-only checks.");
	text(s, "This upgrades the data of Acme Ledger from 4.2.7 to 5.0.0.");
	text(s, "Nothing is changed until you confirm step 1. You can stop "
	     "after any step.");
	sheet_blank(s);
	head(s, "Phase", "What happens", "Time\tCan it be undone?");
	sheet_row(s, NULL, MARK_NONE, "1 Checks", "11 checks, read only",
		  "1 min\tnothing to undo");
	sheet_row(s, NULL, MARK_NONE, "2 Backup",
		  "database and 2 folders, 4.1 GB", "6 min\tnothing to undo");
	sheet_row(s, NULL, MARK_NONE, "3 Steps",
		  "9 steps; 2 of them ask you again",
		  "25 min\t8 yes, 1 NO (step 9)");
	sheet_row(s, NULL, MARK_NONE, "4 Verify", "6 checks of the new data",
		  "3 min\tfull rollback");
	sheet_blank(s);
	sheet_fact(s, "App stopped", "%s",
		   "about 34 min, from the backup until the end of Verify");
	sheet_fact(s, "Disk needed", "%s",
		   "9.0 GB in /var/backups (3.2 GB free: see Checks)");
	noted(sheet_fact(s, "Asked now", "%s",
			 "2 answers: admin mail, keep old reports?"),
	      "(0 of 2 given)");
	sheet_fact(s, "No way back", "%s",
		   "step 9 \"drop-old-tables\" (optional, asks for typed "
		   "words)");
	sheet_blank(s);
	s->flags = SHEET_BUTTONS;
	sheet_choice(s, 0, "start", "Start checks", NULL);
	sheet_choice(s, 0, "answers", "Give answers", NULL);
	sheet_choice(s, 0, "steps", "Show all steps", NULL);
	sheet_choice(s, 0, "notes", "Release notes", NULL);
	s->focus = "start";
	sheet_blank(s);
	text(s, "Support: Acme, +49 30 5555 123. Quote run 7K4Q and the code "
	     "at the top right.");
	sheet_blank(s);
}

static void page_c20(struct sheet *s, const char *row)
{
	frame(s, "C20", "2 Checks", UNCHANGED,
	      "1 problem must be fixed before the backup can start.");
	noted(text(s, "11 checks: 7 ok, 1 warning, 1 FAILED, 2 waiting"),
	      "read only, safe to repeat");
	sheet_blank(s);
	sheet_row(s, "C01", MARK_OK, "C01 Installed version is 4.2.x",
		  "found 4.2.7", NULL);
	sheet_row(s, "C02", MARK_OK, "C02 Plan file is complete and signed",
		  "sha256 3f9a...", NULL);
	sheet_row(s, "C03", MARK_OK, "C03 You may write to /srv/acme",
		  "user acme", NULL);
	sheet_row(s, "C04", MARK_FAIL, "C04 Free space for the backup",
		  "need 9.0 GB, have 3.2 GB", NULL);
	sheet_row(s, "C05", MARK_OK, "C05 Database answers", "12 ms", NULL);
	sheet_row(s, "C06", MARK_WARN, "C06 2 users are logged in",
		  "press a to accept", NULL);
	sheet_row(s, "C07", MARK_OK, "C07 No other upgrade is running", NULL,
		  NULL);
	sheet_row(s, "C08", MARK_WAITING, "C08 Every order has a customer",
		  "41 %, 1.0 of 2.4 million rows", NULL);
	sheet_row(s, "C09", MARK_OK, "C09 Clock is right", "off by 0.2 s", NULL);
	sheet_row(s, "C10", MARK_OK, "C10 Memory", "8 GB", NULL);
	sheet_row(s, "C11", MARK_WAITING, "C11 Reports can be read", NULL, NULL);
	s->focus = "C04";
	sheet_blank(s);
	if (row && strcmp(row, "C04")) {
		sheet_text(s, ROLE_STRONG, "%s",
			   sheet_find(s, row)->label);
	} else {
		noted(sheet_text(s, ROLE_STRONG, "%s",
				 "C04 Free space for the backup"),
		      "code E-2041");
		sheet_fact(s, "Why", "%s", "Backup, safety copy and restore "
			   "test need 9.0 GB in /var/backups.");
		sheet_fact(s, "Fix", "%s", "Free at least 5.8 GB there, or "
			   "press o to use another folder.");
		sheet_fact(s, "Look", "%s", "df -h /var/backups");
	}
	sheet_key(s, 'r', "recheck", "Check again");
	sheet_key(s, 'a', "accept", "Accept warning");
	sheet_key(s, 'o', "folder", "Other folder");
}

static void page_b30(struct sheet *s)
{
	struct sheet_item *it;

	frame(s, "B30", "3 Backup", "DATA not changed | APP stopped 11:47 | "
	      "BACKUP running | UNDO not needed", "Stopping now is safe: an "
	      "unfinished backup is deleted and the app is started.");
	noted(text(s, "Backup: part 2 of 4, 62 % of 4.1 GB, about 2 min left"),
	      "elapsed 02:50");
	sheet_blank(s);
	sheet_row(s, "B1", MARK_OK, "B1 database acme",
		  "1.9 GB  01:52   read back, checksum ok", NULL);
	sheet_row(s, "B2", MARK_BUSY, "B2 /srv/acme/files",
		  "0.6 of 2.2 GB   11.4 MB/s", NULL);
	bar(s, 29);
	sheet_row(s, "B3", MARK_PENDING, "B3 /etc/acme", "48 KB", NULL);
	sheet_row(s, "B4", MARK_PENDING, "B4 restore test",
		  "loads B1 into a scratch database, about 2 min", NULL);
	s->focus = "B2";
	sheet_blank(s);
	sheet_fact(s, "Folder", "%s",
		   "/var/backups/acme/7K4Q    mode 0700, owner acme");
	sheet_fact(s, "Free", "%s", "32.3 GB after this backup");
	sheet_fact(s, "Checksums", "%s",
		   "/var/backups/acme/7K4Q/start.manifest.jsonl");
	it = sheet_fact(s, "Restore", "%s",
			"upshift rollback start   (needs no new version)");
	(void)it;
	sheet_blank(s);
	text(s, "The steps can start only after B1-B3 are read back and B4 "
	     "has passed.");
	s->working = true;
}

static void page_s40(struct sheet *s)
{
	frame(s, "S40", "4 Steps: 4 of 9", CHANGED, "\"Run 4-8\" stops again "
	      "before step 9, which cannot be undone.");
	sheet_text(s, ROLE_STRONG, "%s", "Step 4  orders-schema    Split table "
		   "\"orders\" into \"orders\" and \"order_lines\"");
	sheet_blank(s);
	sheet_fact(s, "Changes", "%s", "table orders: 2,481,904 rows "
		   "rewritten, 1 column removed\ntable order_lines: created\n"
		   "file /etc/acme/ledger.conf: 1 line removed, 2 added");
	sheet_fact(s, "Risk", "%s", "medium: rewrites data in place");
	sheet_fact(s, "Undo", "%s", "YES: undo script (4 min), or restore "
		   "checkpoint CP3 (7 min)");
	sheet_fact(s, "Time", "%s", "about 6 min; can be stopped only before "
		   "or after it");
	sheet_fact(s, "Disk", "%s", "1.1 GB more while it runs (32 GB free)");
	sheet_blank(s);
	noted(sheet_pre(s, ROLE_NORMAL, "--- /etc/acme/ledger.conf"),
	      "part 1 of 3, d shows all");
	sheet_pre(s, ROLE_STRONG, "@@ -14,3 +14,4 @@");
	sheet_pre(s, ROLE_REMOVED, "-orders_layout = flat");
	sheet_pre(s, ROLE_ADDED, "+orders_layout = lines");
	sheet_pre(s, ROLE_ADDED, "+order_lines_cache = 64M");
	sheet_blank(s);
	s->flags = SHEET_BUTTONS;
	sheet_choice(s, 0, "run", "Run step 4", NULL);
	sheet_choice(s, 0, "run-all", "Run 4-8, all can be undone", NULL);
	sheet_choice(s, 0, "diff", "Diff", NULL);
	sheet_choice(s, 0, "quit", "Stop here", NULL);
	s->focus = "run";
	sheet_key(s, 'd', "diff", "Diff");
	sheet_key(s, SHEET_ESC, "back", "Back to list");
}

static void step_row(struct sheet *s, enum sheet_mark m, const char *label,
		     const char *t)
{
	sheet_row(s, NULL, m, label, t, NULL)->side = SIDE_LEFT;
}

void fake_work(struct sheet *s, int n)
{
	int rows = 1439502 + n * 7480, running = 3 * 60 + 12 + n / 4;
	char clock[16];
	size_t from;

	(void)snprintf(clock, sizeof(clock), "%02d:%02d", running / 60,
		       running % 60);

	frame(s, "P50", "4 Steps: 4 of 9", "DATA changing, step 4 | APP "
	      "stopped 11:47 | BACKUP verified | UNDO possible", "If this "
	      "window closes the step goes on; type \"upshift\" to see this "
	      "screen again.");
	step_row(s, MARK_OK, "1 drain-queue", "00:41");
	step_row(s, MARK_OK, "2 export-config", "00:11");
	step_row(s, MARK_OK, "3 add-columns", "02:40");
	step_row(s, MARK_BUSY, "4 orders-schema", clock);
	step_row(s, MARK_PENDING, "5 move-files", NULL);
	step_row(s, MARK_PENDING, "6 reindex", NULL);
	step_row(s, MARK_PENDING, "7 new-config", NULL);
	step_row(s, MARK_PENDING, "8 warm-cache", NULL);
	step_row(s, MARK_PENDING, "9 drop-old-tables", "NO UNDO");
	from = s->n;
	sheet_text(s, ROLE_STRONG, "%s", "Step 4  orders-schema");
	bar(s, 58 + n / 2);
	sheet_text(s, ROLE_NORMAL, "%d,%03d,%03d of 2,481,904 rows",
		   rows / 1000000, rows / 1000 % 1000, rows % 1000);
	sheet_text(s, ROLE_NORMAL, "%s rows/s     about %d min left",
		   n % 2 ? "7,512" : "7,480", n < 20 ? 2 : 1);
	sheet_text(s, ROLE_NORMAL, "running %s    usually 6 min", clock);
	sheet_text(s, ROLE_NORMAL, "last output %d s ago, process 4121",
		   1 + n % 3);
	sheet_blank(s);
	text(s, "All steps: 4 of 9, about 17 min left");
	bar(s, 38 + n / 3);
	sides(s, from, SIDE_RIGHT);
	sheet_blank(s);
	(void)sheet_add(s, SHEET_LOG);
	s->flags = SHEET_COMPACT_LOG;
	s->working = true;
}

static void page_f60(struct sheet *s)
{
	frame(s, "F60", "4 Steps: 4 of 9", CHANGED, "Nothing is running now. "
	      "There is no time limit; you can read the log first.");
	noted(sheet_text(s, ROLE_BAD, "%s",
			 "Step 4 \"orders-schema\" FAILED after 03:40"),
	      "code E-4107");
	sheet_blank(s);
	sheet_fact(s, "What happened", "%s", "The database refused a duplicate "
		   "order number: 100482.\n04-orders.sh ended with status 1 "
		   "at 12:07:48.");
	sheet_fact(s, "What is safe", "%s", "Steps 1-3 are complete. Step 4 "
		   "changed nothing: checked, its transaction was undone. "
		   "Checkpoint CP3 (12:04) is verified.");
	sheet_fact(s, "Hint from Acme", "%s", "Run \"ledgerctl dedup 100482\", "
		   "then choose Retry.");
	sheet_fact(s, "Last output", "%s", "12:07:46 copied rows 1,630,001-"
		   "1,640,000\n12:07:48 ERROR duplicate key \"orders_no\": "
		   "(100482)");
	sheet_blank(s);
	sheet_choice(s, '1', "retry", "Retry step 4",
		     "safe to repeat (the plan says so)");
	sheet_choice(s, '2', "rollback", "Roll back...",
		     "shows what would be restored and lost, then asks");
	sheet_choice(s, '3', "quit", "Quit, decide later", "nothing more "
		     "happens; \"upshift resume\" returns here");
	sheet_choice(s, '-', "skip", "Skip step 4",
		     "not possible: step 5 needs it")->enabled = false;
	sheet_choice(s, '4', "support", "Save support file",
		     "log and facts, passwords removed");
	s->focus = "quit";
	sheet_key(s, 'q', "quit", "Quit (same as 3)");
}

static void page_r70(struct sheet *s)
{
	frame(s, "R70", "Unfinished upgrade", CHANGED,
	      "Nothing is running now.");
	text(s, "An upgrade was started today at 11:46 by root (pts/3, from "
	     "10.0.0.7).");
	text(s, "It stopped at 12:07 in step 4: the computer was switched off "
	     "or restarted.");
	sheet_blank(s);
	sheet_row(s, NULL, MARK_OK, "1 drain-queue",
		  "done, checked again just now", NULL);
	sheet_row(s, NULL, MARK_OK, "2 export-config",
		  "done, checked again just now", NULL);
	sheet_row(s, NULL, MARK_OK, "3 add-columns",
		  "done, checked again just now", NULL);
	sheet_row(s, NULL, MARK_UNKNOWN, "4 orders-schema",
		  "was running. Result of the probe: NOT applied", NULL);
	sheet_row(s, NULL, MARK_PENDING, "5-9", "not started", NULL);
	sheet_blank(s);
	sheet_fact(s, "Plan file", "%s", "the same as at 11:46 (sha256 "
		   "3f9a...)");
	sheet_fact(s, "Backup", "%s", "verified, all 4 parts present");
	sheet_fact(s, "Since then", "%s",
		   "no other program changed the database (checked)");
	sheet_blank(s);
	sheet_choice(s, '1', "resume", "Continue with step 4",
		     "asks you again before it starts");
	sheet_choice(s, '2', "verify", "Verify the data first",
		     "read only, 3 min");
	sheet_choice(s, '3', "rollback", "Roll back...",
		     "shows what would be restored and lost first");
	sheet_choice(s, '4', "quit", "Quit, decide later", NULL);
	s->focus = "resume";
}

static void point(struct sheet *s, char key, const char *id, const char *state,
		  const char *note)
{
	sheet_row(s, id, MARK_NONE, id, state, note)->key = key;
}

static void page_k80(struct sheet *s)
{
	frame(s, "K80", "Roll back 1/3", CHANGED, "Enter shows exactly what "
	      "would be restored and what would be lost.");
	text(s, "Go back to which point? Nothing happens until you have seen "
	     "the next screen and typed words on the one after it.");
	sheet_blank(s);
	head(s, "Point", "State of the data", "Made\tSize\tChecked");
	point(s, '1', "CP3", "after step 3 add-columns",
	      "12:04\t0.4 GB\t12:31 ok");
	point(s, '2', "CP2", "after step 2 export-config",
	      "11:58\t0.4 GB\t12:31 ok");
	point(s, '3', "start", "version 4.2.7, before step 1",
	      "11:47\t4.1 GB\t12:31 ok");
	s->focus = "CP2";
	sheet_blank(s);
	sheet_fact(s, "CP2 holds", "%s",
		   "database acme, /srv/acme/files, /etc/acme");
	sheet_fact(s, "CP2 lacks", "%s",
		   "mails already sent; files outside /srv/acme");
	sheet_fact(s, "Way back", "%s",
		   "the database is restored from CP2, about 4 min");
	sheet_fact(s, "Afterwards", "%s",
		   "app 4.2.7 is started; you can upgrade again later");
	sheet_blank(s);
	text(s, "  Older points are kept until you delete them: 7 days, or "
	     "\"upshift forget\".");
	sheet_key(s, SHEET_ENTER, "preview", "Preview");
	sheet_key(s, 'v', "verify", "Check again");
}

static void page_k81(struct sheet *s)
{
	frame(s, "K81", "Roll back 2/3", CHANGED,
	      "Still nothing has been restored.");
	text(s, "Preview of the rollback to CP2 (11:58 today)");
	sheet_blank(s);
	sheet_fact(s, "RESTORED", "%s", "database acme   as it was at 11:58; "
		   "2 tables changed since then\n/etc/acme       1 file");
	sheet_fact(s, "LOST", "%s", "31 web-shop orders received after 11:58, "
		   "while the app was stopped\n(first saved to "
		   "lost-7K4Q.csv, can be imported again)\n1 setting changed "
		   "in ledger.conf at 12:01");
	sheet_fact(s, "KEPT", "%s", "/srv/acme/files (not changed since CP2), "
		   "all logs, all backups");
	sheet_blank(s);
	text(s, "  Before anything is restored, the present state is saved as "
	     "point \"R1\"\n  (1.9 GB, 30 GB free), so this rollback can be "
	     "undone as well.");
	sheet_blank(s);
	sheet_fact(s, "Time", "%s", "about 6 min, of which 2 min saving R1");
	sheet_fact(s, "Then", "%s",
		   "6 checks run; app 4.2.7 starts only if they pass");
	sheet_blank(s);
	s->flags = SHEET_BUTTONS;
	sheet_choice(s, 0, "confirm", "Go on to confirmation", NULL);
	sheet_choice(s, 0, "save", "Save this list", NULL);
	sheet_choice(s, 0, "back", "Other point", NULL);
	sheet_choice(s, 0, "cancel", "Cancel", NULL);
	s->focus = "confirm";
	sheet_key(s, 'd', "list", "Full list");
}

static void page_k82(struct sheet *s)
{
	frame(s, "K82", "Roll back 3/3", CHANGED,
	      "Waiting for the words. Nothing has been restored.");
	text(s, "This goes back to CP2 (11:58 today). 31 web-shop orders "
	     "received later are\ntaken out of the database and saved to "
	     "/var/backups/acme/7K4Q/lost-7K4Q.csv.");
	sheet_blank(s);
	text(s, "Type these words, then press Enter:");
	sheet_blank(s);
	sheet_text(s, ROLE_STRONG, "%s", "        roll back to CP2");
	sheet_blank(s);
	sheet_field(s, "words", NULL, NULL, false);
	s->focus = "words";
	sheet_blank(s);
	text(s, "Large or small letters and extra spaces do not matter. "
	     "Anything else is refused and nothing happens. Esc leaves this "
	     "screen without doing anything.");
	(void)sheet_add(s, SHEET_FILL);
	text(s, "Support staff: ask the user to read the line above aloud "
	     "before pressing Enter.");
	s->typed = true;
	sheet_key(s, SHEET_ENTER, "rollback", "Start the rollback");
	sheet_key(s, SHEET_ESC, "back", "Back to the preview");
}

static void page_d90(struct sheet *s)
{
	frame(s, "D90", "Finished", "DATA upgraded, verified | APP running "
	      "since 12:20 | BACKUP kept | UNDO possible", "This summary is "
	      "printed again on the normal screen when you leave.");
	sheet_text(s, ROLE_GOOD, "%s", "UPGRADE COMPLETE: Acme Ledger is now "
		   "5.0.0 and running.");
	sheet_blank(s);
	sheet_fact(s, "Steps", "%s",
		   "8 done, 1 skipped by you (9 drop-old-tables)");
	sheet_fact(s, "Verify", "%s", "6 of 6 checks ok");
	noted(sheet_fact(s, "Warnings", "%s", "1: \"3 orders without lines, "
			 "kept as they are\""), "Enter shows it");
	sheet_fact(s, "Time", "%s", "34 min in total; app was stopped 33 min "
		   "(11:47-12:20)");
	sheet_blank(s);
	sheet_fact(s, "Backup", "%s", "/var/backups/acme/7K4Q    4.1 GB, keep "
		   "until 7 days from now");
	sheet_fact(s, "Go back", "%s", "upshift rollback start    (possible "
		   "until step 9 is run)");
	sheet_fact(s, "Log", "%s", "/srv/acme/.upshift/runs/7K4Q/log");
	sheet_fact(s, "Report", "%s", "/var/backups/acme/7K4Q/report.md");
	sheet_blank(s);
	sheet_text(s, ROLE_STRONG, "%s", "Next, for you");
	text(s, "  1. Ask the 2 users to log in again.");
	text(s, "  2. After a week: \"upshift resume --run-step 9\", then "
	     "\"upshift forget 7K4Q\".");
	sheet_blank(s);
	s->flags = SHEET_BUTTONS;
	sheet_choice(s, 0, "quit", "Exit", NULL);
	sheet_choice(s, 0, "warnings", "Show warnings", NULL);
	sheet_choice(s, 0, "verify", "Verify again", NULL);
	sheet_choice(s, 0, "rollback", "Roll back...", NULL);
	s->focus = "quit";
	sheet_key(s, 'q', "quit", "Exit");
}

/* not in screens.txt: a form with all kinds of fields */
static void page_a15(struct sheet *s)
{
	struct sheet_item *it;

	frame(s, "A15", "1 Plan", UNCHANGED, "2 of 3 answers are missing.");
	text(s, "Answers for this upgrade.");
	sheet_blank(s);
	it = sheet_field(s, "mail", "Admin mail", "ops@example.org", false);
	it->note = xstrdup("gets the report; something like name@host");
	sheet_field(s, "password", "Database password", NULL, true);
	sheet_field(s, "town", "Town", NULL, false);
	sheet_blank(s);
	s->flags = SHEET_BUTTONS;
	s->typed = true;
	sheet_choice(s, 0, "done", "Done", NULL);
	sheet_choice(s, 0, "back", "Back", NULL);
	s->focus = "mail";
}

void fake_sheet(enum page page, const char *row, struct sheet *s)
{
	switch (page) {
	case PAGE_W10:
		page_w10(s);
		return;
	case PAGE_A15:
		page_a15(s);
		return;
	case PAGE_C20:
		page_c20(s, row);
		return;
	case PAGE_B30:
		page_b30(s);
		return;
	case PAGE_S40:
		page_s40(s);
		return;
	case PAGE_P50:
		fake_work(s, 0);
		return;
	case PAGE_F60:
		page_f60(s);
		return;
	case PAGE_R70:
		page_r70(s);
		return;
	case PAGE_K80:
		page_k80(s);
		return;
	case PAGE_K81:
		page_k81(s);
		return;
	case PAGE_K82:
		page_k82(s);
		return;
	default:
		page_d90(s);
		return;
	}
}
