/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/produce.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

#include "common/alloc.h"
#include "controller/mesh.h"
#include "controller/network.h"
#include "controller/render.h"
#include "controller/thread.h"
#include "controller/visitor.h"

/* What the threads share.  Everything below the mutex is only touched with it. */
struct shop {
    const struct production *job;
    size_t total;
    pthread_mutex_t mutex;
    size_t next, done;
    size_t first_bad; /* no gateway behind it is begun any more */
    int result;       /* of first_bad, like its errors */
    struct error_list err;
    struct produced produced;
    struct stages stages;
};

/* Of one thread. */
struct bench {
    struct rendered rendered;
    struct error_list err;
    struct stages stages;
    struct produced produced;
};

static bool take(struct shop *s, size_t *ret)
{
    bool any;

    pthread_mutex_lock(&s->mutex);
    any = s->next < s->total && s->next < s->first_bad;
    if (any)
        *ret = s->next++;
    pthread_mutex_unlock(&s->mutex);
    return any;
}

static void finished(struct shop *s, size_t i, int r, struct error_list *err)
{
    pthread_mutex_lock(&s->mutex);
    s->done++;
    if (r < 0 && i < s->first_bad) {
        s->first_bad = i;
        s->result = r;
        error_clear(&s->err);
        s->err = *err;
        *err = (struct error_list)ERROR_LIST_INIT;
    }
    if (r == 0 && s->job->progress)
        s->job->progress(s->done, s->total);
    pthread_mutex_unlock(&s->mutex);
    error_clear(err);
}

static void count(const struct rendered *r, enum output_format format, struct produced *ret)
{
    struct rendered_piece pieces[RENDERED_PIECES];

    if (format == OUTPUT_BUNDLE) {
        rendered_archive(r, pieces);
        ret->files++;
        ret->bytes += rendered_size(pieces);
        return;
    }
    ret->files += r->n_files;
    for (size_t i = 0; i < r->n_files; i++)
        ret->bytes += r->files[i].len;
}

static int one(const struct production *job, size_t i, struct bench *b)
{
    double at = stages_now();
    int r = render_configs(job->renderer, job->net, (uint32_t)i, &b->rendered, &b->err);

    stages_lap(&b->stages, STAGE_RENDER, &at);
    if (r < 0)
        return r;
    r = render_seal(&b->rendered, &b->err);
    stages_lap(&b->stages, STAGE_SEAL, &at);
    if (r < 0)
        return r;
    count(&b->rendered, job->format, &b->produced);
    if (job->output)
        r = output_gateway(job->output, job->net->mesh->gateways[i].name, &b->rendered, &b->err);
    if (r == 0 && job->visitor)
        r = job->visitor->gateway(job->visitor->arg, (uint32_t)i, &b->rendered, &b->err);
    stages_lap(&b->stages, STAGE_WRITE, &at);
    return r;
}

static void *work(void *data)
{
    struct shop *s = data;
    struct bench b = {.err = ERROR_LIST_INIT};
    size_t i;

    while (take(s, &i))
        finished(s, i, one(s->job, i, &b), &b.err);
    rendered_free(&b.rendered);
    pthread_mutex_lock(&s->mutex);
    s->produced.files += b.produced.files;
    s->produced.bytes += b.produced.bytes;
    for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
        s->stages.seconds[stage] += b.stages.seconds[stage];
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

static unsigned processors(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int produce(const struct production *p, struct produced *ret, struct stages *stages,
            struct error_list *err)
{
    struct shop s = {
        .job = p,
        .total = p->net->mesh->n_gateways,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
        .first_bad = SIZE_MAX,
        .err = ERROR_LIST_INIT,
    };
    unsigned n = p->threads ? p->threads : processors(), started = 0;
    pthread_t threads[PRODUCE_MAX_THREADS];

    if (n > PRODUCE_MAX_THREADS)
        n = PRODUCE_MAX_THREADS;
    if (n > s.total)
        n = s.total ? (unsigned)s.total : 1;
    /* This thread is one of them; where no more can be had, it does their work. */
    while (started + 1 < n && thread_start(&threads[started], work, &s))
        started++;
    work(&s);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    for (unsigned stage = 0; stage < STAGE_COUNT; stage++)
        stages->seconds[stage] += s.stages.seconds[stage] / (started + 1);
    error_take(err, &s.err);
    if (s.result == 0)
        *ret = s.produced;
    return s.result;
}
