/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways that give transit and are linked to each other are one core.  Whoever has a link to a
 * gateway of a core reaches all that have one, so two gateways reach each other when they have a
 * core in common or are linked. */
#include "controller/reach.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/network.h"

#define NAMED 4 /* gateways named on each side of an error */
#define NOBODY UINT32_MAX

struct reach {
    const struct network *net;
    uint32_t n;
    uint32_t *core;                       /* by gateway: whose it is; NOBODY: it gives no transit */
    uint32_t *first, *members, n_cores;   /* of each core, one behind the other */
    uint32_t *cores, *last, n_at, n_last; /* those of the gateway at hand and of the one before */
    uint32_t *stamps, stamp;              /* by core: one of the gateway at hand */
    uint32_t *reached, round, count;      /* by gateway: over the cores at hand; how many */
    uint32_t *lan_first, *lan_members;
};

static const struct network_peer *peers(const struct reach *r, uint32_t g)
{
    return r->net->peers + r->net->gateways[g].first_peer;
}

static uint32_t n_peers(const struct reach *r, uint32_t g)
{
    return r->net->gateways[g].n_peers;
}

static void find_cores(struct reach *r)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < r->n; i++)
        r->core[i] = NOBODY;
    for (uint32_t i = 0; i < r->n; i++) {
        if (!r->net->gateways[i].transit || r->core[i] != NOBODY)
            continue;
        r->first[r->n_cores] = count;
        r->core[i] = r->n_cores;
        r->members[count++] = i;
        for (uint32_t at = r->first[r->n_cores]; at < count; at++)
            for (uint32_t k = 0; k < n_peers(r, r->members[at]); k++) {
                uint32_t next = peers(r, r->members[at])[k].gateway;

                if (!r->net->gateways[next].transit || r->core[next] != NOBODY)
                    continue;
                r->core[next] = r->n_cores;
                r->members[count++] = next;
            }
        r->first[++r->n_cores] = count;
    }
}

/* One core, and every other gateway with a link into it: the usual case. */
static bool all_on_one_core(const struct reach *r)
{
    uint32_t reached = r->first[r->n_cores];

    if (r->n_cores != 1)
        return false;
    for (uint32_t i = 0; i < r->n; i++)
        for (uint32_t k = 0; r->core[i] == NOBODY && k < n_peers(r, i); k++)
            if (r->core[peers(r, i)[k].gateway] != NOBODY) {
                reached++;
                break;
            }
    return reached == r->n;
}

static int compare_numbers(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* The cores that a gateway has a link to, into r->cores, ascending. */
static void cores_of(struct reach *r, uint32_t g)
{
    r->n_at = 0;
    r->stamp++;
    if (r->core[g] != NOBODY)
        r->stamps[r->cores[r->n_at++] = r->core[g]] = r->stamp;
    for (uint32_t k = 0; r->core[g] == NOBODY && k < n_peers(r, g); k++) {
        uint32_t core = r->core[peers(r, g)[k].gateway];

        if (core == NOBODY || r->stamps[core] == r->stamp)
            continue;
        r->stamps[core] = r->stamp;
        r->cores[r->n_at++] = core;
    }
    if (r->n_at > 1)
        qsort(r->cores, r->n_at, sizeof(*r->cores), compare_numbers);
}

static void mark(struct reach *r, uint32_t g)
{
    r->count += r->reached[g] != r->round;
    r->reached[g] = r->round;
}

/* Marks all whom the gateway at hand reaches over its cores; one with the same cores as the one
 * before finds them marked. */
static void reach_over_cores(struct reach *r)
{
    if (r->n_at == r->n_last && memcmp(r->cores, r->last, r->n_at * sizeof(*r->cores)) == 0)
        return;
    memcpy(r->last, r->cores, r->n_at * sizeof(*r->cores));
    r->n_last = r->n_at;
    r->round++;
    r->count = 0;
    for (uint32_t i = 0; i < r->n_at; i++)
        for (uint32_t m = r->first[r->cores[i]]; m < r->first[r->cores[i] + 1]; m++) {
            mark(r, r->members[m]);
            for (uint32_t k = 0; k < n_peers(r, r->members[m]); k++)
                mark(r, peers(r, r->members[m])[k].gateway);
        }
}

static bool is_linked(const struct reach *r, uint32_t g, uint32_t other)
{
    for (uint32_t k = 0; k < n_peers(r, g); k++)
        if (peers(r, g)[k].gateway == other)
            return true;
    return false;
}

/* Whether g, whose cores are at hand, does not reach one of another LAN. */
static bool is_lost(const struct reach *r, uint32_t g, uint32_t other)
{
    const struct mesh *mesh = r->net->mesh;

    return r->reached[other] != r->round && mesh->gateways[other].lan != mesh->gateways[g].lan &&
           !is_linked(r, g, other);
}

/* How many gateways of other LANs g does not reach. */
static uint32_t count_lost(struct reach *r, uint32_t g)
{
    uint32_t lost, lan = r->net->mesh->gateways[g].lan;

    cores_of(r, g);
    reach_over_cores(r);
    lost = r->n - r->count;
    if (lost == 0)
        return 0;
    for (uint32_t k = 0; k < n_peers(r, g); k++) {
        uint32_t other = peers(r, g)[k].gateway;

        lost -= r->reached[other] != r->round && r->net->mesh->gateways[other].lan != lan &&
                (k == 0 || peers(r, g)[k - 1].gateway != other);
    }
    for (uint32_t i = r->lan_first[lan]; i < r->lan_first[lan + 1]; i++)
        lost -= r->reached[r->lan_members[i]] != r->round;
    return lost;
}

static void index_lans(struct reach *r)
{
    const struct mesh *mesh = r->net->mesh;
    uint32_t *at = xcalloc(mesh->n_lans + 1, sizeof(*at));

    for (uint32_t i = 0; i < r->n; i++)
        r->lan_first[mesh->gateways[i].lan + 1]++;
    for (size_t i = 0; i < mesh->n_lans; i++)
        at[i + 1] = r->lan_first[i + 1] += r->lan_first[i];
    for (uint32_t i = 0; i < r->n; i++)
        r->lan_members[at[mesh->gateways[i].lan]++] = i;
    free(at);
}

static void reach_init(struct reach *r, const struct network *net)
{
    uint32_t n = (uint32_t)net->mesh->n_gateways;
    uint32_t **all[] = {&r->core, &r->first,  &r->members, &r->cores,
                        &r->last, &r->stamps, &r->reached, &r->lan_members};

    *r = (struct reach){.net = net, .n = n, .n_last = NOBODY};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        *all[i] = xcalloc(n + 1u, sizeof(uint32_t));
    r->lan_first = xcalloc(net->mesh->n_lans + 1, sizeof(*r->lan_first));
}

static void reach_clear(struct reach *r)
{
    uint32_t *all[] = {r->core,   r->first,   r->members,     r->cores,    r->last,
                       r->stamps, r->reached, r->lan_members, r->lan_first};

    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        free(all[i]);
}

/* --- what to say about it --------------------------------------------------------------------- */

static void name_side(const struct reach *r, const bool *set, struct buf *ret)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->n; i++) {
        if (!set[i])
            continue;
        if (n < NAMED)
            buf_printf(ret, "%s'%s'", n ? ", " : "", r->net->mesh->gateways[i].name);
        n++;
    }
    if (n > NAMED)
        buf_printf(ret, " and %u more", n - NAMED);
}

/* Those who reach nobody that is lost: no core and no link in common. */
static bool *side_of(struct reach *r, const bool *lost)
{
    bool *side = xcalloc(r->n + 1u, sizeof(*side)), *beyond = xcalloc(r->n + 1u, sizeof(*beyond));

    for (uint32_t i = 0; i < r->n; i++) {
        if (!lost[i])
            continue;
        cores_of(r, i);
        for (uint32_t k = 0; k < r->n_at; k++)
            beyond[r->cores[k]] = true;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        bool apart = !lost[i];

        if (apart)
            cores_of(r, i);
        for (uint32_t k = 0; apart && k < r->n_at; k++)
            apart = !beyond[r->cores[k]];
        for (uint32_t k = 0; apart && k < n_peers(r, i); k++)
            apart = !lost[peers(r, i)[k].gateway];
        side[i] = apart;
    }
    free(beyond);
    return side;
}

/* Somebody on the way from one side to the other who only had to forward; NOBODY if there is
 * nobody. */
static uint32_t silent_gateway(struct reach *r, uint32_t from, const bool *lost)
{
    cores_of(r, from);
    reach_over_cores(r);
    for (uint32_t i = 0; i < r->n; i++) {
        if (i == from || r->net->gateways[i].transit ||
            (r->reached[i] != r->round && !is_linked(r, from, i)))
            continue;
        for (uint32_t k = 0; k < n_peers(r, i); k++)
            if (lost[peers(r, i)[k].gateway])
                return i;
    }
    return NOBODY;
}

static void report(struct reach *r, uint32_t from, const bool *lost, struct error_list *err)
{
    const struct mesh *mesh = r->net->mesh;
    bool *side = side_of(r, lost);
    _cleanup_buf_ struct buf text = BUF_INIT;
    uint32_t silent, to = 0;

    while (!lost[to])
        to++;
    name_side(r, side, &text);
    buf_str(&text, " cannot reach ");
    name_side(r, lost, &text);
    buf_str(&text, ": no link joins them over gateways that give transit; ");
    silent = silent_gateway(r, from, lost);
    if (silent != NOBODY)
        buf_printf(&text, "set 'transit' of '%s' to true (it lies between them), or ",
                   mesh->gateways[silent].name);
    if (mesh->gateways[from].endpoint || mesh->gateways[to].endpoint)
        buf_printf(&text, "add a link, for instance of '%s' and '%s'", mesh->gateways[from].name,
                   mesh->gateways[to].name);
    else
        buf_printf(&text, "give '%s' or '%s' an endpoint and link them", mesh->gateways[from].name,
                   mesh->gateways[to].name);
    error_add(err, mesh->file, 0, "/p2pvpn-mesh:mesh/topology", "%s", buf_cstr(&text));
    free(side);
}

/* The side that is cut off from the most is the one to name; of equal ones the first. */
static int check_each(struct reach *r, struct error_list *err)
{
    uint32_t worst = NOBODY, most = 0;
    bool *lost;

    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t count = count_lost(r, i);

        if (count > most) {
            most = count;
            worst = i;
        }
    }
    if (worst == NOBODY)
        return 0;
    lost = xcalloc(r->n, sizeof(*lost));
    cores_of(r, worst);
    reach_over_cores(r);
    for (uint32_t i = 0; i < r->n; i++)
        lost[i] = is_lost(r, worst, i);
    report(r, worst, lost, err);
    free(lost);
    return -EINVAL;
}

int reach_check(const struct network *net, struct error_list *err)
{
    struct reach r;
    int result = 0;

    reach_init(&r, net);
    find_cores(&r);
    if (!all_on_one_core(&r)) {
        index_lans(&r);
        result = check_each(&r, err);
    }
    reach_clear(&r);
    return result;
}
