/* SPDX-License-Identifier: MIT */
/*
 * json-make MEGABYTES [lines]: conversations of messages as one document, or
 * that many messages (in thousands) a line each, on standard output.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 1;

static uint32_t below(uint32_t n)
{
	state = (uint32_t)((uint64_t)state * 48271 % 2147483647);
	return state % n;
}

static int message(uint32_t id, FILE *f)
{
	static const char *const words[] = { "migration", "of", "the", "data",
		"\\\"quoted\\\"", "caf\xc3\xa9", "line\\nbreak", "and", "more",
		"\xf0\x9f\x98\x80", "plain", "text", "\\u20ac", "answer" };
	int n = fprintf(f, "{\"id\": %u, \"role\": \"%s\", \"content\": \"", id,
			id % 2 ? "assistant" : "user");

	for (uint32_t k = 8 + below(30); k; k--)
		n += fprintf(f, "%s ", words[below(14)]);
	return n + fprintf(f, "\", \"created_at\": \"2026-01-02T03:04:%02uZ\", "
			   "\"tokens\": %u.5}", id % 60, below(900));
}

int main(int argc, char **argv)
{
	double want = argc > 1 ? atof(argv[1]) : 1, done = 0;
	uint32_t id = 0;

	if (argc > 2) {
		for (; id < want * 1000; id++) {
			(void)message(id, stdout);
			(void)putchar('\n');
		}
		return ferror(stdout) != 0;
	}
	(void)printf("{\"version\": 1, \"conversations\": [\n");
	for (uint32_t c = 0; done < want * 1e6; c++) {
		done += printf("%s  {\"id\": \"c%u\", \"title\": \"a title\",\n"
			       "   \"messages\": [\n", c ? ",\n" : "", c);
		for (uint32_t k = 0; k < 20; k++) {
			done += printf("%s    ", k ? ",\n" : "");
			done += message(id++, stdout);
		}
		done += printf("\n   ]}");
	}
	(void)printf("\n]}\n");
	return ferror(stdout) != 0;
}
