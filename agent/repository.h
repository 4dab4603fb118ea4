/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repository: where this gateway's bundles come from when they come by themselves, and whom it
 * trusts for them.
 *
 * STATE/repository.json came with the answer to enrolment:
 *
 *   {"root": {...}, "urls": ["https://..."], "gateway": "NAME",
 *    "controller": "https://...", "pin": "sha256//BASE64"}
 *
 * root, the first root of a TUF repository, is what everything is checked against; the rest may be
 * missing.  Settings of the same meaning win.  Nothing here is secret.
 */
#ifndef P2PVPN_AGENT_REPOSITORY_H
#define P2PVPN_AGENT_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/settings.h"
#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"
#include "common/url.h"

#define REPOSITORY_FILE "repository.json"
#define REPOSITORY_MAX_BYTES ((size_t)1 << 20)

/* Owned texts live in `keep`. */
struct repository {
    struct arena keep;
    struct buf root;                      /* JSON text; empty: none was given */
    const char *mirrors[URL_MIRRORS_MAX]; /* in order; no slash at their end */
    size_t n_mirrors;
    const char *gateway, *controller, *pin, *ca_file; /* NULL: none */
};

#define REPOSITORY_INIT                      \
    {                                        \
        .keep = ARENA_INIT, .root = BUF_INIT \
    }

/* The text of repository.json.  Pure.  -EINVAL with *err filled; clear *ret in any case. */
int repository_parse(const char *text, size_t len, const char *file, struct repository *ret,
                     struct error_list *err);

/* What settings say wins.  -EINVAL: something in them is wrong, or what is needed to fetch is
 * missing from both. */
int repository_settle(struct repository *r, const struct settings *s, struct error_list *err);

/* Reads STATE/repository.json, or the one that systemd hands over ($CREDENTIALS_DIRECTORY), and
 * settles it.  A file that is missing is no error as long as the settings name a repository. */
int repository_read(const struct settings *s, struct repository *ret, struct error_list *err);
void repository_clear(struct repository *r);

/* Writes STATE/repository.json out of the answer to enrolment (common/answer_block.h) of a gateway.
 * *ret: the first address, on the heap; NULL: the answer says nothing of a repository, and what is
 * there stays.  -EINVAL: what it says is wrong, and what is there stays. */
int repository_install(const struct settings *s, const char *answer_file, const char *gateway,
                       char **ret, struct error_list *err);

/* Whether what an answer says of a repository may be taken though nobody enrolls: nothing, or that
 * it has the very root that this gateway has.  Whoever has the controller could make himself the
 * root of all trust otherwise.  `why`: a static sentence. */
bool repository_keeps_root(const struct settings *s, const struct buf *answer, const char **why);

/* Whether this gateway has a repository at all. */
bool repository_configured(const struct settings *s);

/* Bundles and the table of origins come from the fetcher's folder where there is a repository and
 * the settings do not say otherwise.  Texts are kept in *keep. */
void repository_default_source(struct settings *s, struct arena *keep);

/* sha256//BASE64, or several of them with ; between. */
bool repository_pin_valid(const char *pin);

#endif
