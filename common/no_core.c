/* SPDX-License-Identifier: Apache-2.0 */
#include "common/no_core.h"

#include <sys/prctl.h>
#include <sys/resource.h>

/* The sanitizer that looks for leaks attaches to the process. */
#if defined(__SANITIZE_ADDRESS__)
#define DUMPABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define DUMPABLE 1
#endif
#endif
#ifndef DUMPABLE
#define DUMPABLE 0
#endif

void no_core(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none); /* which what we execute inherits */
    prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0);
}
