/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/units.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "agent/log.h"
#include "agent/supervise.h" /* monotonic_ms() */
#include "agent/worker.h"
#include "common/alloc.h"

#define UNITS_MAX 8192u /* more than a gateway has links; pages that are not used cost nothing */

/* The answer, in memory that the worker writes and the agent reads. */
struct answer {
    size_t n;
    struct unit_state states[UNITS_MAX];
};

struct units {
    units_work work;
    struct worker worker;
    struct unit_request *queue, *asked; /* to come; with the worker, or with the last one */
    size_t n_queue, n_asked;
    struct answer *answer;
    int64_t at; /* when the next worker starts */
    char *told;
};

static void forget_answer(struct units *u)
{
    if (u->answer)
        munmap(u->answer, sizeof(*u->answer));
    u->answer = NULL;
    free(u->asked);
    u->asked = NULL;
    u->n_asked = 0;
}

struct units *units_new(units_work work)
{
    struct units *u = xcalloc(1, sizeof(*u));

    u->work = work;
    u->worker = (struct worker)WORKER_INIT;
    u->at = SUPERVISE_NEVER;
    return u;
}

struct units *units_free(struct units *u)
{
    if (!u)
        return NULL;
    worker_kill(&u->worker);
    forget_answer(u);
    free(u->queue);
    free(u->told);
    free(u);
    return NULL;
}

static void put(struct units *u, const struct unit_request *request, bool newer)
{
    for (size_t i = 0; i < u->n_queue; i++)
        if (strcmp(u->queue[i].interface, request->interface) == 0) {
            if (newer)
                u->queue[i] = *request;
            return;
        }
    u->queue = xreallocarray(u->queue, u->n_queue + 1, sizeof(*u->queue));
    u->queue[u->n_queue++] = *request;
}

void units_request(struct units *u, const char *interface, enum unit_act act)
{
    struct unit_request request = {.act = act};

    memcpy(request.interface, interface, strnlen(interface, LINK_NAME_SIZE - 1));
    put(u, &request, true);
    units_ask(u, 0);
}

void units_ask(struct units *u, int64_t in_ms)
{
    int64_t at = monotonic_ms() + in_ms;

    u->at = at < u->at ? at : u->at;
}

int units_fd(const struct units *u)
{
    return u->worker.fd;
}

int64_t units_deadline(const struct units *u)
{
    return u->worker.pid ? SUPERVISE_NEVER : u->at;
}

static int run(void *arg, struct error_list *err)
{
    struct units *u = arg;

    return u->work(u->asked, u->n_asked, u->answer->states, UNITS_MAX, &u->answer->n, err);
}

static enum units_news failed(struct units *u, struct error_list *err)
{
    log_report(LOG_EVENT_LINKS_FAILED, &u->told, err);
    error_clear(err);
    for (size_t i = 0; i < u->n_asked; i++)
        put(u, &u->asked[i], false);
    forget_answer(u);
    units_ask(u, UNITS_RETRY_MS);
    return UNITS_FAILED;
}

static enum units_news begin(struct units *u)
{
    struct error_list err = ERROR_LIST_INIT;

    forget_answer(u);
    u->at = SUPERVISE_NEVER;
    u->asked = u->queue;
    u->n_asked = u->n_queue;
    u->queue = NULL;
    u->n_queue = 0;
    u->answer = worker_share(sizeof(*u->answer), &err);
    return !u->answer || worker_start(&u->worker, run, u, &err) < 0 ? failed(u, &err)
                                                                    : UNITS_STARTED;
}

enum units_news units_run(struct units *u)
{
    struct error_list err = ERROR_LIST_INIT;
    int r;

    if (!u->worker.pid)
        return u->at <= monotonic_ms() ? begin(u) : UNITS_NOTHING;
    if (!worker_collect(&u->worker, &r, &err))
        return UNITS_NOTHING;
    if (r < 0)
        return failed(u, &err);
    log_report(LOG_EVENT_LINKS_FAILED, &u->told, &err);
    error_clear(&err);
    if (u->answer->n > UNITS_MAX)
        u->answer->n = 0;
    return UNITS_TOLD;
}

const struct unit_state *units_states(const struct units *u, size_t *ret_n)
{
    *ret_n = u->answer ? u->answer->n : 0;
    return u->answer ? u->answer->states : NULL;
}

bool units_answered(const struct units *u, const char *interface)
{
    for (size_t i = 0; i < u->n_asked; i++)
        if (strcmp(u->asked[i].interface, interface) == 0)
            return true;
    return false;
}

bool units_wants(const struct units *u, const char *interface)
{
    for (size_t i = 0; i < u->n_queue; i++)
        if (strcmp(u->queue[i].interface, interface) == 0)
            return true;
    return false;
}

int units_now(struct units *u, struct error_list *err)
{
    int64_t until = monotonic_ms() + UNITS_NOW_MS;

    units_ask(u, 0);
    for (;;) {
        struct pollfd ready = {.fd = u->worker.fd, .events = POLLIN};
        enum units_news news = units_run(u);

        if (news == UNITS_TOLD)
            return 0;
        if (news == UNITS_FAILED || monotonic_ms() > until)
            return error_sys(err, EIO, NULL, "cannot find out from systemd which links run");
        if (ready.fd >= 0)
            poll(&ready, 1, 1000);
    }
}
