/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "controller/lock.h"
#include "controller/lock_early.h"
#include "tests/unit/unit.h"

#define GATEWAYS                                                                          \
    "{\"name\":\"perth\",\"number\":1,\"asn\":4200000001,\"router-id\":\"100.64.0.1\"},"  \
    "{\"name\":\"sydney\",\"number\":2,\"asn\":4200000002,\"router-id\":\"100.64.0.2\"}," \
    "{\"name\":\"hobart\",\"number\":3,\"asn\":4200000003,\"router-id\":\"100.64.0.3\"}," \
    "{\"name\":\"darwin\",\"number\":9,\"asn\":4200000009,\"router-id\":\"100.64.0.9\"}"
#define LOCK(links)                                                              \
    "{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"link-prefix\":[\"172.19.0.0/16\"]," \
    "\"gateway\":[" GATEWAYS "],\n\"link\":[\n" links "]}}"

static struct lock *parse(const char *text)
{
    struct error_list err = ERROR_LIST_INIT;
    struct lock *lock = NULL;
    int r = lock_parse(text, strlen(text), "m.lock.json", &lock, &err);

    if (r != 0)
        error_print(&err, stderr);
    ck_assert_int_eq(r, 0);
    error_clear(&err);
    return lock;
}

START_TEST(file_names)
{
    static const char *const names[][2] = {
        {"mesh.json", "mesh.lock.json"}, {"a.b/mesh", "a.b/mesh.lock.json"},
        {"/x/m.xml", "/x/m.lock.json"},  {"v1.2.json", "v1.2.lock.json"},
        {".json", ".json.lock.json"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *got = lock_file_name(names[i][0]);

        ck_assert_str_eq(got, names[i][1]);
        free(got);
    }
}
END_TEST

START_TEST(runs_are_expanded)
{
    struct lock *lock = parse(LOCK("{\"index\":4,\"a\":1,\"b\":9},"
                                   "{\"index\":0,\"a\":1,\"b\":3,\"count\":2}"));

    ck_assert_uint_eq(lock->n_links, 3);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(lock->links[i].index, i);
        ck_assert_uint_eq(lock->links[i].a, 1 + i);
        ck_assert_uint_eq(lock->links[i].b, 3);
    }
    ck_assert_uint_eq(lock->links[2].index, 4);
    ck_assert_uint_eq(lock->links[2].b, 9);
    ck_assert_uint_eq(lock->gateways[0].router_id, 0x64400001);
    ck_assert_uint_eq(lock->gateways[0].generation, 1);
    lock_free(lock);
}
END_TEST

/* What is written is read back, and what was read is written the same. */
START_TEST(round_trip)
{
    static const char expected[] =
        "{\n"
        "  \"p2pvpn-lock:lock\": {\n"
        "    \"mesh\": \"m\",\n"
        "    \"link-prefix\": [\n"
        "      \"172.19.0.0/16\"\n"
        "    ],\n"
        "    \"gateway\": [\n"
        "      {\"name\": \"perth\", \"number\": 1, \"asn\": 4200000001, \"router-id\": "
        "\"100.64.0.1\", \"generation\": 1},\n"
        "      {\"name\": \"sydney\", \"number\": 2, \"asn\": 4200000002, \"router-id\": "
        "\"100.64.0.2\", \"generation\": 1},\n"
        "      {\"name\": \"hobart\", \"number\": 3, \"asn\": 4200000003, \"router-id\": "
        "\"100.64.0.3\", \"generation\": 1},\n"
        "      {\"name\": \"darwin\", \"number\": 9, \"asn\": 4200000009, \"router-id\": "
        "\"100.64.0.9\", \"generation\": 1}\n"
        "    ],\n"
        "    \"link\": [\n"
        "      {\"index\": 0, \"a\": 1, \"b\": 3, \"count\": 2},\n"
        "      {\"index\": 2, \"a\": 1, \"b\": 2, \"address-a\": \"172.17.3.1\", \"address-b\": "
        "\"172.17.3.2\", \"port-a\": 11003, \"port-b\": 11004},\n"
        "      {\"index\": 7, \"a\": 2, \"b\": 9}\n"
        "    ]\n"
        "  }\n"
        "}\n";
    struct lock *lock = parse(expected);
    struct buf text = BUF_INIT;

    lock_format(lock, &text);
    ck_assert_str_eq(buf_cstr(&text), expected);
    ck_assert_uint_eq(lock->links[2].override->port_b, 11004);
    ck_assert_uint_eq(lock->links[2].override->address_b.addr[3], 2);
    lock_free(lock);
    buf_free(&text);
}
END_TEST

/* Old locks do not say it; it is written where it is not by lists. */
START_TEST(origin_check)
{
    static const char head[] = "{\n  \"p2pvpn-lock:lock\": {\n    \"mesh\": \"m\"";
    static const char *const said[] = {",\n    \"origin-check\": \"cache\"\n  }\n}\n",
                                       ", \"origin-check\": \"cache\"}}",
                                       ", \"origin-check\": \"lists\"}}", "\n  }\n}\n"};

    for (size_t i = 0; i < 4; i++) {
        _cleanup_free_ char *text = xasprintf("%s%s", head, said[i]);
        _cleanup_free_ char *expected = xasprintf("%s%s", head, said[i < 2 ? 0 : 3]);
        _cleanup_buf_ struct buf again = BUF_INIT;
        struct lock *lock = parse(text);

        ck_assert_int_eq(lock->origin_check,
                         i < 2 ? BUNDLE_ORIGINS_BY_CACHE : BUNDLE_ORIGINS_BY_LISTS);
        lock_format(lock, &again);
        ck_assert_str_eq(buf_cstr(&again), expected);
        lock_free(lock);
    }
}
END_TEST

static const struct {
    const char *text, *path, *message;
    unsigned line;
} bad[] = {
    {"{\n\"p2pvpn-lock:lock\": {,}}", NULL, "not valid JSON", 2},
    {"{\"a\":1,\"a\":2}", NULL, "duplicate", 1},
    {"[]", NULL, "must be a JSON object", 0},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\"},\"x\":1}", NULL, "unknown member 'x'", 0},
    {"{}", NULL, "not a lock file", 0},
    {"{\"p2pvpn-lock:lock\":{}}", "/p2pvpn-lock:lock/mesh", "missing", 0},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"../x\"}}", "/p2pvpn-lock:lock/mesh", "not a valid name", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"link-prefix\":[\"10.0.0.1/8\"]}}",
     "/p2pvpn-lock:lock/link-prefix", "'10.0.0.1/8' is not a prefix", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"link-prefix\":[\"10.0.0.0/8\",\"10.1.0.0/16\"]}}",
     "/p2pvpn-lock:lock/link-prefix", "overlaps another", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[" GATEWAYS "," GATEWAYS "]}}",
     "/p2pvpn-lock:lock/gateway[name='perth']", "here twice", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[" GATEWAYS
     ",{\"name\":\"x\",\"number\":9,\"asn\":64512,\"router-id\":\"1.1.1.1\"}]}}",
     "/p2pvpn-lock:lock/gateway", "both have number 9", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[" GATEWAYS
     ",{\"name\":\"x\",\"number\":8,\"asn\":4200000009,\"router-id\":\"1.1.1.1\"}]}}",
     "/p2pvpn-lock:lock/gateway", "both have asn 4200000009", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[" GATEWAYS
     ",{\"name\":\"x\",\"number\":8,\"asn\":64512,\"router-id\":\"100.64.0.9\"}]}}",
     "/p2pvpn-lock:lock/gateway", "same router-id", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[{\"name\":\"x\",\"number\":65536,"
     "\"asn\":64512,\"router-id\":\"1.1.1.1\"}]}}",
     "/p2pvpn-lock:lock/gateway[name='x']", "'number' is 65536, but must be from 1 to 65535", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[{\"name\":\"x\",\"number\":1,"
     "\"asn\":3333,\"router-id\":\"1.1.1.1\"}]}}",
     "/p2pvpn-lock:lock/gateway[name='x']", "'asn' is 3333", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[{\"name\":\"x\",\"number\":1.0,"
     "\"asn\":64512}]}}",
     "/p2pvpn-lock:lock/gateway[name='x']", "'number' must be a whole number", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[{\"name\":\"x\",\"number\":1,"
     "\"asn\":64512}]}}",
     "/p2pvpn-lock:lock/gateway[name='x']", "'router-id' is missing", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"origin-check\":\"auto\"}}",
     "/p2pvpn-lock:lock/origin-check", "must be \"lists\" or \"cache\"", 1},
    {"{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"origin-check\":1}}", "/p2pvpn-lock:lock/origin-check",
     "must be", 1},
    {LOCK("{\"index\":0,\"a\":2,\"b\":2}"), "/p2pvpn-lock:lock/link[index='0']", "below b", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":3,\"count\":3}"), "/p2pvpn-lock:lock/link[index='0']",
     "below b", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":3,\"count\":4000000000}"),
     "/p2pvpn-lock:lock/link[index='0']", "'count' is 4000000000", 3},
    {LOCK("{\"index\":4294967294,\"a\":1,\"b\":3,\"count\":2}"),
     "/p2pvpn-lock:lock/link[index='4294967294']", "go beyond", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":4}"), "/p2pvpn-lock:lock/link[index='0']",
     "number 4, which no gateway", 3},
    {LOCK("{\"a\":1,\"b\":3}"), "/p2pvpn-lock:lock/link[1]", "'index' is missing", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":3,\"weight\":1}"), "/p2pvpn-lock:lock/link[1]",
     "unknown member 'weight'", 3},
    {LOCK("{\"index\":3,\"a\":1,\"b\":3,\"count\":2},{\"index\":4,\"a\":1,\"b\":9}"),
     "/p2pvpn-lock:lock/link", "index 3 and 4 hand out an index twice", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":3,\"count\":2},{\"index\":4,\"a\":2,\"b\":3}"),
     "/p2pvpn-lock:lock/link", "numbers 2 and 3 is in two records", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":3,\"address-a\":\"172.17.1.1\"}"),
     "/p2pvpn-lock:lock/link[index='0']", "come together", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":3,\"address-a\":\"fd00::1\",\"address-b\":\"fd00::2\"}"),
     "/p2pvpn-lock:lock/link[index='0']", "must be an IPv4 address", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":3,\"port-a\":0}"), "/p2pvpn-lock:lock/link[index='0']",
     "'port-a' is 0", 3},
    {LOCK("{\"index\":0,\"a\":1,\"b\":3,\"count\":2,\"port-a\":11001}"),
     "/p2pvpn-lock:lock/link[index='0']", "is one link", 3},
    {LOCK(
         "{\"index\":0,\"a\":1,\"b\":3,\"address-a\":\"172.17.1.1\",\"address-b\":\"172.17.1.2\"},"
         "{\"index\":1,\"a\":2,\"b\":3,\"address-a\":\"172.17.1.2\",\"address-b\":\"172.17.1.3\"}"),
     "/p2pvpn-lock:lock/link", "index 0 and 1 have an address in common", 3},
};

START_TEST(refused)
{
    struct error_list err = ERROR_LIST_INIT;
    struct lock *lock = NULL;
    const struct error_item *e;

    ck_assert_int_eq(lock_parse(bad[_i].text, strlen(bad[_i].text), "m.lock.json", &lock, &err),
                     -EINVAL);
    ck_assert_ptr_null(lock);
    ck_assert_uint_ge(err.n, 1);
    e = &err.items[0];
    ck_assert_str_eq(e->file, "m.lock.json");
    ck_assert_uint_eq(e->line, bad[_i].line);
    ck_assert_msg(strcmp(e->path ? e->path : "", bad[_i].path ? bad[_i].path : "") == 0,
                  "case %d: path %s", _i, e->path);
    ck_assert_msg(strstr(e->message, bad[_i].message) != NULL, "case %d: %s", _i, e->message);
    error_clear(&err);
}
END_TEST

/* Every error of the file at once, not only the first. */
START_TEST(all_errors_at_once)
{
    static const char text[] = LOCK("{\"index\":0,\"a\":2,\"b\":2},{\"index\":1,\"a\":1,\"b\":4},"
                                    "{\"index\":2,\"a\":1,\"b\":9,\"x\":0}");
    struct error_list err = ERROR_LIST_INIT;
    struct lock *lock = NULL;

    ck_assert_int_eq(lock_parse(text, strlen(text), "m.lock.json", &lock, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 3);
    error_clear(&err);
}
END_TEST

/* 300 bytes a gateway must not become gigabytes: the number of links is bounded before anything is
 * expanded. */
START_TEST(too_many_links)
{
    struct error_list err = ERROR_LIST_INIT;
    struct buf text = BUF_INIT;
    struct lock *lock = NULL;
    unsigned n = 4200;

    buf_str(&text, "{\"p2pvpn-lock:lock\":{\"mesh\":\"m\",\"gateway\":[");
    for (unsigned i = 1; i <= n; i++)
        buf_printf(&text,
                   "%s{\"name\":\"g%u\",\"number\":%u,\"asn\":%u,\"router-id\":\"10.9.%u.%u\"}",
                   i > 1 ? "," : "", i, i, 4200000000u + i, i >> 8, i & 255);
    buf_str(&text, "],\"link\":[");
    for (unsigned b = 2; b <= n; b++)
        buf_printf(&text, "%s{\"index\":%u,\"a\":1,\"b\":%u,\"count\":%u}", b > 2 ? "," : "",
                   (b - 1) * (b - 2) / 2, b, b - 1);
    buf_str(&text, "]}}");
    ck_assert_int_eq(lock_parse(buf_cstr(&text), text.len, "m.lock.json", &lock, &err), -EINVAL);
    ck_assert_uint_eq(err.n, 1);
    ck_assert_ptr_nonnull(strstr(err.items[0].message, "8817900 links are more than"));
    error_clear(&err);
    buf_free(&text);
}
END_TEST

START_TEST(missing_file_is_an_empty_lock)
{
    struct error_list err = ERROR_LIST_INIT;
    struct lock *lock = NULL;

    ck_assert_int_eq(lock_load("/nonexistent/m.lock.json", &lock, &err), 0);
    ck_assert_uint_eq(err.n, 0);
    ck_assert_ptr_null(lock->mesh);
    ck_assert_uint_eq(lock->n_gateways + lock->n_links, 0);
    lock = lock_free(lock);
    ck_assert_int_eq(lock_load("/", &lock, &err), -EISDIR);
    ck_assert_uint_eq(err.n, 1);
    error_clear(&err);
}
END_TEST

static void write_lock(const char *file, const char *text)
{
    struct error_list err = ERROR_LIST_INIT;

    ck_assert_int_eq(fs_write(file, text, strlen(text), 0644, &err), 0);
}

/* What is written after it was begun to be read counts, whether the thread saw it or not. */
START_TEST(read_early)
{
    static const char *const before = LOCK("{\"index\":0,\"a\":1,\"b\":2}");
    static const char *const now = LOCK("{\"index\":1,\"a\":1,\"b\":3}");
    struct error_list err = ERROR_LIST_INIT;
    char top[UNIT_FOLDER_SIZE];
    _cleanup_free_ char *file = NULL;
    struct lock_early *early;
    struct lock *lock = NULL;

    unit_folder(top);
    file = xasprintf("%s/m.lock.json", top);
    for (unsigned i = 0; i < 50; i++) {
        write_lock(file, before);
        early = lock_early_begin(file);
        for (unsigned k = 0; k < i * 4; k++) { /* meanwhile the thread has read it, or not */
            ck_assert_int_eq(lock_load(file, &lock, &err), 0);
            lock = lock_free(lock);
        }
        if (i % 2)
            write_lock(file, now);
        ck_assert_int_eq(lock_early_end(early, &lock, &err), 0);
        ck_assert_uint_eq(lock->n_links, 1);
        ck_assert_uint_eq(lock->links[0].index, i % 2);
        lock = lock_free(lock);
    }
    early = lock_early_begin(file);
    write_lock(file, "{");
    ck_assert_int_eq(lock_early_end(early, &lock, &err), -EINVAL);
    ck_assert(err.n > 0 && !lock);
    error_clear(&err);
    early = lock_early_begin(file);
    unlink(file);
    ck_assert_int_eq(lock_early_end(early, &lock, &err), 0);
    ck_assert_ptr_null(lock->mesh);
    lock_free(lock);
    ck_assert_ptr_null(lock_early_free(lock_early_begin(file)));
    ck_assert_int_eq(fs_remove_tree(top, &err), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lock");
    TCase *t = unit_case(s, "lock", NULL, NULL);

    tcase_add_test(t, file_names);
    tcase_add_test(t, runs_are_expanded);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, origin_check);
    tcase_add_loop_test(t, refused, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, all_errors_at_once);
    tcase_add_test(t, too_many_links);
    tcase_add_test(t, missing_file_is_an_empty_lock);
    tcase_add_test(t, read_early);
    return unit_run(s);
}
