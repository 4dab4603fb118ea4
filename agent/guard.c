/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/drift.h"
#include "agent/hosts.h"
#include "agent/log.h"
#include "agent/nf_tables.h"
#include "agent/nft.h"
#include "agent/observe.h"
#include "agent/plan.h"
#include "agent/supervise.h"
#include "agent/worker.h"
#include "common/fs.h"

#define BURST_MS 100  /* a change of somebody's is many messages */
#define RETRY_MS 5000 /* after a failure */
#define RESOLVE_MS 60000
#define RESOLVE_SOON_MS 5000 /* while a name is not known */
#define DNS_LIMIT_MS 8000
#define RECORD_MAX 4096

enum job { JOB_NONE, JOB_SET, JOB_CHECK, JOB_RESOLVE };
enum found { UNKNOWN = 1, CHANGED }; /* by a worker */

struct guard {
    const struct settings *settings;
    struct nf_monitor *monitor; /* NULL: the firewall is left to others */
    int epoll;
    struct worker worker;
    enum job job;
    struct firewall f;                /* of the worker */
    char *key;                        /* of what `wanted` was made of */
    char wanted[DIGEST_TEXT_LEN + 1]; /* firewall_digest() */
    char going[DIGEST_TEXT_LEN + 1];  /* what the worker sets */
    char was[DIGEST_TEXT_LEN + 1];    /* what the table was, when it was right last */
    int64_t *generation;              /* nf_generation() when it was; a worker writes it */
    struct repairs repairs;
    bool hosts;                           /* there are names to resolve */
    bool changed;                         /* the table is not as we left it */
    int64_t check_at, resolve_at, try_at; /* SUPERVISE_NEVER: no need */
    char *told;
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- at once --------------------------------------------------------------------------------- */

static int look_at_table(struct observed *have, struct error_list *err)
{
    char comment[NF_COMMENT_SIZE];
    struct firewall_comment c;
    int r = nf_table_comment(FIREWALL_TABLE, comment, err);

    have->firewall = FIREWALL_NONE;
    have->firewall_digest[0] = '\0';
    if (r == 0) {
        have->firewall = FIREWALL_FOREIGN;
        if (firewall_comment_parse(comment, &c)) {
            have->firewall = FIREWALL_OURS;
            memcpy(have->firewall_digest, c.digest, sizeof(c.digest));
        }
    }
    return r == -ENOENT ? 0 : r;
}

static int listing(char ret[static DIGEST_TEXT_LEN + 1], struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = nft_list(&text, err);

    if (r == 0)
        digest_sha256_text(buf_cstr(&text), text.len, ret);
    return r;
}

/* What the table is now is what it should be. */
static int record(const struct settings *s, int64_t *generation, struct error_list *err)
{
    _cleanup_free_ char *path = settings_firewall_record(s);
    char digest[DIGEST_TEXT_LEN + 1];
    int64_t before = nf_generation();
    int r = listing(digest, err);

    if (r == 0)
        r = fs_write(path, digest, DIGEST_TEXT_LEN, 0600, err);
    if (r == 0 && generation)
        *generation = before;
    return r;
}

/* CHANGED: by somebody.  Without a record it is taken for what it should be; `keep`: and that is
 * recorded. */
static int check(const struct settings *s, bool keep, struct error_list *err)
{
    _cleanup_free_ char *path = settings_firewall_record(s);
    struct error_list ignored = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf recorded = BUF_INIT;
    char digest[DIGEST_TEXT_LEN + 1];
    bool missing = fs_read(path, RECORD_MAX, &recorded, &ignored) < 0;
    int r = listing(digest, err);

    error_clear(&ignored);
    if (r < 0)
        return r;
    if (missing && !keep)
        return 0;
    if (missing)
        return fs_write(path, digest, DIGEST_TEXT_LEN, 0600, err);
    return strcmp(buf_cstr(&recorded), digest) != 0 ? CHANGED : 0;
}

static void load_hosts(const struct settings *s, const struct firewall *f, struct hosts *ret)
{
    _cleanup_free_ char *path = settings_endpoints(s);
    size_t n;
    const char **names = firewall_hosts(f, &n);

    hosts_load(path, names, n, ret);
    free(names);
}

int guard_text(const struct settings *s, const struct firewall *f, struct buf *ret,
               struct error_list *err)
{
    int r = firewall_render(f, ret, err);
    struct hosts hosts;

    load_hosts(s, f, &hosts);
    if (r == 0)
        firewall_render_hosts(f, hosts.list, hosts.n, ret);
    hosts_free(&hosts);
    return r;
}

/* What nobody but the operator can put right. */
static void tell_of_others(const struct firewall *f)
{
    struct error_list ignored = ERROR_LIST_INIT;
    char *other = NULL;

    if (f->now->manage_wan_firewall && nf_input_drop(&other, &ignored) == 0 && other)
        log_say(LOG_LEVEL_WARNING,
                "%s drops what it does not accept, and no other table can let that in: it has to "
                "accept the links' UDP ports (%s) as well",
                other, "nft list set inet " FIREWALL_TABLE " ports");
    free(other);
    error_clear(&ignored);
}

static int set_table(const struct settings *s, const struct firewall *f, int64_t *generation,
                     struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct observed have = OBSERVED_INIT;
    int r = look_at_table(&have, err);

    if (r == 0 && have.firewall == FIREWALL_FOREIGN)
        r = error_add(err, NULL, 0, NULL,
                      "there is a table inet " FIREWALL_TABLE " in nftables that the agent did not "
                      "make, so the links have no firewall: give it another name, or delete it "
                      "(nft delete table inet " FIREWALL_TABLE ")");
    if (r == 0)
        r = guard_text(s, f, &text, err);
    if (r == 0)
        r = nft_run(text.data, text.len, err);
    return r < 0 ? r : record(s, generation, err);
}

static int set_and_tell(const struct settings *s, const struct firewall *f, int64_t *generation,
                        struct error_list *err)
{
    int r = set_table(s, f, generation, err);

    if (r == 0)
        tell_of_others(f);
    return r;
}

int guard_set(const struct settings *s, const struct firewall *f, struct error_list *err)
{
    return set_and_tell(s, f, NULL, err);
}

int guard_remove(const struct settings *s, struct error_list *err)
{
    _cleanup_free_ char *path = settings_firewall_record(s);
    struct observed have = OBSERVED_INIT;
    int r = look_at_table(&have, err);

    if (r == 0 && have.firewall == FIREWALL_OURS)
        r = nft_delete(err);
    unlink(path);
    return r;
}

int guard_look_once(const struct settings *s, const struct firewall *f, struct plan_context *c,
                    struct observed *have, struct error_list *err)
{
    int r = 0;

    c->no_firewall = s->no_firewall;
    c->firewall_digest[0] = '\0';
    if (s->no_firewall)
        return 0;
    if (f->now)
        r = firewall_digest(f, c->firewall_digest, err);
    if (r == 0)
        r = look_at_table(have, err);
    if (r == 0 && have->firewall == FIREWALL_OURS &&
        strcmp(have->firewall_digest, c->firewall_digest) == 0) {
        r = check(s, false, err);
        have->firewall_changed = r == CHANGED;
    }
    return r < 0 ? r : 0;
}

/* Asks for the names, and tells the kernel what is new.  UNKNOWN: some name is not known.  CHANGED:
 * by somebody, and that has to be put right first. */
static int resolve(const struct settings *s, const struct firewall *f, int64_t *generation,
                   struct error_list *err)
{
    _cleanup_free_ char *path = settings_endpoints(s);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct hosts hosts;
    int r = 0;

    load_hosts(s, f, &hosts);
    if (hosts_resolve(&hosts, DNS_LIMIT_MS)) {
        firewall_render_hosts(f, hosts.list, hosts.n, &text);
        r = check(s, false, err);
        if (r == 0)
            r = nft_run(text.data, text.len, err);
        if (r == 0)
            r = record(s, generation, err);
        if (r == 0)
            r = hosts_save(&hosts, path, err);
    }
    for (size_t i = 0; r == 0 && i < hosts.n; i++)
        r = hosts.list[i].n == 0 ? UNKNOWN : 0;
    hosts_free(&hosts);
    return r;
}

/* --- staying ---------------------------------------------------------------------------------- */

int guard_new(const struct settings *s, struct guard **ret, struct error_list *err)
{
    struct guard *g = xcalloc(1, sizeof(*g));
    struct epoll_event event = {.events = EPOLLIN};
    int r = 0;

    g->settings = s;
    g->worker = (struct worker)WORKER_INIT;
    g->resolve_at = g->try_at = SUPERVISE_NEVER; /* but a check at once: who knows since when */
    g->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (g->epoll < 0)
        r = error_sys(err, errno, NULL, "cannot set up the guard of the firewall");
    g->generation = worker_share(sizeof(*g->generation), err);
    if (g->generation)
        *g->generation = -1;
    else
        r = -ENOMEM;
    if (r == 0 && !s->no_firewall)
        r = nf_monitor_open(FIREWALL_TABLE, &g->monitor, err);
    if (r == 0 && g->monitor)
        epoll_ctl(g->epoll, EPOLL_CTL_ADD, nf_monitor_fd(g->monitor), &event);
    if (r < 0)
        guard_free(g);
    else
        *ret = g;
    return r;
}

struct guard *guard_free(struct guard *g)
{
    if (!g)
        return NULL;
    worker_kill(&g->worker);
    nf_monitor_close(g->monitor);
    if (g->generation)
        munmap(g->generation, sizeof(*g->generation));
    if (g->epoll >= 0)
        close(g->epoll);
    repairs_reset(&g->repairs);
    free(g->key);
    free(g->told);
    free(g);
    return NULL;
}

/* Rendering the table of hundreds of links for nothing at every look would be a waste. */
static int want(struct guard *g, const struct firewall *f, struct error_list *err)
{
    char *key = xasprintf("%s %s %s", f->now->revision, f->before ? f->before->revision : "",
                          f->origins ? f->origins->revision : "");
    size_t n;
    int r;

    if (g->key && strcmp(g->key, key) == 0) {
        free(key);
        return 0;
    }
    free(g->key);
    g->key = NULL;
    r = firewall_digest(f, g->wanted, err);
    if (r < 0) {
        free(key);
        return r;
    }
    g->key = key;
    repairs_reset(&g->repairs);
    free(firewall_hosts(f, &n));
    g->hosts = n > 0;
    g->resolve_at = monotonic_ms();
    return 0;
}

/* What is not right is to be put right now. */
static bool may_set(struct guard *g, const struct observed *have)
{
    bool right = have->firewall == FIREWALL_OURS && !g->changed &&
                 strcmp(have->firewall_digest, g->wanted) == 0;
    enum repairs_answer answer = REPAIRS_GO;
    _cleanup_buf_ struct buf text = BUF_INIT;
    int64_t until;

    repairs_sweep(&g->repairs, monotonic_ms());
    if (guard_applying(g) || g->try_at != SUPERVISE_NEVER)
        return false;
    if (right)
        memcpy(g->was, g->wanted, sizeof(g->was));
    else if (strcmp(g->was, g->wanted) == 0)
        answer = repairs_ask(&g->repairs, 0, monotonic_ms(), &until);
    if (answer != REPAIRS_GO)
        g->try_at = until;
    if (answer == REPAIRS_FIGHT) {
        drift_tell(&text, "the table inet " FIREWALL_TABLE " of nftables");
        log_lines(LOG_EVENT_FOUGHT, LOG_LEVEL_WARNING, "", buf_cstr(&text));
    }
    return answer == REPAIRS_GO;
}

int guard_look(struct guard *g, const struct firewall *f, struct plan_context *c,
               struct observed *have, struct error_list *err)
{
    int r;

    c->no_firewall = !g->monitor;
    c->firewall_digest[0] = '\0';
    if (!g->monitor)
        return 0;
    r = want(g, f, err);
    if (r == 0)
        r = look_at_table(have, err);
    if (r < 0)
        return r;
    have->firewall_changed = g->changed;
    if (may_set(g, have))
        memcpy(c->firewall_digest, g->wanted, sizeof(g->wanted));
    return 0;
}

static int work(void *arg, struct error_list *err)
{
    struct guard *g = arg;

    switch (g->job) {
    case JOB_SET:
        return set_and_tell(g->settings, &g->f, g->generation, err);
    case JOB_CHECK:
        return check(g->settings, true, err);
    default:
        return resolve(g->settings, &g->f, g->generation, err);
    }
}

static void start(struct guard *g, enum job job, const struct firewall *f)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct error_list err = ERROR_LIST_INIT;

    g->job = job;
    g->f = *f;
    if (worker_start(&g->worker, work, g, &err) < 0 ||
        epoll_ctl(g->epoll, EPOLL_CTL_ADD, g->worker.fd, &event) < 0) {
        worker_kill(&g->worker);
        g->job = JOB_NONE;
        *(job == JOB_SET     ? &g->try_at
          : job == JOB_CHECK ? &g->check_at
                             : &g->resolve_at) = monotonic_ms() + RETRY_MS;
        log_errors(LOG_LEVEL_ERROR, &err);
    }
    error_clear(&err);
}

void guard_look_again(struct guard *g)
{
    g->check_at = g->resolve_at = monotonic_ms();
    *g->generation = -1;
    g->try_at = SUPERVISE_NEVER;
    repairs_reset(&g->repairs);
}

bool guard_apply(struct guard *g, const struct firewall *f)
{
    if (g->worker.pid) /* what it finds out is of no use any more */
        worker_kill(&g->worker);
    memcpy(g->going, g->wanted, sizeof(g->going));
    start(g, JOB_SET, f);
    return strcmp(g->was, g->wanted) == 0;
}

const char *guard_trouble(const struct guard *g)
{
    return g->told && *g->told ? g->told : NULL;
}

bool guard_applying(const struct guard *g)
{
    return g->worker.pid != 0 && g->job == JOB_SET;
}

/* True: plan again. */
static bool finish(struct guard *g)
{
    struct error_list err = ERROR_LIST_INIT;
    enum job job = g->job;
    int r;

    if (g->worker.pid == 0 || !worker_collect(&g->worker, &r, &err))
        return false;
    g->job = JOB_NONE;
    if (job == JOB_SET) {
        g->changed &= r < 0;
        g->resolve_at = monotonic_ms();
        if (r < 0)
            g->try_at = g->resolve_at + RETRY_MS;
        if (r < 0)
            repairs_failed(&g->repairs, 0);
        else
            memcpy(g->was, g->going, sizeof(g->was));
        log_report(LOG_EVENT_LINKS_FAILED, &g->told, &err);
    } else if (r == CHANGED) {
        g->changed = true;
        g->resolve_at = earlier(g->resolve_at, monotonic_ms() + RESOLVE_SOON_MS);
    } else if (job == JOB_CHECK && r < 0) {
        g->check_at = earlier(g->check_at, monotonic_ms() + RETRY_MS);
    } else if (job == JOB_CHECK) {
        g->changed = false;
    } else if (g->resolve_at == SUPERVISE_NEVER) { /* else it was asked for once more meanwhile */
        g->resolve_at = monotonic_ms() + (r == 0 ? RESOLVE_MS : RESOLVE_SOON_MS);
    }
    error_clear(&err);
    return job == JOB_SET || r == CHANGED || (job == JOB_CHECK && r < 0);
}

int guard_fd(const struct guard *g)
{
    return g->epoll;
}

int64_t guard_deadline(const struct guard *g)
{
    /* Names come after a check (guard_run()). */
    int64_t next = g->check_at != SUPERVISE_NEVER ? g->check_at : g->resolve_at;

    return g->worker.pid ? SUPERVISE_NEVER : earlier(g->try_at, next);
}

static bool due(int64_t *at, int64_t now)
{
    if (*at > now)
        return false;
    *at = SUPERVISE_NEVER;
    return true;
}

/* Nobody has changed any table since ours was listed and found right: what was heard was our own
 * doing. */
static bool as_it_was(const struct guard *g)
{
    int64_t now = nf_generation();

    return now >= 0 && now == *g->generation && !g->changed;
}

bool guard_run(struct guard *g, const struct firewall *f)
{
    bool again = false;
    int64_t now;

    if (!g->monitor)
        return false;
    if (nf_monitor_read(g->monitor)) {
        g->check_at = earlier(g->check_at, monotonic_ms() + BURST_MS);
        again = true;
    }
    again |= finish(g);
    now = monotonic_ms();
    if (due(&g->try_at, now))
        again = true;
    if (g->worker.pid || !f)
        return again;
    if (due(&g->check_at, now) && !as_it_was(g))
        start(g, JOB_CHECK, f);
    else if (g->check_at == SUPERVISE_NEVER && due(&g->resolve_at, now) && g->hosts)
        start(g, JOB_RESOLVE, f);
    return again;
}
