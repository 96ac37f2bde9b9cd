/* SPDX-License-Identifier: MIT */
/*
 * What libconfig 1.5 takes without a word, or answers with no more than
 * "syntax error", is found here first, by its own rules for comments, strings
 * and numbers (tried against the library, see test-plan-scan.c):
 *
 *  - @include reads any file, and hangs on a FIFO
 *  - 2147483648 becomes -2147483648, 0x1FFFFFFFF -1, 1e400 inf
 *  - "\x00" is dropped
 *  - a comment in the last line without a newline is a syntax error; the caller
 *    adds one
 *  - ["a" "b"] is one string; so is a comma that was forgotten
 *  - every key is compared with all before it in its group, so that a megabyte
 *    of keys takes minutes
 *  - [1,] and (1,) are syntax errors on the line of the bracket
 */
#include "plan-internal.h"

#include <ctype.h>
#include <string.h>

#include "base/i18n.h"

enum token {
	TOKEN_NONE, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_COMMA, TOKEN_STRING,
	TOKEN_OTHER,
};

/* A plan has a hundred; more are a joke. */
#define KEYS_MAX 2000

struct open_bracket {
	char c;
	int line;
	int keys;
};

struct scan {
	char *s;
	char *end;
	int line;
	struct plan_problems *problems;
	unsigned int result;
	struct open_bracket stack[PLAN_DEPTH_MAX];
	size_t depth;
	int top_keys;
	enum token last, before_last;
	char *comma;                /* the last one, for the message */
	int comma_line;
};

static void token(struct scan *sc, enum token t)
{
	sc->before_last = sc->last;
	sc->last = t;
}

static bool in_sequence(const struct scan *sc)
{
	return sc->depth && sc->stack[sc->depth - 1].c != '{';
}

static void scan_comment_line(struct scan *sc)
{
	while (sc->s < sc->end && *sc->s != '\n')
		sc->s++;
}

static void scan_comment_block(struct scan *sc)
{
	int begin = sc->line;

	for (sc->s += 2; sc->s < sc->end; sc->s++) {
		if (*sc->s == '\n')
			sc->line++;
		if (*sc->s == '*' && sc->s[1] == '/') {
			sc->s += 2;
			return;
		}
	}
	plan_problem_add(sc->problems, begin,
			 _("the comment that begins here has no end"));
	sc->result |= SCAN_STOP;
}

static void scan_escape(struct scan *sc)
{
	if ((sc->s[1] == 'x' || sc->s[1] == 'X') && sc->s[2] == '0' &&
	    sc->s[3] == '0') {
		plan_problem_add(sc->problems, sc->line,
				 _("\"\\x00\" cannot stand in a string"));
		sc->result |= SCAN_BAD;
	}
	if (sc->s[1] == '\n')
		sc->line++;
	sc->s += 2;
}

static void scan_string(struct scan *sc)
{
	int begin = sc->line;

	if (sc->last == TOKEN_STRING && in_sequence(sc)) {
		plan_problem_add(sc->problems, sc->line,
				 _("two strings side by side are one: put a "
				   "comma between them"));
		sc->result |= SCAN_BAD;
	}
	sc->s++;
	while (sc->s < sc->end) {
		if (*sc->s == '"') {
			sc->s++;
			token(sc, TOKEN_STRING);
			return;
		}
		if (*sc->s == '\\' && sc->s + 1 < sc->end) {
			scan_escape(sc);
			continue;
		}
		if (*sc->s == '\n')
			sc->line++;
		sc->s++;
	}
	sc->s = sc->end;
	plan_problem_add(sc->problems, begin,
			 _("the string that begins here has no end"));
	sc->result |= SCAN_STOP;
}

/* --- numbers --- */

static size_t span_digits(const char *s, bool hex)
{
	size_t n = 0;

	while (hex ? isxdigit((unsigned char)s[n]) : isdigit((unsigned char)s[n]))
		n++;
	return n;
}

static size_t span_exponent(const char *s)
{
	size_t n = 1;

	if (*s != 'e' && *s != 'E')
		return 0;
	if (s[n] == '+' || s[n] == '-')
		n++;
	return span_digits(s + n, false) ? n + span_digits(s + n, false) : 0;
}

static void number_problem(struct scan *sc, const char *s, size_t n,
			   const char *why)
{
	plan_problem_add(sc->problems, sc->line, _("the number %.*s %s"),
			 (int)MIN(n, (size_t)40), s, why);
	sc->result |= SCAN_BAD;
}

/*
 * Hexadecimal without L is 32 bits, and what sets the top one turns negative;
 * with L the library's own conversion wraps from the sixteenth digit on.
 */
static void scan_hex(struct scan *sc, const char *s, size_t n, bool wide)
{
	size_t zeros = 2;
	size_t digits;

	while (zeros < n - 1 && s[zeros] == '0')
		zeros++;
	digits = n - zeros;
	if (wide ? digits > 15 :
	    digits > 8 || (digits == 8 && !strchr("01234567", s[zeros])))
		number_problem(sc, s, n, wide ?
			       _("does not fit into 64 bits") :
			       _("does not fit into 32 bits: write L behind it"));
}

static void scan_integer(struct scan *sc, const char *s, size_t n, bool wide)
{
	char text[32];
	int64_t v;

	/* a sign, nineteen digits, and zeros that nobody writes */
	if (n >= sizeof(text)) {
		number_problem(sc, s, n, _("is too long"));
		return;
	}
	memcpy(text, s, n);
	text[n] = '\0';
	if (parse_whole(text, &v) < 0)
		number_problem(sc, s, n, _("does not fit into 64 bits"));
	else if (!wide && (v > INT32_MAX || v < INT32_MIN))
		number_problem(sc, s, n, _("does not fit into 32 bits: "
					   "write L behind it"));
}

static void scan_float(struct scan *sc, const char *s, size_t n)
{
	char text[64];
	double v;

	if (n >= sizeof(text)) {
		number_problem(sc, s, n, _("is too long"));
		return;
	}
	memcpy(text, s, n);
	text[n] = '\0';
	if (parse_real(text, &v) < 0)
		number_problem(sc, s, n, _("is beyond what a floating-point "
					   "number can hold"));
}

static size_t span_suffix(const char *s)
{
	if (*s != 'L')
		return 0;
	return s[1] == 'L' ? 2 : 1;
}

static bool is_number(const char *s)
{
	if (*s == '+' || *s == '-')
		s++;
	if (*s == '.')
		s++;
	return isdigit((unsigned char)*s);
}

static void scan_number(struct scan *sc)
{
	const char *s = sc->s;
	size_t sign = *s == '+' || *s == '-', n, more;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') &&
	    span_digits(s + 2, true)) {
		n = 2 + span_digits(s + 2, true);
		more = span_suffix(s + n);
		scan_hex(sc, s, n, more > 0);
	} else {
		n = sign + span_digits(s + sign, false);
		more = 0;
		if (s[n] == '.')
			more = 1 + span_digits(s + n + 1, false);
		more += span_exponent(s + n + more);
		if (more) {
			scan_float(sc, s, n + more);
		} else {
			more = span_suffix(s + n);
			scan_integer(sc, s, n, more > 0);
		}
	}
	sc->s += n + more;
	token(sc, TOKEN_OTHER);
}

/* --- brackets --- */

static void scan_open(struct scan *sc)
{
	if (sc->depth == PLAN_DEPTH_MAX) {
		plan_problem_add(sc->problems, sc->line,
				 _("nested deeper than %d levels"),
				 PLAN_DEPTH_MAX);
		sc->result |= SCAN_STOP;
		sc->s = sc->end;
		return;
	}
	sc->stack[sc->depth++] = (struct open_bracket){ *sc->s, sc->line, 0 };
	sc->s++;
	token(sc, TOKEN_OPEN);
}

static char closing(char open)
{
	return open == '{' ? '}' : open == '[' ? ']' : ')';
}

static void scan_close(struct scan *sc)
{
	const struct open_bracket *b;

	if (!sc->depth) {
		plan_problem_add(sc->problems, sc->line,
				 _("'%c' closes nothing"), *sc->s);
		sc->result |= SCAN_STOP;
		sc->s = sc->end;
		return;
	}
	b = &sc->stack[sc->depth - 1];
	if (closing(b->c) != *sc->s) {
		plan_problem_add(sc->problems, sc->line,
				 _("'%c' does not close the '%c' of line %d"),
				 *sc->s, b->c, b->line);
		sc->result |= SCAN_STOP;
		sc->s = sc->end;
		return;
	}
	/* a group takes it; [,] and [1,,] are left to libconfig */
	if (b->c != '{' && sc->last == TOKEN_COMMA &&
	    sc->before_last != TOKEN_COMMA && sc->before_last != TOKEN_OPEN) {
		plan_problem_add(sc->problems, sc->comma_line,
				 _("remove the comma before %c"), *sc->s);
		*sc->comma = ' ';
	}
	sc->depth--;
	sc->s++;
	token(sc, TOKEN_CLOSE);
}

static void scan_at(struct scan *sc)
{
	plan_problem_add(sc->problems, sc->line,
			 str_starts(sc->s, "@include") ?
			 _("@include is not allowed in a plan") :
			 _("'@' cannot stand here"));
	sc->result |= SCAN_STOP;
	sc->s++;
	token(sc, TOKEN_OTHER);
}

static void scan_equals(struct scan *sc)
{
	int *keys = sc->depth ? &sc->stack[sc->depth - 1].keys :
		&sc->top_keys;

	sc->s++;
	token(sc, TOKEN_OTHER);
	if (++*keys <= KEYS_MAX)
		return;
	plan_problem_add(sc->problems, sc->line,
			 _("more than %d keys in one group"), KEYS_MAX);
	sc->result |= SCAN_STOP;
	sc->s = sc->end;
}

static void scan_word(struct scan *sc)
{
	while (isalnum((unsigned char)*sc->s) || strchr("-_*", *sc->s)) {
		if (!*sc->s)
			break;
		sc->s++;
	}
	token(sc, TOKEN_OTHER);
}

static void scan_one(struct scan *sc)
{
	char c = *sc->s;

	if (c == '\n') {
		sc->line++;
		sc->s++;
	} else if (isspace((unsigned char)c)) {
		sc->s++;
	} else if (c == '#' || (c == '/' && sc->s[1] == '/')) {
		scan_comment_line(sc);
	} else if (c == '/' && sc->s[1] == '*') {
		scan_comment_block(sc);
	} else if (c == '"') {
		scan_string(sc);
	} else if (c == '@') {
		scan_at(sc);
	} else if (strchr("([{", c)) {
		scan_open(sc);
	} else if (strchr(")]}", c)) {
		scan_close(sc);
	} else if (c == '=' || c == ':') {
		scan_equals(sc);
	} else if (is_number(sc->s)) {
		scan_number(sc);
	} else if (isalpha((unsigned char)c) || c == '*') {
		scan_word(sc);
	} else {
		if (c == ',') {
			sc->comma = sc->s;
			sc->comma_line = sc->line;
		}
		sc->s++;
		token(sc, c == ',' ? TOKEN_COMMA : TOKEN_OTHER);
	}
}

unsigned int plan_scan(char *text, size_t len, struct plan_problems *problems)
{
	struct scan sc = {
		.s = text, .end = text + len, .line = 1, .problems = problems,
	};

	while (sc.s < sc.end)
		scan_one(&sc);
	if (sc.result & SCAN_STOP)
		return sc.result;
	for (size_t i = 0; i < sc.depth; i++) {
		plan_problem_add(problems, sc.stack[i].line,
				 _("the '%c' of this line is never closed"),
				 sc.stack[i].c);
		sc.result |= SCAN_STOP;
	}
	return sc.result;
}
