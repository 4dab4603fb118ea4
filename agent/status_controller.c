/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/status_controller.h"

#include <stdlib.h>

#include "agent/contact.h"
#include "agent/status_print.h"
#include "common/alloc.h"

void status_controller_collect(const struct status_query *q, struct status *s)
{
    struct status_controller *c = &s->controller;
    struct contact contact = CONTACT_INIT;

    if (!q->settings || q->for_controller)
        return;
    if (contact_find(q->settings, &contact, &s->problems) == 0 && contact.url)
        c->url = xstrdup(contact.url);
    contact_clear(&contact);
    if (!c->url)
        return;
    c->known = report_note_read(q->settings->run_dir, &c->note, &s->problems) == 0;
    c->running = c->known && report_note_alive(&c->note);
}

void status_controller_clear(struct status_controller *c)
{
    free(c->url);
    *c = (struct status_controller){0};
}

void status_controller_judge(struct status *s)
{
    const struct status_controller *c = &s->controller;
    const struct report_note *n = &c->note;
    _cleanup_buf_ struct buf ago = BUF_INIT;

    /* Without a note none ran since the last boot: somebody uses `report --once`. */
    if (!c->url || !c->known)
        return;
    if (!c->running) {
        error_add(
            &s->problems, NULL, 0, NULL,
            "nothing tells the controller how this gateway is, or has its certificate renewed: "
            "\"systemctl start p2pvpn-report\"");
    } else if (*n->text && (n->refused || s->now - n->since >= STATUS_CONTROLLER_AWAY_S)) {
        status_print_duration(n->since < s->now ? (uint64_t)(s->now - n->since) : 0, &ago);
        error_add(
            &s->problems, NULL, 0, NULL,
            "the controller was not told for %s how this gateway is, which forwards on without "
            "it: %s (\"The controller does not hear of a gateway\" in troubleshooting.md)",
            buf_cstr(&ago), n->text);
    }
}
