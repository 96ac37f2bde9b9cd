/* SPDX-License-Identifier: MIT */
/* peer-json-c IN OUT [lines]: the edit of bench/json by json-c. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void edit(struct json_object *m)
{
	struct json_object *v;

	if (json_object_object_get_ex(m, "content", &v)) {
		json_object_object_add(m, "text", json_object_get(v));
		json_object_object_del(m, "content");
	}
	if (!json_object_object_get_ex(m, "lang", &v))
		json_object_object_add(m, "lang", json_object_new_string("en"));
}

int main(int argc, char **argv)
{
	FILE *out = argc > 2 ? fopen(argv[2], "w") : NULL;
	struct json_object *o, *list, *messages;

	if (!out)
		return 64;
	if (argc > 3) {
		FILE *in = fopen(argv[1], "r");
		char *line = NULL;
		size_t cap = 0;

		while (in && getline(&line, &cap, in) > 0) {
			o = json_tokener_parse(line);
			edit(o);
			fputs(json_object_to_json_string_ext(o, 0), out);
			fputc('\n', out);
			json_object_put(o);
		}
		free(line);
		return fclose(out) != 0;
	}
	o = json_object_from_file(argv[1]);
	if (!json_object_object_get_ex(o, "conversations", &list))
		return 1;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		if (!json_object_object_get_ex(
			    json_object_array_get_idx(list, i), "messages",
			    &messages))
			return 1;
		for (size_t k = 0; k < json_object_array_length(messages); k++)
			edit(json_object_array_get_idx(messages, k));
	}
	fputs(json_object_to_json_string_ext(o, 0), out);
	return fclose(out) != 0;
}
