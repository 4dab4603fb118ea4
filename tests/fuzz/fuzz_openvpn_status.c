/* SPDX-License-Identifier: Apache-2.0 */
/* What an OpenVPN process answers: every text that is kept ends, and no control byte is in it. */
#include <stdlib.h>
#include <string.h>

#include "agent/openvpn_status.h"
#include "tests/fuzz/fuzz.h"

static void check(const char *s, size_t size)
{
    if (strnlen(s, size) == size)
        abort();
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct openvpn_status s;
    int r = openvpn_status_parse((const char *)data, size, &s);

    if ((r == 0) != (*s.state != '\0'))
        abort();
    check(s.state, sizeof(s.state));
    check(s.reason, sizeof(s.reason));
    check(s.cipher, sizeof(s.cipher));
    check(s.remote, sizeof(s.remote));
    return 0;
}
