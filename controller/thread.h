/* SPDX-License-Identifier: Apache-2.0 */
/* Threads beside the one that the caller is. */
#ifndef P2PVPN_CONTROLLER_THREAD_H
#define P2PVPN_CONTROLLER_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* Starts fn(data), with every signal left to the caller's thread.  False: there can be none, and
 * the caller does the work itself; else pthread_join(3). */
static inline bool thread_start(pthread_t *thread, void *(*fn)(void *), void *data)
{
    sigset_t all, old;
    bool started;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    started = pthread_create(thread, NULL, fn, data) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return started;
}

#endif
