/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/plain.h"

#include <stddef.h>
#include <string.h>

#include "common/name.h"
#include "common/prefix.h"

#define HOST_MAX 253
#define LABEL_MAX 63
#define DIGITS_MAX 10 /* of a uint32 */

static bool in_ranges(const struct plain *plain, uint64_t n)
{
    for (unsigned i = 0; i < plain->n_ranges; i++)
        if (n >= plain->ranges[i].min && n <= plain->ranges[i].max)
            return true;
    return plain->n_ranges == 0;
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ASCII, so that bytes are characters. */
static bool plain_text(const char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e || *text == '"' || *text == '\'' || *text == '`' ||
            *text == '\\')
            return false;
    return true;
}

static bool plain_number(const struct plain *plain, const char *text)
{
    uint64_t n = 0;
    unsigned digits = 0;

    for (; digits < DIGITS_MAX && digit(text[digits]); digits++)
        n = n * 10 + (uint64_t)(text[digits] - '0');
    return digits && !text[digits] && (text[0] != '0' || digits == 1) && in_ranges(plain, n);
}

static bool plain_word(const struct plain *plain, const char *text)
{
    for (unsigned i = 0; i < plain->n_words; i++)
        if (strcmp(plain->words[i], text) == 0)
            return true;
    return false;
}

static bool plain_prefix(const char *text)
{
    char canonical[PREFIX_TEXT_MAX];
    struct prefix p, network;

    if (!prefix_parse(text, &p))
        return false;
    network = prefix_network(&p);
    return strcmp(prefix_format(&network, canonical), text) == 0;
}

/* Without a length.  `family`: only this one; FAMILY_NONE: any. */
static bool plain_address(const char *text, int family)
{
    char canonical[PREFIX_TEXT_MAX];
    struct prefix p;

    return prefix_parse(text, &p) && (family == FAMILY_NONE || p.family == family) &&
           strcmp(prefix_format_address(&p, canonical), text) == 0;
}

/* A label; in the last one there is a letter, and only digits before it. */
static bool plain_label(const char *label, size_t n, bool last)
{
    size_t digits = 0;

    if (n == 0 || n > LABEL_MAX || label[0] == '-' || label[n - 1] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!letter(label[i]) && !digit(label[i]) && label[i] != '-')
            return false;
    while (last && digits < n && digit(label[digits]))
        digits++;
    return !last || (digits < n && letter(label[digits]));
}

static bool plain_host(const char *text)
{
    if (strnlen(text, HOST_MAX + 1) > HOST_MAX)
        return false;
    for (;;) {
        size_t n = strcspn(text, ".");
        bool last = !text[n] || !text[n + 1]; /* perhaps with a dot */

        if (!plain_label(text, n, last))
            return false;
        if (last)
            return true;
        text += n + 1;
    }
}

bool plain_value(const struct plain *plain, const char *text)
{
    switch (plain->kind) {
    case PLAIN_NEVER:
        break;
    case PLAIN_NAME:
        return name_valid(text) && in_ranges(plain, strlen(text));
    case PLAIN_TEXT:
        return plain_text(text) && in_ranges(plain, strlen(text));
    case PLAIN_NUMBER:
        return plain_number(plain, text);
    case PLAIN_WORD:
        return plain_word(plain, text);
    case PLAIN_PREFIX:
        return plain_prefix(text);
    case PLAIN_IPV4:
        return plain_address(text, FAMILY_IPV4);
    case PLAIN_ENDPOINT:
        return plain_address(text, FAMILY_NONE) || plain_host(text);
    }
    return false;
}
