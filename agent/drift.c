/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/drift.h"

#include <stdlib.h>
#include <string.h>

#include "agent/plan.h"
#include "agent/vty.h"

static bool makes_interface(enum plan_action a)
{
    return a == PLAN_LINK_CREATE || a == PLAN_LINK_RECREATE;
}

/* Steps whose repetition is a fight. */
static bool counted(enum plan_action a)
{
    switch (a) {
    case PLAN_SETTING:
    case PLAN_LINK_CREATE:
    case PLAN_LINK_RECREATE:
    case PLAN_ALIAS:
    case PLAN_ALTNAME_REMOVE:
    case PLAN_ALTNAME_ADD:
    case PLAN_MTU:
    case PLAN_QUEUE_LENGTH:
    case PLAN_ADDRESS_ADD:
    case PLAN_LINK_UP:
    case PLAN_ADDRESS_REMOVE:
    case PLAN_LINK_REMOVE:
        return true;
    default:
        return false;
    }
}

/* What a step puts right, whatever it is about it that is wrong this time. */
static uint64_t key_of(const struct plan_step *s)
{
    uint64_t key = vty_digest(VTY_DIGEST_START, s->target, strlen(s->target) + 1);

    key = vty_digest(key, (const char *)&s->action, sizeof(s->action));
    if (s->action == PLAN_ALTNAME_ADD || s->action == PLAN_ALTNAME_REMOVE)
        key = vty_digest(key, s->text, strlen(s->text));
    if (s->action == PLAN_ADDRESS_ADD || s->action == PLAN_ADDRESS_REMOVE)
        key = vty_digest(key, (const char *)s->address.local.addr, sizeof(s->address.local.addr));
    return key;
}

void drift_tell(struct buf *b, const char *what)
{
    buf_printf(b,
               "this was put right %d times in a row and is wrong again: %s.  Something on this "
               "machine changes it back: find that and stop it.  Until it stays, it is put right "
               "after %d s and then ever more rarely, every %d minutes in the end\n",
               REPAIRS_FREE, what, REPAIRS_MIN_MS / 1000, REPAIRS_MAX_MS / 60000);
}

/* "MTU of pv2: 1400", the line that the plan has for it. */
static void tell_step(struct buf *b, struct plan_step *s)
{
    struct plan one = {.steps = s, .n = 1};
    struct buf text = BUF_INIT;

    plan_print(&one, &text);
    text.data[--text.len] = '\0'; /* without the end of line */
    drift_tell(b, buf_cstr(&text));
    buf_free(&text);
}

static void earlier(int64_t *at, int64_t other)
{
    if (other < *at)
        *at = other;
}

static void drop(struct plan_step *s)
{
    free(s->target);
    free(s->reason);
    free(s->text);
}

void drift_hold_back(struct repairs *r, struct plan *p, int64_t now, int64_t *again,
                     struct buf *fights)
{
    size_t kept = 0, made = PLAN_NO_LINK, held = PLAN_NO_LINK;

    for (size_t i = 0; i < p->n; i++) {
        struct plan_step *s = &p->steps[i];
        enum repairs_answer answer = REPAIRS_GO;
        int64_t until;

        /* The steps of a link stand together, and that which makes its interface comes first. */
        if (s->link != PLAN_NO_LINK && s->link == held)
            answer = REPAIRS_WAIT;
        else if (counted(s->action) && (s->link == PLAN_NO_LINK || s->link != made)) {
            answer = repairs_ask(r, key_of(s), now, &until);
            if (answer != REPAIRS_GO)
                earlier(again, until);
            if (makes_interface(s->action))
                *(answer == REPAIRS_GO ? &made : &held) = s->link;
        }
        if (answer == REPAIRS_FIGHT)
            tell_step(fights, s);
        if (answer == REPAIRS_GO)
            p->steps[kept++] = *s;
        else
            drop(s);
    }
    p->n = kept;
    repairs_sweep(r, now);
}

static enum repair_kind kind_of(enum plan_action a)
{
    switch (a) {
    case PLAN_SETTING:
        return REPAIR_SETTING;
    case PLAN_ADDRESS_ADD:
    case PLAN_ADDRESS_REMOVE:
        return REPAIR_ADDRESS;
    case PLAN_PROCESS_START:
    case PLAN_PROCESS_RESTART:
        return REPAIR_PROCESS;
    default:
        return counted(a) ? REPAIR_INTERFACE : REPAIR_KINDS;
    }
}

void drift_count(const struct plan *p, unsigned ret[static REPAIR_KINDS])
{
    size_t made = PLAN_NO_LINK;

    memset(ret, 0, REPAIR_KINDS * sizeof(*ret));
    for (size_t i = 0; i < p->n; i++) {
        const struct plan_step *s = &p->steps[i];
        enum repair_kind kind = kind_of(s->action);

        if (kind != REPAIR_KINDS && !s->failed && (s->link == PLAN_NO_LINK || s->link != made))
            ret[kind]++;
        if (makes_interface(s->action))
            made = s->link;
    }
}

void drift_failed(struct repairs *r, const struct plan *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->steps[i].failed && counted(p->steps[i].action))
            repairs_failed(r, key_of(&p->steps[i]));
}
