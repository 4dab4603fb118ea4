/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/contact.h"
#include "agent/enroll.h"
#include "agent/key.h"
#include "agent/log.h"
#include "agent/report_when.h"
#include "agent/status.h"
#include "agent/status_print.h"
#include "common/alloc.h"
#include "common/fs.h"

#define TRIED_FILE "renewal-tried"
#define WANTED_FILE "renewal-wanted" /* by the controller */

bool report_renewal_due(const struct report_renewal *at, int64_t now)
{
    int64_t later = (int64_t)at->phase * REPORT_RENEW_SPREAD_S / REPORT_EVERY_MS;
    int64_t tried = at->tried;
    bool longest = at->authority != 0 && at->expires >= at->authority;
    bool ends = at->expires - now < REPORT_RENEW_S - later && !longest;

    if (at->expires == 0 || (!ends && !at->wanted))
        return false;
    return tried == 0 || now < tried || now - tried >= REPORT_RETRY_S;
}

/* --- the report --------------------------------------------------------------------------------
 */

/* Rows of a list with nothing in them but these members. */
static void keep_members(json_t *list, const char *const *keys, size_t n_keys)
{
    json_t *row, *value;
    const char *key;
    void *next;
    size_t i;

    json_array_foreach(list, i, row)
    {
        json_object_foreach_safe(row, next, key, value)
        {
            bool wanted = false;

            (void)value;
            for (size_t k = 0; k < n_keys; k++)
                wanted = wanted || strcmp(key, keys[k]) == 0;
            if (!wanted)
                json_object_del(row, key);
        }
    }
}

void report_shorten(struct buf *json)
{
    static const char *const of_link[] = {"interface", "peer", "state"};
    static const char *const of_session[] = {"neighbor", "bgp"};
    json_t *doc = json_loadb(buf_cstr(json), json->len, 0, NULL);
    char *dump = NULL;

    if (json_is_object(doc)) {
        keep_members(json_object_get(doc, "links"), of_link, 3);
        keep_members(json_object_get(doc, "sessions"), of_session, 2);
        json_object_del(doc, "prefixes");
        dump = json_dumps(doc, JSON_COMPACT);
    }
    if (dump) {
        buf_reset(json);
        buf_str(json, dump);
    }
    free(dump);
    json_decref(doc);
}

/* Of a gateway that cannot say more. */
static void write_problems(const struct settings *s, const char *gateway, int64_t expires,
                           const struct error_list *problems, struct buf *b)
{
    _cleanup_free_ char *keys = settings_keys_dir(s), *authorities = key_authorities(keys);

    buf_str(b, "{\"gateway\":");
    buf_json(b, gateway);
    buf_str(b, ",\"healthy\":false,\"problems\":[");
    for (size_t i = 0; i < problems->n; i++) {
        buf_str(b, i ? "," : "");
        buf_json(b, problems->items[i].message);
    }
    buf_char(b, ']');
    if (expires)
        buf_printf(b, ",\"certificate\":{\"expires\":%" PRId64 ",\"authorities\":[", expires);
    for (const char *p = authorities; expires && p && *p; p += *p == ' ') {
        buf_printf(b, "%s\"%.*s\"", p > authorities ? "," : "", DIGEST_TEXT_LEN, p);
        p += DIGEST_TEXT_LEN;
    }
    buf_str(b, expires ? "]}" : "");
    buf_char(b, '}');
}

/* True: it is well. */
static bool describe(const struct settings *s, const char *gateway, int64_t expires, struct buf *b)
{
    struct error_list problems = ERROR_LIST_INIT;
    struct arena paths = ARENA_INIT;
    struct status_query query = status_query_of(s, &paths);
    struct status *status = NULL;
    bool well = false;

    query.for_controller = true;
    if (status_collect(&query, &status, &problems) == 0) {
        status_print_json(status, b);
        well = status->problems.n == 0;
    } else {
        write_problems(s, gateway, expires, &problems, b);
    }
    if (b->len > CONTACT_REPORT_MAX)
        report_shorten(b);
    status_free(status);
    arena_free(&paths);
    error_clear(&problems);
    return well;
}

/* 0, REPORT_PROBLEMS, REPORT_WANTED or both. */
static int tell(const struct contact *c, const char *gateway, int64_t expires,
                struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct contact_ask ask = {.what = CONTACT_REPORT};
    _cleanup_free_ char *wanted = xasprintf("%s/" WANTED_FILE, c->settings->run_dir);
    struct contact_answer answer;
    bool well = describe(c->settings, gateway, expires, &text);
    int r;

    ask.report = buf_cstr(&text);
    r = contact_ask(c, &ask, &answer, err);
    if (r == 0 && answer.renew)
        r = fs_write(wanted, "", 0, 0644, err);
    if (r == 0)
        r = (well ? 0 : REPORT_PROBLEMS) | (answer.renew ? REPORT_WANTED : 0);
    contact_answer_clear(&answer);
    return r;
}

struct self {
    struct contact contact; /* without url: no controller is known */
    char *keys, *gateway;   /* NULL: it has no certificate */
    int64_t expires;        /* seconds since 1970 */
};

/* --- renewal -----------------------------------------------------------------------------------
 */

/* When it was tried last; 0: not at all. */
static int64_t last_try(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_mtime : 0;
}

static int renew(const struct contact *c, const char *keys, struct error_list *err)
{
    const struct settings *s = c->settings;
    struct contact_ask ask = {.what = CONTACT_RENEW};
    struct contact_answer answer = {.text = BUF_INIT};
    struct key_request request;
    int r = key_generate(keys, NULL, KEY_RENEW, s->link_uid, s->link_gid, &request, err);

    if (r < 0)
        return r;
    ask.request = buf_cstr(&request.pem);
    r = contact_ask(c, &ask, &answer, err);
    if (r == 0)
        r = enroll_install_renewal(s, &answer.text, err);
    contact_answer_clear(&answer);
    key_request_clear(&request);
    return r;
}

static int renew_in_time(const struct self *self, bool now, struct error_list *err)
{
    const char *run_dir = self->contact.settings->run_dir;
    _cleanup_free_ char *tried = xasprintf("%s/" TRIED_FILE, run_dir);
    _cleanup_free_ char *file = xasprintf("%s/" WANTED_FILE, run_dir);
    struct report_renewal at = {.expires = self->expires,
                                .authority = key_authority_expires(self->keys),
                                .phase = report_phase(self->gateway),
                                .wanted = access(file, F_OK) == 0,
                                .tried = last_try(tried)};
    int r;

    if (!now && !report_renewal_due(&at, time(NULL))) {
        at.tried = 0;
        return report_renewal_due(&at, time(NULL)) ? REPORT_RENEW_LATER : 0;
    }
    r = fs_write(tried, "", 0, 0644, err);
    if (r == 0)
        r = renew(&self->contact, self->keys, err);
    if (r == 0 && at.wanted) {
        unlink(tried);
        unlink(file);
    }
    return r == 0 ? REPORT_RENEWED : r;
}

/* --- who tells whom ----------------------------------------------------------------------------
 */

static int find_self(const struct settings *s, struct self *ret, struct error_list *err)
{
    struct error_list ignored = ERROR_LIST_INIT; /* then it is not enrolled */

    *ret = (struct self){.contact = CONTACT_INIT, .keys = settings_keys_dir(s)};
    ret->expires = key_expires(ret->keys);
    if (ret->expires == 0 || key_gateway(ret->keys, &ret->gateway, &ignored) != 1)
        ret->gateway = NULL;
    error_clear(&ignored);
    return contact_find(s, &ret->contact, err);
}

static void clear_self(struct self *self)
{
    contact_clear(&self->contact);
    free(self->keys);
    free(self->gateway);
}

static int check_time(const struct self *self, struct error_list *err)
{
    return self->expires > time(NULL)
               ? 0
               : error_add(err, self->keys, 0, NULL,
                           "the certificate of this gateway has ended, and the controller takes it "
                           "no more: enroll it again, with a token or by files");
}

int report_once(const struct settings *s, bool renew, struct error_list *err)
{
    struct self self;
    int r = find_self(s, &self, err), told;

    if (r == 0 && !self.contact.url) {
        log_say(LOG_LEVEL_INFO, "no controller is known here, so nobody is told");
        clear_self(&self);
        return 0;
    }
    if (r == 0 && !self.gateway)
        r = error_add(err, self.keys, 0, NULL,
                      "this gateway has no certificate, by which the controller would know it: "
                      "enroll it first");
    if (r == 0)
        r = check_time(&self, err);
    if (r == 0) {
        told = tell(&self.contact, self.gateway, self.expires, err);
        /* Also when it could not be told: what is wrong may be the report alone. */
        r = renew_in_time(&self, renew, err);
        r = told < 0 ? told : r < 0 ? r : 0;
    }
    clear_self(&self);
    return r;
}

int report_tell_job(void *settings, struct error_list *err)
{
    struct self self;
    int r = find_self(settings, &self, err);

    if (r == 0 && (!self.contact.url || !self.gateway))
        r = REPORT_TO_NOBODY;
    if (r == 0)
        r = check_time(&self, err);
    if (r == 0)
        r = tell(&self.contact, self.gateway, self.expires, err);
    if (r >= 0 && r != REPORT_TO_NOBODY)
        r |= (int)report_phase(self.gateway);
    clear_self(&self);
    return r;
}

int report_renew_job(void *settings, struct error_list *err)
{
    struct self self;
    int r = find_self(settings, &self, err);

    if (r == 0 && self.contact.url && self.gateway && self.expires > time(NULL))
        r = renew_in_time(&self, false, err);
    clear_self(&self);
    return r;
}
