/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded, the calendar is off; what counts up (CLOCK_MONOTONIC) is not.
 *
 * By how many seconds says P2PVPN_CLOCK_FILE, a file of one 64-bit number in the machine's order:
 * who writes it moves the calendar of all that run.  Without it P2PVPN_CLOCK_OFFSET says so, once
 * and for all.
 *
 * A calendar that jumps is not time that passes: who times his silences by it would find that
 * nothing was heard for days.  In the program that P2PVPN_CLOCK_STEADY names, only libraries see
 * the calendar that is off (OpenSSL, which judges certificates); its own code sees time pass as it
 * does.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t clock, struct timespec *at);
static const volatile int64_t *shared;
static int64_t fixed;
static uintptr_t steady_from, steady_to; /* the program's own code */

/* The first object is the program. */
static int find_program(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    steady_from = UINTPTR_MAX;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_LOAD && info->dlpi_addr + p->p_vaddr < steady_from)
            steady_from = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && info->dlpi_addr + p->p_vaddr + p->p_memsz > steady_to)
            steady_to = info->dlpi_addr + p->p_vaddr + p->p_memsz;
    }
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("P2PVPN_CLOCK_FILE"), *text = getenv("P2PVPN_CLOCK_OFFSET");
    const char *steady = getenv("P2PVPN_CLOCK_STEADY");
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
    void *f = dlsym(RTLD_NEXT, "clock_gettime"), *map;

    memcpy(&real, &f, sizeof(f));
    if (fd >= 0) {
        map = mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
        shared = map == MAP_FAILED ? NULL : map;
    }
    if (file && !shared)
        abort(); /* a test with the true calendar would show nothing */
    fixed = text ? strtoll(text, NULL, 10) : 0;
    if (steady && strcmp(steady, program_invocation_short_name) == 0)
        dl_iterate_phdr(find_program, NULL);
}

static int get(clockid_t clock, struct timespec *at, const void *caller)
{
    int r;

    if (!real)
        begin(); /* somebody else's constructor was first */
    r = real(clock, at);
    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) &&
        !((uintptr_t)caller >= steady_from && (uintptr_t)caller < steady_to))
        at->tv_sec += (time_t)(shared ? *shared : fixed);
    return r;
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    return get(clock, at, __builtin_return_address(0));
}

time_t time(time_t *at)
{
    struct timespec now = {0};

    get(CLOCK_REALTIME, &now, __builtin_return_address(0));
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now = {0};

    (void)zone;
    get(CLOCK_REALTIME, &now, __builtin_return_address(0));
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
