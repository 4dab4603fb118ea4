/* SPDX-License-Identifier: Apache-2.0 */
/* What is plain: the ordinary, so that it is fast; and nothing that libyang refuses or writes in
 * another way, for which tests/fuzz/fuzz_plain.c asks it. */
#include <stdlib.h>
#include <string.h>

#include "controller/schema.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/unit.h"

static const struct {
    const char *path, *value;
    bool plain;
} values[] = {
    {"mesh/name", "bench", true},
    {"mesh/name", "a..b", false},
    {"mesh/lan/name", "lan-00001", true},
    {"mesh/lan/name", "A.b_c-9", true},
    {"mesh/lan/name", "-a", false},
    {"mesh/lan/description", "the LAN of Perth (east)", true},
    {"mesh/lan/description", "", false},
    {"mesh/lan/description", "Z\xc3\xbcrich", false}, /* valid, but not for us to tell */
    {"mesh/lan/prefix", "10.1.0.0/16", true},
    {"mesh/lan/prefix", "fd10:1::/48", true},
    {"mesh/lan/prefix", "10.1.2.3/16", false},
    {"mesh/lan/prefix", "FD10:1::/48", false},
    {"mesh/lan/prefix", "10.1.0.0", false},
    {"mesh/addressing/link-prefix", "172.16.0.0/12", true},
    {"mesh/addressing/base-port", "10000", true},
    {"mesh/addressing/base-port", "1023", false},
    {"mesh/addressing/base-port", "65535", false},
    {"mesh/addressing/base-asn", "64512", true},
    {"mesh/addressing/base-asn", "65535", false},
    {"mesh/addressing/base-asn", "4294967294", true},
    {"mesh/addressing/base-asn", "42000000000", false},
    {"mesh/addressing/allow-public-prefix", "true", true},
    {"mesh/gateway/lan", "lan-00001", true},
    {"mesh/gateway/group", "hub", true},
    {"mesh/gateway/short-name", "twelve-chars", true},
    {"mesh/gateway/short-name", "thirteen-char", false},
    {"mesh/gateway/endpoint", "198.18.0.1", true},
    {"mesh/gateway/endpoint", "2001:db8::7", true},
    {"mesh/gateway/endpoint", "vpn.Example.net", true},
    {"mesh/gateway/endpoint", "vpn.example.4you.", true},
    {"mesh/gateway/endpoint", "198.18.0.300", false},
    {"mesh/gateway/endpoint", "2001:DB8::7", false},
    {"mesh/gateway/endpoint", "vpn.example.1-a", false},
    {"mesh/gateway/endpoint", "vpn_example", false},
    {"mesh/gateway/endpoint", ".", false},
    {"mesh/gateway/endpoint", "198.18.0.0/16", false},
    {"mesh/gateway/router-id", "100.64.0.1", true},
    {"mesh/gateway/router-id", "2001:db8::7", false},
    {"mesh/gateway/number", "1", true},
    {"mesh/gateway/number", "0", false},
    {"mesh/gateway/number", "01", false},
    {"mesh/gateway/number", "65536", false},
    {"mesh/gateway/transit", "false", true},
    {"mesh/gateway/transit", "no", false},
    {"mesh/topology/segment/kind", "hub-and-spoke", true},
    {"mesh/topology/segment/kind", "hub", false},
    {"mesh/topology/link/a", "gw-00001", true},
};

static const struct schema_node *leaf_at(const struct schema_node *node, const char *path)
{
    char name[32];

    while (node && *path) {
        size_t n = strcspn(path, "/");

        ck_assert_uint_lt(n, sizeof(name));
        memcpy(name, path, n);
        name[n] = '\0';
        node = schema_child(node, name);
        path += n + (path[n] == '/');
    }
    return node;
}

START_TEST(the_ordinary_is_plain)
{
    struct error_list err = ERROR_LIST_INIT;
    struct schema *schema;

    ck_assert_int_eq(schema_new(&schema, &err), 0);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const struct schema_node *leaf = leaf_at(schema_root(schema), values[i].path);

        ck_assert_ptr_nonnull(leaf);
        ck_assert_msg(plain_value(&leaf->plain, values[i].value) == values[i].plain,
                      "%s '%s' should%s be plain", values[i].path, values[i].value,
                      values[i].plain ? "" : " not");
    }
    schema_free(schema);
}
END_TEST

static uint32_t next_random(void)
{
    static uint32_t state = 1;

    state = state * 1664525 + 1013904223;
    return state >> 8;
}

/* One to four bytes come, go or change, from those that decide. */
START_TEST(libyang_accepts_what_is_plain)
{
    static const char bytes[] = "0123456789aAfFgGzZ._-:/% '\"`\\+x\t\x7f\xc3\xa9";

    for (unsigned i = 0; i < 200000; i++) {
        char text[400];
        size_t n = strlen(values[i % (sizeof(values) / sizeof(values[0]))].value);

        memcpy(text, values[i % (sizeof(values) / sizeof(values[0]))].value, n);
        for (unsigned edits = next_random() % 4 + 1; edits; edits--) {
            size_t at = next_random() % (n + 1);
            char c = bytes[next_random() % (sizeof(bytes) - 1)];
            size_t copies = next_random() % 64 ? 1 : next_random() % 70; /* over the limits */

            switch (next_random() % 3) {
            case 0:
                memmove(text + at + copies, text + at, n - at);
                memset(text + at, c, copies);
                n += copies;
                break;
            case 1:
                if (at < n)
                    memmove(text + at, text + at + 1, --n - at);
                break;
            default:
                if (at < n)
                    text[at] = c;
            }
        }
        LLVMFuzzerTestOneInput((const uint8_t *)text, n);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plain");
    TCase *t = unit_case(s, "plain", NULL, NULL);

    tcase_add_test(t, the_ordinary_is_plain);
    tcase_add_test(t, libyang_accepts_what_is_plain);
    return unit_run(s);
}
