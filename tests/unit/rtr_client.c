/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/rtr_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define must(condition)                                                             \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void add32(struct buf *to, uint32_t n)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_char(to, (char)(n >> shift));
}

void rtr_client_init(struct rtr_client *c, int version)
{
    *c = (struct rtr_client){.version = version, .error = -1};
}

void rtr_client_clear(struct rtr_client *c)
{
    buf_free(&c->in);
    origin_changes_free(&c->table);
    origin_changes_free(&c->pending);
}

void rtr_client_pdu(struct buf *to, int version, int type, unsigned field, uint32_t len)
{
    buf_char(to, (char)version);
    buf_char(to, (char)type);
    buf_char(to, (char)(field >> 8));
    buf_char(to, (char)field);
    add32(to, len);
}

void rtr_client_reset_query(struct rtr_client *c, struct buf *to)
{
    c->asked_all = true;
    rtr_client_pdu(to, c->version, 2, 0, 8);
}

void rtr_client_serial_query(struct rtr_client *c, struct buf *to)
{
    c->asked_all = false;
    rtr_client_pdu(to, c->version, 1, c->session, 12);
    add32(to, c->serial);
}

static void on_prefix(struct rtr_client *c, const uint8_t *p, uint32_t len)
{
    unsigned bytes = p[1] == 4 ? 4 : 16;
    struct origin_change change = {
        .prefix = {.family = bytes == 4 ? FAMILY_IPV4 : FAMILY_IPV6, .len = p[9]},
        .announced = p[8] == 1,
    };

    must(c->responding && len == 16 + bytes && p[8] <= 1 && p[9] == p[10] && p[11] == 0);
    must(p[2] == 0 && p[3] == 0 && p[9] <= bytes * 8);
    must(change.announced || !c->asked_all || c->lax);
    if (c->lax)
        return;
    memcpy(change.prefix.addr, p + 12, bytes);
    change.asn = get32(p + 12 + bytes);
    must(c->pending.n == 0 ||
         origin_change_compare(&c->pending.changes[c->pending.n - 1], &change) < 0);
    origin_changes_add(&c->pending, &change);
}

/* The table after the changes of the response: nothing is announced twice, nothing withdrawn that
 * is not there. */
static void apply(struct rtr_client *c)
{
    struct origin_changes before = c->table, result = ORIGIN_CHANGES_INIT;
    size_t i = 0, k = 0;

    if (c->asked_all)
        before.n = 0;
    while (i < before.n || k < c->pending.n) {
        const struct origin_change *a = i < before.n ? &before.changes[i] : NULL;
        const struct origin_change *b = k < c->pending.n ? &c->pending.changes[k] : NULL;
        int order = !a ? 1 : !b ? -1 : origin_change_compare(a, b);

        must(order == 0 ? !b->announced : order < 0 || b->announced);
        if (order)
            origin_changes_add(&result, order < 0 ? a : b);
        i += order <= 0;
        k += order >= 0;
    }
    origin_changes_free(&c->table);
    origin_changes_free(&c->pending);
    c->table = result;
}

static void on_end_of_data(struct rtr_client *c, const uint8_t *p, uint32_t len)
{
    must(c->responding && len == (p[0] == 0 ? 12 : 24));
    must(p[2] == c->session >> 8 && p[3] == (c->session & 0xff));
    if (!c->lax)
        apply(c);
    c->serial = get32(p + 8);
    if (p[0] > 0) {
        c->refresh = get32(p + 12);
        c->retry = get32(p + 16);
        c->expire = get32(p + 20);
    }
    c->responding = false;
    c->responses++;
}

static void on_error(struct rtr_client *c, const uint8_t *p, uint32_t len)
{
    uint32_t quote, text;

    must(!c->responding && len >= 16);
    quote = get32(p + 8);
    must(quote <= len - 16);
    must(quote < 2 || p[13] != 10); /* never about an Error Report */
    text = get32(p + 12 + quote);
    must(text == len - 16 - quote);
    c->error = p[2] << 8 | p[3];
    c->errors++;
}

static void on_pdu(struct rtr_client *c, const uint8_t *p, uint32_t len)
{
    uint16_t field = (uint16_t)(p[2] << 8 | p[3]);

    must(p[0] == c->version || (c->lax && p[0] <= 1));
    c->pdus++;
    switch (p[1]) {
    case 0:
        must(len == 12 && !c->responding);
        c->notified = get32(p + 8);
        c->notifies++;
        break;
    case 3:
        must(len == 8 && !c->responding && (c->asked_all || c->lax || field == c->session));
        c->session = field;
        c->responding = true;
        break;
    case 4:
    case 6:
        on_prefix(c, p, len);
        break;
    case 7:
        on_end_of_data(c, p, len);
        break;
    case 8:
        must(len == 8 && field == 0 && !c->responding);
        c->resets++;
        break;
    case 10:
        on_error(c, p, len);
        break;
    default:
        must(!"a type that a cache sends");
    }
}

void rtr_client_take(struct rtr_client *c, const void *data, size_t n)
{
    size_t at = 0;

    buf_add(&c->in, data, n);
    while (c->in.len - at >= 8) {
        const uint8_t *p = (const uint8_t *)c->in.data + at;
        uint32_t len = get32(p + 4);

        must(len >= 8 && len <= 512);
        if (c->in.len - at < len)
            break;
        on_pdu(c, p, len);
        at += len;
    }
    if (at) {
        memmove(c->in.data, c->in.data + at, c->in.len - at);
        c->in.len -= at;
    }
}

bool rtr_client_has(const struct rtr_client *c, const struct origins *o)
{
    struct origin_place at = {0, 0};
    struct origin_change x = {.announced = true};
    size_t i = 0;

    for (; origins_each(o, &at, &x.prefix, &x.asn); i++)
        if (i == c->table.n || origin_change_compare(&c->table.changes[i], &x) != 0)
            return false;
    return i == c->table.n;
}

struct origins *rtr_client_table(uint32_t n, uint32_t step)
{
    static const uint32_t asns[] = {4200000001, 4200000002};
    struct origins *o = xcalloc(1, sizeof(*o));

    o->entries = arena_alloc(&o->arena, n, sizeof(*o->entries));
    for (uint32_t i = 0; i < n; i++) {
        uint8_t low = (uint8_t)i, mid = (uint8_t)(i >> 8), high = (uint8_t)(i >> 16);
        struct prefix v4 = {.family = FAMILY_IPV4, .len = 32, .addr = {10, high, mid, low}};
        struct prefix v6 = {.family = FAMILY_IPV6, .len = 48, .addr = {0xfd, 0, 0, high, mid, low}};

        if (i % step)
            o->entries[o->n++] = (struct origin){
                .prefix = i < n / 2 ? v4 : v6,
                .n_asns = 1 + i % 2,
                .asns = asns,
                .lan = "lan",
            };
    }
    return o;
}
