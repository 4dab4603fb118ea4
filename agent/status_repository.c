/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status_repository.h"

#include <errno.h>
#include <string.h>

#include "agent/repository.h"
#include "agent/status_print.h"
#include "tuf/error.h"

void status_repository_collect(const struct status_query *q, struct status *s)
{
    struct status_repository *r = &s->repository;
    int found;

    r->wanted = q->settings && repository_configured(q->settings);
    if (!r->wanted)
        return;
    found = fetch_report_read(q->settings->fetch_dir, &r->report, &s->problems);
    r->known = found == 0;
    r->running = r->known && fetch_report_alive(&r->report);
    r->staying = r->known && r->report.pid > 0;
}

bool status_repository_frozen(const struct status *s)
{
    const struct status_repository *r = &s->repository;

    return r->known && r->report.expires && s->now >= r->report.expires;
}

static bool is_weather(const char *code)
{
    static const enum tuf_code weather[] = {TUF_NETWORK, TUF_TIMEOUT, TUF_NOT_FOUND};

    for (size_t i = 0; i < sizeof(weather) / sizeof(weather[0]); i++)
        if (strcmp(code, tuf_code_name(weather[i])) == 0)
            return true;
    return false;
}

static void add_ago(int64_t then, int64_t now, struct buf *b)
{
    status_print_duration(then < now ? (uint64_t)(now - then) : 0, b);
}

void status_repository_judge(struct status *s)
{
    const struct status_repository *r = &s->repository;
    const struct fetch_report *f = &r->report;
    _cleanup_buf_ struct buf ago = BUF_INIT;

    if (!r->wanted)
        return;
    if (!r->known || (r->staying && !r->running))
        error_add(&s->problems, NULL, 0, NULL,
                  "the fetcher %s, so nothing that is published comes here: \"systemctl start "
                  "p2pvpn-fetch\"",
                  r->known ? "does not run" : "has not run yet");
    if (!r->known)
        return;
    if (status_repository_frozen(s)) {
        add_ago(f->expires, s->now, &ago);
        error_add(&s->problems, NULL, 0, NULL,
                  "the repository is FROZEN: it expired %s ago and nothing newer comes%s%s%s; the "
                  "gateway forwards on with what it has: the operator runs \"p2pvpn-ctl repo "
                  "refresh\", or look whether somebody holds it back",
                  buf_cstr(&ago), *f->code ? " (" : "", f->text, *f->code ? ")" : "");
    } else if (*f->code &&
               (!is_weather(f->code) || s->now - f->since >= STATUS_REPOSITORY_AWAY_S)) {
        add_ago(f->since, s->now, &ago);
        error_add(&s->problems, NULL, 0, NULL,
                  "nothing was taken from the repository for %s (%s): %s", buf_cstr(&ago), f->code,
                  f->text);
    }
}
