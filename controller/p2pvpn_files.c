/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/p2pvpn_files.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <uthash.h>

#include "common/name.h"

#define MAX_WORDS 8
#define MAX_LINE 1024
#define OPENVPN_PORT 1194

/* One line, taken apart. */
struct line {
    char text[MAX_LINE];
    const char *words[MAX_WORDS];
    unsigned n_words; /* at most MAX_WORDS; what follows is not looked at */
};

struct reader {
    const char *at, *end, *file;
    unsigned number; /* of the line at hand */
    struct error_list *err;
    bool failed;
};

static int fail(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct reader *r, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    error_vadd(r->err, r->file, r->number, NULL, format, ap);
    va_end(ap);
    r->failed = true;
    return -EINVAL;
}

static void split(struct line *l)
{
    char *p = l->text;

    l->n_words = 0;
    while (l->n_words < MAX_WORDS) {
        p += strspn(p, " \t");
        if (!*p || *p == '#' || *p == ';')
            return;
        l->words[l->n_words++] = p;
        p += strcspn(p, " \t");
        if (*p)
            *p++ = '\0';
    }
}

/* The next line that has words; false: no more.  Words after '#' or ';' are a comment, as OpenVPN
 * has it. */
static bool next_line(struct reader *r, struct line *l)
{
    while (r->at < r->end) {
        const char *newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
        const char *stop = newline ? newline : r->end;
        size_t len = (size_t)(stop - r->at);
        const char *start = r->at;

        r->at = newline ? newline + 1 : r->end;
        r->number++;
        if (len > 0 && start[len - 1] == '\r')
            len--;
        if (len >= MAX_LINE || memchr(start, '\0', len)) {
            fail(r,
                 "the line is longer than %d bytes or holds a NUL byte; the file is damaged, "
                 "restore it",
                 MAX_LINE - 1);
            continue;
        }
        memcpy(l->text, start, len);
        l->text[len] = '\0';
        split(l);
        if (l->n_words)
            return true;
    }
    return false;
}

static bool parse_number(const char *text, uint32_t max, uint32_t *ret)
{
    uint64_t n = 0;

    if (!*text || strlen(text) > 10)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        n = n * 10 + (uint64_t)(*text - '0');
    }
    if (n > max)
        return false;
    *ret = (uint32_t)n;
    return true;
}

static bool parse_ipv4(const char *text, struct prefix *ret)
{
    return !strchr(text, '/') && prefix_parse(text, ret) && ret->family == FAMILY_IPV4;
}

/* RFC 1123, 2.1; the last label is not a number, or it would be a mistyped address. */
static bool dns_name(const char *name)
{
    size_t n = strlen(name);
    const char *label = name;
    bool letters = false;

    if (n == 0 || n > 253)
        return false;
    for (const char *p = name;; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');

        if (letter || (*p >= '0' && *p <= '9')) {
            letters |= letter;
        } else if (*p == '-') {
            if (p == label)
                return false;
        } else if (*p == '.' || !*p) {
            if (p == label || p - label > 63 || p[-1] == '-')
                return false;
            if (!*p || !p[1])
                return letters;
            label = p + 1;
            letters = false;
        } else {
            return false;
        }
    }
}

static bool parse_endpoint(const char *text, uint8_t *ret_family)
{
    struct prefix p;

    if (!strchr(text, '/') && prefix_parse(text, &p)) {
        *ret_family = p.family;
        return true;
    }
    *ret_family = FAMILY_NONE;
    return dns_name(text);
}

/* --- cache.txt -------------------------------------------------------------------------------- */

struct seen {
    const struct p2pvpn_server *server;
    UT_hash_handle hh;
};

/* The subnet as make-pair has it: an address, of which the mask is /24. */
static bool parse_subnet(struct reader *r, const char *text, struct prefix *ret,
                         struct error_list *notes)
{
    char as_is[PREFIX_TEXT_MAX], network[PREFIX_TEXT_MAX];
    struct prefix p;

    if (!prefix_parse(text, &p) || p.family != FAMILY_IPV4) {
        fail(r, "'%s' is not an IPv4 subnet such as 192.168.1.0; correct it", text);
        return false;
    }
    if (!strchr(text, '/'))
        p.len = 24;
    if (prefix_is_special(&p)) {
        fail(r, "%s is not a network that a LAN can have; correct it", text);
        return false;
    }
    *ret = prefix_network(&p);
    if (prefix_has_host_bits(&p))
        error_add(notes, r->file, r->number, NULL,
                  "%s has bits set behind the mask that P2P-VPN gives every subnet; %s is taken",
                  prefix_format(&p, as_is), prefix_format(ret, network));
    return true;
}

static void parse_server(struct reader *r, const struct line *l, struct arena *arena,
                         struct p2pvpn_server *s, struct error_list *notes)
{
    const char *const *w = l->words;

    if (l->n_words != 3) {
        fail(r,
             "a server's line has three words, its name, its address and its subnet, not %u; "
             "correct it",
             l->n_words);
        return;
    }
    if (!name_valid(w[0]))
        fail(r,
             "'%s' cannot be the name of a gateway: only letters, digits, '.', '_' and '-' "
             "(beginning and ending with a letter or digit), at most %d; rename it here, in the "
             "file names under servers/ and in their 'cert' and 'tls-remote' lines",
             w[0], NAME_MAX_LEN);
    if (!parse_endpoint(w[1], &s->endpoint_family))
        fail(r, "'%s' is neither an address nor a DNS name; correct it", w[1]);
    if (!parse_subnet(r, w[2], &s->subnet, notes) || r->failed)
        return;
    s->name = arena_strdup(arena, w[0]);
    s->endpoint = arena_strdup(arena, w[1]);
    s->line = r->number;
}

int p2pvpn_parse_cache(const char *text, size_t len, const char *file, struct arena *arena,
                       struct p2pvpn_cache *ret, struct error_list *notes, struct error_list *err)
{
    struct reader r = {.at = text, .end = text + len, .file = file, .err = err};
    struct seen *seen = NULL, *entries;
    bool failed = false;
    size_t cap = 1;
    struct line l;

    for (size_t i = 0; i < len; i++)
        cap += text[i] == '\n';
    ret->servers = arena_alloc(arena, cap, sizeof(*ret->servers));
    ret->n_servers = 0;
    entries = xcalloc(cap, sizeof(*entries));
    while (next_line(&r, &l)) {
        struct p2pvpn_server *s = &ret->servers[ret->n_servers];
        struct seen *old;

        failed |= r.failed;
        r.failed = false;
        parse_server(&r, &l, arena, s, notes);
        if (r.failed)
            continue;
        HASH_FIND_STR(seen, s->name, old);
        if (old && strcmp(old->server->endpoint, s->endpoint) == 0 &&
            prefix_compare(&old->server->subnet, &s->subnet) == 0)
            continue;
        if (old) {
            fail(&r,
                 "'%s' is also in line %u, with another address or subnet; keep the line that "
                 "is right",
                 s->name, old->server->line);
            continue;
        }
        entries[ret->n_servers].server = s;
        HASH_ADD_KEYPTR(hh, seen, s->name, strlen(s->name), &entries[ret->n_servers]);
        ret->n_servers++;
    }
    HASH_CLEAR(hh, seen);
    free(entries);
    if (failed || r.failed)
        return -EINVAL;
    return ret->n_servers ? 0
                          : error_add(err, file, 0, NULL,
                                      "no server is in it; is this the working directory of "
                                      "P2P-VPN?");
}

/* --- p2p_pair_id.txt ----------------------------------------------------------------------------
 */

int p2pvpn_parse_next_id(const char *text, size_t len, const char *file, uint32_t *ret,
                         struct error_list *err)
{
    struct reader r = {.at = text, .end = text + len, .file = file, .err = err};
    struct line l = {.n_words = 0};

    if (!next_line(&r, &l) || l.n_words != 1 ||
        !parse_number(l.words[0], P2PVPN_MAX_PAIRS + 1, ret)) {
        r.number = 1;
        return fail(&r,
                    "the number of the next pair is missing or not a number up to %u; write "
                    "the highest number of servers/ plus 1",
                    P2PVPN_MAX_PAIRS + 1);
    }
    return r.failed ? -EINVAL : 0;
}

/* --- servers/ -----------------------------------------------------------------------------------
 */

bool p2pvpn_conf_name(const char *file_name, uint32_t *ret_id, unsigned *ret_side)
{
    size_t n = strlen(file_name);
    char id[16] = "";

    if (n < strlen("server_1_1.conf") || n > strlen("server_65535_1.conf") ||
        strncmp(file_name, "server_", 7) != 0 || strcmp(file_name + n - 5, ".conf") != 0 ||
        file_name[n - 7] != '_' || (file_name[n - 6] != '1' && file_name[n - 6] != '2'))
        return false;
    memcpy(id, file_name + 7, n - 7 - 7);
    *ret_side = (unsigned)(file_name[n - 6] - '0');
    return parse_number(id, P2PVPN_MAX_PAIRS, ret_id);
}

bool p2pvpn_link_name(const char *file_name, struct arena *arena, const char **ret_name,
                      uint32_t *ret_id)
{
    size_t n = strlen(file_name), at;
    char id[16] = "";

    if (n < 8 || n > 255 || strcmp(file_name + n - 5, ".conf") != 0)
        return false;
    n -= 5;
    for (at = n; at > 0 && file_name[at - 1] != '_'; at--)
        ;
    if (at < 2 || n - at > 5)
        return false;
    memcpy(id, file_name + at, n - at);
    if (!parse_number(id, P2PVPN_MAX_PAIRS, ret_id))
        return false;
    *ret_name = arena_strndup(arena, file_name, at - 1);
    return true;
}

static void parse_route(struct reader *r, const struct line *l, struct arena *arena,
                        struct p2pvpn_conf *c)
{
    struct prefix network, mask = {.family = FAMILY_IPV4, .len = 32, .addr = {255, 255, 255, 255}};
    struct p2pvpn_route *more;
    uint32_t bits = 0, inverse;

    if (l->n_words < 2 || !parse_ipv4(l->words[1], &network) ||
        (l->n_words > 2 && !parse_ipv4(l->words[2], &mask))) {
        fail(r, "the route has no IPv4 subnet and mask; correct it, or take it out");
        return;
    }
    for (unsigned i = 0; i < 4; i++)
        bits = bits << 8 | mask.addr[i];
    inverse = ~bits;
    if (inverse & (inverse + 1)) {
        fail(r, "'%s' is not a mask such as 255.255.255.0; correct it", l->words[2]);
        return;
    }
    network.len = (uint8_t)__builtin_popcount(bits);
    if ((c->n_routes & (c->n_routes - 1)) == 0) { /* full: 0, 1, 2, 4 ... */
        more = arena_alloc(arena, c->n_routes ? c->n_routes * 2 : 1, sizeof(*more));
        if (c->n_routes)
            memcpy(more, c->routes, c->n_routes * sizeof(*more));
        c->routes = more;
    }
    c->routes[c->n_routes++] = (struct p2pvpn_route){prefix_network(&network), r->number};
}

static bool port_word(struct reader *r, const struct line *l, unsigned word, uint16_t *ret)
{
    uint32_t port;

    if (l->n_words <= word || !parse_number(l->words[word], UINT16_MAX, &port) || port == 0) {
        fail(r, "'%s' needs a port from 1 to 65535; correct it", l->words[0]);
        return false;
    }
    *ret = (uint16_t)port;
    return true;
}

static void parse_remote(struct reader *r, const struct line *l, struct arena *arena,
                         struct p2pvpn_conf *c)
{
    uint8_t family;

    if (l->n_words < 2 || !parse_endpoint(l->words[1], &family)) {
        fail(r, "'remote' needs an address or a DNS name; correct it");
        return;
    }
    if (c->remote) {
        fail(r,
             "a second 'remote': only one can be carried over; keep the one in use (the first "
             "is in line %u)",
             c->remote_line);
        return;
    }
    c->remote = arena_strdup(arena, l->words[1]);
    c->remote_line = r->number;
    if (l->n_words > 2)
        port_word(r, l, 2, &c->rport);
}

static void parse_ifconfig(struct reader *r, const struct line *l, struct p2pvpn_conf *c)
{
    if (l->n_words < 3 || !parse_ipv4(l->words[1], &c->address) ||
        !parse_ipv4(l->words[2], &c->peer_address)) {
        c->address.family = c->peer_address.family = FAMILY_NONE;
        fail(r, "'ifconfig' needs two IPv4 addresses, ours and the other end's; correct it");
        return;
    }
    if (prefix_compare(&c->address, &c->peer_address) == 0 || prefix_is_special(&c->address) ||
        prefix_is_special(&c->peer_address))
        fail(r, "these are not two addresses that the ends of a link can have; correct them");
    c->ifconfig_line = r->number;
}

/* keys/perth.crt -> perth */
static const char *certificate_owner(const char *path, struct arena *arena)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n = strlen(base);

    return n > 4 && strcmp(base + n - 4, ".crt") == 0 ? arena_strndup(arena, base, n - 4) : NULL;
}

static bool known_and_superseded(const char *directive)
{
    static const char *const known[] = {
        "dev", "dev-type", "topology",     "tls-client", "tls-server",      "ca",        "key",
        "dh",  "ping",     "ping-restart", "up",         "script-security", "keepalive", NULL};

    for (unsigned i = 0; known[i]; i++)
        if (strcmp(directive, known[i]) == 0)
            return true;
    return false;
}

static void parse_directive(struct reader *r, const struct line *l, struct arena *arena,
                            struct p2pvpn_conf *c, struct error_list *notes)
{
    const char *d = l->words[0];

    if (strcmp(d, "ifconfig") == 0) {
        parse_ifconfig(r, l, c);
    } else if (strcmp(d, "lport") == 0) {
        port_word(r, l, 1, &c->lport);
    } else if (strcmp(d, "rport") == 0) {
        port_word(r, l, 1, &c->rport);
    } else if (strcmp(d, "port") == 0) {
        if (port_word(r, l, 1, &c->lport))
            c->rport = c->lport;
    } else if (strcmp(d, "remote") == 0) {
        parse_remote(r, l, arena, c);
    } else if (strcmp(d, "route") == 0) {
        parse_route(r, l, arena, c);
    } else if ((strcmp(d, "tls-remote") == 0 || strcmp(d, "verify-x509-name") == 0) &&
               l->n_words > 1) {
        c->peer_name = arena_strdup(arena, l->words[1]);
        c->peer_name_line = r->number;
    } else if (strcmp(d, "cert") == 0 && l->n_words > 1) {
        c->own_name = certificate_owner(l->words[1], arena);
        c->own_name_line = r->number;
    } else if (strcmp(d, "proto") == 0 && l->n_words > 1) {
        c->tcp = strncmp(l->words[1], "tcp", 3) == 0;
        if (c->tcp)
            error_add(notes, r->file, r->number, NULL,
                      "this pair uses TCP; its link will use UDP, so let that port through");
    } else if (!known_and_superseded(d)) {
        error_add(notes, r->file, r->number, NULL,
                  "'%s' is not carried over; see whether a setting of the model replaces it", d);
    }
}

int p2pvpn_parse_conf(const char *text, size_t len, const char *file, struct arena *arena,
                      struct p2pvpn_conf *ret, struct error_list *notes, struct error_list *err)
{
    struct reader r = {.at = text, .end = text + len, .file = file, .err = err};
    struct line l;

    *ret = (struct p2pvpn_conf){
        .file = arena_strdup(arena, file), .lport = OPENVPN_PORT, .rport = OPENVPN_PORT};
    while (next_line(&r, &l))
        parse_directive(&r, &l, arena, ret, notes);
    r.number = 0;
    if (!ret->ifconfig_line && !r.failed)
        fail(&r, "it has no 'ifconfig' line, so the addresses of the link are unknown; restore it");
    return r.failed ? -EINVAL : 0;
}
