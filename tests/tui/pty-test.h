/* SPDX-License-Identifier: MIT */
/* What tests of the screens begin with: cmocka, keys, an end with a status. */
#ifndef PTY_TEST_H
#define PTY_TEST_H
#include <setjmp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "pty.h"

#define UP "\033OA"
#define DOWN "\033OB"
#define RIGHT "\033OC"
#define TAB "\t"
#define BACKTAB "\033[Z"
#define PGUP "\033[5~"
#define PGDN "\033[6~"
#define F1 "\033OP"

static inline void assert_exit(struct pty *p, int code)
{
	int status = pty_wait_end(p);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
	pty_release(p);
}

#endif
