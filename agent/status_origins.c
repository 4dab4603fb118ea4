/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status_origins.h"

#include <string.h>
#include <unistd.h>

#include "agent/origin_report.h"
#include "agent/reader.h"
#include "agent/vtysh.h"
#include "common/alloc.h"
#include "common/fs.h"

static void problem(struct status *s, const char *sentence)
{
    error_add(&s->problems, NULL, 0, NULL, "%s", sentence);
}

static void read_table(const struct status_query *q, struct status *s)
{
    struct error_list ignored = ERROR_LIST_INIT; /* the agent says it */
    struct origins *o = NULL;

    if (access(q->origins, F_OK) == 0 &&
        reader_origins(q->settings, q->origins, &o, &ignored) == 0) {
        if (strcmp(o->mesh, s->bundle->mesh) == 0)
            s->origins.table = o;
        else
            origins_free(o);
    }
    error_clear(&ignored);
}

static void read_report(const struct status_query *q, struct status *s)
{
    struct origin_report report = ORIGIN_REPORT_INIT;
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;

    if (fs_read(q->origin_report, ORIGIN_REPORT_MAX_BYTES, &text, &ignored) == 0 &&
        origin_report_parse(buf_cstr(&text), text.len, q->origin_report, &report, &ignored) == 0 &&
        origin_report_alive(&report)) {
        s->origins.served = true;
        s->origins.rtr = report.rtr;
        for (size_t i = 0; i < report.problems.n; i++)
            problem(s, report.problems.items[i].message);
    }
    error_clear(&ignored);
    origin_report_clear(&report);
}

static void ask_bgpd(const struct vtysh *v, struct status *s)
{
    bool loaded = false;

    if (vtysh_has_module(v, "bgpd", "bgpd_rpki", &loaded, &s->problems) < 0)
        return;
    if (!loaded) {
        problem(s, VTYSH_NO_RPKI);
        return;
    }
    s->origins.bgpd_known =
        vtysh_rpki_synchronized(v, &s->origins.bgpd_synchronized, &s->problems) == 0;
}

void status_origins_judge(struct status *s)
{
    const struct status_origins *o = &s->origins;

    if (!o->served)
        error_add(
            &s->problems, NULL, 0, NULL,
            "the agent does not run, so nobody tells bgpd which AS may announce what: start it "
            "(systemctl start p2pvpn-agent); %s",
            o->bgpd_known && !o->bgpd_synchronized
                ? "until then bgpd accepts no route of the mesh"
                : "bgpd forgets its table two days after it was last told");
    else if (o->rtr.routers == 0)
        problem(
            s, "no router asks the agent for the table of origins, and bgpd should: see \"vtysh -c "
               "'show rpki cache-connection'\" and \"vtysh -c 'show running-config bgpd'\"");
    else if (o->bgpd_known && !o->bgpd_synchronized)
        problem(s,
                "bgpd does not go by the table of origins yet, and until then accepts no route of "
                "the mesh: it takes some seconds; then see \"vtysh -c 'show rpki "
                "cache-connection'\"");
    else if (o->table && o->rtr.up_to_date < o->rtr.routers)
        error_add(
            &s->problems, NULL, 0, NULL,
            "only %u of %u routers that ask for the table of origins have the newest one: if it "
            "stays so, see \"vtysh -c 'show rpki prefix-table'\"",
            o->rtr.up_to_date, o->rtr.routers);
}

void status_origins_collect(const struct status_query *q, const struct vtysh *v, struct status *s)
{
    s->origins.wanted = !q->no_frr && s->bundle->origin_check == BUNDLE_ORIGINS_BY_CACHE;
    if (!s->origins.wanted)
        return;
    read_table(q, s);
    if (v)
        ask_bgpd(v, s);
    read_report(q, s);
    status_origins_judge(s);
}

static bool has(const struct prefix *list, size_t n, const struct prefix *p)
{
    for (size_t i = 0; i < n; i++)
        if (prefix_compare(&list[i], p) == 0)
            return true;
    return false;
}

void status_origins_expect(struct status *s)
{
    const struct bundle *b = s->bundle;
    const struct origins *table = s->origins.table;
    size_t most = table ? table->n : b->n_mesh_prefixes;

    s->expected = xcalloc(most + 1, sizeof(*s->expected));
    for (size_t i = 0; i < most; i++) {
        const struct prefix *p = table ? &table->entries[i].prefix : &b->mesh_prefixes[i];

        if (!table || !has(b->lan_prefixes, b->n_lan_prefixes, p))
            s->expected[s->n_expected++] = *p;
    }
}
