/* SPDX-License-Identifier: MIT */
/*
 * One state machine over bytes. Between tokens the state says what may come
 * next; inside a token it says how far the token is, so that a cut between
 * any two bytes changes nothing. What makes it quick: inside strings and
 * indentation eight bytes are looked at in one step, and nothing is kept but
 * positions.
 *
 * Columns count characters. A line can only end between tokens, so it is
 * enough to know where the line began and how many of its bytes continue a
 * character (cont): column = offset - line_begin - cont + 1.
 */
#include "json-scan.h"

#include <errno.h>
#include <string.h>

#include "base/i18n.h"
#include "base/xalloc.h"
#include "json-bytes.h"

enum state {
	/* between tokens */
	ST_VALUE,        /* a value must come */
	ST_FIRST_VALUE,  /* behind '[': a value or ']' */
	ST_FIRST_KEY,    /* behind '{': a key or '}' */
	ST_KEY,          /* behind ',' in an object */
	ST_COLON,
	ST_NEXT,         /* behind a value: ',' or the end of the container */
	ST_DONE,         /* behind the document */
	/* inside a token */
	ST_STRING,
	ST_ESCAPE,       /* behind a backslash */
	ST_HEX,          /* in the digits behind \u */
	ST_UTF8,         /* inside a character */
	ST_NUMBER,
	ST_WORD,         /* in true, false, null */
	ST_STOPPED,
};

/* Where a number stands; those from NUM_ZERO on may end it. */
enum num {
	NUM_STOP, NUM_MINUS, NUM_DOT, NUM_E, NUM_SIGN,
	NUM_ZERO, NUM_INT, NUM_FRAC, NUM_EXP, NUM_COUNT
};

enum num_class { NC_OTHER, NC_ZERO, NC_DIGIT, NC_MINUS, NC_PLUS, NC_DOT, NC_E,
		 NC_COUNT };

static const uint8_t num_class[256] = {
	['0'] = NC_ZERO,
	['1' ... '9'] = NC_DIGIT,
	['-'] = NC_MINUS,
	['+'] = NC_PLUS,
	['.'] = NC_DOT,
	['e'] = NC_E,
	['E'] = NC_E,
};

static const uint8_t num_next[NUM_COUNT][NC_COUNT] = {
	[NUM_MINUS] = { [NC_ZERO] = NUM_ZERO, [NC_DIGIT] = NUM_INT },
	[NUM_ZERO] = { [NC_DOT] = NUM_DOT, [NC_E] = NUM_E },
	[NUM_INT] = { [NC_ZERO] = NUM_INT, [NC_DIGIT] = NUM_INT,
		      [NC_DOT] = NUM_DOT, [NC_E] = NUM_E },
	[NUM_DOT] = { [NC_ZERO] = NUM_FRAC, [NC_DIGIT] = NUM_FRAC },
	[NUM_FRAC] = { [NC_ZERO] = NUM_FRAC, [NC_DIGIT] = NUM_FRAC,
		       [NC_E] = NUM_E },
	[NUM_E] = { [NC_ZERO] = NUM_EXP, [NC_DIGIT] = NUM_EXP,
		    [NC_MINUS] = NUM_SIGN, [NC_PLUS] = NUM_SIGN },
	[NUM_SIGN] = { [NC_ZERO] = NUM_EXP, [NC_DIGIT] = NUM_EXP },
	[NUM_EXP] = { [NC_ZERO] = NUM_EXP, [NC_DIGIT] = NUM_EXP },
};

struct json_scan {
	json_token_fn *fn;
	void *ctx;
	enum state state;
	/* of the piece that is being fed */
	const unsigned char *piece;
	uint64_t base;
	size_t fed;
	bool pause;
	const unsigned char *paused;
	/* the token we are in: its first byte, and cont ahead of it */
	uint64_t begin, begin_cont;
	bool is_key;
	enum num num;
	/* the letters that must still come */
	const char *word;
	enum json_token_type word_type;
	int hex_left;
	/* the character we are in: first byte, bytes left, next one's range */
	uint64_t char_begin;
	int utf8_left, utf8_more;
	unsigned char utf8_lo, utf8_hi;
	uint64_t line, line_begin, cont;
	int ret;
	const char *reason;
	struct json_place place;
	int depth;
	/* bit n: the container at depth n is an object */
	uint64_t is_object[JSON_DEPTH_MAX / 64];
};

static inline uint64_t here(const struct json_scan *s, const unsigned char *p)
{
	return s->base + (uint64_t)(p - s->piece);
}

static const unsigned char *fail_at(struct json_scan *s, uint64_t offset,
				    const char *reason)
{
	s->state = ST_STOPPED;
	s->ret = -EINVAL;
	s->reason = reason;
	s->place.offset = offset;
	s->place.line = s->line;
	s->place.column = offset - s->line_begin - s->cont + 1;
	return NULL;
}

static const unsigned char *fail(struct json_scan *s, const unsigned char *p,
				 const char *reason)
{
	return fail_at(s, here(s, p), reason);
}

/* false: the caller does not want more */
static inline bool emit(struct json_scan *s, enum json_token_type type,
			uint64_t begin, uint64_t end, int depth)
{
	struct json_token t = { type, begin, end, depth };
	int r;

	if (!s->fn)
		return true;
	r = s->fn(s->ctx, &t);
	if (!r)
		return true;
	s->state = ST_STOPPED;
	s->ret = r;
	return false;
}

static inline void behind_value(struct json_scan *s)
{
	s->state = s->depth ? ST_NEXT : ST_DONE;
}

static inline bool in_object(const struct json_scan *s)
{
	int top = s->depth - 1;

	return s->is_object[top / 64] >> (top % 64) & 1;
}

static const unsigned char *open_container(struct json_scan *s,
					   const unsigned char *p, bool object)
{
	uint64_t bit = UINT64_C(1) << (s->depth % 64);
	uint64_t at = here(s, p);

	if (s->depth == JSON_DEPTH_MAX)
		return fail(s, p, N_("nested deeper than 512 levels"));
	if (object)
		s->is_object[s->depth / 64] |= bit;
	else
		s->is_object[s->depth / 64] &= ~bit;
	s->depth++;
	s->state = object ? ST_FIRST_KEY : ST_FIRST_VALUE;
	if (!emit(s, object ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN, at, at + 1,
		  s->depth - 1))
		return NULL;
	if (!s->pause)
		return p + 1;
	s->pause = false;
	s->paused = p + 1;
	return NULL;
}

static const unsigned char *close_container(struct json_scan *s,
					    const unsigned char *p)
{
	uint64_t at = here(s, p);
	bool object = in_object(s);

	s->depth--;
	behind_value(s);
	if (!emit(s, object ? JSON_OBJECT_END : JSON_ARRAY_END, at, at + 1,
		  s->depth))
		return NULL;
	return p + 1;
}

static inline const unsigned char *begin_string(struct json_scan *s,
						const unsigned char *p,
						bool is_key)
{
	s->begin = here(s, p);
	s->begin_cont = s->cont;
	s->is_key = is_key;
	s->state = ST_STRING;
	return p + 1;
}

static const unsigned char *begin_word(struct json_scan *s,
				       const unsigned char *p, const char *rest,
				       enum json_token_type type)
{
	s->begin = here(s, p);
	s->word = rest;
	s->word_type = type;
	s->state = ST_WORD;
	return p + 1;
}

static const unsigned char *begin_value(struct json_scan *s,
					const unsigned char *p)
{
	switch (*p) {
	case '"':
		return begin_string(s, p, false);
	case '{':
		return open_container(s, p, true);
	case '[':
		return open_container(s, p, false);
	case 't':
		return begin_word(s, p, "rue", JSON_TRUE);
	case 'f':
		return begin_word(s, p, "alse", JSON_FALSE);
	case 'n':
		return begin_word(s, p, "ull", JSON_NULL);
	case '-':
	case '0' ... '9':
		s->begin = here(s, p);
		s->begin_cont = s->cont;
		s->num = *p == '-' ? NUM_MINUS : *p == '0' ? NUM_ZERO : NUM_INT;
		s->state = ST_NUMBER;
		return p + 1;
	case ']':
		if (s->state == ST_FIRST_VALUE)
			return close_container(s, p);
		break;
	}
	if (*p == 0xef && here(s, p) == 0)
		return fail(s, p, N_("a byte order mark, or other text, "
				     "before the document"));
	return fail(s, p, s->state == ST_FIRST_VALUE ?
		    N_("expected a value or ']'") : N_("expected a value"));
}

static inline const unsigned char *skip_space(struct json_scan *s,
					      const unsigned char *p,
					      const unsigned char *end)
{
	for (; p < end; p++) {
		if (*p == '\n') {
			s->line++;
			s->line_begin = here(s, p) + 1;
			s->cont = 0;
			/* indentation comes in long runs */
			while (end - p > 8 &&
			       json_load_le(p + 1) == JSON_EACH_BYTE(' '))
				p += 8;
		} else if (*p != ' ' && *p != '\t' && *p != '\r') {
			break;
		}
	}
	return p;
}

/* p is at a byte that is not white space */
static const unsigned char *between(struct json_scan *s,
				    const unsigned char *p)
{
	switch (s->state) {
	case ST_COLON:
		if (*p != ':')
			return fail(s, p, N_("expected ':'"));
		s->state = ST_VALUE;
		return p + 1;
	case ST_NEXT:
		if (*p == ',') {
			s->state = in_object(s) ? ST_KEY : ST_VALUE;
			return p + 1;
		}
		if (*p == (in_object(s) ? '}' : ']'))
			return close_container(s, p);
		return fail(s, p, in_object(s) ? N_("expected ',' or '}'")
					       : N_("expected ',' or ']'"));
	case ST_FIRST_KEY:
		if (*p == '}')
			return close_container(s, p);
		/* fall through */
	case ST_KEY:
		if (*p == '"')
			return begin_string(s, p, true);
		return fail(s, p, s->state == ST_KEY ?
			    N_("expected a key in double quotes") :
			    N_("expected a key in double quotes or '}'"));
	case ST_DONE:
		return fail(s, p, N_("more text behind the document"));
	default:
		return begin_value(s, p);
	}
}

static const unsigned char *in_word(struct json_scan *s,
				    const unsigned char *p,
				    const unsigned char *end)
{
	while (p < end && *s->word) {
		if (*p != (unsigned char)*s->word)
			return fail_at(s, s->begin,
				       N_("an unknown word; only true, false "
					  "and null stand without quotes"));
		p++;
		s->word++;
	}
	if (*s->word)
		return p;
	behind_value(s);
	if (!emit(s, s->word_type, s->begin, here(s, p), s->depth))
		return NULL;
	return p;
}

static const char *number_reason(enum num at)
{
	return at == NUM_ZERO ? N_("a number with a leading zero")
			      : N_("expected a digit");
}

static const unsigned char *in_number(struct json_scan *s,
				      const unsigned char *p,
				      const unsigned char *end)
{
	enum num at = s->num;

	for (; p < end; p++) {
		enum num to = num_next[at][num_class[*p]];

		if (to == NUM_STOP)
			break;
		at = to;
	}
	s->num = at;
	if (p == end)
		return p;
	if (at < NUM_ZERO ||
	    (at == NUM_ZERO && num_class[*p] == NC_DIGIT) ||
	    (at == NUM_ZERO && num_class[*p] == NC_ZERO))
		return fail(s, p, number_reason(at));
	behind_value(s);
	if (!emit(s, JSON_NUMBER, s->begin, here(s, p), s->depth))
		return NULL;
	return p;
}

/*
 * RFC 3629, table in section 4: the first byte gives the number of bytes that
 * follow and the range of the second, which keeps out overlong forms,
 * surrogates and everything above U+10FFFF.
 */
static const unsigned char *begin_char(struct json_scan *s,
				       const unsigned char *p)
{
	unsigned char c = *p;

	s->utf8_lo = 0x80;
	s->utf8_hi = 0xbf;
	if (c >= 0xc2 && c <= 0xdf) {
		s->utf8_left = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		s->utf8_left = 2;
		if (c == 0xe0)
			s->utf8_lo = 0xa0;
		else if (c == 0xed)
			s->utf8_hi = 0x9f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		s->utf8_left = 3;
		if (c == 0xf0)
			s->utf8_lo = 0x90;
		else if (c == 0xf4)
			s->utf8_hi = 0x8f;
	} else {
		return fail(s, p, N_("bytes that are not UTF-8"));
	}
	s->utf8_more = s->utf8_left;
	s->char_begin = here(s, p);
	s->state = ST_UTF8;
	return p + 1;
}

static const unsigned char *in_char(struct json_scan *s,
				    const unsigned char *p,
				    const unsigned char *end)
{
	for (; p < end && s->utf8_left; p++, s->utf8_left--) {
		if (*p < s->utf8_lo || *p > s->utf8_hi)
			return fail_at(s, s->char_begin,
				       N_("bytes that are not UTF-8"));
		s->utf8_lo = 0x80;
		s->utf8_hi = 0xbf;
	}
	if (!s->utf8_left) {
		s->cont += (uint64_t)s->utf8_more;
		s->state = ST_STRING;
	}
	return p;
}

static const unsigned char *in_string(struct json_scan *s,
				      const unsigned char *p,
				      const unsigned char *end)
{
	p = json_plain_end(p, end);
	if (p == end)
		return p;
	if (*p >= 0x80) {
		p = begin_char(s, p);
		return p ? in_char(s, p, end) : NULL;
	}
	if (*p == '\\') {
		s->state = ST_ESCAPE;
		return p + 1;
	}
	if (*p != '"')
		return fail(s, p, N_("a control character inside a string"));
	if (s->is_key)
		s->state = ST_COLON;
	else
		behind_value(s);
	if (!emit(s, s->is_key ? JSON_KEY : JSON_STRING, s->begin,
		  here(s, p) + 1, s->depth))
		return NULL;
	return p + 1;
}

static const unsigned char *in_escape(struct json_scan *s,
				      const unsigned char *p)
{
	if (*p == 'u') {
		s->hex_left = 4;
		s->state = ST_HEX;
	} else if (*p && strchr("\"\\/bfnrt", *p)) {
		s->state = ST_STRING;
	} else {
		return fail(s, p, N_("an unknown escape inside a string"));
	}
	return p + 1;
}

static const unsigned char *in_hex(struct json_scan *s, const unsigned char *p)
{
	if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f') ||
	      (*p >= 'A' && *p <= 'F')))
		return fail(s, p, N_("expected four hexadecimal digits "
				     "behind \\u"));
	if (!--s->hex_left)
		s->state = ST_STRING;
	return p + 1;
}

int json_scan_feed(struct json_scan *s, const void *data, size_t n)
{
	const unsigned char *p = data, *end = p + n;

	s->piece = p;
	s->paused = NULL;
	while (p && p < end && s->state != ST_STOPPED) {
		switch (s->state) {
		case ST_STRING:
			p = in_string(s, p, end);
			break;
		case ST_NUMBER:
			p = in_number(s, p, end);
			break;
		case ST_UTF8:
			p = in_char(s, p, end);
			break;
		case ST_ESCAPE:
			p = in_escape(s, p);
			break;
		case ST_HEX:
			p = in_hex(s, p);
			break;
		case ST_WORD:
			p = in_word(s, p, end);
			break;
		default:
			p = skip_space(s, p, end);
			if (p < end)
				p = between(s, p);
			break;
		}
	}
	s->fed = s->paused ? (size_t)(s->paused - s->piece) : n;
	s->base += s->fed;
	s->piece = NULL;
	return s->ret;
}

void json_scan_pause(struct json_scan *s)
{
	s->pause = true;
}

size_t json_scan_fed(const struct json_scan *s)
{
	return s->fed;
}

int json_scan_end(struct json_scan *s)
{
	if (s->state == ST_NUMBER && s->num >= NUM_ZERO) {
		behind_value(s);
		(void)emit(s, JSON_NUMBER, s->begin, s->base, s->depth);
	}
	if (s->state == ST_DONE || s->state == ST_STOPPED)
		return s->ret;
	(void)fail_at(s, s->state == ST_UTF8 ? s->char_begin : s->base,
		      json_scan_is_blank(s) ?
		      N_("there is no document") :
		      N_("the document ends too early"));
	return s->ret;
}

bool json_scan_is_blank(const struct json_scan *s)
{
	/* a value at the top is awaited only before the document */
	return s->state == ST_VALUE && s->depth == 0;
}

const char *json_scan_reason(const struct json_scan *s, struct json_place *ret)
{
	if (ret)
		*ret = s->place;
	return s->reason;
}

void json_scan_token_place(const struct json_scan *s, struct json_place *ret)
{
	ret->offset = s->begin;
	ret->line = s->line;
	ret->column = s->begin - s->line_begin - s->begin_cont + 1;
}

uint64_t json_scan_token_begin(const struct json_scan *s)
{
	return s->state >= ST_STRING && s->state <= ST_WORD ? s->begin :
		s->base;
}

void json_scan_reset(struct json_scan *s)
{
	s->state = ST_VALUE;
	s->base = 0;
	s->depth = 0;
	s->line = 1;
	s->line_begin = 0;
	s->cont = 0;
	s->ret = 0;
	s->reason = NULL;
	memset(&s->place, 0, sizeof(s->place));
}

struct json_scan *json_scan_new(json_token_fn *fn, void *ctx)
{
	struct json_scan *s = xcalloc(1, sizeof(*s));

	s->fn = fn;
	s->ctx = ctx;
	json_scan_reset(s);
	return s;
}

void json_scan_free(struct json_scan *s)
{
	free(s);
}
