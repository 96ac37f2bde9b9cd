/* SPDX-License-Identifier: MIT */
#ifndef COMPILER_H
#define COMPILER_H
/*
 * compiler - attributes and small ownership helpers
 *
 * _cleanup_(f) runs f(&variable) when a local goes out of scope. TAKE_PTR and
 * TAKE_FD move ownership out of a variable, so that its cleanup does nothing.
 */
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _noreturn_ __attribute__((noreturn))
#define _unused_ __attribute__((unused))
#define _noinline_ __attribute__((noinline))
#define _must_check_ __attribute__((warn_unused_result))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define TAKE_PTR(p)                                  \
	({                                           \
		__typeof__(p) *take_p_ = &(p);       \
		__typeof__(p) take_v_ = *take_p_;    \
		*take_p_ = NULL;                     \
		take_v_;                             \
	})

#define TAKE_FD(fd)                                  \
	({                                           \
		int *take_f_ = &(fd);                \
		int take_v_ = *take_f_;              \
		*take_f_ = -1;                       \
		take_v_;                             \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* read side or error path only */
}

#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)

#endif
