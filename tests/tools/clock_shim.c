/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded, the calendar is off by P2PVPN_CLOCK_OFFSET seconds; what counts up (CLOCK_MONOTONIC)
 * is not. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

static time_t offset(void)
{
    const char *text = getenv("P2PVPN_CLOCK_OFFSET");

    return text ? (time_t)strtoll(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    static int (*real)(clockid_t clock, struct timespec * at);
    int r;

    if (!real) {
        void *f = dlsym(RTLD_NEXT, "clock_gettime");

        memcpy(&real, &f, sizeof(f));
    }
    r = real(clock, at);
    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += offset();
    return r;
}

time_t time(time_t *at)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now = {0};

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
