/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/contact.h"

#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/repository.h"
#include "agent/settings_file.h"
#include "agent/worker.h"
#include "common/fs.h"
#include "tuf/fetch_curl.h"

#define FILE_MAX 4096u
#define BODY_MAX (2 * CONTACT_ANSWER_MAX) /* JSON of the largest answer */
#define ID_LEN 32

/* --- which controller --------------------------------------------------------------------------
 */

/* 0 also when there is no such file. */
static int read_note(struct contact *c, struct settings *ret, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" CONTACT_FILE, c->settings->state_dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    r = fs_read(path, FILE_MAX, &text, err);
    return r == 0 ? settings_file_parse(buf_cstr(&text), text.len, path, &c->keep, ret, err) : r;
}

static int read_repository(struct contact *c, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" REPOSITORY_FILE, c->settings->state_dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct repository r = REPOSITORY_INIT;
    int result;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    result = fs_read(path, REPOSITORY_MAX_BYTES, &text, err);
    if (result == 0)
        result = repository_parse(buf_cstr(&text), text.len, path, &r, err);
    if (result == 0 && r.controller && !c->url)
        c->url = arena_strdup(&c->keep, r.controller);
    if (result == 0 && r.pin && !c->pin)
        c->pin = arena_strdup(&c->keep, r.pin);
    repository_clear(&r);
    return result;
}

static int check(struct contact *c, struct error_list *err)
{
    size_t n = c->url ? strlen(c->url) : 0;

    if (c->url && (!url_valid(c->url) || strncmp(c->url, "https://", 8) != 0))
        return error_add(err, NULL, 0, NULL,
                         "'%.100s' cannot be the address of a controller: give https://HOST:PORT",
                         c->url);
    if (c->pin && !repository_pin_valid(c->pin))
        return error_add(err, NULL, 0, NULL,
                         "'%.100s' cannot be the key of a controller: give sha256//BASE64, as "
                         "'p2pvpn-controller pin' prints it",
                         c->pin);
    while (n > 0 && c->url[n - 1] == '/')
        n--;
    if (c->url)
        c->url = arena_strndup(&c->keep, c->url, n);
    return 0;
}

int contact_find(const struct settings *s, struct contact *ret, struct error_list *err)
{
    struct settings note = {.controller = NULL, .pin = NULL};
    int r;

    *ret = (struct contact)CONTACT_INIT;
    ret->settings = s;
    r = read_note(ret, &note, err);
    ret->url = s->controller ? s->controller : note.controller;
    ret->pin = s->pin ? s->pin : note.pin;
    if (r == 0 && !(ret->url && ret->pin))
        r = read_repository(ret, err);
    return r == 0 ? check(ret, err) : r;
}

void contact_clear(struct contact *c)
{
    arena_free(&c->keep);
    *c = (struct contact)CONTACT_INIT;
}

int contact_note(const struct contact *c, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" CONTACT_FILE, c->settings->state_dir);
    _cleanup_free_ char *text =
        xasprintf("# Where this gateway has enrolled; p2pvpn-agent.conf(5) wins over it.\n"
                  "controller = %s\npin = %s\n",
                  c->url, c->pin);

    return fs_write_if_changed(path, text, strlen(text), 0644, NULL, err);
}

/* --- what an answer means ----------------------------------------------------------------------
 */

/* A text of this size at most, without NUL; NULL: there is none. */
static const char *text_of(const json_t *doc, const char *key, size_t max)
{
    const json_t *value = json_object_get(doc, key);
    const char *text = json_string_value(value);

    return text && *text && json_string_length(value) <= max &&
                   strlen(text) == json_string_length(value)
               ? text
               : NULL;
}

static bool is_id(const char *id)
{
    return id && strlen(id) == ID_LEN && strspn(id, "0123456789abcdef") == ID_LEN;
}

static int refused(long status, const json_t *doc, struct error_list *err)
{
    const char *why = text_of(doc, "error", 1000);

    if (!why)
        why = "it does not say why";
    if (status == 401)
        return error_add(err, NULL, 0, NULL,
                         "the controller does not know this gateway's certificate (%.300s): enroll "
                         "again with a token",
                         why);
    if (status >= 400 && status < 500 && status != 408 && status != 429)
        return error_add(err, NULL, 0, NULL, "the controller refuses: %.300s", why);
    error_add(err, NULL, 0, NULL, "the controller cannot do it now (%ld): %.300s", status, why);
    return -EAGAIN;
}

int contact_read(enum contact_what what, long status, const char *body, size_t len,
                 struct contact_answer *ret, struct error_list *err)
{
    json_t *doc = len ? json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *answer = text_of(doc, "answer", CONTACT_ANSWER_MAX), *id = text_of(doc, "id", 64);
    bool enrolls = what == CONTACT_ENROLL || what == CONTACT_ENROLL_ASK;
    int r = 0;

    ret->waits = ret->renew = false;
    if (status >= 400 && status < 600) {
        r = refused(status, doc, err);
    } else if (status == 200 && what != CONTACT_REPORT && answer) {
        buf_str(&ret->text, answer);
    } else if (status == 200 && what == CONTACT_REPORT &&
               json_is_true(json_object_get(doc, "renew"))) {
        ret->renew = true;
    } else if (status == 202 && enrolls && is_id(id)) {
        buf_str(&ret->text, id);
        ret->waits = true;
    } else if (status != 204 || what != CONTACT_REPORT) {
        error_add(err, NULL, 0, NULL,
                  "what answers here (%ld) is no p2pvpn-controller, or not of a version that this "
                  "agent knows",
                  status);
        r = -EPROTO;
    }
    json_decref(doc);
    return r;
}

/* --- the process that asks ---------------------------------------------------------------------
 */

/* In memory that both see. */
struct shared {
    bool waits, renew;
    size_t len;
    char text[CONTACT_ANSWER_MAX];
};

struct job {
    const struct contact *contact;
    const struct contact_ask *ask;
    struct shared *shared;
};

/* What it knows, a token and later the gateway's key, goes into no core dump. */
static int become(const struct settings *s, struct error_list *err)
{
    const struct rlimit none = {0, 0};
    pid_t parent = getppid();

    setrlimit(RLIMIT_CORE, &none);
    if (setgroups(0, NULL) < 0 || setresgid(s->link_gid, s->link_gid, s->link_gid) < 0 ||
        setresuid(s->link_uid, s->link_uid, s->link_uid) < 0 || setresuid(0, 0, 0) == 0)
        return error_sys(err, EPERM, NULL, "cannot become the user '%s'", s->link_user);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* which was lost with the user */
    if (getppid() != parent)
        return error_sys(err, ECHILD, NULL, "nobody waits for an answer any more");
    return 0;
}

static void add_member(struct buf *b, const char *key, const char *value)
{
    buf_char(b, b->len ? ',' : '{');
    buf_json(b, key);
    buf_char(b, ':');
    buf_json(b, value);
}

static char *url_of(const struct contact *c, const struct contact_ask *ask)
{
    switch (ask->what) {
    case CONTACT_ENROLL:
        return xasprintf("%s/v1/enroll", c->url);
    case CONTACT_ENROLL_ASK:
        return xasprintf("%s/v1/enroll/%s", c->url, ask->id);
    case CONTACT_RENEW:
        return xasprintf("%s/v1/renew", c->url);
    default:
        return xasprintf("%s/v1/report", c->url);
    }
}

/* NULL: there is nothing to be sent. */
static const char *body_of(const struct contact_ask *ask, struct buf *b)
{
    if (ask->what == CONTACT_ENROLL_ASK)
        return NULL;
    if (ask->what == CONTACT_REPORT)
        return ask->report;
    if (ask->token)
        add_member(b, "token", ask->token);
    add_member(b, "request", ask->request);
    buf_char(b, '}');
    return buf_cstr(b);
}

static struct tuf_curl *prepare(const struct contact *c, const struct contact_ask *ask,
                                struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(c->settings);
    _cleanup_free_ char *cert = xasprintf("%s/gateway.crt", keys);
    _cleanup_free_ char *key = xasprintf("%s/gateway.key", keys);
    bool known = ask->what == CONTACT_REPORT || ask->what == CONTACT_RENEW;
    struct tuf_error e;
    struct tuf_curl *curl = NULL;

    if (known && access(key, R_OK) < 0) {
        error_sys(err, errno, key, "the user '%s' cannot read the key of the gateway",
                  c->settings->link_user);
        return NULL;
    }
    curl = tuf_curl_new(CONTACT_SECONDS, &e);
    if (!curl) {
        error_sys(err, ELIBACC, NULL, "%s", e.text);
        return NULL;
    }
    tuf_curl_trust(curl, c->settings->repository_ca, c->pin);
    tuf_curl_proxy(curl, c->settings->proxy);
    tuf_curl_strict(curl, known ? cert : NULL, known ? key : NULL);
    return curl;
}

static int say(const struct job *job, struct contact_answer *answer, struct error_list *err)
{
    _cleanup_free_ char *url = url_of(job->contact, job->ask);
    _cleanup_buf_ struct buf body = BUF_INIT, said = BUF_INIT;
    const struct tuf_curl_ask ask = {
        .url = url, .max = BODY_MAX, .post = body_of(job->ask, &body), .any_status = true};
    struct tuf_curl *curl = prepare(job->contact, job->ask, err);
    struct tuf_curl_answer head = {0};
    struct tuf_error e;
    enum tuf_code code;

    if (!curl)
        return -EIO;
    code = tuf_curl_ask(curl, &ask, &head, &said, &e);
    tuf_curl_free(curl);
    if (code == TUF_OK)
        return contact_read(job->ask->what, head.status, buf_cstr(&said), said.len, answer, err);
    if (head.other_key)
        return error_add(err, NULL, 0, NULL,
                         "%s has another key than the one that is pinned, and was told nothing: it "
                         "is not the controller that is meant, or has a new key; ask the operator",
                         job->contact->url);
    error_add(err, NULL, 0, NULL, "the controller cannot be asked: %s", e.text);
    return code == TUF_TIMEOUT ? -ETIMEDOUT : -EIO;
}

static int work(void *arg, struct error_list *err)
{
    const struct job *job = arg;
    struct contact_answer answer = {.text = BUF_INIT};
    int r = become(job->contact->settings, err);

    if (r == 0)
        r = say(job, &answer, err);
    if (r == 0) {
        memcpy(job->shared->text, buf_cstr(&answer.text), answer.text.len);
        job->shared->len = answer.text.len;
        job->shared->waits = answer.waits;
        job->shared->renew = answer.renew;
    }
    contact_answer_clear(&answer);
    return r;
}

int contact_ask(const struct contact *c, const struct contact_ask *ask, struct contact_answer *ret,
                struct error_list *err)
{
    struct job job = {.contact = c, .ask = ask};
    void *at = worker_share(sizeof(*job.shared), err);
    size_t len;
    int r;

    *ret = (struct contact_answer){.text = BUF_INIT};
    if (!at)
        return -ENOMEM;
    job.shared = at;
    r = worker_do(work, &job, err);
    len = job.shared->len;
    if (r > 0 || (r == 0 && (len > CONTACT_ANSWER_MAX || memchr(job.shared->text, '\0', len))))
        r = error_sys(err, EPROTO, NULL, "the process that asks the controller lies");
    if (r == 0) {
        buf_add(&ret->text, job.shared->text, len);
        ret->waits = job.shared->waits;
        ret->renew = job.shared->renew;
    }
    if (r == 0 && ret->waits && !is_id(buf_cstr(&ret->text)))
        r = error_sys(err, EPROTO, NULL, "the process that asks the controller lies");
    munmap(at, sizeof(*job.shared));
    return r;
}

void contact_answer_clear(struct contact_answer *answer)
{
    buf_free(&answer->text);
}
