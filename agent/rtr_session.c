/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/rtr_session.h"

#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"

/* PDU types (RFC 8210, 5). */
enum {
    SERIAL_NOTIFY = 0,
    SERIAL_QUERY = 1,
    RESET_QUERY = 2,
    CACHE_RESPONSE = 3,
    IPV4_PREFIX = 4,
    IPV6_PREFIX = 6,
    END_OF_DATA = 7,
    CACHE_RESET = 8,
    ROUTER_KEY = 9,
    ERROR_REPORT = 10,
};

/* Error codes (RFC 8210, 12). */
enum {
    CORRUPT_DATA = 0,
    NO_DATA_AVAILABLE = 2,
    INVALID_REQUEST = 3,
    UNSUPPORTED_VERSION = 4,
    UNSUPPORTED_TYPE = 5,
    UNEXPECTED_VERSION = 8,
};

#define HEADER_LEN 8
#define LONGEST_PREFIX 32 /* bytes of an IPv6 Prefix PDU */
#define NOTIFY_LEN 12
#define QUOTE_MAX 64 /* bytes of a bad PDU that are sent back */

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* --- output --------------------------------------------------------------------------------- */

static void put(struct rtr_session *s, const void *data, size_t n)
{
    memcpy(s->out + s->out_len, data, n);
    s->out_len += n;
}

static void put8(struct rtr_session *s, unsigned n)
{
    put(s, (uint8_t[]){(uint8_t)n}, 1);
}

static void put16(struct rtr_session *s, unsigned n)
{
    put8(s, n >> 8);
    put8(s, n);
}

static void put32(struct rtr_session *s, uint32_t n)
{
    put16(s, n >> 16);
    put16(s, n);
}

/* `field` is the session or the error code, or zero. */
static void put_header(struct rtr_session *s, unsigned type, unsigned field, uint32_t len)
{
    put8(s, s->version < 0 ? RTR_VERSIONS - 1 : (unsigned)s->version);
    put8(s, type);
    put16(s, field);
    put32(s, len);
}

static bool room_for(const struct rtr_session *s, size_t n)
{
    return sizeof(s->out) - s->out_len >= n;
}

static void put_prefix(struct rtr_session *s, const struct prefix *p, uint32_t asn, bool announced)
{
    unsigned bytes = p->family == FAMILY_IPV4 ? 4 : 16;

    put_header(s, bytes == 4 ? IPV4_PREFIX : IPV6_PREFIX, 0, HEADER_LEN + 4 + bytes + 4);
    put8(s, announced);
    put8(s, p->len);
    put8(s, p->len); /* max-length: nothing more specific is valid */
    put8(s, 0);
    put(s, p->addr, bytes);
    put32(s, asn);
}

static void put_end_of_data(struct rtr_session *s, uint32_t serial)
{
    put_header(s, END_OF_DATA, s->cache->session[s->version], s->version == 0 ? 12 : 24);
    put32(s, serial);
    if (s->version > 0) {
        put32(s, RTR_REFRESH_S);
        put32(s, RTR_RETRY_S);
        put32(s, RTR_EXPIRE_S);
    }
    s->synced = true;
    s->serial = serial;
}

/* Error Report about the PDU of `len` bytes at the start of the input. */
static void put_error(struct rtr_session *s, unsigned code, size_t len, const char *why)
{
    size_t quote = len < QUOTE_MAX ? len : QUOTE_MAX, text = strlen(why);

    put_header(s, ERROR_REPORT, code, (uint32_t)(HEADER_LEN + 4 + quote + 4 + text));
    put32(s, (uint32_t)quote);
    put(s, s->in, quote);
    put32(s, (uint32_t)text);
    put(s, why, text);
}

/* The same, and that was it. */
static void refuse(struct rtr_session *s, unsigned code, size_t len, const char *why)
{
    put_error(s, code, len, why);
    buf_printf(&s->said, "sent something wrong (RTR error %u): %s", code, why);
    s->over = true;
}

static bool answering(const struct rtr_session *s)
{
    return s->table || s->delta;
}

/* As much of the response as there is room for; the rest of it and what is due after it later. */
static void fill(struct rtr_session *s)
{
    struct prefix prefix;
    uint32_t asn;

    while (s->table && room_for(s, LONGEST_PREFIX)) {
        if (origins_each(s->table->origins, &s->place, &prefix, &asn)) {
            put_prefix(s, &prefix, asn, true);
        } else {
            put_end_of_data(s, s->table->serial);
            s->tables++;
            s->table = rtr_table_unref(s->table);
        }
    }
    while (s->delta && room_for(s, LONGEST_PREFIX)) {
        if (s->change < s->delta->changes.n) {
            const struct origin_change *c = &s->delta->changes.changes[s->change++];

            put_prefix(s, &c->prefix, c->asn, c->announced);
        } else {
            put_end_of_data(s, s->delta->to);
            s->delta = rtr_delta_unref(s->delta);
        }
    }
    if (s->notify && !answering(s) && !s->over && room_for(s, NOTIFY_LEN)) {
        s->notify = false;
        put_header(s, SERIAL_NOTIFY, s->cache->session[s->version], NOTIFY_LEN);
        put32(s, s->cache->serial);
    }
}

/* --- input ---------------------------------------------------------------------------------- */

/* What the router was told is the newest there is: no need to notify it. */
static void answer_begins(struct rtr_session *s)
{
    put_header(s, CACHE_RESPONSE, s->cache->session[s->version], HEADER_LEN);
    s->notify = false;
    s->queries++;
}

static void no_data(struct rtr_session *s, size_t len)
{
    put_error(s, NO_DATA_AVAILABLE, len, "the agent has no table of origins yet");
}

static void on_reset_query(struct rtr_session *s, size_t len)
{
    s->table = rtr_cache_table(s->cache);
    if (!s->table) {
        no_data(s, len);
        return;
    }
    s->place = (struct origin_place){0, 0};
    answer_begins(s);
}

static void on_serial_query(struct rtr_session *s, size_t len)
{
    if (!s->cache->table) {
        no_data(s, len);
        return;
    }
    if (get16(s->in + 2) == s->cache->session[s->version])
        s->delta = rtr_cache_delta(s->cache, get32(s->in + HEADER_LEN));
    if (!s->delta) {
        put_header(s, CACHE_RESET, 0, HEADER_LEN);
        s->queries++;
        return;
    }
    s->change = 0;
    answer_begins(s);
}

/* The router gives up; nothing is sent in return, whatever its report looks like. */
static void on_error_report(struct rtr_session *s, size_t len)
{
    size_t quote = len >= 12 ? get32(s->in + 8) : len, text = 0;

    s->over = true;
    buf_printf(&s->said, "reports RTR error %u", get16(s->in + 2));
    if (len >= 16 && quote <= len - 16)
        text = get32(s->in + 12 + quote);
    if (text == 0 || text > len - 16 - quote)
        return;
    buf_str(&s->said, ": ");
    for (const uint8_t *p = s->in + 16 + quote; text && s->said.len < 200; p++, text--)
        buf_char(&s->said, *p >= 0x20 && *p < 0x7f ? (char)*p : '?');
}

static bool version_fits(struct rtr_session *s, size_t len)
{
    if (s->version < 0 && s->in[0] >= RTR_VERSIONS)
        refuse(s, UNSUPPORTED_VERSION, len, "this cache speaks versions 0 and 1");
    else if (s->version >= 0 && s->in[0] != s->version)
        refuse(s, UNEXPECTED_VERSION, len, "the version changed during the session");
    else
        s->version = s->in[0];
    return !s->over;
}

/* A PDU of this type and length is what a router may send. */
static bool kind_fits(struct rtr_session *s, size_t len)
{
    size_t have = len < s->in_len ? len : s->in_len;
    unsigned type = s->in[1];

    if (type == SERIAL_QUERY || type == RESET_QUERY) {
        if (len != (type == SERIAL_QUERY ? 12 : HEADER_LEN))
            refuse(s, CORRUPT_DATA, have, "the length does not fit the type");
    } else if (type == 5 || type > ROUTER_KEY || (type == ROUTER_KEY && s->version == 0)) {
        refuse(s, UNSUPPORTED_TYPE, have, "this type of PDU is not known");
    } else {
        refuse(s, INVALID_REQUEST, have, "only a cache sends this type of PDU");
    }
    return !s->over;
}

/* The PDU at the start of the input, as soon as what is there of it says what to do.  How many
 * bytes of input are done with; 0: wait for more. */
static size_t take_pdu(struct rtr_session *s)
{
    size_t len;

    if (s->in_len < HEADER_LEN)
        return 0;
    len = get32(s->in + 4);
    if (s->in[1] == ERROR_REPORT) {
        if (len <= sizeof(s->in) && len > s->in_len)
            return 0;
        on_error_report(s, len < s->in_len ? len : s->in_len);
        return s->in_len;
    }
    if (!version_fits(s, len < s->in_len ? len : s->in_len) || !kind_fits(s, len))
        return s->in_len;
    if (s->in_len < len)
        return 0;
    if (s->in[1] == RESET_QUERY)
        on_reset_query(s, len);
    else
        on_serial_query(s, len);
    return len;
}

/* Goes on with the input while nothing is being answered. */
static void step(struct rtr_session *s)
{
    while (!s->over && !answering(s) && s->out_len == 0) {
        size_t n = take_pdu(s);

        if (n == 0)
            break;
        memmove(s->in, s->in + n, s->in_len - n);
        s->in_len -= n;
        fill(s);
    }
}

/* --- for the outside ------------------------------------------------------------------------ */

void rtr_session_init(struct rtr_session *s, struct rtr_cache *cache)
{
    *s = (struct rtr_session){.cache = cache, .version = -1};
}

void rtr_session_clear(struct rtr_session *s)
{
    s->table = rtr_table_unref(s->table);
    s->delta = rtr_delta_unref(s->delta);
    buf_free(&s->said);
}

size_t rtr_session_room(const struct rtr_session *s)
{
    return s->over || answering(s) || s->out_len ? 0 : sizeof(s->in) - s->in_len;
}

void rtr_session_input(struct rtr_session *s, const uint8_t *data, size_t n)
{
    memcpy(s->in + s->in_len, data, n);
    s->in_len += n;
    step(s);
}

size_t rtr_session_output(struct rtr_session *s, const uint8_t **ret)
{
    if (s->out_len == 0) {
        fill(s);
        step(s);
    }
    *ret = s->out + s->out_at;
    return s->out_len - s->out_at;
}

void rtr_session_written(struct rtr_session *s, size_t n)
{
    s->out_at += n;
    if (s->out_at == s->out_len)
        s->out_at = s->out_len = 0;
}

void rtr_session_notify(struct rtr_session *s)
{
    s->notify = s->version >= 0 && !s->over;
}
