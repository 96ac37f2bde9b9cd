/* SPDX-License-Identifier: MIT */
#ifndef THREAD_H
#define THREAD_H
/*
 * thread - one that no signal reaches
 *
 * Signals are for the thread that the front end has its handlers for; a helper
 * that is interrupted in the middle of a flush could not repeat it.
 */
#include <pthread.h>

/* 0, or -errno */
int thread_create(pthread_t *ret, void *(*fn)(void *), void *arg);

#endif
