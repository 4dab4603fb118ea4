/* SPDX-License-Identifier: Apache-2.0 */
/* Reports of gateways, and what operators and Prometheus are told of the fleet. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "service/api_parts.h"
#include "service/body.h"
#include "service/trust.h"

#define DAY 86400
#define CERTIFICATE_DAYS 398
#define SILENT_SECONDS 300 /* without a report a gateway counts as silent */

static bool may_renew(struct api *api, const char *gateway, const struct report *report)
{
    unsigned n = 0;

    if (!trust_renewal_due(api->trust, report->authorities))
        return false;
    if (db_gateway_count(api->db, &n) < 0)
        n = 0;
    return renewals_tell(&api->renewals, gateway, api->trust->authorities, n, time(NULL));
}

void api_report(struct api *api, const struct api_request *q, struct api_response *ret)
{
    _cleanup_body_ struct body b = {NULL, ""};
    _cleanup_buf_ struct buf keep = BUF_INIT;
    struct report report;

    if (!api_may(api, q->peer, ret))
        return;
    if (!body_report(&b, q->body, q->body_len, q->peer->name, &report, &keep))
        api_error(ret, 422, "%s", b.why);
    else {
        ret->renew = may_renew(api, q->peer->name, &report);
        reports_add(&api->reports, q->peer, time(NULL), &report, &keep);
    }
    ret->commit = ret->status == 0;
}

int api_commit(struct api *api)
{
    return reports_write(&api->reports, api->db);
}

void api_committed(const struct api *api, int r, struct api_response *ret)
{
    if (r < 0)
        api_db_failed(api, ret);
    else if (ret->renew)
        api_json(ret, 200, json_pack("{s:b}", "renew", true));
    else
        ret->status = 204;
}

/* --- what operators see ------------------------------------------------------------------------
 */

struct fleet {
    struct api *api;
    json_t *list, *known; /* `known`: names, of who has enrolled or reported */
    int64_t now;
    unsigned unheard, gateways, silent, unhealthy, due, links, links_up, sessions, sessions_up;
};

static void look(struct fleet *f, const struct db_gateway *row)
{
    const struct report *report = &row->report;

    f->gateways++;
    f->silent += row->seen + SILENT_SECONDS < f->now;
    f->unhealthy += row->seen && !report->healthy;
    f->due += trust_renewal_due(f->api->trust, report->authorities);
    f->links += report->links;
    f->links_up += report->links_up;
    f->sessions += report->sessions;
    f->sessions_up += report->sessions_up;
}

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static json_t *describe(struct fleet *f, const struct db_gateway *row)
{
    const struct report *report = &row->report;
    int64_t expires = report->certificate_expires ? report->certificate_expires
                      : row->issued               ? row->issued + CERTIFICATE_DAYS * DAY
                                                  : 0;
    char wanted[WANTED_REVISION_SIZE];
    json_t *o = json_object();

    wanted_revision(&f->api->wanted, f->api->settings->repository, f->api->version, row->name,
                    wanted);
    set(o, "gateway", json_string(row->name));
    set(o, "generation", json_integer(row->generation));
    set(o, "revoked", json_boolean(row->generation < row->least || row->out));
    set(o, "fingerprint", json_string(row->fingerprint));
    if (*row->link_key)
        set(o, "link-key", json_string(row->link_key));
    if (row->enrolled)
        set(o, "enrolled", json_integer(row->enrolled));
    if (expires)
        set(o, "certificate-days", json_integer((expires - f->now) / DAY));
    if (*wanted)
        set(o, "wanted", json_string(wanted));
    if (!row->seen)
        return o;
    if (*wanted)
        set(o, "drift", json_boolean(strcmp(wanted, report->revision) != 0));
    set(o, "seen", json_integer(row->seen));
    set(o, "seconds", json_integer(f->now - row->seen));
    set(o, "revision", json_string(report->revision));
    if (*report->authorities)
        set(o, "renewal-due", json_boolean(trust_renewal_due(f->api->trust, report->authorities)));
    set(o, "healthy", json_boolean(report->healthy));
    set(o, "drained", json_boolean(report->drained));
    set(o, "problems", json_integer(report->problems));
    set(o, "links", json_integer(report->links));
    set(o, "links-up", json_integer(report->links_up));
    set(o, "sessions", json_integer(report->sessions));
    set(o, "sessions-up", json_integer(report->sessions_up));
    return o;
}

static void add_gateway(void *data, const struct db_gateway *row)
{
    struct fleet *f = data;

    if (!row->generation)
        return;
    json_array_append_new(f->list, describe(f, row));
    json_object_set_new(f->known, row->name, json_true());
}

/* Something is published for it, and nothing was heard of it: it is in the table, so that it is
 * missed. */
static json_t *describe_unheard(struct api *api, const char *gateway)
{
    char wanted[WANTED_REVISION_SIZE];
    json_t *o = json_object();

    wanted_revision(&api->wanted, api->settings->repository, api->version, gateway, wanted);
    set(o, "gateway", json_string(gateway));
    set(o, "revoked", json_false());
    if (*wanted)
        set(o, "wanted", json_string(wanted));
    return o;
}

static void add_unheard(void *data, const char *gateway)
{
    struct fleet *f = data;

    if (!json_object_get(f->known, gateway))
        json_array_append_new(f->list, describe_unheard(f->api, gateway));
}

static const char *name_of(const json_t *row)
{
    return json_string_value(json_object_get(row, "gateway"));
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(name_of(*(json_t *const *)a), name_of(*(json_t *const *)b));
}

/* The same rows by name.  Takes the list. */
static json_t *sorted(json_t *list)
{
    size_t n = json_array_size(list);
    _cleanup_free_ json_t **rows = xcalloc(n + 1, sizeof(json_t *));
    json_t *ret = json_array();

    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(list, i);
    qsort(rows, n, sizeof(json_t *), compare_names);
    for (size_t i = 0; i < n; i++)
        json_array_append(ret, rows[i]);
    json_decref(list);
    return ret;
}

void api_fleet(struct api *api, const struct api_request *q, struct api_response *ret)
{
    struct fleet f = {.api = api, .list = json_array(), .known = json_object(), .now = time(NULL)};
    int r = db_gateway_each(api->db, add_gateway, &f);

    (void)q;
    if (r == 0)
        wanted_each(&api->wanted, api->settings->repository, api->version, add_unheard, &f);
    json_decref(f.known);
    if (r == 0)
        api_json(ret, 200,
                 json_pack("{s:I, s:I, s:o}", "version", (json_int_t)api->version, "now",
                           (json_int_t)f.now, "gateways", sorted(f.list)));
    else {
        json_decref(f.list);
        api_db_failed(api, ret);
    }
}

static json_t *prefix_texts(const struct prefix *prefixes, size_t n)
{
    char text[PREFIX_TEXT_MAX];
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(prefix_format(&prefixes[i], text)));
    return list;
}

/* What a gateway that runs the revision that is published for it would report. */
static void set_expected(struct api *api, json_t *o, const char *gateway)
{
    struct bundle *b =
        wanted_bundle(&api->wanted, api->settings->repository, api->version, gateway);
    json_t *expected, *links;

    if (!b)
        return;
    expected = json_object();
    links = json_array();
    for (size_t i = 0; i < b->n_links; i++)
        json_array_append_new(links, json_pack("{s:s, s:s}", "interface", b->links[i].interface,
                                               "peer", b->links[i].peer));
    set(expected, "links", links);
    if (b->origin_check == BUNDLE_ORIGINS_BY_LISTS)
        set(expected, "prefixes", prefix_texts(b->mesh_prefixes, b->n_mesh_prefixes));
    set(o, "expected", expected);
    bundle_free(b);
}

static void add_whole(void *data, const struct db_gateway *row)
{
    struct fleet *f = data;

    if (!row->generation)
        return;
    f->list = describe(f, row);
    set_expected(f->api, f->list, row->name);
    if (row->seen)
        json_object_set_new(f->list, "report", json_loads(row->text, 0, NULL));
}

void api_gateway(struct api *api, const struct api_request *q, struct api_response *ret)
{
    struct fleet f = {.api = api, .now = time(NULL)};
    bool valid = name_valid(q->rest);
    int r = valid ? db_gateway_get(api->db, q->rest, add_whole, &f) : -ENOENT;

    if (valid && !f.list && (r == 0 || r == -ENOENT)) {
        f.list = describe_unheard(api, q->rest);
        set_expected(api, f.list, q->rest);
        r = json_object_get(f.list, "wanted") ? 0 : -ENOENT;
    }
    if (r == 0)
        api_json(ret, 200, json_incref(f.list));
    else if (r == -ENOENT)
        api_error(ret, 404,
                  "no gateway of this name has enrolled or reported here, and nothing is "
                  "published for it");
    else
        api_db_failed(api, ret);
    json_decref(f.list);
}

static void take_generation(void *data, const struct db_gateway *row)
{
    *(uint32_t *)data = row->generation >= row->least ? row->generation : row->least - 1;
}

/* What it has is refused here from now on; `p2pvpn-ctl revoke` tells its peers. */
void api_gateway_revoke(struct api *api, const struct api_request *q, struct api_response *ret)
{
    uint32_t generation = 0;
    unsigned n;
    int r = name_valid(q->rest) ? db_begin(api->db) : -ENOENT;

    if (r == 0)
        r = db_gateway_get(api->db, q->rest, take_generation, &generation);
    if (r == 0)
        r = db_gateway_revoke(api->db, q->rest, generation + 1);
    if (r == 0)
        r = db_token_revoke(api->db, q->rest, time(NULL), &n);
    if (r == 0)
        r = api_note(api, q->peer, "revoke", q->rest, "");
    if (r == 0)
        r = db_commit(api->db);
    if (r == -ENOENT)
        api_error(ret, 404, "no gateway of this name has enrolled or reported here");
    else if (r < 0)
        api_db_failed(api, ret);
    else
        api_json(ret, 200, json_pack("{s:I}", "least-generation", (json_int_t)generation + 1));
    db_rollback(api->db);
}

/* --- what Prometheus sees ----------------------------------------------------------------------
 */

static void metric(struct buf *b, const char *name, const char *type, const char *help, uint64_t n)
{
    buf_printf(b, "# HELP p2pvpn_controller_%s %s\n# TYPE p2pvpn_controller_%s %s\n", name, help,
               name, type);
    buf_printf(b, "p2pvpn_controller_%s %" PRIu64 "\n", name, n);
}

static void count_gateway(void *data, const struct db_gateway *row)
{
    struct fleet *f = data;

    if (!row->generation)
        return;
    look(f, row);
    json_object_set_new(f->known, row->name, json_true());
}

static void count_unheard(void *data, const char *gateway)
{
    struct fleet *f = data;

    f->unheard += !json_object_get(f->known, gateway);
}

static void fleet_metrics(struct fleet *f, struct buf *b)
{
    metric(b, "gateways", "gauge", "Gateways that have enrolled or reported.", f->gateways);
    metric(b, "gateways_unheard", "gauge",
           "Gateways that something is published for, and that have neither enrolled nor reported.",
           f->unheard);
    metric(b, "gateways_silent", "gauge", "Gateways without a report for five minutes.", f->silent);
    metric(b, "gateways_unhealthy", "gauge", "Gateways whose last report names problems.",
           f->unhealthy);
    metric(b, "gateways_renewal_due", "gauge",
           "Gateways whose certificate is of other authorities than would issue it now.", f->due);
    metric(b, "links", "gauge", "Ends of links in the last reports.", f->links);
    metric(b, "links_up", "gauge", "Those that are up.", f->links_up);
    metric(b, "sessions", "gauge", "BGP sessions in the last reports.", f->sessions);
    metric(b, "sessions_established", "gauge", "Those that are established.", f->sessions_up);
}

void api_metrics(struct api *api, const struct api_request *q, struct api_response *ret)
{
    const struct api_counters *c = &api->counters;
    struct fleet f = {.api = api, .known = json_object(), .now = time(NULL)};
    struct buf *b = &ret->body;
    bool known = db_gateway_each(api->db, count_gateway, &f) == 0;

    (void)q;
    wanted_each(&api->wanted, api->settings->repository, api->version, count_unheard, &f);
    json_decref(f.known);
    metric(b, "repository_version", "gauge", "Version of the timestamp that is published.",
           (uint64_t)api->version);
    if (api->expires)
        metric(b, "timestamp_expires_seconds", "gauge",
               "When what is published expires, its timestamp or its snapshot, whichever is first, "
               "in seconds since 1970.",
               (uint64_t)api->expires);
    if (api->settings->ca)
        metric(b, "authority_up", "gauge", "Whether the authority's key can be used.",
               api->signing.ca != NULL);
    metric(b, "database_up", "gauge", "Whether the database can be read.", known);
    metric(b, "connections", "gauge", "Open connections.", c->connections);
    metric(b, "waiting", "gauge", "Agents that wait for a publication.", c->waiting);
    metric(b, "connections_total", "counter", "Connections accepted.", c->accepted);
    metric(b, "connections_refused_total", "counter", "Connections refused at a limit.",
           c->refused);
    metric(b, "connections_evicted_total", "counter",
           "Connections closed to make room, before they had asked anything.", c->evicted);
    metric(b, "timeouts_total", "counter", "Connections that were too slow.", c->timed_out);
    metric(b, "handshakes_failed_total", "counter", "TLS handshakes that failed.",
           c->failed_handshakes);
    metric(b, "tokens_refused_total", "counter", "Requests with a token that is not good.",
           c->refused_tokens);
    metric(b, "requests_bad_total", "counter", "Requests that are no HTTP.", c->bad_requests);
    buf_str(b, "# HELP p2pvpn_controller_responses_total Responses by the first digit of their "
               "status.\n# TYPE p2pvpn_controller_responses_total counter\n");
    for (int i = 2; i <= 5; i++)
        buf_printf(b, "p2pvpn_controller_responses_total{class=\"%dxx\"} %" PRIu64 "\n", i,
                   c->answered[i]);
    if (known)
        fleet_metrics(&f, b);
    ret->status = 200;
    ret->type = "text/plain; version=0.0.4; charset=utf-8";
}
