/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/drain_wait.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/drain.h"
#include "agent/state.h"
#include "agent/supervise.h"
#include "common/alloc.h"
#include "common/bundle.h"

#define LOOK_MS 1000
#define LEAST_MS 4000 /* until FRR was told and the peers have moved their traffic */
#define MAX_NAMED 10

struct watch {
    const struct bundle *bundle;
    struct traffic *before, *now;
    int64_t span; /* between the two, milliseconds */
};

static uint64_t rate(const struct watch *w, uint64_t before, uint64_t now)
{
    return now > before && w->span > 0 ? (now - before) * 1000 / (uint64_t)w->span : 0;
}

static bool is_used(const struct watch *w, size_t i)
{
    return rate(w, w->before[i].received, w->now[i].received) > DRAIN_IDLE_RATE ||
           rate(w, w->before[i].sent, w->now[i].sent) > DRAIN_IDLE_RATE;
}

static int look(struct watch *w, struct error_list *err)
{
    struct traffic *old = w->before;

    w->before = w->now;
    w->now = old;
    for (size_t i = 0; i < w->bundle->n_links; i++)
        w->now[i].interface = w->bundle->links[i].interface;
    return traffic_look(w->now, w->bundle->n_links, err);
}

static size_t used(const struct watch *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->bundle->n_links; i++)
        n += is_used(w, i);
    return n;
}

static int tell_used(const struct watch *w, unsigned seconds, struct error_list *err)
{
    size_t n = used(w), named = 0;

    for (size_t i = 0; i < w->bundle->n_links && named < MAX_NAMED; i++)
        if (is_used(w, i)) {
            error_add(err, NULL, 0, NULL,
                      "the link to %s (%s) has %llu packets/s in and %llu packets/s out",
                      w->bundle->links[i].peer, w->bundle->links[i].interface,
                      (unsigned long long)rate(w, w->before[i].received, w->now[i].received),
                      (unsigned long long)rate(w, w->before[i].sent, w->now[i].sent));
            named++;
        }
    if (n > named)
        error_add(err, NULL, 0, NULL, "and %zu more links", n - named);
    return error_add(
        err, NULL, 0, NULL,
        "the gateway stays drained, but after %u s there is traffic that has no other "
        "way: that of a LAN without another gateway, of peers that have no other link, "
        "or of this machine itself; 'p2pvpn-agent undrain' ends it",
        seconds);
}

static int watch(struct watch *w, unsigned seconds, struct error_list *err)
{
    int64_t start = monotonic_ms(), end = start + (int64_t)seconds * 1000, last = start;
    int r = look(w, err);

    while (r == 0) {
        int64_t now;

        usleep(LOOK_MS * 1000);
        r = look(w, err);
        now = monotonic_ms();
        w->span = now - last;
        last = now;
        if (r == 0 && now - start >= LEAST_MS && used(w) == 0)
            return 0;
        if (r == 0 && now >= end)
            return tell_used(w, seconds, err);
    }
    return r;
}

int drain_wait(const struct settings *s, unsigned seconds, struct error_list *err)
{
    struct bundle *b = NULL;
    struct watch w = {0};
    int r = state_current(s, &b, err);

    if (r == -ENOENT)
        return 0; /* no bundle, no links */
    if (r < 0)
        return r;
    w.bundle = b;
    w.before = xcalloc(b->n_links + 1, sizeof(*w.before));
    w.now = xcalloc(b->n_links + 1, sizeof(*w.now));
    r = watch(&w, seconds, err);
    if (r == 0)
        puts("no traffic passes over its links any more");
    free(w.before);
    free(w.now);
    bundle_free(b);
    return r;
}
