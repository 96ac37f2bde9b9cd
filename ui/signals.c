/* SPDX-License-Identifier: MIT */
/* First INT, TERM or HUP: stop after the step. Second: stop now. */
#include <signal.h>
#include <string.h>

#include "command.h"

static struct engine *volatile target;

static void on_signal(int sig)
{
	struct engine *e = target;

	(void)sig;
	if (e)
		engine_cancel(e);
	else
		_exit(6);
}

void signals_install(void)
{
	static const int stop[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = on_signal;
	/* no SA_RESTART: a question on a terminal must wake up */
	for (size_t i = 0; i < sizeof(stop) / sizeof(stop[0]); i++) {
		struct sigaction old;

		/* nohup, and shells for jobs in the background */
		(void)sigaction(stop[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			(void)sigaction(stop[i], &sa, NULL);
	}
	sa.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &sa, NULL);
	/* over the limit a write fails with EFBIG instead */
	(void)sigaction(SIGXFSZ, &sa, NULL);
}

void signals_engine(struct engine *e)
{
	target = e;
}
