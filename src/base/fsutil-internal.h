/* SPDX-License-Identifier: MIT */
#ifndef FSUTIL_INTERNAL_H
#define FSUTIL_INTERNAL_H
/*
 * fsutil-internal - what the files of fsutil share; the fault table of the
 * tests (see fsutil.h)
 *
 * fault_before(op) stands before a call that changes a file system: it gives
 * -errno if the table says that this call fails, else 0; it may kill the
 * process. fault_after(op) stands behind it, for "kill-after".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>

/* Reading: no access time has to tell of it, where we may ask for that. */
static inline bool fs_may_be_quiet(int flags)
{
	return (flags & O_ACCMODE) == O_RDONLY &&
	       !(flags & (O_PATH | O_CREAT | O_TRUNC | O_NOATIME));
}

enum fault_op {
	FAULT_OPEN, FAULT_WRITE, FAULT_SYNC, FAULT_RENAME, FAULT_LINK,
	FAULT_UNLINK, FAULT_MKDIR, FAULT_SYMLINK, FAULT_TRUNCATE,
	FAULT_UTIMES, FAULT_CHMOD, FAULT_CHOWN, FAULT_XATTR, FAULT_COPY,
	FAULT_FALLOCATE, FAULT_OP_COUNT
};

int fault_before(enum fault_op op);
void fault_after(enum fault_op op);

/* ret of a call that changes something: counted, retried on EINTR */
#define CHANGING(op, call)                                \
	({                                                \
		int r_ = fault_before(op);                \
		if (!r_) {                                \
			do                                \
				r_ = (int)(call);         \
			while (r_ < 0 && errno == EINTR); \
			if (r_ < 0)                       \
				r_ = -errno;              \
			else                              \
				fault_after(op);          \
		}                                         \
		r_;                                       \
	})

#endif
