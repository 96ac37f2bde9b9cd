/* SPDX-License-Identifier: MIT */
#ifndef TUI_WAKEUP_H
#define TUI_WAKEUP_H
/*
 * wakeup - signals as bytes in a pipe, so that one poll() waits for all
 *
 * wakeup_open() takes the handlers that the screens need, wakeup_close() puts
 * back what was there. SIGSEGV and its like put the terminal right before they
 * end the process as they would have. A second TERM or HUP that finds the first
 * one not yet taken ends it at once: the terminal takes no more text. Not
 * signalfd: a blocked signal would stay blocked in the engine that the wizard
 * starts.
 */
enum wakeup {
	WAKE_RESIZE = 1u << 0,
	WAKE_STOP = 1u << 1,       /* INT from elsewhere: asked to stop */
	WAKE_LEAVE = 1u << 2,      /* TERM, HUP */
	WAKE_SUSPEND = 1u << 3,
	WAKE_CONTINUE = 1u << 4,
};

int wakeup_open(void);
void wakeup_close(void);
/* readable when something came */
int wakeup_fd(void);
/* what came since the last call */
unsigned int wakeup_take(void);

#endif
