/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"

/* --- the bytes --- */

static int read_bounded(int fd, struct strbuf *out, const char *path,
			struct error *err)
{
	ssize_t n;

	strbuf_grow(out, PLAN_SIZE_MAX + 1);
	n = fs_read_full(fd, out->buf, PLAN_SIZE_MAX + 1);
	if (n < 0)
		return error_errno(err, ERR_NO_PLAN, (int)n,
				   _("cannot read '%s'"), path);
	strbuf_set_len(out, (size_t)n);
	if (n > PLAN_SIZE_MAX)
		return error_set(err, ERR_PLAN, -EFBIG,
				 _("'%s' is larger than 1 MiB"), path);
	return 0;
}

/*
 * O_NONBLOCK, so that a FIFO in the place of a plan cannot hang us, and only
 * then a look at what it is.
 */
int plan_read_source(const char *path, struct strbuf *out, struct error *err)
{
	_cleanup_free_ char *shown = escape_bytes(path);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!strcmp(path, "-"))
		return read_bounded(STDIN_FILENO, out, _("standard input"), err);
	fd = fs_open(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return error_errno(err, ERR_NO_PLAN, fd,
				   _("cannot open '%s'"), shown);
	if (fstat(fd, &st) < 0)
		return error_errno(err, ERR_NO_PLAN, -errno,
				   _("cannot read '%s'"), shown);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_PLAN, -EINVAL,
				 _("'%s' is not a regular file"), shown);
	return read_bounded(fd, out, shown, err);
}

/* --- the tree --- */

void plan_value_free(struct plan_value *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++)
		plan_value_free(&v->items[i]);
	free(v->items);
	free(v->key);
	free(v->str);
	memset(v, 0, sizeof(*v));
}

static void take_setting(struct plan_value *v, config_setting_t *s)
{
	static const enum value_type types[] = {
		[CONFIG_TYPE_GROUP] = VALUE_GROUP,
		[CONFIG_TYPE_INT] = VALUE_INT,
		[CONFIG_TYPE_INT64] = VALUE_INT,
		[CONFIG_TYPE_FLOAT] = VALUE_FLOAT,
		[CONFIG_TYPE_STRING] = VALUE_STRING,
		[CONFIG_TYPE_BOOL] = VALUE_BOOL,
		[CONFIG_TYPE_ARRAY] = VALUE_ARRAY,
		[CONFIG_TYPE_LIST] = VALUE_LIST,
	};
	int type = config_setting_type(s);

	if (type <= CONFIG_TYPE_NONE || (size_t)type >= ARRAY_SIZE(types))
		BUG("libconfig gave a setting of type %d", type);
	v->type = types[type];
	v->line = (int)config_setting_source_line(s);
	v->key = xstrdup_null(config_setting_name(s));
	if (v->type == VALUE_STRING) {
		const char *str = config_setting_get_string(s);

		v->str = xstrdup(str ? str : "");
	} else if (v->type == VALUE_INT) {
		v->num = config_setting_get_int64(s);
	} else if (v->type == VALUE_FLOAT) {
		v->real = config_setting_get_float(s);
	} else if (v->type == VALUE_BOOL) {
		v->flag = config_setting_get_bool(s);
	} else {
		v->n = (size_t)config_setting_length(s);
		v->items = xcalloc(v->n ? v->n : 1, sizeof(*v->items));
		/* plan_scan() has bounded the depth */
		for (size_t i = 0; i < v->n; i++)
			take_setting(&v->items[i],
				     config_setting_get_elem(s, (unsigned int)i));
	}
}

static void syntax_problem(const config_t *c, struct plan_problems *problems)
{
	const char *text = config_error_text(c);

	if (text && !strcmp(text, "duplicate setting name"))
		plan_problem_add(problems, config_error_line(c),
				 _("this key is given twice"));
	else if (text && !strcmp(text, "mismatched element type in array"))
		plan_problem_add(problems, config_error_line(c),
				 _("the elements of an array ([...]) must be of "
				   "one type"));
	else
		plan_problem_add(problems, config_error_line(c),
				 _("syntax error"));
}

struct plan_value *plan_parse(const char *text, struct plan_problems *problems)
{
	struct plan_value *root = NULL;
	config_t c;

	config_init(&c);
	if (config_read_string(&c, text) == CONFIG_TRUE) {
		root = xcalloc(1, sizeof(*root));
		take_setting(root, config_root_setting(&c));
	} else {
		syntax_problem(&c, problems);
	}
	config_destroy(&c);
	return root;
}

/* --- both --- */

static bool has_nul(const char *source, size_t len,
		    struct plan_problems *problems)
{
	const char *nul = memchr(source, '\0', len);
	int line = 1;

	if (!nul)
		return false;
	for (const char *s = source; s < nul; s++)
		line += *s == '\n';
	plan_problem_add(problems, line, _("a NUL byte cannot stand here"));
	return true;
}

/* What libconfig gets: no byte order mark, line ends of one kind, and a
   newline behind a comment in the last line. Lines keep their numbers. */
static void clean(const char *s, size_t len, struct strbuf *out)
{
	const char *end = s + len;

	if (len >= 3 && !memcmp(s, "\xef\xbb\xbf", 3))
		s += 3;
	for (; s < end; s++)
		if (*s != '\r' || s + 1 == end || s[1] != '\n')
			strbuf_addch(out, *s);
	strbuf_addch(out, '\n');
}

struct plan_value *plan_tree(const char *source, size_t len, bool *values,
			     struct plan_problems *problems)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct plan_value *root;
	unsigned int scan;

	*values = false;
	if (has_nul(source, len, problems))
		return NULL;
	clean(source, len, &text);
	scan = plan_scan(text.buf, text.len, problems);
	if (scan & SCAN_STOP)
		return NULL;
	root = plan_parse(text.buf, problems);
	*values = root && !(scan & SCAN_BAD);
	return root;
}
