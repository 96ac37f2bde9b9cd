/* SPDX-License-Identifier: MIT */
/*
 * A dump without its rows as JSON lines, and as a script:
 *
 *	{"type":"dump","format":1,"server":"15.4","with":"pg_dump"}
 *	{"type":"set","set":"chunks","full":"public.chunks","kind":"r",
 *	 "columns":[...],"rows":N,"bytes":N,"sum":"xxh3-128:HEX",
 *	 "beside":true,"parts":["chunks_2025"]}
 *	{"type":"object","rank":N,"kind":"column","name":...,"create":...,
 *	 "drop":...,"state":...,"shared":true}		of the set before it
 *	{"type":"end","sets":N}
 */
#include "store-dump.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "store-dump-internal.h"

static void add_line(struct strbuf *out, struct json_object *o)
{
	json_print(o, out);
	strbuf_addch(out, '\n');
	json_object_put(o);
}

static struct json_object *line(const char *type)
{
	struct json_object *o = json_object_new_object();

	json_set_str(o, "type", type);
	return o;
}

static void add_set(struct strbuf *out, const struct store_dump_set *s)
{
	struct json_object *o = line("set"), *columns, *parts;
	char sum[XXH128_TEXT_SIZE], type[2] = { s->type, 0 };

	json_set_bytes(o, "set", s->set);
	if (s->beside)
		json_set_bool(o, "beside", true);
	if (s->parts.n) {
		parts = json_object_new_array();
		for (size_t i = 0; i < s->parts.n; i++)
			json_array_add_bytes(parts, s->parts.v[i]);
		json_object_object_add(o, "parts", parts);
	}
	if (s->full) {
		columns = json_object_new_array();
		for (size_t i = 0; i < s->columns.n; i++)
			json_array_add_bytes(columns, s->columns.v[i]);
		xxh128_format(&s->sum, sum);
		json_set_bytes(o, "full", s->full);
		json_set_str(o, "kind", type);
		json_object_object_add(o, "columns", columns);
		json_set_int(o, "rows", (int64_t)s->rows);
		json_set_int(o, "bytes", (int64_t)s->bytes);
		json_set_str(o, "sum", sum);
	}
	add_line(out, o);
}

static void add_object(struct strbuf *out, const struct store_object *x)
{
	struct json_object *o = line("object");

	json_set_int(o, "rank", x->rank);
	json_set_str(o, "kind", x->kind);
	json_set_bytes(o, "name", x->name);
	json_set_bytes(o, "create", x->create);
	json_set_bytes(o, "drop", x->drop);
	if (x->state && (!x->create || strcmp(x->state, x->create) != 0))
		json_set_bytes(o, "state", x->state);
	if (x->shared)
		json_set_bool(o, "shared", true);
	add_line(out, o);
}

void store_dump_index(const struct store_dump *d, struct strbuf *out)
{
	struct json_object *o = line("dump");

	json_set_int(o, "format", 1);
	json_set_str(o, "server", d->server);
	if (d->by_program)
		json_set_str(o, "with", "pg_dump");
	add_line(out, o);
	for (size_t i = 0; i < d->n; i++) {
		add_set(out, &d->sets[i]);
		for (size_t k = 0; k < d->sets[i].object_n; k++)
			add_object(out, &d->sets[i].objects[k]);
	}
	o = line("end");
	json_set_int(o, "sets", (int64_t)d->n);
	add_line(out, o);
}

/* --- and back --- */

static int parse_names(struct json_object *o, const char *key,
		       struct strvec *ret)
{
	struct json_object *names = json_get(o, key);

	for (size_t i = 0; i < json_object_array_length(names); i++) {
		char *name = json_array_get_bytes(names, i);

		if (!name)
			return -EINVAL;
		strvec_take(ret, name);
	}
	return 0;
}

static int parse_set(struct store_dump *d, struct json_object *o)
{
	struct store_dump_set *s;

	d->sets = xrealloc(d->sets, d->n + 1, sizeof(*d->sets));
	s = &d->sets[d->n++];
	memset(s, 0, sizeof(*s));
	s->set = json_get_bytes(o, "set");
	s->full = json_get_bytes(o, "full");
	s->beside = json_get_bool(o, "beside", false);
	if (!s->set || (json_get(o, "parts") &&
			parse_names(o, "parts", &s->parts) < 0))
		return -EINVAL;
	if (!s->full)
		return 0;
	s->type = *json_get_str(o, "kind", "");
	s->rows = (uint64_t)json_get_int(o, "rows", 0);
	s->bytes = (uint64_t)json_get_int(o, "bytes", 0);
	if (parse_names(o, "columns", &s->columns) < 0)
		return -EINVAL;
	return s->type ? xxh128_parse(json_get_str(o, "sum", ""), &s->sum) :
	       -EINVAL;
}

static int parse_object(struct store_dump *d, struct json_object *o)
{
	struct store_dump_set *s = d->n ? &d->sets[d->n - 1] : NULL;
	struct store_object *x;

	if (!s)
		return -EINVAL;
	VEC_GROW(s->objects, s->object_n, s->object_cap);
	x = &s->objects[s->object_n++];
	memset(x, 0, sizeof(*x));
	x->rank = (int)json_get_int(o, "rank", 0);
	x->kind = xstrdup(json_get_str(o, "kind", ""));
	x->name = json_get_bytes(o, "name");
	x->create = json_get_bytes(o, "create");
	x->drop = json_get_bytes(o, "drop");
	x->state = json_get_bytes(o, "state");
	x->shared = json_get_bool(o, "shared", false);
	if (!x->state)
		x->state = xstrdup_null(x->create);
	return *x->kind && x->name && x->state ? 0 : -EINVAL;
}

/* 1: that was the last line */
static int parse_line(struct store_dump *d, const char *text, size_t len,
		      bool first)
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *type;

	if (json_parse(text, len, &o, NULL) < 0)
		return -EINVAL;
	type = json_get_str(o, "type", "");
	if (first) {
		d->server = xstrdup_null(json_get_str(o, "server", NULL));
		d->by_program = !strcmp(json_get_str(o, "with", ""), "pg_dump");
		return strcmp(type, "dump") ||
		       json_get_int(o, "format", 0) != 1 ? -EINVAL : 0;
	}
	if (!strcmp(type, "set"))
		return parse_set(d, o);
	if (!strcmp(type, "object"))
		return parse_object(d, o);
	if (!strcmp(type, "end"))
		return json_get_int(o, "sets", -1) == (int64_t)d->n ? 1 :
		       -EINVAL;
	return -EINVAL;
}

int store_dump_parse(const char *text, size_t len, struct store_dump *ret,
		     struct error *err)
{
	const char *end = text + len;
	bool first = true;
	int r = 0;

	while (r == 0 && text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));

		r = nl ? parse_line(ret, text, (size_t)(nl - text), first) :
		    -EINVAL;
		first = false;
		text = nl ? nl + 1 : end;
	}
	if (r == 1 && text == end)
		return 0;
	store_dump_release(ret);
	return error_set(err, ERR_BACKUP_DAMAGED, -EINVAL,
			 _("the list of what was saved of a database cannot "
			   "be read"));
}

/* --- a script --- */

/* "TABLE with its columns" makes its defaults by itself */
static bool in_table(const struct store_dump_set *s,
		     const struct store_object *o)
{
	return s->type != 'v' && s->type != 'm' &&
	       (!strcmp(o->kind, "default") || !strcmp(o->kind, "not null"));
}

static int last_rank(const struct store_dump *d)
{
	int ret = 0;

	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < d->sets[i].object_n; k++)
			ret = MAX(ret, d->sets[i].objects[k].rank);
	return ret;
}

void store_dump_sql(const struct store_dump *d, struct strbuf *out)
{
	_cleanup_strvec_ struct strvec done = STRVEC_INIT;
	int last = last_rank(d);

	strbuf_addf(out, "-- PostgreSQL %s\nBEGIN;\nSET LOCAL search_path = "
		    "pg_catalog;\n", d->server ? d->server : "?");
	for (int rank = 0; rank <= last; rank++)
		for (size_t i = 0; i < d->n; i++)
			for (size_t k = 0; k < d->sets[i].object_n; k++) {
				const struct store_object *o =
					&d->sets[i].objects[k];

				if (o->rank != rank || !o->create ||
				    in_table(&d->sets[i], o) ||
				    (o->shared && strvec_has(&done,
							     o->create)))
					continue;
				if (o->shared)
					strvec_push(&done, o->create);
				strbuf_addf(out, "%s;\n", o->create);
			}
	strbuf_addstr(out, "COMMIT;\n");
}
