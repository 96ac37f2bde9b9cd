/* SPDX-License-Identifier: MIT */
/*
 * The fault table: one environment variable, read once. Without it the cost
 * is one load and one branch for each call.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/fsutil-internal.h"
#include "base/xalloc.h"

#define RULES_MAX 16

enum fault_what { WHAT_ERRNO, WHAT_KILL, WHAT_KILL_AFTER };

struct rule {
	int op;               /* FAULT_OP_COUNT: any */
	unsigned long n;
	int onward;
	enum fault_what what;
	int err;
};

static struct rule rules[RULES_MAX];
static int rule_n;
static atomic_ulong counts[FAULT_OP_COUNT + 1];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *const op_names[] = {
	"open", "write", "sync", "rename", "link", "unlink", "mkdir",
	"symlink", "truncate", "utimes", "chmod", "chown", "xattr", "copy",
	"fallocate", "any",
};

static const struct {
	const char *name;
	int err;
} errnos[] = {
	{ "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EDQUOT", EDQUOT },
	{ "EACCES", EACCES }, { "EPERM", EPERM }, { "EROFS", EROFS },
	{ "EINVAL", EINVAL }, { "EXDEV", EXDEV }, { "EMFILE", EMFILE },
	{ "ENOSYS", ENOSYS }, { "EOPNOTSUPP", EOPNOTSUPP },
	{ "EFBIG", EFBIG }, { "ENOENT", ENOENT }, { "EEXIST", EEXIST },
	{ "ELOOP", ELOOP }, { "EBUSY", EBUSY }, { "EINTR", EINTR },
	{ "ENFILE", ENFILE }, { "ENOMEM", ENOMEM }, { "ESTALE", ESTALE },
};

static void parse_rule(char *text)
{
	struct rule r = { .op = -1 };
	char *save = NULL;
	char *op = strtok_r(text, ":", &save);
	char *n = strtok_r(NULL, ":", &save);
	char *what = strtok_r(NULL, ":", &save);

	if (!op || !n || !what || *save || rule_n == RULES_MAX)
		die("UPSHIFT_TEST_FAULT: want op:n:what");
	for (size_t i = 0; i < ARRAY_SIZE(op_names); i++)
		if (!strcmp(op, op_names[i]))
			r.op = (int)i;
	r.n = strtoul(n, &n, 10);
	r.onward = *n == '+';
	if (*n && strcmp(n, "+") != 0)
		r.n = 0;
	if (!strcmp(what, "kill"))
		r.what = WHAT_KILL;
	else if (!strcmp(what, "kill-after"))
		r.what = WHAT_KILL_AFTER;
	for (size_t i = 0; i < ARRAY_SIZE(errnos); i++)
		if (!strcmp(what, errnos[i].name))
			r.err = errnos[i].err;
	if (r.op < 0 || !r.n || (r.what == WHAT_ERRNO && !r.err))
		die("UPSHIFT_TEST_FAULT: unknown operation, number or error");
	rules[rule_n++] = r;
}

static void load(void)
{
	const char *env = getenv("UPSHIFT_TEST_FAULT");
	char *copy, *save = NULL, *part;

	if (!env || !*env)
		return;
	copy = xstrdup(env);
	for (part = strtok_r(copy, ",", &save); part;
	     part = strtok_r(NULL, ",", &save))
		parse_rule(part);
	free(copy);
}

static int hit(const struct rule *r, int op, unsigned long mine,
	       unsigned long any)
{
	unsigned long n = r->op == FAULT_OP_COUNT ? any : mine;

	if (r->op != FAULT_OP_COUNT && r->op != op)
		return 0;
	return n == r->n || (r->onward && n > r->n);
}

int fault_before(enum fault_op op)
{
	unsigned long mine, any;

	(void)pthread_once(&once, load);
	if (!rule_n)
		return 0;
	mine = atomic_fetch_add(&counts[op], 1) + 1;
	any = atomic_fetch_add(&counts[FAULT_OP_COUNT], 1) + 1;
	for (int i = 0; i < rule_n; i++) {
		if (!hit(&rules[i], (int)op, mine, any))
			continue;
		if (rules[i].what == WHAT_KILL)
			(void)kill(getpid(), SIGKILL);
		if (rules[i].what == WHAT_ERRNO)
			return -rules[i].err;
	}
	return 0;
}

void fault_after(enum fault_op op)
{
	if (!rule_n)
		return;
	for (int i = 0; i < rule_n; i++)
		if (rules[i].what == WHAT_KILL_AFTER &&
		    hit(&rules[i], (int)op, atomic_load(&counts[op]),
			atomic_load(&counts[FAULT_OP_COUNT])))
			(void)kill(getpid(), SIGKILL);
}
