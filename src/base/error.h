/* SPDX-License-Identifier: MIT */
#ifndef ERROR_H
#define ERROR_H
/*
 * error - what went wrong, for a person and for a program
 *
 * Fallible functions return 0 (or a count) or -errno; where a person will read
 * the failure they take a struct error last and fill it in one statement:
 *
 *	return error_set(err, ERR_PLAN, -EINVAL, _("unknown kind '%s'"), k);
 *	return error_errno(err, ERR_IO, -errno, _("cannot open '%s'"), path);
 *
 * Callers add what they know by prefix, once per level:
 *
 *	error_prefix(err, _("cannot restore '%s'"), path);   "prefix: msg"
 *
 * An error is untouched on success. err may be NULL where nobody will read it.
 * The code is stable (journal, JSON, exit status, `upshift explain`); the text
 * is translated and never parsed. Messages: lower case, no full stop, the
 * subject quoted.
 */
#include <stdbool.h>

#include "base/compiler.h"

/* name, number shown as E-NNNN, exit status when it ends a command */
#define ERR_CODES(X)                                                        \
	/* 1: usage, plan, answers */                                        \
	X(ERR_USAGE, 1001, 64)                                               \
	X(ERR_PLAN, 1002, 65)                                                \
	X(ERR_PLAN_SYNTAX, 1003, 65)                                         \
	X(ERR_PLAN_VALUE, 1004, 65)                                          \
	X(ERR_PLAN_CONFLICT, 1005, 65)                                       \
	X(ERR_PLAN_CHANGED, 1006, 65)                                        \
	X(ERR_NO_PLAN, 1010, 66)                                             \
	X(ERR_NO_RUN, 1011, 66)                                              \
	X(ERR_NO_POINT, 1012, 66)                                            \
	X(ERR_RUN_OPEN, 1013, 2)                                             \
	X(ERR_RUN_ELSEWHERE, 1014, 75)                                       \
	X(ERR_NO_FILE, 1015, 66)                                             \
	X(ERR_ANSWERS, 1020, 78)                                             \
	X(ERR_NEED_ANSWER, 1021, 8)                                          \
	X(ERR_SECRET_ARGUMENT, 1022, 64)                                     \
	/* 2: checks and the world around */                                 \
	X(ERR_CHECK, 2001, 1)                                                \
	X(ERR_SPACE, 2041, 1)                                                \
	X(ERR_JSON, 2050, 1)                                                 \
	X(ERR_TOOL, 2060, 69)                                                \
	X(ERR_PERMISSION, 2070, 77)                                          \
	X(ERR_OWNER, 2071, 77)                                               \
	X(ERR_LINK_OUTSIDE, 2080, 1)                                         \
	X(ERR_MOUNT, 2081, 1)                                                \
	X(ERR_UNSUPPORTED, 2082, 1)                                          \
	X(ERR_APP, 2090, 1)                                                  \
	/* 3: backup */                                                      \
	X(ERR_BACKUP, 3001, 1)                                               \
	X(ERR_BACKUP_CHANGED, 3002, 1)                                       \
	X(ERR_BACKUP_DAMAGED, 3003, 5)                                       \
	X(ERR_BACKUP_FIDELITY, 3004, 1)                                      \
	X(ERR_BACKUP_DIR, 3005, 73)                                          \
	/* 4: steps */                                                       \
	X(ERR_STEP, 4001, 2)                                                 \
	X(ERR_STEP_EXISTS, 4002, 2)                                          \
	X(ERR_STEP_MISSING, 4003, 2)                                         \
	X(ERR_STEP_COMMAND, 4004, 2)                                         \
	X(ERR_STEP_TIMEOUT, 4005, 2)                                         \
	X(ERR_STEP_UNDECLARED, 4006, 2)                                      \
	X(ERR_STEP_UNKNOWN, 4007, 8)                                         \
	X(ERR_STEP_VERIFY, 4008, 2)                                          \
	X(ERR_STEP_CHILD, 4009, 2)                                           \
	X(ERR_NO_SPACE, 4010, 2)                                             \
	X(ERR_CANCELLED, 4020, 6)                                            \
	X(ERR_STORE, 4030, 2)                                                \
	X(ERR_BREACH, 4040, 2)                                               \
	/* 5: verification, going back */                                    \
	X(ERR_VERIFY, 5001, 7)                                               \
	X(ERR_ROLLBACK, 5002, 5)                                             \
	X(ERR_ROLLBACK_SPACE, 5003, 2)                                       \
	X(ERR_ROLLBACK_VERIFY, 5004, 5)                                      \
	X(ERR_NO_WAY_BACK, 5005, 66)                                         \
	X(ERR_CONFIRM, 5006, 8)                                              \
	X(ERR_WINDOW, 5007, 8)                                               \
	X(ERR_CARRY, 5008, 5)                                                \
	/* 6: state directory, journal, lock */                              \
	X(ERR_STATE, 6001, 73)                                               \
	X(ERR_STATE_UNSAFE, 6002, 77)                                        \
	X(ERR_JOURNAL, 6003, 74)                                             \
	X(ERR_JOURNAL_DAMAGED, 6004, 74)                                     \
	X(ERR_JOURNAL_TRUNCATED, 6005, 74)                                   \
	X(ERR_JOURNAL_FORMAT, 6006, 74)                                      \
	X(ERR_LOCKED, 6010, 75)                                              \
	X(ERR_FOREIGN, 6011, 74)                                             \
	X(ERR_BUNDLE, 6020, 73)                                              \
	/* 7: system calls */                                                \
	X(ERR_IO, 7001, 2)                                                   \
	X(ERR_MEMORY, 7002, 70)                                              \
	X(ERR_BUG, 9001, 70)

enum err_code {
	ERR_NONE,
#define X(name, number, exit) name,
	ERR_CODES(X)
#undef X
	ERR_COUNT
};

struct error {
	enum err_code code;
	/* positive errno of the system call that failed, or 0 */
	int sys_errno;
	/* one line, translated */
	char *msg;
	/* what to do next, translated, or NULL */
	char *hint;
};

#define ERROR_INIT { 0 }
#define _cleanup_error_ _cleanup_(error_release)

int error_set(struct error *err, enum err_code code, int ret,
	      const char *fmt, ...) _printf_(4, 5);
/* the same, and ": " and the text of errno -ret; a full disk or quota becomes
   ERR_NO_SPACE, but for codes of the journal */
int error_errno(struct error *err, enum err_code code, int ret,
		const char *fmt, ...) _printf_(4, 5);
void error_prefix(struct error *err, const char *fmt, ...) _printf_(2, 3);
void error_hint(struct error *err, const char *fmt, ...) _printf_(2, 3);
/* dst is released first; src is left empty */
void error_move(struct error *dst, struct error *src);
void error_copy(struct error *dst, const struct error *src);
void error_release(struct error *err);
static inline bool error_is_set(const struct error *err)
{
	return err->code != ERR_NONE;
}

/* "E-4107"; static storage, NULL for ERR_NONE */
const char *error_code_name(enum err_code code);
/* "E-4107", "e4107" or "4107"; ERR_NONE if there is no such code */
enum err_code error_code_from_name(const char *name);
int error_code_exit(enum err_code code);

#endif
