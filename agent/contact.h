/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contact: what this gateway says to the controller (docs/openapi.yaml), and what it answers.
 *
 * It is said by TLS 1.3 to a server whose public key is pinned, by a process of its own that has
 * become the link user: it may read the gateway's key, and nothing that an answer does to it makes
 * it root.  What comes back is one text, of bounded size, that the root side checks like anything
 * else from outside.  STATE/controller.conf, two lines in the form of the settings file, is where
 * enrolment notes the controller and its key; settings win, and after it comes repository.json.
 */
#ifndef P2PVPN_AGENT_CONTACT_H
#define P2PVPN_AGENT_CONTACT_H

#include <stddef.h>

#include "agent/settings.h"
#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"

#define CONTACT_FILE "controller.conf"
#define CONTACT_SECONDS 30                    /* for one question and its answer */
#define CONTACT_ANSWER_MAX ((size_t)64 << 10) /* bytes of the text of an answer */
#define CONTACT_REPORT_MAX ((size_t)1 << 20)  /* that the controller takes */

struct contact {
    struct arena keep; /* of the texts */
    const struct settings *settings;
    const char *url; /* https://HOST, without a slash at its end; NULL: no controller is known */
    const char *pin; /* NULL: none, and CAs have to vouch for it */
};

#define CONTACT_INIT       \
    {                      \
        .keep = ARENA_INIT \
    }

/* Clear it in any case. */
int contact_find(const struct settings *s, struct contact *ret, struct error_list *err);
void contact_clear(struct contact *c);

/* Notes this controller for the time after. */
int contact_note(const struct contact *c, struct error_list *err);

enum contact_what { CONTACT_ENROLL, CONTACT_ENROLL_ASK, CONTACT_RENEW, CONTACT_REPORT };

struct contact_ask {
    enum contact_what what;
    const char *token, *request; /* of CONTACT_ENROLL, token NULL: none; request of CONTACT_RENEW */
    const char *id;              /* of CONTACT_ENROLL_ASK: what was said to be waited for */
    const char *report;          /* JSON */
};

struct contact_answer {
    struct buf text; /* of the answer file; or, if it waits for somebody, its id */
    bool waits;
    bool renew; /* of a report: the certificate is to be renewed now */
};

/* -EINVAL: the controller has refused, or is not the one that is meant; otherwise it could not be
 * asked, and may be asked again. */
int contact_ask(const struct contact *c, const struct contact_ask *ask, struct contact_answer *ret,
                struct error_list *err);
void contact_answer_clear(struct contact_answer *answer);

/* What an answer means.  Pure. */
int contact_read(enum contact_what what, long status, const char *body, size_t len,
                 struct contact_answer *ret, struct error_list *err);

#endif
