/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/traffic.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define V4 "   3: 000013AC:B5DE 010013AC:00B3 "
#define REST "   109        0 48211 2 0000000000000000 20 4 30 10 -1\n"

/* As Linux 6.1 prints them: state, queues, timer and its ticks, how often it was sent again. */
static const struct {
    const char *line, *peer; /* NULL: none */
} lines[] = {
    {"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n", NULL},
    {"", NULL},
    {V4 "01 00000000:00000000 02:000000A3 00000000" REST, "172.19.0.1/32"},
    {V4 "01 00000013:00000000 01:00000014 00000000" REST, "172.19.0.1/32"}, /* on its way */
    {V4 "01 00000013:00000000 01:00000028 00000001" REST, "172.19.0.1/32"}, /* one was lost */
    {V4 "01 00000013:00000000 01:00000050 00000002" REST, NULL},            /* and the next */
    {V4 "01 00000013:00000000 01:0000012C 00000000" REST, NULL},            /* dead for long */
    {V4 "01 00000000:00000000 02:0000012C 00000000" REST, "172.19.0.1/32"}, /* keepalive */
    {V4 "02 00000001:00000000 01:00000014 00000000" REST, NULL},            /* SYN-SENT */
    {"   0: 000013AC:00B3 010013AC:B5DE 01 00000000:00000000 00:00000000 00000000" REST,
     "172.19.0.1/32"},
    {"   0: 000013AC:1F90 010013AC:B5DE 01 00000000:00000000 00:00000000 00000000" REST, NULL},
    {"   1: AD1F67FD0F16091500000000000000000:00B3 00000000000000000000000000000000:B5DE 01 "
     "00000000:00000000 00:00000000 00000000" REST,
     NULL},
    {"   1: AD1F67FD0F16091500000000FFFFFFFE:00B3 AD1F67FD0F16091500000000FFFFFFFF:B5DE 01 "
     "00000000:00000000 00:00000000 00000000" REST,
     "fd67:1fad:1509:160f::ffff:ffff/128"},
};

START_TEST(a_peer_that_answers)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct prefix peer, want;
        bool answers = traffic_answers(lines[i].line, &peer);

        ck_assert_msg(answers == (lines[i].peer != NULL), "line %zu", i);
        if (!answers)
            continue;
        ck_assert(prefix_parse(lines[i].peer, &want));
        ck_assert_msg(prefix_compare(&peer, &want) == 0, "line %zu", i);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("traffic");
    TCase *t = unit_case(s, "traffic", NULL, NULL);

    tcase_add_test(t, a_peer_that_answers);
    return unit_run(s);
}
