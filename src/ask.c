/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <stdlib.h>

static int blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void ask_release(struct ask *ask)
{
	free(ask->answer);
	ask->answer = NULL;
}

/* next character of words with runs of blanks as one, trimmed; 0: the end */
static char next(const char **s)
{
	if (blank(**s)) {
		while (blank(**s))
			(*s)++;
		return **s ? ' ' : '\0';
	}
	return **s ? fold(*(*s)++) : '\0';
}

bool ask_words_match(const char *typed, const char *words)
{
	while (blank(*typed))
		typed++;
	while (blank(*words))
		words++;
	for (;;) {
		char a = next(&typed), b = next(&words);

		if (a != b)
			return false;
		if (!a)
			return true;
	}
}
