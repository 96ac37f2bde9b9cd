/* SPDX-License-Identifier: MIT */
/* Names that are made from the members of a value (json-op.h). */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "json-op.h"
#include "json-pointer.h"

#define NAME_MAX_BYTES 255

/* {..} at p: its length with the braces; 0: it does not end */
static size_t field(const char *p)
{
	size_t n = strcspn(p + 1, "{}");

	return p[n + 1] == '}' ? n + 2 : 0;
}

const char *json_template_refused(const char *text)
{
	for (const char *p = text; *p; p++) {
		size_t n;

		if (*p != '{' && *p != '}')
			continue;
		if (p[1] == *p) {
			p++;
			continue;
		}
		n = *p == '{' ? field(p) : 0;
		if (!n)
			return N_("a brace without its other half ({{ and }} "
				  "stand for braces)");
		if (n == 2)
			return N_("there is no name between { and }");
		p += n - 1;
	}
	return NULL;
}

/* the value that {name} means; 0: none */
static uint32_t find(const struct json_tree *t, uint32_t node,
		     const char *name, bool *twice)
{
	_cleanup_strvec_ struct strvec parts = STRVEC_INIT;

	if (*name != '/')
		strvec_push(&parts, name);
	else if (!json_pointer_valid(name))
		return 0;
	else
		json_pointer_split(name, &parts);
	return json_op_find(t, node, &parts, parts.n, twice);
}

static int fill(const char *name, const struct json_tree *t, uint32_t node,
		struct strbuf *out, struct error *err)
{
	bool twice = false;
	uint32_t i = find(t, node, name, &twice);
	enum json_node_type type;
	const char *raw;
	size_t n, from = out->len;

	if (!i || twice)
		return error_set(err, ERR_STEP, -EINVAL, twice ?
				 _("'%s' is there twice") :
				 _("there is no '%s' to make a name of"),
				 name);
	type = json_type_of(t, i);
	if (type == JSON_T_STRING) {
		json_string(t, i, out);
	} else if (type == JSON_T_NUMBER) {
		raw = json_raw(t, i, &n);
		strbuf_add(out, raw, n);
	} else {
		return error_set(err, ERR_STEP, -EINVAL,
				 _("'%s' is neither a string nor a number"),
				 name);
	}
	/* a member gives one part of a name, not a way to another place */
	if (memchr(out->buf + from, '/', out->len - from))
		return error_set(err, ERR_STEP, -EINVAL,
				 _("the value of '%s' holds a slash"), name);
	return 0;
}

static const char *given(const char *const *extra, const char *name)
{
	for (; extra && *extra; extra += 2)
		if (!strcmp(*extra, name))
			return extra[1];
	return NULL;
}

int json_template_fill(const char *text, const struct json_tree *t,
		       uint32_t node, const char *const *extra,
		       struct strbuf *out, struct error *err)
{
	for (const char *p = text; *p; p++) {
		_cleanup_free_ char *name = NULL;
		const char *known;
		size_t n;
		int ret = 0;

		if (*p != '{' && *p != '}') {
			strbuf_addch(out, *p);
			continue;
		}
		if (p[1] == *p) {
			strbuf_addch(out, *p++);
			continue;
		}
		n = field(p);
		name = strndup(p + 1, n - 2);
		known = given(extra, name);
		if (known)
			strbuf_addstr(out, known);
		else
			ret = fill(name, t, node, out, err);
		if (ret < 0)
			return ret;
		p += n - 1;
	}
	return 0;
}

static const char *part_refused(const char *p, size_t n)
{
	if (!n || (n == 1 && *p == '.') || (n == 2 && !memcmp(p, "..", 2)))
		return N_("a part of the name would be empty, '.' or '..'");
	if (*p == '-')
		return N_("a part of the name would begin with '-'");
	return n > NAME_MAX_BYTES ? N_("a part of the name would be too long") :
		NULL;
}

const char *json_name_refused(const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return N_("the name would hold a control character");
	for (const char *p = name, *end = name + n; p <= end;) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		size_t len = (size_t)((slash ? slash : end) - p);
		const char *why = part_refused(p, len);

		if (why)
			return why;
		p += len + 1;
	}
	return NULL;
}
