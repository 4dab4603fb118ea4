/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/report_when.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* FNV-1a. */
uint32_t report_phase(const char *gateway)
{
    uint32_t hash = 2166136261u;

    for (const char *p = gateway; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return hash % REPORT_EVERY_MS;
}

void report_when_start(struct report_when *w, int64_t now)
{
    *w = (struct report_when){
        .begun = now - REPORT_GAP_MS, .gap = REPORT_GAP_MS, .next = now, .wish = REPORT_NO_WISH};
}

void report_when_changed(struct report_when *w, int64_t now)
{
    int64_t spread = (int64_t)w->phase * REPORT_SPREAD_MS / REPORT_EVERY_MS;

    w->wish = earlier(w->wish, now + REPORT_SETTLE_MS + spread);
    w->unwell = 0;
}

void report_when_hurry(struct report_when *w, int64_t now)
{
    w->failures = 0;
    w->wish = earlier(w->wish, now);
}

void report_when_begin(struct report_when *w, int64_t now)
{
    w->begun = now;
    w->wish = REPORT_NO_WISH;
}

/* Until its own second comes round. */
static int64_t until_phase(uint32_t phase, int64_t wall)
{
    int64_t at = wall % REPORT_EVERY_MS, ms;

    at += at < 0 ? REPORT_EVERY_MS : 0;
    ms = phase - at;
    return ms < REPORT_GAP_MS ? ms + REPORT_EVERY_MS : ms;
}

/* Twice as long each time; a fifth more or less, so that not all come back at once. */
static int64_t until_retry(unsigned failures, uint32_t random)
{
    int64_t ms = REPORT_RETRY_FIRST_MS;

    for (unsigned i = 1; i < failures && ms < REPORT_RETRY_MAX_MS; i++)
        ms *= 2;
    ms = earlier(ms, REPORT_RETRY_MAX_MS);
    return ms - ms / 5 + (int64_t)((uint64_t)(ms / 5 * 2) * random / UINT32_MAX);
}

static int64_t until_again(unsigned unwell)
{
    return (int64_t)REPORT_UNWELL_MS << (unwell < 8 ? unwell : 8);
}

void report_when_end(struct report_when *w, enum report_result result, int64_t now, int64_t wall,
                     uint32_t random)
{
    w->failures = result == REPORT_FAILED ? w->failures + 1 : 0;
    w->next = now + (w->failures ? until_retry(w->failures, random) : until_phase(w->phase, wall));
    w->gap = REPORT_GAP_MS;
    if (result != REPORT_TOLD_PROBLEMS) {
        w->unwell = 0;
        return;
    }
    if (w->unwell == 0)
        w->gap = REPORT_UNWELL_MS;
    w->next = earlier(w->next, w->begun + until_again(w->unwell));
    w->unwell++;
}

int64_t report_when_due(const struct report_when *w)
{
    int64_t wish = w->wish;

    if (w->failures)
        wish = later(wish, w->begun + REPORT_EVERY_MS);
    return later(earlier(w->next, wish), w->begun + w->gap);
}
