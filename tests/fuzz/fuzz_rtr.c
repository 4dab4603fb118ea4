/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a router to the RTR cache.  The last byte of the input says of which kind:
 *
 * even: a hostile router.  The bytes before are sent as they are, in pieces of as many bytes as the
 * byte before the last says, and now and then the table changes or some of the answer is read.
 * odd: a router that keeps to the rules; each byte before is something that happens.
 *
 * All that comes back is read by a router that aborts on anything that the RFC forbids.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/rtr_session.h"
#include "common/alloc.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/rtr_client.h"

#define SOME 12
#define MANY 900 /* more than the output holds at once */

struct run {
    struct rtr_cache cache;
    struct rtr_session session;
    struct rtr_client client;
    unsigned tables;
};

static void replace_table(struct run *r)
{
    unsigned number = r->tables++;

    if (rtr_cache_set(&r->cache, rtr_client_table(number % 8 == 3 ? MANY : SOME, number % 5 + 2)))
        rtr_session_notify(&r->session);
}

static void read_some(struct run *r, size_t most)
{
    const uint8_t *data;
    size_t n;

    while (most > 0 && (n = rtr_session_output(&r->session, &data)) > 0) {
        n = n < most ? n : most;
        rtr_client_take(&r->client, data, n);
        rtr_session_written(&r->session, n);
        most -= n;
    }
}

static void send_all(struct run *r, const uint8_t *data, size_t n)
{
    while (n > 0 && !r->session.over) {
        size_t room = rtr_session_room(&r->session);

        if (room == 0) {
            read_some(r, 4096);
            continue;
        }
        room = room < n ? room : n;
        rtr_session_input(&r->session, data, room);
        data += room;
        n -= room;
    }
}

static void ask(struct run *r, bool all)
{
    struct buf query = BUF_INIT;

    (all ? rtr_client_reset_query : rtr_client_serial_query)(&r->client, &query);
    send_all(r, (const uint8_t *)query.data, query.len);
    buf_free(&query);
}

static void hostile(struct run *r, const uint8_t *data, size_t size, size_t piece)
{
    r->client.lax = true;
    for (unsigned turn = 1; size > 0; turn++) {
        size_t n = piece < size ? piece : size;

        send_all(r, data, n);
        data += n;
        size -= n;
        if (turn % 3 == 0)
            read_some(r, turn * 50);
        if (turn % 7 == 0)
            replace_table(r);
    }
    read_some(r, SIZE_MAX);
}

static void lawful(struct run *r, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        switch (data[i] % 4) {
        case 0:
            replace_table(r);
            break;
        case 1:
            read_some(r, data[i] * 16u);
            break;
        default:
            read_some(r, SIZE_MAX);
            ask(r, data[i] % 4 == 2);
        }
    }
    read_some(r, SIZE_MAX);
    if (r->session.over || r->client.responding)
        abort();
    if (!r->cache.table)
        return;
    ask(r, false);
    read_some(r, SIZE_MAX);
    if (r->client.resets || r->client.error != -1) {
        ask(r, true);
        read_some(r, SIZE_MAX);
    }
    if (!rtr_client_has(&r->client, r->cache.table->origins))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = {.tables = 0};

    if (size < 2)
        return 0;
    rtr_cache_init(&r.cache, 0);
    memcpy(r.cache.session, (uint16_t[]){0x1234, 0x4321}, sizeof(r.cache.session));
    rtr_session_init(&r.session, &r.cache);
    rtr_client_init(&r.client, data[size - 1] / 2 % 2);
    if (data[size - 1] / 4 % 2)
        replace_table(&r);
    if (data[size - 1] % 2)
        lawful(&r, data, size - 2);
    else
        hostile(&r, data, size - 2, data[size - 2] + 1u);
    rtr_session_clear(&r.session);
    rtr_cache_clear(&r.cache);
    rtr_client_clear(&r.client);
    return 0;
}
