/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/handover.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/worker.h"

struct handover {
    size_t len;
    char data[WIRE_MAX_BYTES];
};

int handover_new(struct handover **ret, struct error_list *err)
{
    *ret = worker_share(sizeof(**ret), err);
    return *ret ? 0 : -ENOMEM;
}

struct handover *handover_free(struct handover *h)
{
    if (h)
        munmap(h, sizeof(*h));
    return NULL;
}

int handover_put(struct handover *h, const struct buf *message, struct error_list *err)
{
    if (message->len > sizeof(h->data))
        return error_sys(err, EFBIG, NULL, "this does not fit between a worker and the agent");
    memcpy(h->data, message->data, message->len);
    h->len = message->len;
    return 0;
}

int handover_take(const struct handover *h, const char *file, struct wire_answer *ret,
                  struct error_list *err)
{
    return wire_read(h->data, h->len < sizeof(h->data) ? h->len : sizeof(h->data), file, ret, err);
}
