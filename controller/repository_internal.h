/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of repository.h share: a repository that is open for one change. */
#ifndef P2PVPN_CONTROLLER_REPOSITORY_INTERNAL_H
#define P2PVPN_CONTROLLER_REPOSITORY_INTERNAL_H

#include <jansson.h>

#include "controller/repo_keys.h"
#include "controller/repository.h"

struct repository {
    const struct repository_options *o;
    char *metadata, *targets; /* folders */
    unsigned days[TUF_TYPES];
    int64_t now;
    json_t *root; /* the newest; NULL: there is none yet */
    struct tuf_repo tuf;
};

/* Reads what is there and what it says of days; `make`: there must be no root, else one. */
int repository_open(const struct repository_options *o, bool make, struct repository *ret,
                    struct error_list *err);
void repository_close(struct repository *r);

/* The key that the root names for a role into r->tuf.seeds. */
int repository_key(struct repository *r, enum tuf_type type, struct error_list *err);

/* Says what went wrong in tuf/; returns the negative errno. */
int repository_fail(const struct repository *r, const struct tuf_error *e, struct error_list *err);

/* For people: what a root says. */
void repository_describe_root(const json_t *root, struct buf *ret);

/* What there is now, with warnings. */
int repository_look(struct repository *r, struct repository_result *ret, struct error_list *err);

#endif
