/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/started.h"

#include <stdio.h>
#include <string.h>

#define HEX "0123456789abcdef"

/* Where the n-th of the three begins. */
#define FIELD(n) (DIGEST_TEXT_LEN + (n) * (1 + STARTED_KEY_LEN) + 1)

static const char no_key[] = "0000000000000000";

static void key_text(const char *key, char ret[static DIGEST_TEXT_LEN + 1])
{
    if (key)
        digest_sha256_text(key, strlen(key), ret);
    else
        memcpy(ret, no_key, sizeof(no_key));
    ret[STARTED_KEY_LEN] = '\0';
}

void started_text(const char digest[static DIGEST_TEXT_LEN + 1], const struct bundle *b,
                  const struct bundle_link *link, char ret[static STARTED_LEN + 1])
{
    char own[DIGEST_TEXT_LEN + 1], peer[DIGEST_TEXT_LEN + 1];

    key_text(b->link_key, own);
    key_text(link->peer_link_key, peer);
    snprintf(ret, STARTED_LEN + 1, "%.*s-%08x%08x-%.*s-%.*s", DIGEST_TEXT_LEN, digest,
             (unsigned)b->generation, (unsigned)link->peer_generation, STARTED_KEY_LEN, own,
             STARTED_KEY_LEN, peer);
}

size_t started_len(const char *text)
{
    size_t len = strspn(text, HEX "-");

    if (len != DIGEST_TEXT_LEN && len != STARTED_LEN)
        return 0;
    if (strspn(text, HEX) != DIGEST_TEXT_LEN)
        return 0;
    for (size_t n = 0; n < 3 && len == STARTED_LEN; n++)
        if (text[FIELD(n) - 1] != '-' || strspn(text + FIELD(n), HEX) != STARTED_KEY_LEN)
            return 0;
    return len;
}

bool started_same(const char *was, const char *is)
{
    return strncmp(was, is, DIGEST_TEXT_LEN) == 0;
}

static bool is_other(const char *was, const char *is)
{
    return memcmp(was, is, STARTED_KEY_LEN) != 0;
}

/* A key that came where none was gives up nothing. */
bool started_key_given_up(const char *was, const char *is)
{
    if (strlen(was) != STARTED_LEN || strlen(is) != STARTED_LEN)
        return false;
    if (is_other(was + FIELD(0), is + FIELD(0)))
        return true;
    for (size_t n = 1; n < 3; n++)
        if (is_other(was + FIELD(n), no_key) && is_other(was + FIELD(n), is + FIELD(n)))
            return true;
    return false;
}
