/* SPDX-License-Identifier: Apache-2.0 */
#include "common/link_key.h"

#include <stdio.h>
#include <string.h>

#include "common/digest.h"

#define INFO_BEGIN "p2pvpn tls-crypt 1\n"
#define NAME_DIGITS 16 /* of the digest, in the name of the file */
#define TO_TEXT_(x) #x
#define TO_TEXT(x) TO_TEXT_(x)

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void link_key_text(const uint8_t key[static LINK_KEY_LEN], char ret[static LINK_KEY_TEXT_LEN + 1])
{
    uint32_t bits = 0;
    unsigned n = 0;
    char *p = ret;

    for (size_t i = 0; i < LINK_KEY_LEN; i++) {
        bits = bits << 8 | key[i];
        for (n += 8; n >= 6; n -= 6)
            *p++ = digits[bits >> (n - 6) & 63];
    }
    *p++ = digits[bits << (6 - n) & 63];
    *p = '\0';
}

bool link_key_parse(const char *text, uint8_t ret[static LINK_KEY_LEN])
{
    uint8_t key[LINK_KEY_LEN];
    uint32_t bits = 0;
    unsigned n = 0;
    size_t k = 0;

    if (strlen(text) != LINK_KEY_TEXT_LEN)
        return false;
    for (const char *p = text; *p; p++) {
        const char *digit = strchr(digits, *p);

        if (!digit)
            return false;
        bits = bits << 6 | (uint32_t)(digit - digits);
        n += 6;
        if (n >= 8) {
            n -= 8;
            key[k++] = (uint8_t)(bits >> n);
        }
    }
    if (k != LINK_KEY_LEN || (bits & ((1u << n) - 1)) != 0) /* one spelling for each key */
        return false;
    memcpy(ret, key, sizeof(key));
    return true;
}

bool link_key_valid(const char *text)
{
    uint8_t key[LINK_KEY_LEN];

    return link_key_parse(text, key);
}

static void add_end(const struct link_key_end *e, struct buf *ret)
{
    buf_str(ret, e->gateway);
    buf_char(ret, ' ');
    buf_number(ret, e->generation);
    buf_char(ret, ' ');
    buf_str(ret, e->key);
    buf_char(ret, '\n');
}

void link_key_info(const char *mesh, const struct link_key_end *a, const struct link_key_end *b,
                   unsigned tunnel, struct buf *ret)
{
    bool order = strcmp(a->gateway, b->gateway) < 0;

    buf_str(ret, INFO_BEGIN);
    buf_str(ret, mesh);
    buf_char(ret, '\n');
    add_end(order ? a : b, ret);
    add_end(order ? b : a, ret);
    buf_number(ret, tunnel);
    buf_char(ret, '\n');
}

void link_key_file(const char *interface, const struct buf *info,
                   char ret[static LINK_KEY_FILE_SIZE])
{
    char digest[DIGEST_TEXT_LEN + 1];

    digest_sha256_text(info->data, info->len, digest);
    snprintf(ret, LINK_KEY_FILE_SIZE, LINK_KEY_DIR "/%.*s-%." TO_TEXT(NAME_DIGITS) "s.key",
             BUNDLE_INTERFACE_SIZE - 1, interface, digest);
}

bool link_key_of(const struct bundle *b, const struct bundle_link *link, struct buf *info,
                 char file[static LINK_KEY_FILE_SIZE])
{
    struct link_key_end own = {b->gateway, b->generation, b->link_key};
    struct link_key_end peer = {link->peer, link->peer_generation, link->peer_link_key};

    if (!own.key || !peer.key)
        return false;
    link_key_info(b->mesh, &own, &peer, link->tunnel, info);
    link_key_file(link->interface, info, file);
    return true;
}

static bool is_other(const char *was, const char *is)
{
    return was && (!is || strcmp(was, is) != 0);
}

bool link_key_replaced(const struct bundle *old, const struct bundle_link *was,
                       const struct bundle *now, const struct bundle_link *is)
{
    return old->generation != now->generation || was->peer_generation != is->peer_generation ||
           is_other(old->link_key, now->link_key) ||
           is_other(was->peer_link_key, is->peer_link_key);
}
