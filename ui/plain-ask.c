/* SPDX-License-Identifier: MIT */
/* What is asked, and what a typed line means. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/i18n.h"
#include "base/xalloc.h"
#include "help-pages.h"
#include "plain-internal.h"

static void set_asked(struct plain *p, char *text)
{
	free(p->asked);
	p->asked = text;
}

void plain_begin(struct plain *p)
{
	set_asked(p, NULL);
	free(p->row);
	p->row = NULL;
	p->mode = plain_field(p, 0) ? MODE_FIELD : MODE_PAGE;
	p->walking = true;
	p->field = 0;
	p->stop_abort = false;
	strvec_clear(&p->text);
	plain_in_echo(&p->in, true);
}

static bool has_letter(const struct plain *p)
{
	for (size_t i = 0; i < p->sheet.key_n; i++)
		if (isalpha((unsigned char)p->sheet.keys[i].key) &&
		    !strchr("dlqs", p->sheet.keys[i].key))
			return true;
	return false;
}

/* can something be answered, and not only something be asked by the user? */
static bool has_question(const struct plain *p)
{
	return p->mode != MODE_PAGE || p->entry_n > 0 ||
		(!p->sheet.working && has_letter(p));
}

bool plain_holds(const struct plain *p)
{
	return p->hold_ns && p->mode == MODE_PAGE &&
		clock_mono_ns() < p->hold_ns;
}

bool plain_listens(const struct plain *p)
{
	if (p->in.tty || p->mode == MODE_STOP || p->mode == MODE_TEXT)
		return true;
	return !plain_holds(p) && !p->sheet.working && has_question(p);
}

/* --- stop --- */

static void say_stop(struct plain *p)
{
	_cleanup_free_ char *abort_text = NULL;

	if (p->stop == STOP_BETWEEN) {
		plain_say(p, "%s", _("Leave now? Nothing is running."));
		plain_say(p, "1. %s", _("Quit, resume later"));
		plain_say(p, "2. %s", _("Stay"));
		plain_say(p, "%s", _("Enter alone is 1, < stays."));
		return;
	}
	abort_text = wizard_abort_text(p->w);
	plain_say(p, "%s", _("Stop? The work goes on until you choose."));
	plain_say(p, "1. %s", _("Stop after this step"));
	plain_say(p, "2. %s", _("Leave it running; this program ends, the "
				"work goes on"));
	plain_say(p, "3. %s: %s", _("Abort now"), abort_text ? abort_text :
		  "");
	plain_say(p, p->stop_abort ? _("Enter alone is 3, < goes back.") :
		  _("Enter alone is 1, < goes back."));
}

unsigned int plain_stop(struct plain *p, bool interrupted)
{
	if (interrupted && p->mode == MODE_TEXT) {
		plain_text_more(p, "<");
		return WIZARD_NOTHING;
	}
	plain_in_echo(&p->in, true);
	p->stop_abort = interrupted && p->mode == MODE_STOP;
	p->stop = wizard_stop_kind(p->w);
	/* a page whose own choice it is to leave has said what that means */
	if (p->stop == STOP_FREE ||
	    (p->stop == STOP_BETWEEN && plain_key(p, 'q'))) {
		p->hold_ns = clock_mono_ns() + PLAIN_HOLD_NS;
		return wizard_act(p->w, plain_key(p, 'q') ?
				  plain_key(p, 'q') : "quit", NULL, NULL);
	}
	p->mode = MODE_STOP;
	set_asked(p, NULL);
	say_stop(p);
	return WIZARD_NOTHING;
}

static unsigned int answer_stop(struct plain *p, const char *line)
{
	static const char *const working[] = { "stop", "leave", "abort" };
	const char *id = NULL;

	if (wizard_stop_kind(p->w) != p->stop)
		return plain_stop(p, false);
	if (!*line)
		line = p->stop_abort ? "3" : "1";
	if (!strcmp(line, "<") ||
	    (p->stop == STOP_BETWEEN && !strcmp(line, "2")))
		id = "";
	else if (p->stop == STOP_BETWEEN && !strcmp(line, "1"))
		id = "quit";
	else if (p->stop == STOP_WORKING && *line >= '1' && *line <= '3' &&
		 !line[1])
		id = working[*line - '1'];
	if (!id) {
		say_stop(p);
		return WIZARD_NOTHING;
	}
	p->mode = MODE_PAGE;
	p->stop_abort = false;
	if (!*id)
		return WIZARD_NOTHING;
	p->hold_ns = clock_mono_ns() + PLAIN_HOLD_NS;
	return wizard_act(p->w, id, NULL, NULL);
}

/* --- fields --- */

static void ask_field(struct plain *p, const struct sheet_item *it)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	bool given = it->text && *it->text;
	char *key = xasprintf("field %s", it->id);

	if (!p->asked || strcmp(p->asked, key)) {
		plain_spoken(it->label, &sb);
		if (given)
			strbuf_addf(&sb, _(", now: %s"), it->secret ?
				    _("given") : it->text);
		if (it->note && *it->note)
			strbuf_addf(&sb, ", %s", it->note);
		if (sb.len)
			plain_line(p, sb.buf);
		plain_say(p, "%s", given ?
			  _("Type it, then Enter. Enter alone keeps it. ? is "
			    "help, < is back.") :
			  _("Type it, then Enter. ? is help, < is back."));
		if (it->secret)
			plain_say(p, "%s", _("It is not shown while you "
					     "type."));
	}
	set_asked(p, key);
	if (it->secret)
		plain_in_echo(&p->in, false);
	plain_prompt(p, wizard_page(p->w) == PAGE_K82 ||
		     wizard_page(p->w) == PAGE_S45 ? _("Words") :
		     _("Answer"));
}

static void next_field(struct plain *p)
{
	set_asked(p, NULL);
	if (p->walking && plain_field(p, p->field + 1))
		p->field++;
	else
		p->mode = MODE_PAGE;
}

static void previous_field(struct plain *p)
{
	set_asked(p, NULL);
	if (p->walking)
		p->field--;
	else
		p->mode = MODE_PAGE;
}

static void say_help(struct plain *p);

static unsigned int give_field(struct plain *p, const struct sheet_item *it,
			       const char *value)
{
	const char *id = it->id;
	unsigned int ret;

	if (!plain_field(p, 1) && plain_key(p, SHEET_ENTER))
		id = plain_key(p, SHEET_ENTER);
	ret = wizard_act(p->w, id, it->id, value);
	if (ret & WIZARD_REFUSED)
		set_asked(p, NULL);
	else if (!(ret & WIZARD_PAGE))
		next_field(p);
	return ret;
}

static unsigned int answer_field(struct plain *p, const char *line)
{
	const struct sheet_item *it = plain_field(p, p->field);

	plain_in_echo(&p->in, true);
	if (!it) {
		p->mode = MODE_PAGE;
		return WIZARD_NOTHING;
	}
	if (!strcmp(line, "?")) {
		say_help(p);
		set_asked(p, NULL);
		return WIZARD_NOTHING;
	}
	if (!strcmp(line, "<")) {
		if (p->field || !p->walking) {
			previous_field(p);
			return WIZARD_NOTHING;
		}
		return wizard_act(p->w, "back", NULL, NULL);
	}
	if (!*line && it->text && *it->text) {
		next_field(p);
		return WIZARD_NOTHING;
	}
	/* an answer that is "<" or "?" itself */
	if (!strcmp(line, "\\<") || !strcmp(line, "\\?"))
		line++;
	return give_field(p, it, line);
}

/* --- pages --- */

static void say_help(struct plain *p)
{
	_cleanup_strvec_ struct strvec help = STRVEC_INIT;
	_cleanup_strvec_ struct strvec keys = STRVEC_INIT;

	wizard_help(p->w, &help);
	/* of a keyboard under a screen; ours are said below */
	help_common_keys(&keys);
	for (size_t i = 0; i < help.n; i++)
		if (*help.v[i] && !strvec_has(&keys, help.v[i]))
			plain_line(p, help.v[i]);
	plain_say(p, "%s", _("Lines you can type: a number of a choice; ? "
			     "help; s state of the data; l log, l 100, l all, "
			     "l /word; d details; support: save a support "
			     "file; < back; q quit. Enter after each."));
	/* what is asked is asked again */
	set_asked(p, NULL);
}

static unsigned int take_row(struct plain *p, const struct sheet_item *it,
			     const char *id)
{
	unsigned int ret;

	free(p->row);
	p->row = xstrdup(it->id);
	ret = wizard_select(p->w, p->row);
	if (id)
		return ret | wizard_act(p->w, id, p->row, NULL);
	/* what the page says of the row follows as new lines */
	plain_say(p, _("%s is chosen."), it->label ? it->label : it->id);
	set_asked(p, NULL);
	return ret | WIZARD_REDRAW;
}

static unsigned int take_item(struct plain *p, const struct sheet_item *it)
{
	if (it->type == SHEET_ROW)
		return take_row(p, it, plain_key(p, SHEET_ENTER));
	if (it->type == SHEET_CHOICE)
		return wizard_act(p->w, it->id, p->row, NULL);
	for (p->field = 0; plain_field(p, p->field) != it;)
		p->field++;
	p->mode = MODE_FIELD;
	p->walking = false;
	set_asked(p, NULL);
	return WIZARD_NOTHING;
}

/* arg: a row, by number, id or first word; "" is the one chosen last, or the
   one that a screen would have in focus */
static unsigned int take_letter(struct plain *p, const char *id,
				const char *arg)
{
	const struct sheet_item *it = NULL;
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (!*arg) {
		it = sheet_find(&p->sheet, p->row ? p->row : p->sheet.focus);
		if (it && it->type != SHEET_ROW)
			it = NULL;
	} else {
		it = *end ? plain_row(p, arg) :
			plain_menu_find(p, (unsigned int)n);
		if (!it || it->type != SHEET_ROW) {
			plain_say(p, _("'%s' is none of the lines here."),
				  arg);
			return WIZARD_NOTHING;
		}
	}
	if (it)
		return take_row(p, it, id);
	return wizard_act(p->w, id, NULL, NULL);
}

static const struct sheet_item *find_choice(const struct plain *p,
					    const char *word)
{
	if (!strcasecmp(word, "y"))
		word = "yes";
	else if (!strcasecmp(word, "n"))
		word = "no";
	for (size_t i = 0; i < p->sheet.n; i++)
		if (p->sheet.items[i].type == SHEET_CHOICE &&
		    !strcasecmp(p->sheet.items[i].id, word))
			return &p->sheet.items[i];
	return NULL;
}

static unsigned int take_number(struct plain *p, const char *word)
{
	unsigned long n = strtoul(word, NULL, 10);
	const struct sheet_item *it = n <= PLAIN_ENTRIES_MAX ?
		plain_menu_find(p, (unsigned int)n) : NULL;

	if (it)
		return take_item(p, it);
	plain_say(p, _("There is no choice %s here."), word);
	set_asked(p, NULL);
	return WIZARD_NOTHING;
}

/* letters that work on every page; false: it is none of them */
static bool take_common(struct plain *p, const char *word, const char *arg,
			unsigned int *ret)
{
	*ret = WIZARD_NOTHING;
	if (!strcmp(word, "?") || !strcmp(word, "h") || !strcmp(word, "help"))
		say_help(p);
	else if (!strcmp(word, "<"))
		*ret = wizard_act(p->w, plain_key(p, SHEET_ESC) ?
				  plain_key(p, SHEET_ESC) : "back", p->row,
				  NULL);
	else if (!strcmp(word, "q") || !strcmp(word, "quit"))
		*ret = plain_stop(p, false);
	else if (!strcmp(word, "l") || !strcmp(word, "log"))
		plain_log(p, arg);
	else if (!strcmp(word, "support"))
		*ret = wizard_act(p->w, "support", p->row, NULL);
	else if (!strcmp(word, "d") && !plain_key(p, 'd'))
		*ret = wizard_act(p->w, "details", p->row, NULL);
	else if (!strcmp(word, "s")) {
		plain_safety(p);
		if (p->sheet.status)
			plain_line(p, p->sheet.status);
	} else {
		return false;
	}
	return true;
}

static unsigned int take_word(struct plain *p, const char *word,
			      const char *arg)
{
	const struct sheet_item *it;
	unsigned int ret;

	if (take_common(p, word, arg, &ret))
		return ret;
	if (!word[1] && plain_key(p, word[0]))
		return take_letter(p, plain_key(p, word[0]), arg);
	it = find_choice(p, word);
	if (it && !it->enabled) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		plain_join(it, &sb);
		plain_say(p, _("Not to be chosen: %s"), sb.buf);
		return WIZARD_NOTHING;
	}
	if (it)
		return take_item(p, it);
	it = plain_row(p, word);
	if (it)
		return take_row(p, it, NULL);
	plain_say(p, _("'%s' is nothing that can be done here; ? is help."),
		  word);
	return WIZARD_NOTHING;
}

static unsigned int answer_page(struct plain *p, const char *line)
{
	_cleanup_free_ char *word = NULL;
	const struct sheet_item *it;
	const char *arg;
	size_t n;

	line += strspn(line, " \t");
	n = strcspn(line, " \t");
	arg = line + n + strspn(line + n, " \t");
	word = xstrndup(line, n);
	n = strlen(word);
	if (n && strspn(word, "0123456789") == (word[n - 1] == '.' ? n - 1 : n))
		return take_number(p, word);
	if (n)
		return take_word(p, word, arg);
	it = plain_default(p);
	if (it)
		return take_item(p, it);
	set_asked(p, NULL);
	return WIZARD_NOTHING;
}

void plain_ask(struct plain *p)
{
	char *menu;

	if (plain_holds(p))
		return;
	if (p->mode == MODE_PAGE && !p->entry_n && plain_field(p, 0)) {
		p->mode = MODE_FIELD;
		p->field = 0;
	}
	if (p->mode == MODE_FIELD && plain_field(p, p->field)) {
		ask_field(p, plain_field(p, p->field));
		return;
	}
	if (p->mode == MODE_FIELD)
		p->mode = MODE_PAGE;
	if (p->mode == MODE_PAGE) {
		menu = plain_menu_text(p);
		if (!p->asked || strcmp(p->asked, menu))
			plain_menu_say(p);
		set_asked(p, menu);
	}
	if (has_question(p))
		plain_prompt(p, p->mode == MODE_TEXT ? _("More") :
			     _("Choice"));
}

unsigned int plain_answer(struct plain *p, const char *line)
{
	switch (p->mode) {
	case MODE_FIELD:
		return answer_field(p, line);
	case MODE_STOP:
		return answer_stop(p, line);
	case MODE_TEXT:
		plain_text_more(p, line);
		return WIZARD_NOTHING;
	case MODE_PAGE:
		break;
	}
	return answer_page(p, line);
}
