/* SPDX-License-Identifier: Apache-2.0 */
/* What the controller enrolled comes into the operator's file, and never more than that. */
#include "controller/sync.h"

#include <string.h>

#include "controller/keys_file.h"
#include "tests/unit/unit.h"

#define KEY_A "0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef"
#define KEY_B "1123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef 0123 4567 89ab cdef"
#define HEX_A "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LINK_A "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
#define LINK_B "AgIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"

static struct error_list err;

static void teardown(void)
{
    error_clear(&err);
}

enum state { IN, OUT, REKEY };

static const struct {
    uint32_t generation; /* of the file's record; 0: none */
    enum state state;
    const char *link;
    uint32_t theirs;
    const char *key, *their_link;
    uint32_t least;
    enum sync_change change;
    uint32_t then;
    enum state then_state;
    bool out; /* the controller says that it is */
} cases[] = {
    {0, IN, NULL, 1, KEY_A, LINK_A, 1, SYNC_ENROLLED, 1, IN},
    {0, IN, NULL, 0, NULL, NULL, 7, SYNC_NOTHING, 0, IN},
    {0, IN, NULL, 1, KEY_A, LINK_A, 2, SYNC_REKEY, 2, REKEY},
    {1, IN, LINK_A, 1, KEY_A, LINK_A, 1, SYNC_NOTHING, 1, IN},
    {1, IN, LINK_A, 1, KEY_A, NULL, 1, SYNC_NOTHING, 1, IN},
    {1, IN, NULL, 1, KEY_A, LINK_A, 1, SYNC_LINK_KEY, 1, IN},
    {1, IN, LINK_A, 1, KEY_A, LINK_B, 1, SYNC_CONFLICT, 1, IN},
    {1, IN, LINK_A, 1, KEY_B, LINK_A, 1, SYNC_CONFLICT, 1, IN},
    {1, IN, LINK_A, 2, KEY_B, LINK_B, 1, SYNC_REPLACED, 2, IN},
    {1, IN, LINK_A, 2, KEY_A, LINK_B, 1, SYNC_CONFLICT, 1, IN},
    {1, IN, LINK_A, 2, KEY_B, LINK_A, 1, SYNC_CONFLICT, 1, IN},
    {1, IN, LINK_A, 2, KEY_B, LINK_B, 3, SYNC_REKEY, 3, REKEY},
    {3, IN, LINK_A, 2, KEY_B, LINK_B, 1, SYNC_NOTHING, 3, IN},
    {1, IN, LINK_A, 0, NULL, NULL, 2, SYNC_REKEY, 2, REKEY},
    {2, REKEY, LINK_A, 1, KEY_A, LINK_A, 1, SYNC_NOTHING, 2, REKEY},
    {2, REKEY, LINK_A, 2, KEY_B, LINK_B, 2, SYNC_REPLACED, 2, IN},
    {2, REKEY, LINK_A, 2, KEY_A, LINK_B, 2, SYNC_CONFLICT, 2, REKEY},
    {2, OUT, LINK_A, 1, KEY_A, LINK_A, 2, SYNC_NOTHING, 2, OUT},
    {2, OUT, LINK_A, 2, KEY_B, LINK_B, 2, SYNC_RAISED, 3, OUT},
    {2, OUT, LINK_A, 5, KEY_B, LINK_B, 9, SYNC_RAISED, 9, OUT},
    {2, OUT, LINK_A, 0, NULL, NULL, 9, SYNC_RAISED, 9, OUT},
    {2, OUT, LINK_A, UINT32_MAX, KEY_B, LINK_B, 2, SYNC_CONFLICT, 2, OUT},
    /* Another operator revoked it, and this file is of before; ... */
    {0, IN, NULL, 0, NULL, NULL, 2, SYNC_REVOKED, 2, OUT, true},
    {0, IN, NULL, 1, KEY_A, LINK_A, 2, SYNC_REVOKED, 2, OUT, true},
    {1, IN, LINK_A, 1, KEY_A, LINK_A, 2, SYNC_REVOKED, 2, OUT, true},
    {1, IN, LINK_A, 0, NULL, NULL, 2, SYNC_REVOKED, 2, OUT, true},
    {1, IN, LINK_A, 2, KEY_B, LINK_B, 2, SYNC_REVOKED, 3, OUT, true},
    {1, IN, LINK_A, 1, KEY_B, LINK_B, 2, SYNC_REVOKED, 2, OUT, true},
    {2, IN, LINK_A, 0, NULL, NULL, 2, SYNC_REVOKED, 3, OUT, true},
    {2, REKEY, LINK_A, 1, KEY_A, LINK_A, 2, SYNC_REVOKED, 2, OUT, true},
    {2, REKEY, LINK_A, 1, KEY_A, LINK_A, 3, SYNC_REVOKED, 3, OUT, true},
    {1, IN, LINK_A, UINT32_MAX, KEY_B, LINK_B, 2, SYNC_CONFLICT, 1, IN, true},
    /* ... knows of it; or lets it in again, which the controller is told first. */
    {2, OUT, LINK_A, 1, KEY_A, LINK_A, 2, SYNC_NOTHING, 2, OUT, true},
    {3, REKEY, LINK_A, 1, KEY_A, LINK_A, 2, SYNC_NOTHING, 3, REKEY, true},
    {3, IN, LINK_A, 1, KEY_A, LINK_A, 2, SYNC_NOTHING, 3, IN, true},
};

START_TEST(merged)
{
    struct keys_file *k = NULL;
    const struct keys_gateway *is;
    const struct sync_gateway g = {.name = "perth",
                                   .generation = cases[_i].theirs,
                                   .tls_key = cases[_i].key,
                                   .link_key = cases[_i].their_link,
                                   .least = cases[_i].least,
                                   .revoked = cases[_i].out};

    ck_assert_int_eq(keys_file_load("/none", &k, &err), 0);
    if (cases[_i].generation)
        keys_file_put(k, &(struct keys_gateway){.name = "perth",
                                                .generation = cases[_i].generation,
                                                .tls_key = KEY_A,
                                                .link_key = cases[_i].link,
                                                .revoked = cases[_i].state == OUT,
                                                .rekey = cases[_i].state == REKEY});
    ck_assert_int_eq(sync_merge(k, &g, &err), cases[_i].change);
    ck_assert_uint_eq(err.n, cases[_i].change == SYNC_CONFLICT);
    is = keys_file_find(k, "perth");
    ck_assert_uint_eq(is ? is->generation : 0, cases[_i].then);
    ck_assert(!is || (is->revoked == (cases[_i].then_state == OUT) &&
                      is->rekey == (cases[_i].then_state == REKEY)));
    /* What was taken is taken: nothing is new the second time. */
    if (cases[_i].change != SYNC_CONFLICT)
        ck_assert_int_eq(sync_merge(k, &g, &err), SYNC_NOTHING);
    if (cases[_i].change == SYNC_REPLACED)
        ck_assert(strcmp(is->tls_key, KEY_B) == 0 && strcmp(is->link_key, LINK_B) == 0);
    if (cases[_i].change == SYNC_REVOKED && (cases[_i].key || cases[_i].generation))
        ck_assert(strcmp(is->tls_key, KEY_A) == 0 && strcmp(is->link_key, LINK_A) == 0);
    keys_file_free(k);
}
END_TEST

#define ROW "{\"gateway\":\"perth\",\"least-generation\":2,\"revoked\":false"
#define OF(rows) "{\"gateways\":[" rows "]}"

START_TEST(answer_and_refusals)
{
    json_t *answer = json_loads(
        OF(ROW ",\"generation\":2,\"fingerprint\":\"" HEX_A "\",\"link-key\":\"" LINK_A "\"}"), 0,
        NULL);
    struct keys_gateway record = {.name = "perth", .generation = 2};
    struct sync_list *list = NULL;

    ck_assert_int_eq(sync_read(answer, &list, &err), 0);
    ck_assert_uint_eq(list->n, 1);
    ck_assert_str_eq(list->gateways[0].tls_key, KEY_A);
    ck_assert_str_eq(list->gateways[0].link_key, LINK_A);
    ck_assert(!sync_refusal(&record, list));
    record.generation = 3;
    ck_assert(sync_refusal(&record, list));
    record.generation = 1; /* what it refuses it goes on to refuse */
    ck_assert(!sync_refusal(&record, list));
    record.revoked = true;
    ck_assert(sync_refusal(&record, list));
    record = (struct keys_gateway){.name = "sydney", .generation = 1};
    ck_assert(!sync_refusal(&record, list));
    record.generation = 2;
    ck_assert(sync_refusal(&record, list));
    sync_free(list);
    json_decref(answer);
}
END_TEST

/* Whatever a file of before says, a gateway that is out stays out; only a later generation lets it
 * in. */
START_TEST(out_at_the_controller)
{
    struct sync_gateway perth = {.name = "perth", .least = 2, .revoked = true};
    const struct sync_list list = {.gateways = &perth, .n = 1};
    struct keys_gateway record = {.name = "perth", .generation = 1};

    ck_assert(!sync_refusal(&record, &list) && !sync_readmits(&record, &list));
    record.generation = 2;
    ck_assert(!sync_refusal(&record, &list) && !sync_readmits(&record, &list));
    record.rekey = true;
    ck_assert(!sync_refusal(&record, &list) && !sync_readmits(&record, &list));
    record.generation = 3;
    ck_assert(sync_refusal(&record, &list) && sync_readmits(&record, &list));
    record = (struct keys_gateway){.name = "perth", .generation = 3, .revoked = true};
    ck_assert(sync_refusal(&record, &list) && !sync_readmits(&record, &list));
    perth.revoked = false;
    ck_assert(sync_refusal(&record, &list) && !sync_readmits(&record, &list));
}
END_TEST

static const char *const bad[] = {
    "[]",
    "{}",
    OF("1"),
    OF("{}"),
    OF(ROW "}," ROW "}"),
    OF("{\"gateway\":\"a b\",\"least-generation\":2,\"revoked\":false}"),
    OF("{\"gateway\":\"a\",\"least-generation\":0,\"revoked\":false}"),
    OF("{\"gateway\":\"a\",\"least-generation\":1}"),
    OF(ROW ",\"generation\":1}"),
    OF(ROW ",\"generation\":0,\"fingerprint\":\"" HEX_A "\"}"),
    OF(ROW ",\"generation\":1,\"fingerprint\":\"" KEY_A "\"}"),
    OF(ROW ",\"generation\":1,\"fingerprint\":\"" HEX_A "\",\"link-key\":\"x\"}"),
    OF(ROW ",\"generation\":1,\"fingerprint\":\"" HEX_A "\",\"link-key\":1}"),
};

START_TEST(no_answer)
{
    json_t *answer = json_loads(bad[_i], 0, NULL);
    struct sync_list *list = NULL;

    ck_assert_ptr_nonnull(answer);
    ck_assert_int_lt(sync_read(answer, &list, &err), 0);
    ck_assert_ptr_null(list);
    ck_assert_uint_eq(err.n, 1);
    json_decref(answer);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sync");
    TCase *t = unit_case(s, "sync", NULL, teardown);

    tcase_add_loop_test(t, merged, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(t, answer_and_refusals);
    tcase_add_test(t, out_at_the_controller);
    tcase_add_loop_test(t, no_answer, 0, sizeof(bad) / sizeof(bad[0]));
    return unit_run(s);
}
