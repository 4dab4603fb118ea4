/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/key_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/name.h"
#include "common/sorted.h"

static char *file_of(const struct settings *s)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);

    return xasprintf("%s/" KEY_MEMORY_FILE, keys);
}

static size_t place_of(const struct key_memory *m, const char *gateway)
{
    return sorted_place(m->peers, m->n, sizeof(*m->peers), gateway);
}

static bool is_at(const struct key_memory *m, size_t i, const char *gateway)
{
    return sorted_is_at(m->peers, m->n, sizeof(*m->peers), i, gateway);
}

uint32_t key_memory_of(const struct key_memory *m, const char *gateway)
{
    size_t i = place_of(m, gateway);

    return is_at(m, i, gateway) ? m->peers[i].generation : 1;
}

static bool raise_to(struct key_memory *m, const char *gateway, uint32_t generation)
{
    size_t i = place_of(m, gateway);

    if (generation <= key_memory_of(m, gateway))
        return false;
    if (!is_at(m, i, gateway)) {
        if (m->n == m->cap) {
            m->cap = m->cap ? m->cap * 2 : 8;
            m->peers = xreallocarray(m->peers, m->cap, sizeof(*m->peers));
        }
        memmove(m->peers + i + 1, m->peers + i, (m->n - i) * sizeof(*m->peers));
        m->peers[i].gateway = xstrdup(gateway);
        m->n++;
    }
    m->peers[i].generation = generation;
    return true;
}

void key_memory_clear(struct key_memory *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->peers[i].gateway);
    free(m->peers);
    *m = (struct key_memory)KEY_MEMORY_INIT;
}

/* --- the file --------------------------------------------------------------------------------- */

/* "GATEWAY N". */
static void take_line(struct key_memory *m, char *line)
{
    char *blank = strchr(line, ' '), *end;
    unsigned long long n;

    if (!blank)
        return;
    *blank = '\0';
    if (!name_valid(line) || blank[1] < '1' || blank[1] > '9')
        return;
    errno = 0;
    n = strtoull(blank + 1, &end, 10);
    if (errno == 0 && *end == '\0' && n <= UINT32_MAX)
        raise_to(m, line, (uint32_t)n);
}

void key_memory_parse(const char *text, struct key_memory *ret)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        _cleanup_free_ char *line = xstrndup(text, len);

        take_line(ret, line);
        text += len + (text[len] == '\n');
    }
}

void key_memory_format(const struct key_memory *m, struct buf *ret)
{
    for (size_t i = 0; i < m->n; i++)
        buf_printf(ret, "%s %u\n", m->peers[i].gateway, m->peers[i].generation);
}

int key_memory_load(const struct settings *s, struct key_memory *ret, struct error_list *err)
{
    _cleanup_free_ char *file = file_of(s);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = access(file, F_OK) < 0 && errno == ENOENT
                ? 0
                : fs_read(file, KEY_MEMORY_MAX_BYTES, &text, err);

    if (r == 0)
        key_memory_parse(buf_cstr(&text), ret);
    return r;
}

bool key_memory_note(struct key_memory *m, const struct bundle *b)
{
    bool more = false;

    for (size_t i = 0; i < b->n_links; i++)
        more |= raise_to(m, b->links[i].peer, b->links[i].peer_generation);
    return more;
}

int key_memory_take(const struct settings *s, struct key_memory *m, const struct bundle *b,
                    struct error_list *err)
{
    _cleanup_free_ char *file = file_of(s);
    _cleanup_buf_ struct buf text = BUF_INIT;

    if (!key_memory_note(m, b))
        return 0;
    key_memory_format(m, &text);
    return fs_write(file, buf_cstr(&text), text.len, 0600, err);
}
