/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status_agent.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/key.h"
#include "agent/status_print.h"
#include "common/alloc.h"
#include "common/fs.h"

#define DAY 86400

static void problem(struct status *s, const char *sentence)
{
    error_add(&s->problems, NULL, 0, NULL, "%s", sentence);
}

int64_t status_certificate_days(const struct status *s)
{
    int64_t left = s->agent.certificate_expires - s->now;

    return left < 0 ? -((DAY - 1 - left) / DAY) : left / DAY;
}

static void read_change(const char *state_dir, struct status_agent *a)
{
    _cleanup_free_ char *path = xasprintf("%s/" CHANGE_FILE, state_dir);
    struct error_list ignored = ERROR_LIST_INIT; /* the agent says it */
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct timespec now;

    a->change_known = access(path, F_OK) == 0 &&
                      fs_read(path, CHANGE_MAX_BYTES, &text, &ignored) == 0 &&
                      change_parse(buf_cstr(&text), text.len, path, &a->change, &ignored) == 0;
    clock_gettime(CLOCK_BOOTTIME, &now);
    a->boot_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    error_clear(&ignored);
}

void status_agent_collect(const struct status_query *q, struct status *s)
{
    struct error_list ignored = ERROR_LIST_INIT; /* then nothing is known */
    struct status_agent *a = &s->agent;

    a->known = q->run_dir && agent_report_read(q->run_dir, &a->report, &ignored) == 0;
    a->running = a->known && agent_report_alive(&a->report);
    if (!a->running && q->bundle_source) {
        free(a->report.source);
        a->report.source = xstrdup(q->bundle_source);
    }
    if (q->firewall)
        a->firewall =
            access(q->firewall, F_OK) == 0 ? STATUS_FIREWALL_SET : STATUS_FIREWALL_MISSING;
    if (q->state_dir)
        read_change(q->state_dir, a);
    a->certificate_expires = q->keys_dir ? key_expires(q->keys_dir) : 0;
    a->authorities = q->keys_dir ? key_authorities(q->keys_dir) : NULL;
    error_clear(&ignored);
}

void status_agent_clear(struct status_agent *a)
{
    agent_report_clear(&a->report);
    change_clear(&a->change);
    free(a->authorities);
}

/* Each line of what it says. */
static void complaint(struct status *s, enum trouble_kind kind)
{
    static const char *const whose[TROUBLE_KINDS] = {
        [TROUBLE_BUNDLE] = "the bundle that was published is not taken",
        [TROUBLE_LINKS] = "the agent cannot put the links right",
        [TROUBLE_FRR] = "the agent cannot put FRR right",
        [TROUBLE_FIREWALL] = "the agent cannot set the firewall",
        [TROUBLE_DISK] = "the agent cannot keep what it has to",
    };
    const char *rest = s->agent.report.trouble[kind], *line;
    int len;

    while (rest && text_line(&rest, &line, &len))
        if (len > 0)
            error_add(&s->problems, NULL, 0, NULL, "%s: %.*s", whose[kind], len, line);
}

static void judge_change(struct status *s)
{
    const struct status_agent *a = &s->agent;
    struct buf since = BUF_INIT;

    if (!a->change_known || a->change.state != CHANGE_ROLLED_BACK)
        return;
    status_print_duration(a->change.since < s->now ? (uint64_t)(s->now - a->change.since) : 0,
                          &since);
    error_add(&s->problems, NULL, 0, NULL,
              "the last change was rolled back %s ago, and revision %.12s is not taken again: "
              "%s%spublish another bundle, or \"p2pvpn-agent reload\" tries it once more",
              buf_cstr(&since), a->change.refused, a->change.why ? a->change.why : "",
              a->change.why ? "; " : "");
    buf_free(&since);
}

static void judge_certificate(struct status *s)
{
    int64_t days = status_certificate_days(s);

    if (s->agent.certificate_expires == 0 || days >= STATUS_CERTIFICATE_DAYS)
        return;
    if (days < 0)
        problem(s, "the certificate of this gateway has expired, so no link comes up any more: "
                   "enroll it again (\"p2pvpn-agent enroll\")");
    else
        error_add(&s->problems, NULL, 0, NULL,
                  "the certificate of this gateway expires in %lld day%s, and no link comes up "
                  "after that: renew it (\"p2pvpn-agent enroll --renew\")",
                  (long long)days, days == 1 ? "" : "s");
}

void status_agent_judge(struct status *s)
{
    const struct status_agent *a = &s->agent;
    bool by_cache = s->bundle && s->bundle->origin_check == BUNDLE_ORIGINS_BY_CACHE;

    /* Without a report none ran since the last boot: somebody uses `apply`. */
    if (a->known && !a->running && !by_cache)
        problem(s, "the agent does not run, so nothing is repaired and no new bundle is taken: "
                   "\"systemctl start p2pvpn-agent\"");
    for (size_t i = 0; a->running && i < TROUBLE_KINDS; i++)
        complaint(s, i);
    judge_change(s);
    judge_certificate(s);
}
