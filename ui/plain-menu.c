/* SPDX-License-Identifier: MIT */
/*
 * The choices of a page with numbers. What has a digit on the screen keeps it,
 * so that "press 2" on the phone is the same in both; the rest is counted on.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "plain-internal.h"

static bool is_digit(char c)
{
	return c >= '1' && c <= '9';
}

static size_t field_count(const struct plain *p)
{
	size_t n = 0;

	while (plain_field(p, n))
		n++;
	return n;
}

static bool has_choice(const struct plain *p)
{
	for (size_t i = 0; i < p->sheet.n; i++)
		if (p->sheet.items[i].type == SHEET_CHOICE &&
		    p->sheet.items[i].enabled)
			return true;
	return false;
}

/* fields are asked when the page opens; beside choices, or where there are
   several, each can be chosen again */
static bool wants_number(const struct plain *p, const struct sheet_item *it)
{
	if (!it->id)
		return false;
	if (it->type == SHEET_CHOICE)
		return it->enabled;
	if (it->type == SHEET_ROW)
		return is_digit(it->key);
	return it->type == SHEET_FIELD &&
		(field_count(p) > 1 || has_choice(p));
}

void plain_menu(struct plain *p)
{
	unsigned int last = 0;

	p->entry_n = 0;
	for (size_t i = 0; i < p->sheet.n; i++)
		if (wants_number(p, &p->sheet.items[i]) &&
		    is_digit(p->sheet.items[i].key))
			last = MAX(last, (unsigned int)
				   (p->sheet.items[i].key - '0'));
	for (size_t i = 0; i < p->sheet.n; i++) {
		const struct sheet_item *it = &p->sheet.items[i];

		if (!wants_number(p, it) || p->entry_n == PLAIN_ENTRIES_MAX)
			continue;
		p->entries[p->entry_n].item = it;
		p->entries[p->entry_n++].number = is_digit(it->key) ?
			(unsigned int)(it->key - '0') : ++last;
	}
}

const struct sheet_item *plain_menu_find(const struct plain *p,
					 unsigned int number)
{
	for (size_t i = 0; i < p->entry_n; i++)
		if (p->entries[i].number == number)
			return p->entries[i].item;
	return NULL;
}

const struct sheet_item *plain_field(const struct plain *p, size_t i)
{
	for (size_t j = 0; j < p->sheet.n; j++)
		if (p->sheet.items[j].type == SHEET_FIELD &&
		    p->sheet.items[j].id && !i--)
			return &p->sheet.items[j];
	return NULL;
}

const struct sheet_item *plain_row(const struct plain *p, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; n && i < p->sheet.n; i++) {
		const struct sheet_item *it = &p->sheet.items[i];

		if (it->type != SHEET_ROW || !it->id)
			continue;
		if (!strcasecmp(it->id, word) ||
		    (it->label && strcspn(it->label, " \t") == n &&
		     !strncasecmp(it->label, word, n)))
			return it;
	}
	return NULL;
}

const char *plain_key(const struct plain *p, char key)
{
	for (size_t i = 0; i < p->sheet.key_n; i++)
		if (p->sheet.keys[i].key == key)
			return p->sheet.keys[i].id;
	return NULL;
}

/* where a slip of the finger could lose something there is no default */
const struct sheet_item *plain_default(const struct plain *p)
{
	const struct sheet_item *it = sheet_find(&p->sheet, p->sheet.focus);

	switch (wizard_page(p->w)) {
	case PAGE_K80:
	case PAGE_K81:
	case PAGE_K82:
	case PAGE_S45:
		return NULL;
	default:
		break;
	}
	if (!it || (it->type == SHEET_CHOICE && it->enabled))
		return it;
	return it->type == SHEET_ROW && is_digit(it->key) &&
		plain_key(p, SHEET_ENTER) ? it : NULL;
}

static void say_entry(struct plain *p, unsigned int number,
		      const struct sheet_item *it)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "%u. ", number);
	if (it->type == SHEET_FIELD) {
		plain_spoken(it->label, &sb);
		strbuf_addstr(&sb, ": ");
		strbuf_addstr(&sb, it->secret && it->text && *it->text ?
			      _("given") : it->text && *it->text ? it->text :
			      _("not given"));
	} else {
		if (it->mark != MARK_NONE)
			strbuf_addf(&sb, "%s: ", sheet_mark_word(it->mark));
		plain_join(it, &sb);
	}
	plain_line(p, sb.buf);
}

static void say_impossible(struct plain *p)
{
	for (size_t i = 0; i < p->sheet.n; i++) {
		const struct sheet_item *it = &p->sheet.items[i];
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

		if (it->type != SHEET_CHOICE || it->enabled)
			continue;
		plain_join(it, &sb);
		plain_say(p, _("Not to be chosen: %s"), sb.buf);
	}
}

/* letters that this page adds to those that work everywhere */
static void say_letters(struct plain *p)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < p->sheet.key_n; i++) {
		const struct sheet_key *k = &p->sheet.keys[i];

		if (!isalpha((unsigned char)k->key) || p->sheet.typed)
			continue;
		/* these letters are ours; the word does what theirs does */
		if (k->key == 'q' || k->key == 'l')
			continue;
		if (sb.len)
			strbuf_addstr(&sb, ", ");
		if (k->key == 's')
			strbuf_addf(&sb, "%s %s", k->id, k->hint);
		else
			strbuf_addf(&sb, "%c %s", k->key, k->hint);
	}
	if (sb.len)
		plain_say(p, _("Letters: %s."), sb.buf);
}

static unsigned int number_of(const struct plain *p,
			      const struct sheet_item *it)
{
	for (size_t i = 0; i < p->entry_n; i++)
		if (p->entries[i].item == it)
			return p->entries[i].number;
	return 0;
}

char *plain_menu_text(const struct plain *p)
{
	struct strbuf sb = STRBUF_INIT;

	for (size_t i = 0; i < p->sheet.n; i++) {
		const struct sheet_item *it = &p->sheet.items[i];

		if (it->type == SHEET_CHOICE || wants_number(p, it))
			strbuf_addf(&sb, "%d %s %s %s %s\n", it->enabled,
				    it->id, it->label ? it->label : "",
				    it->text ? it->text : "",
				    it->note ? it->note : "");
	}
	return strbuf_detach(&sb);
}

void plain_menu_say(struct plain *p)
{
	const struct sheet_item *def = plain_default(p);

	for (size_t i = 0; i < p->entry_n; i++)
		say_entry(p, p->entries[i].number, p->entries[i].item);
	say_impossible(p);
	say_letters(p);
	if (!p->entry_n)
		plain_say(p, "%s", _("? is help, s is the state of your data, "
				     "l is the log, q is quit."));
	else if (def)
		plain_say(p, _("Type a number, then Enter. Enter alone is %u. "
			       "? is help, < is back, q is quit."),
			  number_of(p, def));
	else
		plain_say(p, "%s", _("Type a number, then Enter. ? is help, < "
				     "is back, q is quit. No default here."));
}
