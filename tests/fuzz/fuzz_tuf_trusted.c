/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine of trusted metadata, behind the signatures: each line is a letter (which step)
 * and the body of a file, which is signed here by the key of every role.  Whatever the lines say,
 * nothing that is trusted goes back, and what is refused changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "tests/fuzz/fuzz.h"
#include "tuf/canonical.h"
#include "tuf/repo.h"
#include "tuf/trusted.h"

#define NOW 1800000000
#define LINES_MAX 24

static const struct tuf_seed seed = {{7}};

struct state {
    const struct tuf_metadata *files[4];
    bool root_done, snapshot_done;
};

static struct state state_of(const struct tuf_trusted *t)
{
    return (struct state){
        {t->root, t->timestamp, t->snapshot, t->targets}, t->root_done, t->snapshot_done};
}

static int64_t version_of(const struct tuf_metadata *m)
{
    return m ? m->version : 0;
}

static void first_root(struct tuf_trusted *t)
{
    static struct buf text; /* made once: signing takes longer than all the rest */
    struct tuf_error err;

    if (text.len == 0) {
        json_t *body = tuf_repo_body(TUF_ROOT, 1, NOW + 1);

        for (enum tuf_type type = 0; type < TUF_TYPES; type++)
            tuf_repo_set_role(body, type, &seed, 1, 1);
        tuf_repo_sign(body, &seed, 1, &text);
    }
    if (tuf_trusted_first_root(t, text.data, text.len, &err) != TUF_OK)
        abort();
}

struct loader {
    const struct tuf_trusted *t;
    const char *data;
    size_t len;
    unsigned loads;
};

static enum tuf_code load(void *ctx, const struct tuf_role *role, struct tuf_metadata **ret,
                          struct tuf_error *err)
{
    struct loader *l = ctx;

    if (++l->loads > TUF_SEARCH_ROLES_MAX)
        abort();
    return tuf_trusted_role(l->t, role, l->data, l->len, ret, err);
}

static enum tuf_code find(const struct tuf_trusted *t, const char *data, size_t len,
                          struct tuf_error *err)
{
    struct loader l = {t, data, len, 0};
    struct tuf_metadata *role = NULL;
    struct tuf_file file;
    enum tuf_code r = tuf_trusted_find(t, "dir/a", load, &l, &role, &file, err);

    tuf_metadata_free(role);
    return r;
}

static enum tuf_code step(struct tuf_trusted *t, char what, const char *data, size_t len)
{
    struct tuf_error err;
    bool flag;

    switch (what) {
    case 'r':
        return tuf_trusted_next_root(t, data, len, &flag, &err);
    case 'd':
        return tuf_trusted_root_done(t, &err);
    case 'T':
        return tuf_trusted_local_timestamp(t, data, len, &err);
    case 't':
        return tuf_trusted_timestamp(t, data, len, &flag, &err);
    case 'S':
        return tuf_trusted_local_snapshot(t, data, len, &err);
    case 's':
        return tuf_trusted_snapshot(t, data, len, &err);
    case 'g':
        return tuf_trusted_targets(t, data, len, &err);
    default:
        return find(t, data, len, &err);
    }
}

static void check(const struct tuf_trusted *t, const struct state *before, enum tuf_code r)
{
    struct state after = state_of(t);

    if (r != TUF_OK &&
        (memcmp(before->files, after.files, sizeof(after.files)) != 0 ||
         before->root_done != after.root_done || before->snapshot_done != after.snapshot_done))
        abort();
    if (after.root_done && t->root->expires <= NOW)
        abort();
    if (after.snapshot_done &&
        (t->snapshot->expires <= NOW || !t->timestamp || t->timestamp->expires <= NOW))
        abort();
    if (t->targets && (!after.snapshot_done || t->targets->expires <= NOW))
        abort();
}

static void line(struct tuf_trusted *t, const char *text, size_t len)
{
    json_t *body = len > 1 ? json_loadb(text + 1, len - 1, JSON_REJECT_DUPLICATES, NULL) : NULL;
    int64_t versions[] = {version_of(t->root), version_of(t->timestamp), version_of(t->snapshot)};
    _cleanup_buf_ struct buf canonical = BUF_INIT, file = BUF_INIT;
    struct state before = state_of(t);

    if (body && tuf_canonical(body, &canonical)) {
        tuf_repo_sign(body, &seed, 1, &file);
    } else {
        json_decref(body);
        buf_add(&file, text, len);
    }
    check(t, &before, step(t, text[0], buf_cstr(&file), file.len));
    if (version_of(t->root) < versions[0] || version_of(t->timestamp) < versions[1] ||
        version_of(t->snapshot) < versions[2])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tuf_trusted t = {.now = NOW};
    const char *text = (const char *)data;

    first_root(&t);
    for (unsigned n = 0; size > 0 && n < LINES_MAX; n++) {
        const char *end = memchr(text, '\n', size);
        size_t len = end ? (size_t)(end - text) : size;

        if (len > 0)
            line(&t, text, len);
        text += end ? len + 1 : len;
        size -= end ? len + 1 : len;
    }
    tuf_trusted_free(&t);
    return 0;
}
