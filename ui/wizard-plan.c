/* SPDX-License-Identifier: MIT */
/* Which plan, what it does, and the answers it asks for. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "wizard-internal.h"

/* --- W05 --- */

static void push_lines(struct strvec *t, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		strvec_pushf(t, "%.*s", (int)n, text);
		text += n;
		text += *text == '\n';
	}
}

void page_w05(struct wizard *w, struct sheet *s)
{
	sheet_text(s, ROLE_NORMAL, "%s", _("There is more than one plan here. "
		"Which one do you mean?"));
	sheet_blank(s);
	for (size_t i = 0; i < w->plans.n; i++) {
		struct sheet_item *it = sheet_choice(s, i < 9 ?
			(char)('1' + i) : 0, w->plans.v[i], w->plans.v[i],
			NULL);

		if (!i)
			s->focus = it->id;
	}
	sheet_status(s, _("Nothing is changed by choosing."));
}

/* standard error is the screen here; what is said there becomes lines */
struct capture {
	int was, file;
};

static void capture_begin(struct capture *c)
{
	c->was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	c->file = memfd_create("said", MFD_CLOEXEC);
	if (c->was >= 0 && c->file >= 0)
		(void)dup2(c->file, STDERR_FILENO);
}

static void capture_end(struct capture *c, struct strvec *ret)
{
	char buf[8192];
	ssize_t n = -1;

	if (c->was >= 0)
		(void)dup2(c->was, STDERR_FILENO);
	if (c->file >= 0)
		n = pread(c->file, buf, sizeof(buf) - 1, 0);
	if (n > 0) {
		buf[n] = '\0';
		push_lines(ret, buf);
	}
	closep(&c->was);
	closep(&c->file);
}

static unsigned int choose_plan(struct wizard *w, const char *path)
{
	_cleanup_free_ char *chosen = xstrdup(path);
	struct capture cap;
	int ret;

	if (!strvec_has(&w->plans, path))
		return WIZARD_NOTHING;
	session_release(&w->s);
	session_init(&w->s, &w->o, w->kinds);
	strvec_clear(&w->o.args);
	strvec_push(&w->o.args, chosen);
	capture_begin(&cap);
	ret = wizard_load_plan(w);
	capture_end(&cap, wizard_text_begin(w, _("This plan cannot be used")));
	if (!ret)
		return WIZARD_REDRAW | WIZARD_PAGE;
	w->page = PAGE_W05;
	return WIZARD_REFUSED | WIZARD_SHOW_TEXT | WIZARD_REDRAW;
}

/* --- W10 --- */

/* sum of the estimates, or "" if one is missing */
static char *steps_time(const struct plan *p, double *ret)
{
	double sum = 0;

	for (size_t i = 0; i < p->step_n; i++) {
		if (p->steps[i]->estimate_s < 0)
			return xstrdup("");
		sum += p->steps[i]->estimate_s;
	}
	*ret = sum;
	return p->step_n ? wizard_time(sum) : xstrdup("");
}

static char *what_steps(const struct plan *p)
{
	unsigned long n = p->step_n, ask = 0;
	_cleanup_free_ char *head = NULL;

	for (size_t i = 0; i < p->step_n; i++)
		ask += !step_undoable(p->steps[i]) || p->steps[i]->confirm;
	head = xasprintf(ngettext("%lu step", "%lu steps", n), n);
	if (!ask)
		return TAKE_PTR(head);
	return xasprintf(ngettext("%s; %lu of them asks for typed words",
				  "%s; %lu of them ask for typed words", ask),
			 head, ask);
}

static char *undo_steps(const struct plan *p)
{
	unsigned long yes = 0, no = 0;
	size_t first = 0;

	for (size_t i = 0; i < p->step_n; i++) {
		/* a check leaves nothing that would have to be undone */
		if (wizard_is_check(p->steps[i]) ||
		    step_undoable(p->steps[i])) {
			yes++;
		} else {
			no++;
			if (no == 1)
				first = i + 1;
		}
	}
	if (!no)
		return xstrdup(_("all"));
	if (no == 1)
		return xasprintf(_("%lu yes, 1 NO (step %zu)"), yes, first);
	return xasprintf(_("%lu yes, %lu NO (from step %zu)"), yes, no,
			 first);
}

static char *what_backup(const struct wizard *w)
{
	_cleanup_free_ char *size = NULL, *count = NULL, *tables = NULL;
	uint64_t items, servers;

	if (!w->need)
		return xstrdup(w->look ? _("is being measured ...") :
			       _("all that the steps change"));
	items = (uint64_t)json_get_int(w->need, "items", 0);
	size = wizard_bytes((uint64_t)json_get_int(w->need, "bytes", 0));
	count = wizard_count(items);
	servers = (uint64_t)json_get_int(w->need, "databases", 0);
	if (servers)
		tables = xasprintf(ngettext("tables of %ju database",
					    "tables of %ju databases", servers),
				   (uintmax_t)servers);
	if (servers && !items)
		return xasprintf("%s, %s", tables, size);
	if (servers)
		return xasprintf(ngettext("%s item and %s, %s",
					  "%s items and %s, %s", items), count,
				 tables, size);
	return xasprintf(ngettext("%s item, %s", "%s items, %s", items),
			 count, size);
}

static void phase_rows(struct wizard *w, struct sheet *s)
{
	const struct plan *p = w->s.plan;
	_cleanup_free_ char *checks = xasprintf(ngettext(
		"%lu check, read only", "%lu checks, read only",
		(unsigned long)p->check_n), (unsigned long)p->check_n);
	_cleanup_free_ char *backup = what_backup(w);
	_cleanup_free_ char *steps = what_steps(p);
	_cleanup_free_ char *verify = xasprintf(ngettext(
		"%lu check of the new data", "%lu checks of the new data",
		(unsigned long)p->verify_n), (unsigned long)p->verify_n);
	_cleanup_free_ char *undo = undo_steps(p);
	double sum = -1;
	_cleanup_free_ char *time = steps_time(p, &sum);
	_cleanup_free_ char *note = xasprintf("%s\t%s", time, undo);
	_cleanup_free_ char *none = xasprintf("\t%s", _("nothing to undo"));
	_cleanup_free_ char *full = xasprintf("\t%s", _("full rollback"));
	_cleanup_free_ char *head = xasprintf("%s\t%s", _("Time"),
					      _("Can it be undone?"));
	struct sheet_item *it = sheet_add(s, SHEET_HEAD);

	it->label = xstrdup(_("Phase"));
	it->text = xstrdup(_("What happens"));
	it->note = TAKE_PTR(head);
	sheet_row(s, NULL, MARK_NONE, _("1 Checks"), checks, none);
	sheet_row(s, NULL, MARK_NONE, _("2 Backup"), backup, none);
	sheet_row(s, NULL, MARK_NONE, _("3 Steps"), steps, note);
	sheet_row(s, NULL, MARK_NONE, _("4 Verify"), verify, full);
	if (p->app.given && sum >= 0)
		sheet_fact(s, _("App stopped"),
			   _("about %s, from the backup until the end of "
			     "Verify"), time);
	else if (p->app.given)
		sheet_fact(s, _("App stopped"), "%s",
			   _("from the backup until the end of Verify"));
}

static void room_fact(struct wizard *w, struct sheet *s)
{
	_cleanup_free_ char *need = NULL, *have = NULL;

	if (!w->need)
		return;
	need = wizard_bytes((uint64_t)json_get_int(w->need, "need", 0));
	have = wizard_bytes((uint64_t)json_get_int(w->need, "have", 0));
	if (json_get_int(w->need, "need", 0) >
	    json_get_int(w->need, "have", 0))
		sheet_fact(s, _("Disk needed"), _("%s for the backup (%s free: "
			   "see Checks)"), need, have);
	else
		sheet_fact(s, _("Disk needed"), _("%s for the backup (%s "
			   "free)"), need, have);
}

static void answers_fact(struct wizard *w, struct sheet *s)
{
	const struct plan *p = w->s.plan;
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	unsigned long given = 0, n = p->answer_n;

	if (!n)
		return;
	for (size_t i = 0; i < n; i++) {
		if (names.len)
			strbuf_addstr(&names, ", ");
		strbuf_addstr(&names, plan_text_get(&p->answers[i].prompt,
						    wizard_lang(w)));
		given += json_get(w->s.answers, p->answers[i].id) ||
			p->answers[i].def;
	}
	sheet_fact(s, _("Asked now"), ngettext(
		"%lu answer: %s  (%lu given)",
		"%lu answers: %s  (%lu given)", n), n, names.buf, given);
}

static void no_way_back(struct wizard *w, struct sheet *s)
{
	const struct plan *p = w->s.plan;

	for (size_t i = 0; i < p->step_n; i++) {
		const struct step *st = p->steps[i];

		if (step_undoable(st))
			continue;
		sheet_fact(s, _("No way back"), st->optional ?
			_("step %zu \"%s\" (optional, asks for typed words)") :
			_("step %zu \"%s\" (asks for typed words)"), i + 1,
			st->id);
		return;
	}
}

void page_w10(struct wizard *w, struct sheet *s)
{
	const struct plan *p = w->s.plan;
	const char *lang = wizard_lang(w);
	const char *title = plan_text_get(&p->title, lang);
	const char *support = plan_text_get(&p->support, lang);

	if (*p->from && *p->to)
		sheet_text(s, ROLE_NORMAL, _("This upgrades the data of %s "
			   "from %s to %s."), *title ? title : p->name,
			   p->from, p->to);
	else
		sheet_text(s, ROLE_NORMAL, _("This changes the data of %s."),
			   *title ? title : p->name);
	sheet_text(s, ROLE_NORMAL, "%s", _("Nothing is changed until you "
		"confirm step 1. You can stop after any step."));
	sheet_blank(s);
	phase_rows(w, s);
	sheet_blank(s);
	sheet_fact(s, _("Data"), "%s", w->s.sd.root);
	room_fact(w, s);
	answers_fact(w, s);
	no_way_back(w, s);
	sheet_blank(s);
	s->flags |= SHEET_BUTTONS;
	sheet_choice(s, 0, "start", _("Start checks"), NULL);
	if (p->answer_n)
		sheet_choice(s, 0, "answers", _("Give answers"), NULL);
	sheet_choice(s, 0, "steps", _("Show all steps"), NULL);
	if (*plan_text_get(&p->release_notes, lang) || p->change_n)
		sheet_choice(s, 0, "notes", _("Release notes"), NULL);
	s->focus = wizard_unanswered(w) ? "answers" : "start";
	sheet_add(s, SHEET_FILL);
	if (*support)
		sheet_text(s, ROLE_NORMAL, _("Support: %s. Quote run %s and "
			   "the code at the top right."), support, w->id);
	else
		sheet_text(s, ROLE_NORMAL, _("For support, quote run %s and "
			   "the code at the top right."), w->id);
	sheet_status(s, w->notice ? w->notice : wizard_unanswered(w) ?
		_("The plan needs your answers before the checks.") :
		_("Enter starts read-only checks."));
}

static unsigned int show_notes(struct wizard *w)
{
	struct strvec *t = wizard_text_begin(w, _("Release notes"));
	const struct plan *p = w->s.plan;

	push_lines(t, plan_text_get(&p->release_notes, wizard_lang(w)));
	if (t->n && p->change_n)
		strvec_push(t, "");
	for (size_t i = 0; i < p->change_n; i++)
		strvec_pushf(t, "- %s", plan_text_get(&p->changes[i],
						      wizard_lang(w)));
	return WIZARD_SHOW_TEXT;
}

/* --- A15 --- */

static const char *answer_value(struct wizard *w, const struct plan_answer *a)
{
	const char *v = json_get_str(w->s.answers, a->id, NULL);

	return v ? v : a->def ? a->def : "";
}

void page_a15(struct wizard *w, struct sheet *s)
{
	const struct plan *p = w->s.plan;

	sheet_text(s, ROLE_NORMAL, "%s", _("The plan asks for these before it "
		"begins. Nothing is asked later."));
	sheet_blank(s);
	for (size_t i = 0; i < p->answer_n; i++) {
		const struct plan_answer *a = &p->answers[i];
		_cleanup_free_ char *id = xasprintf("answer:%s", a->id);
		const char *prompt = plan_text_get(&a->prompt,
						   wizard_lang(w));
		struct sheet_item *it = sheet_field(s, id,
			*prompt ? prompt : a->id, answer_value(w, a),
			a->secret);

		it->note = xstrdup(a->secret ? _("secret; it is not stored") :
			a->required ? _("needed") : _("may stay empty"));
	}
	sheet_blank(s);
	s->flags |= SHEET_BUTTONS;
	sheet_choice(s, 0, "answered", _("Done"), NULL);
	sheet_key(s, SHEET_ESC, "back", _("Back"));
	s->typed = true;
	sheet_status(s, w->notice ? w->notice :
		     _("Nothing is changed by answering."));
}

static unsigned int take_answer(struct wizard *w, const char *id,
				const char *value)
{
	for (size_t i = 0; i < w->s.plan->answer_n; i++) {
		const struct plan_answer *a = &w->s.plan->answers[i];

		if (strcmp(a->id, id) != 0)
			continue;
		if (!*value) {
			json_object_object_del(w->s.answers, id);
			return WIZARD_REDRAW;
		}
		if (!plan_answer_fits(a, value))
			return wizard_say(w, WIZARD_REFUSED, a->pattern ?
				_("'%s': this does not match %s") :
				_("'%s': this is no answer"), id, a->pattern);
		json_set_str(w->s.answers, id, value);
		free(w->notice);
		w->notice = NULL;
		return WIZARD_REDRAW;
	}
	return WIZARD_NOTHING;
}

static unsigned int after_answers(struct wizard *w)
{
	return wizard_go(w, w->run ? w->answers_for : PAGE_W10);
}

unsigned int wizard_ask_answers(struct wizard *w)
{
	w->answers_for = w->page;
	return wizard_go(w, PAGE_A15);
}

static unsigned int answered(struct wizard *w)
{
	for (size_t i = 0; i < w->s.plan->answer_n; i++) {
		const struct plan_answer *a = &w->s.plan->answers[i];

		if (a->required && !a->def && !json_get(w->s.answers, a->id))
			return wizard_say(w, WIZARD_REFUSED,
					  _("'%s' still needs an answer"),
					  a->id);
	}
	return after_answers(w);
}

/* --- what they do --- */

unsigned int act_plan(struct wizard *w, const char *id, const char *value)
{
	if (w->page == PAGE_W05)
		return choose_plan(w, id);
	if (w->page == PAGE_A15) {
		if (str_starts(id, "answer:"))
			return take_answer(w, id + 7, value ? value : "");
		if (!strcmp(id, "answered"))
			return answered(w);
		if (!strcmp(id, "back"))
			return after_answers(w);
		return WIZARD_NOTHING;
	}
	if (!strcmp(id, "start")) {
		if (wizard_unanswered(w))
			return wizard_go(w, PAGE_A15);
		return wizard_go(w, PAGE_C20) | wizard_start(w, CLIENT_RUN);
	}
	if (!strcmp(id, "answers"))
		return wizard_go(w, PAGE_A15);
	if (!strcmp(id, "steps") || !strcmp(id, "details"))
		return wizard_show_steps(w);
	if (!strcmp(id, "notes"))
		return show_notes(w);
	return WIZARD_NOTHING;
}
