/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/hosts.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/fs.h"

#define FILE_MAX (4u << 20)
#define ADDRESSES_MAX 32u /* of one name */

static int compare(const void *name, const void *host)
{
    return strcmp(name, ((const struct firewall_host *)host)->name);
}

static int compare_prefixes(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

/* --- the file: a name and its addresses a line ----------------------------------------------- */

static void read_line(struct hosts *h, char *text)
{
    char *rest = NULL, *word = strtok_r(text, " ", &rest);
    struct firewall_host *host =
        word && h->n ? bsearch(word, h->list, h->n, sizeof(*h->list), compare) : NULL;
    struct prefix found[ADDRESSES_MAX], *copy;
    size_t n = 0;

    while (host && n < ADDRESSES_MAX && (word = strtok_r(NULL, " ", &rest)))
        n += prefix_parse(word, &found[n]);
    if (n == 0)
        return;
    copy = arena_alloc(&h->arena, n, sizeof(*copy));
    memcpy(copy, found, n * sizeof(*copy));
    host->addresses = copy;
    host->n = n;
}

void hosts_load(const char *path, const char *const *names, size_t n, struct hosts *ret)
{
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    const char *rest, *line;
    int len;

    *ret = (struct hosts){.n = n};
    ret->list = arena_alloc(&ret->arena, n + 1, sizeof(*ret->list));
    for (size_t i = 0; i < n; i++)
        ret->list[i].name = arena_strdup(&ret->arena, names[i]);
    if (n && fs_read(path, FILE_MAX, &text, &ignored) == 0)
        for (rest = buf_cstr(&text); text_line(&rest, &line, &len);)
            read_line(ret, arena_strndup(&ret->arena, line, (size_t)len));
    error_clear(&ignored);
}

void hosts_free(struct hosts *h)
{
    if (!h->busy)
        arena_free(&h->arena);
    *h = (struct hosts){NULL, 0};
}

int hosts_save(const struct hosts *h, const char *path, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    char address[PREFIX_TEXT_MAX];

    for (size_t i = 0; i < h->n; i++) {
        if (h->list[i].n == 0)
            continue;
        buf_str(&text, h->list[i].name);
        for (size_t k = 0; k < h->list[i].n; k++)
            buf_printf(&text, " %s", prefix_format_address(&h->list[i].addresses[k], address));
        buf_char(&text, '\n');
    }
    return fs_write(path, buf_cstr(&text), text.len, 0600, err);
}

/* --- DNS ------------------------------------------------------------------------------------- */

static bool take_address(const struct sockaddr *a, struct prefix *ret)
{
    *ret = (struct prefix){0};
    if (a->sa_family == AF_INET) {
        ret->family = FAMILY_IPV4;
        ret->len = 32;
        memcpy(ret->addr, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    } else if (a->sa_family == AF_INET6) {
        ret->family = FAMILY_IPV6;
        ret->len = 128;
        memcpy(ret->addr, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
    }
    return ret->family != FAMILY_NONE;
}

/* True: it is another answer than the last one.  The order of an answer means nothing. */
static bool take_answer(struct hosts *h, struct firewall_host *host, const struct addrinfo *answer)
{
    struct prefix found[ADDRESSES_MAX] = {{0}}, *copy;
    size_t n = 0, unique = 0;

    for (; answer && n < ADDRESSES_MAX; answer = answer->ai_next)
        n += take_address(answer->ai_addr, &found[n]);
    if (n > 1)
        qsort(found, n, sizeof(*found), compare_prefixes);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || prefix_compare(&found[unique - 1], &found[i]) != 0)
            found[unique++] = found[i];
    if (unique == 0 ||
        (unique == host->n && memcmp(found, host->addresses, unique * sizeof(*found)) == 0))
        return false;
    copy = arena_alloc(&h->arena, unique, sizeof(*copy));
    memcpy(copy, found, unique * sizeof(*copy));
    host->addresses = copy;
    host->n = unique;
    return true;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_for_all(struct gaicb **list, size_t n, unsigned timeout_ms)
{
    const int64_t end = now_ms() + timeout_ms;

    for (;;) {
        int64_t left = end - now_ms();
        struct timespec t = {left / 1000, left % 1000 * 1000000};
        bool waiting = false;

        for (size_t i = 0; i < n; i++)
            waiting |= gai_error(list[i]) == EAI_INPROGRESS;
        if (!waiting || left <= 0)
            return;
        gai_suspend((const struct gaicb *const *)list, (int)n, &t);
    }
}

bool hosts_resolve(struct hosts *h, unsigned timeout_ms)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct gaicb *requests = xcalloc(h->n + 1, sizeof(*requests));
    struct gaicb **list = xcalloc(h->n + 1, sizeof(*list));
    bool changed = false;

    for (size_t i = 0; i < h->n; i++) {
        requests[i] = (struct gaicb){.ar_name = h->list[i].name, .ar_request = &hints};
        list[i] = &requests[i];
    }
    if (h->n && getaddrinfo_a(GAI_NOWAIT, list, (int)h->n, NULL) == 0)
        wait_for_all(list, h->n, timeout_ms);
    for (size_t i = 0; i < h->n; i++) {
        int r = gai_error(list[i]);

        if (r == EAI_INPROGRESS && gai_cancel(list[i]) == EAI_CANCELED)
            r = EAI_CANCELED;
        h->busy |= r == EAI_INPROGRESS;
        if (r == 0 && requests[i].ar_result) {
            changed |= take_answer(h, &h->list[i], requests[i].ar_result);
            freeaddrinfo(requests[i].ar_result);
        }
    }
    free(list);
    if (!h->busy)
        free(requests);
    return changed;
}
