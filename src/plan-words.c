/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <ctype.h>
#include <string.h>

/* Nobody mistypes a longer word than this into one of ours. */
#define WORD_MAX 48

static size_t least(size_t a, size_t b)
{
	return MIN(a, b);
}

static unsigned char fold(char c)
{
	if (c == '-')
		return '_';
	return (unsigned char)tolower((unsigned char)c);
}

/* Insertions, deletions, replacements, and neighbours that changed places. */
static size_t distance(const char *a, size_t la, const char *b, size_t lb)
{
	size_t row[3][WORD_MAX + 1];
	size_t *before = row[0], *above = row[1], *now = row[2];

	for (size_t j = 0; j <= lb; j++)
		above[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t cost = fold(a[i - 1]) != fold(b[j - 1]);

			now[j] = least(least(above[j] + 1, now[j - 1] + 1),
				       above[j - 1] + cost);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
			    fold(a[i - 2]) == fold(b[j - 1]))
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = above;
		above = now;
		now = spare;
	}
	return above[lb];
}

const char *nearest_word(const char *word, const char *const *words)
{
	size_t len = strlen(word), best = (size_t)-1;
	const char *found = NULL;

	if (!len || len > WORD_MAX)
		return NULL;
	for (; words && *words; words++) {
		size_t other = strlen(*words), d;

		if (!other || other > WORD_MAX)
			continue;
		d = distance(word, len, *words, other);
		/* one slip in three letters; a word of one or two letters is
		   like every other */
		if (d > (MAX(len, other) + 1) / 3 || d >= MIN(len, other))
			continue;
		if (d < best) {
			best = d;
			found = *words;
		}
	}
	return found;
}
