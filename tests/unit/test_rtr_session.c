/* SPDX-License-Identifier: Apache-2.0 */
/* The RTR cache without a socket: what it answers, byte for byte where that matters. */
#include <stdlib.h>
#include <string.h>

#include "agent/rtr_session.h"
#include "tests/unit/rtr_client.h"
#include "tests/unit/unit.h"

static struct rtr_cache cache;
static struct rtr_session session;
static struct rtr_client client;
static struct buf query;

static void setup(void)
{
    rtr_cache_init(&cache, 6);
    rtr_session_init(&session, &cache);
    rtr_client_init(&client, 1);
}

static void teardown(void)
{
    rtr_session_clear(&session);
    rtr_cache_clear(&cache);
    rtr_client_clear(&client);
    buf_free(&query);
}

/* A table of words "PREFIX ASN[,ASN]", one string each, ended by NULL. */
static struct origins *table_of(const char *const *lines)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct error_list err = ERROR_LIST_INIT;
    struct origins *o = NULL;
    char digest[DIGEST_TEXT_LEN + 1];

    buf_printf(&text, "p2pvpn-origins 1\nmesh m\nrevision %064d\n", 0);
    for (; *lines; lines++)
        buf_printf(&text, "%s lan\n", *lines);
    digest_sha256_text(text.data, text.len, digest);
    memcpy(strstr(text.data, "revision ") + strlen("revision "), digest, DIGEST_TEXT_LEN);
    if (origins_parse(text.data, text.len, "test", &o, &err) < 0)
        error_print(&err, stderr);
    ck_assert_ptr_nonnull(o);
    return o;
}
#define TABLE(...) table_of((const char *const[]){__VA_ARGS__, NULL})

/* Everything that there is to read, taken `step` bytes at a time. */
static void read_all(size_t step)
{
    const uint8_t *data;
    size_t n;

    while ((n = rtr_session_output(&session, &data)) > 0) {
        n = n < step ? n : step;
        rtr_client_take(&client, data, n);
        rtr_session_written(&session, n);
    }
}

/* Sends what is in `query`, `step` bytes at a time, and reads the answers. */
static void exchange_slowly(size_t step)
{
    size_t at = 0;

    while (at < query.len && !session.over) {
        size_t n = rtr_session_room(&session);

        n = n < step ? n : step;
        n = n < query.len - at ? n : query.len - at;
        rtr_session_input(&session, (const uint8_t *)query.data + at, n);
        at += n;
        read_all(step);
    }
    buf_reset(&query);
}

static void exchange(void)
{
    exchange_slowly(SIZE_MAX);
}

static void reset_query(void)
{
    rtr_client_reset_query(&client, &query);
    exchange();
}

static void serial_query(void)
{
    rtr_client_serial_query(&client, &query);
    exchange();
}

static bool up_to_date(void)
{
    return client.serial == cache.serial && rtr_client_has(&client, cache.table->origins);
}

/* A new connection of the same router. */
static void reconnect(int version)
{
    rtr_session_clear(&session);
    rtr_session_init(&session, &cache);
    client.version = version;
}

START_TEST(test_bytes)
{
    static const uint8_t expected[] = {
        1,    3,    0xab, 0xcd, 0,    0, 0, 8, /* Cache Response */
        1,    4,    0,    0,    0,    0, 0, 20, 1, 16, 16, 0,  10, 1, 0,    0,  0xfa, 0x56,
        0xea, 0x01, 1,    6,    0,    0, 0, 0,  0, 32, 1,  48, 48, 0, 0xfd, 0,  0,    0,
        0,    1,    0,    0,    0,    0, 0, 0,  0, 0,  0,  0,  0,  0, 0xfc, 0, /* 64512 */
        1,    7,    0xab, 0xcd, 0,    0, 0, 24, 0, 0,  0,  7,  0,  0, 1,    44, 0,    0,
        0,    2,    0,    2,    0xa3, 0,
    };
    const uint8_t *data;

    cache.session[1] = 0xabcd;
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 4200000001", "fd00:0:1::/48 64512"));
    cache.table->serial = cache.serial = 7;
    rtr_session_input(&session, (const uint8_t[]){1, 2, 0, 0, 0, 0, 0, 8}, 8);
    ck_assert_uint_eq(rtr_session_output(&session, &data), sizeof(expected));
    ck_assert_mem_eq(data, expected, sizeof(expected));
}
END_TEST

START_TEST(test_reset_query)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512,64513", "10.2.0.0/16 64514", "fd00::/48 64512"));
    reset_query();
    ck_assert(up_to_date());
    ck_assert_uint_eq(client.pdus, 6);
    ck_assert_uint_eq(client.refresh, 300);
    ck_assert_uint_eq(client.retry, 2);
    ck_assert_uint_eq(client.expire, 172800);
    ck_assert_uint_eq(session.tables, 1);
    serial_query();
    ck_assert_uint_eq(client.pdus, 8); /* there is nothing new */
    ck_assert_uint_eq(client.responses, 2);
    ck_assert_uint_eq(session.tables, 1);
}
END_TEST

START_TEST(test_empty_table)
{
    rtr_cache_set(&cache, table_of((const char *const[]){NULL}));
    reset_query();
    ck_assert_uint_eq(client.responses, 1);
    ck_assert(up_to_date());
}
END_TEST

START_TEST(test_no_data_available)
{
    reset_query();
    ck_assert_int_eq(client.error, 2);
    serial_query();
    ck_assert_uint_eq(client.errors, 2);
    ck_assert(!session.over); /* the only error that is not fatal */
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    rtr_session_notify(&session);
    read_all(SIZE_MAX);
    ck_assert_uint_eq(client.notifies, 1);
    reset_query();
    ck_assert(up_to_date());
}
END_TEST

START_TEST(test_delta)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512,64513", "10.2.0.0/16 64514"));
    reset_query();
    ck_assert(rtr_cache_set(&cache, TABLE("10.1.0.0/16 64513,64515", "10.3.0.0/16 64514")));
    rtr_session_notify(&session);
    read_all(SIZE_MAX);
    ck_assert_uint_eq(client.notifies, 1);
    ck_assert_uint_eq(client.notified, cache.serial);
    client.pdus = 0;
    serial_query();
    ck_assert(up_to_date());
    ck_assert_uint_eq(client.pdus, 6); /* two withdrawn, two announced */
    ck_assert_uint_eq(session.tables, 1);
}
END_TEST

START_TEST(test_deltas_are_joined)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512", "10.2.0.0/16 64512"));
    reset_query();
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512", "10.3.0.0/16 64512"));
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512", "10.2.0.0/16 64512"));
    client.pdus = 0;
    serial_query();
    ck_assert_uint_eq(client.pdus, 2); /* in the end nothing has changed */
    ck_assert(up_to_date());
}
END_TEST

START_TEST(test_another_table_with_the_same_pairs)
{
    struct origins *renamed = TABLE("10.1.0.0/16 64512");

    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    ck_assert(!rtr_cache_set(&cache, renamed));
    ck_assert_ptr_eq(cache.table->origins, renamed);
    ck_assert_uint_eq(cache.serial, 7);
}
END_TEST

START_TEST(test_forgotten_serial)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    reset_query();
    for (int i = 0; i < RTR_HISTORY; i++)
        rtr_cache_set(&cache, i % 2 ? TABLE("10.1.0.0/16 64512") : TABLE("10.2.0.0/16 64512"));
    serial_query();
    ck_assert_uint_eq(client.resets, 0);
    ck_assert(up_to_date());
    client.serial = 7;
    rtr_cache_set(&cache, TABLE("10.3.0.0/16 64512"));
    serial_query();
    ck_assert_uint_eq(client.resets, 1);
    client.serial = cache.serial + 1;
    serial_query();
    ck_assert_uint_eq(client.resets, 2);
    reset_query();
    ck_assert(up_to_date());
}
END_TEST

/* Changes that together are longer than the table are not kept. */
START_TEST(test_history_is_bounded)
{
    size_t changes = 0;

    rtr_cache_set(&cache, rtr_client_table(2000, 5000));
    reset_query();
    for (uint32_t i = 0; i < 10; i++)
        rtr_cache_set(&cache, rtr_client_table(2000, i % 2 ? 5000 : 2));
    for (size_t i = 0; i < cache.n_deltas; i++)
        changes += cache.deltas[i]->changes.n;
    ck_assert(cache.n_deltas > 0 && changes <= cache.pairs + 1000);
    serial_query();
    ck_assert_uint_eq(client.resets, 1);
    rtr_cache_set(&cache, rtr_client_table(1, 2)); /* 3,000 are withdrawn */
    ck_assert_uint_eq(cache.n_deltas, 0);
}
END_TEST

START_TEST(test_unknown_session)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    reset_query();
    client.session ^= 1;
    serial_query();
    ck_assert_uint_eq(client.resets, 1);
    ck_assert(!session.over);
}
END_TEST

START_TEST(test_version_0)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512", "fd00::/48 64512"));
    reconnect(0);
    reset_query();
    ck_assert(up_to_date());
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    rtr_session_notify(&session);
    serial_query();
    ck_assert(up_to_date());
    ck_assert_uint_eq(client.notifies, 0); /* the answer says it already */
    /* Its serials mean nothing in the other version. */
    reconnect(1);
    serial_query();
    ck_assert_uint_eq(client.resets, 1);
}
END_TEST

static void refused(const void *data, size_t n, int code)
{
    reconnect(1);
    client.lax = true;
    client.error = -1;
    buf_add(&query, data, n);
    exchange();
    ck_assert_int_eq(client.error, code);
    ck_assert(session.over);
    ck_assert_uint_eq(rtr_session_room(&session), 0);
}

START_TEST(test_refused)
{
    static const struct {
        int version, type;
        uint32_t len;
        int code;
    } bad[] = {
        {2, 2, 8, 4},   {255, 2, 8, 4}, {1, 2, 9, 0},          {1, 2, 7, 0},   {1, 2, 0, 0},
        {1, 1, 8, 0},   {1, 1, 13, 0},  {0, 1, 0xffffffff, 0}, {1, 0, 12, 3},  {1, 3, 8, 3},
        {1, 4, 20, 3},  {1, 6, 32, 3},  {1, 7, 24, 3},         {1, 8, 8, 3},   {1, 9, 123, 3},
        {0, 9, 123, 5}, {1, 5, 8, 5},   {1, 11, 8, 5},         {0, 255, 8, 5},
    };

    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        _cleanup_buf_ struct buf pdu = BUF_INIT;

        rtr_client_pdu(&pdu, bad[i].version, bad[i].type, 0, bad[i].len);
        refused(pdu.data, pdu.len, bad[i].code);
    }
    refused("GET / HTTP/1.1\r\n\r\n", 18, 4);
}
END_TEST

START_TEST(test_version_changes)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    reset_query();
    client.lax = true;
    rtr_client_pdu(&query, 0, 2, 0, 8);
    exchange();
    ck_assert_int_eq(client.error, 8);
    ck_assert(session.over);
}
END_TEST

/* An Error Report is never answered, however broken it is. */
START_TEST(test_error_reports)
{
    static const struct {
        uint32_t len, quote, text;
        const char *said;
    } reports[] = {
        {16, 0, 0, "reports RTR error 6"},          {21, 0, 5, "reports RTR error 6: a?b?c"},
        {21, 0, 6, "reports RTR error 6"},          {21, 1, 4, "reports RTR error 6"},
        {21, 0xffffffff, 5, "reports RTR error 6"}, {21, 0, 0xffffffff, "reports RTR error 6"},
        {8, 0, 0, "reports RTR error 6"},           {0, 0, 0, "reports RTR error 6"},
        {0xffffffff, 0, 0, "reports RTR error 6"},
    };

    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        for (int version = 0; version < 3; version++) {
            reconnect(1);
            rtr_client_pdu(&query, version, 10, 6, reports[i].len);
            for (int shift = 24; shift >= 0; shift -= 8)
                buf_char(&query, (char)(reports[i].quote >> shift));
            for (int shift = 24; shift >= 0; shift -= 8)
                buf_char(&query, (char)(reports[i].text >> shift));
            buf_add(&query,
                    "a\nb\x1b"
                    "c",
                    5);
            client.pdus = 0;
            exchange();
            ck_assert_uint_eq(client.pdus, 0);
            ck_assert(session.over);
            ck_assert_str_eq(buf_cstr(&session.said), reports[i].said);
        }
    }
}
END_TEST

START_TEST(test_byte_by_byte)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512", "fd00::/48 64512"));
    rtr_client_reset_query(&client, &query);
    exchange_slowly(1);
    ck_assert(up_to_date());
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512", "fd00:1::/48 64512"));
    rtr_client_serial_query(&client, &query);
    exchange_slowly(1);
    ck_assert(up_to_date());
}
END_TEST

START_TEST(test_queries_in_one_packet)
{
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    for (int i = 0; i < 5; i++)
        rtr_client_reset_query(&client, &query);
    exchange();
    ck_assert_uint_eq(client.responses, 5);
    ck_assert(up_to_date());
}
END_TEST

START_TEST(test_large)
{
    rtr_cache_set(&cache, rtr_client_table(50000, 7));
    rtr_client_reset_query(&client, &query);
    exchange_slowly(5000);
    ck_assert(up_to_date());
    rtr_cache_set(&cache, rtr_client_table(50000, 11));
    rtr_client_serial_query(&client, &query);
    exchange_slowly(777);
    ck_assert_uint_eq(client.resets, 0);
    ck_assert(up_to_date());
}
END_TEST

/* The table is replaced, twice, while a router receives it: it gets the one that was begun. */
START_TEST(test_replaced_while_sending)
{
    struct origins *copy = rtr_client_table(5000, 7);
    const uint8_t *data;
    size_t n;

    rtr_cache_set(&cache, rtr_client_table(5000, 7));
    rtr_client_reset_query(&client, &query);
    rtr_session_input(&session, (const uint8_t *)query.data, query.len);
    buf_reset(&query);
    n = rtr_session_output(&session, &data);
    rtr_client_take(&client, data, n);
    rtr_session_written(&session, n);
    ck_assert(client.responding);
    for (uint32_t step = 3; step < 5; step++) {
        rtr_cache_set(&cache, rtr_client_table(5000, step));
        rtr_session_notify(&session);
    }
    ck_assert_uint_eq(rtr_session_room(&session), 0); /* nothing is read meanwhile */
    read_all(1000);
    ck_assert_uint_eq(client.serial, cache.serial - 2);
    ck_assert(rtr_client_has(&client, copy));
    ck_assert_uint_eq(client.notifies, 1);
    ck_assert_uint_eq(client.notified, cache.serial);
    /* The same for a difference. */
    rtr_client_serial_query(&client, &query);
    rtr_session_input(&session, (const uint8_t *)query.data, query.len);
    rtr_cache_set(&cache, rtr_client_table(5000, 6));
    rtr_session_notify(&session);
    read_all(1000);
    ck_assert_uint_eq(client.serial, cache.serial - 1);
    buf_reset(&query);
    serial_query();
    ck_assert(up_to_date());
    origins_free(copy);
}
END_TEST

/* Whatever happens in whatever order, a router that has an End of Data has that very table. */
START_TEST(test_random_histories)
{
    srand(7);
    for (int run = 0; run < 200; run++) {
        rtr_cache_set(&cache, rtr_client_table(400, 2 + (uint32_t)rand() % 9));
        for (int i = 0; i < 30; i++) {
            switch (rand() % 5) {
            case 0:
            case 1:
                if (rtr_cache_set(&cache, rtr_client_table(300 + (uint32_t)rand() % 100,
                                                           2 + (uint32_t)rand() % 300)))
                    rtr_session_notify(&session);
                break;
            case 2:
                read_all(1 + (size_t)rand() % 5000);
                break;
            case 3:
                if (rand() % 4 == 0)
                    rtr_client_reset_query(&client, &query);
                else
                    rtr_client_serial_query(&client, &query);
                exchange_slowly(1 + (size_t)rand() % 5000);
                if (client.serial == cache.serial)
                    ck_assert(rtr_client_has(&client, cache.table->origins));
                break;
            default:
                if (rand() % 8 == 0) {
                    reconnect(1);
                    client.responding = false;
                    buf_reset(&client.in);
                }
            }
        }
    }
}
END_TEST

START_TEST(test_serials_wrap)
{
    cache.serial = 0xfffffffe;
    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    reset_query();
    ck_assert_uint_eq(client.serial, 0xffffffff);
    rtr_cache_set(&cache, TABLE("10.2.0.0/16 64512"));
    serial_query();
    ck_assert_uint_eq(client.serial, 0);
    ck_assert(up_to_date());
}
END_TEST

START_TEST(test_no_notify_before_the_first_query)
{
    const uint8_t *data;

    rtr_cache_set(&cache, TABLE("10.1.0.0/16 64512"));
    rtr_session_notify(&session);
    ck_assert_uint_eq(rtr_session_output(&session, &data), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rtr_session");
    TCase *t = unit_case(s, "session", setup, teardown);

    tcase_set_timeout(t, 30);
    tcase_add_test(t, test_bytes);
    tcase_add_test(t, test_reset_query);
    tcase_add_test(t, test_empty_table);
    tcase_add_test(t, test_no_data_available);
    tcase_add_test(t, test_delta);
    tcase_add_test(t, test_deltas_are_joined);
    tcase_add_test(t, test_another_table_with_the_same_pairs);
    tcase_add_test(t, test_forgotten_serial);
    tcase_add_test(t, test_history_is_bounded);
    tcase_add_test(t, test_unknown_session);
    tcase_add_test(t, test_version_0);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_version_changes);
    tcase_add_test(t, test_error_reports);
    tcase_add_test(t, test_byte_by_byte);
    tcase_add_test(t, test_queries_in_one_packet);
    tcase_add_test(t, test_large);
    tcase_add_test(t, test_replaced_while_sending);
    tcase_add_test(t, test_random_histories);
    tcase_add_test(t, test_serials_wrap);
    tcase_add_test(t, test_no_notify_before_the_first_query);
    return unit_run(s);
}
