/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/enroll.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/contact.h"
#include "agent/key.h"
#include "agent/log.h"
#include "agent/repository.h"
#include "agent/state.h"
#include "agent/supervise.h" /* monotonic_ms() */
#include "common/alloc.h"
#include "common/fs.h"
#include "common/token.h"

#define TOKEN_FILE_MAX 4096u
#define BEGUN_FILE "gateway.answer"
#define POLL_S 5 /* between two looks whether a request was approved */

int enroll_request(const struct settings *s, const char *gateway, enum key_wish wish,
                   const char *file, struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    struct key_request request = {BUF_INIT};
    FILE *out = file ? stdout : stderr; /* what is said must not mix with the request */
    int r = state_prepare(s, err);

    if (r == 0)
        r = key_generate(keys, gateway, wish, s->link_uid, s->link_gid, &request, err);
    if (r == 0 && file)
        r = fs_write(file, request.pem.data, request.pem.len, 0644, err);
    else if (r == 0)
        fwrite(request.pem.data, 1, request.pem.len, stdout);
    if (r == 0) {
        fprintf(out, "%s key of %s%s; its fingerprint is\n  %s\n",
                request.reused        ? "The request is for the existing"
                : wish == KEY_REPLACE ? "Made a new"
                                      : "Made the",
                gateway ? "gateway " : "this gateway", gateway ? gateway : "", request.fingerprint);
        if (wish == KEY_REPLACE)
            fprintf(out, "It takes the place of the old one when the answer is installed.\n");
        fprintf(out,
                "Send the request%s%s to the operator, who compares the fingerprint and "
                "answers with 'p2pvpn-ctl enroll'.\n",
                file ? " " : "", file ? file : "");
    }
    key_request_clear(&request);
    return r;
}

/* `common_name` is NAME.gN. */
static int install_repository(const struct settings *s, const char *answer, const char *common_name,
                              struct error_list *err)
{
    const char *dot = strrchr(common_name, '.');
    _cleanup_free_ char *gateway =
        xstrndup(common_name, dot ? (size_t)(dot - common_name) : strlen(common_name));
    _cleanup_free_ char *from = NULL;
    int r = repository_install(s, answer, gateway, &from, err);

    if (r == 0 && from)
        printf("Bundles come from the repository %s.\n", from);
    return r;
}

static int install(const struct settings *s, const char *answer, bool repository,
                   struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    struct key_installed installed = {NULL};
    int r = state_prepare(s, err);

    if (r == 0)
        r = key_install(keys, answer, &installed, err);
    if (r == 0)
        printf("%s certificate of %s, valid until %s.\n",
               installed.changed ? "Installed the" : "Already installed: the",
               installed.common_name, installed.not_after);
    if (r == 0 && repository)
        r = install_repository(s, answer, installed.common_name, err);
    key_installed_clear(&installed);
    return r;
}

int enroll_install(const struct settings *s, const char *answer, struct error_list *err)
{
    return install(s, answer, true, err);
}

static int install_text(const struct settings *s, const char *file, const struct buf *answer,
                        bool repository, struct error_list *err)
{
    int r = fs_write(file, buf_cstr(answer), answer->len, 0644, err);

    return r == 0 ? install(s, file, repository, err) : r;
}

int enroll_install_renewal(const struct settings *s, const struct buf *answer,
                           struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    _cleanup_free_ char *file = xasprintf("%s/gateway.renewal", keys);
    const char *why;
    bool keeps = repository_keeps_root(s, answer, &why);
    int r;

    if (!keeps)
        log_say(LOG_LEVEL_WARNING,
                "of the controller's answer only the certificate is taken: %s; if that is meant, "
                "enroll the gateway again, with a token or by files",
                why);
    r = install_text(s, file, answer, keeps, err);
    unlink(file);
    return r;
}

/* An answer that a run before, which was killed or found no room, had checked and begun to install:
 * its keys may be in place without their certificate.  1: it is installed; 0: there is none that
 * fits. */
static int finish_begun(const struct settings *s, const char *keys, struct error_list *err)
{
    _cleanup_free_ char *file = xasprintf("%s/" BEGUN_FILE, keys);
    struct error_list ignored = ERROR_LIST_INIT;
    int r = access(file, F_OK) < 0 ? -ENOENT : install(s, file, true, &ignored);

    if (r == 0)
        printf("This is what an earlier run had begun; for other keys run it once more.\n");
    if (r == 0 || r == -EINVAL)
        unlink(file);
    else if (ignored.n)
        error_take(err, &ignored);
    error_clear(&ignored);
    return r == 0 ? 1 : r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* --- over the controller -----------------------------------------------------------------------
 */

/* The text without the blanks and newlines around it. */
static int read_token(const char *file, struct buf *ret, struct error_list *err)
{
    bool input = strcmp(file, "-") == 0;
    size_t blank, n;
    int r = input ? fs_read_fd(STDIN_FILENO, TOKEN_FILE_MAX, ret)
                  : fs_read(file, TOKEN_FILE_MAX, ret, err);

    if (r < 0 && input)
        return error_sys(err, -r, NULL, "cannot read the token from standard input");
    if (r < 0)
        return r;
    blank = strspn(buf_cstr(ret), " \t\r\n");
    n = strcspn(buf_cstr(ret) + blank, " \t\r\n");
    if (n) {
        memmove(ret->data, ret->data + blank, n);
        ret->data[n] = '\0';
    }
    ret->len = n;
    return 0;
}

/* The controller is known by the token; without one by a key that the settings name. */
static int whom_to_ask(struct contact *c, const struct enroll_order *order, struct buf *token,
                       struct error_list *err)
{
    char pin[TOKEN_PIN_TEXT_LEN + 1];
    struct token parts;
    int r = 0;

    if (order->token_file)
        r = read_token(order->token_file, token, err);
    else if (order->token)
        buf_str(token, order->token);
    if (r < 0)
        return r;
    if (order->token_file || order->token) {
        if (!token_parse(buf_cstr(token), &parts))
            return error_add(err, order->token_file, 0, NULL,
                             "this is no token: copy all %d characters that 'p2pvpn-ctl token "
                             "create' has printed",
                             TOKEN_TEXT_LEN);
        token_pin_text(&parts, pin);
        c->pin = arena_strdup(&c->keep, pin);
        explicit_bzero(&parts, sizeof(parts));
    }
    if (!c->url)
        return error_add(err, NULL, 0, NULL,
                         "no controller is known: say --controller https://HOST:PORT");
    if (!c->pin)
        return error_add(err, NULL, 0, NULL,
                         "nothing says by which key the controller is known: say --pin with what "
                         "'p2pvpn-controller pin' prints there, or have a token");
    return 0;
}

static bool may_pass(int r)
{
    return r < 0 && r != -EINVAL;
}

/* Until it was approved, it was refused, or the time is over. */
static int await_approval(const struct contact *c, const struct buf *id, unsigned wait,
                          struct contact_answer *ret, struct error_list *err)
{
    const struct contact_ask ask = {.what = CONTACT_ENROLL_ASK, .id = buf_cstr(id)};
    int64_t until = monotonic_ms() + (int64_t)wait * 1000;

    for (;;) {
        const struct timespec pause = {.tv_sec = POLL_S};
        struct error_list now = ERROR_LIST_INIT;
        int r = contact_ask(c, &ask, ret, &now);
        bool over = monotonic_ms() + POLL_S * 1000 > until;

        if (over || (r == 0 ? !ret->waits : !may_pass(r))) {
            error_take(err, &now);
            error_clear(&now);
            return r;
        }
        contact_answer_clear(ret);
        error_clear(&now);
        nanosleep(&pause, NULL);
    }
}

static int ask_and_install(const struct contact *c, const struct enroll_order *order,
                           const char *token, const char *request, struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(c->settings);
    _cleanup_free_ char *file = xasprintf("%s/" BEGUN_FILE, keys);
    const struct contact_ask ask = {.what = CONTACT_ENROLL, .token = token, .request = request};
    struct contact_answer answer = {.text = BUF_INIT}, later = {.text = BUF_INIT};
    int r = contact_ask(c, &ask, &answer, err);

    if (r == 0 && answer.waits) {
        printf("The request waits for an operator, who compares the fingerprint and approves "
               "it;\nits id is %s.\n",
               buf_cstr(&answer.text));
        fflush(stdout);
        r = await_approval(c, &answer.text, order->wait, &later, err);
        if (r == 0 && later.waits)
            r = error_add(err, NULL, 0, NULL,
                          "the request is not approved yet, and nothing was installed: when it is, "
                          "run the same again (with --wait SECONDS it waits for that)");
    }
    if (r == 0) {
        r = install_text(c->settings, file, answer.waits ? &later.text : &answer.text, true, err);
        if (r == 0 || r == -EINVAL) /* else the next run installs it */
            unlink(file);
    }
    contact_answer_clear(&answer);
    contact_answer_clear(&later);
    return r;
}

int enroll_at_controller(const struct settings *s, const struct enroll_order *order,
                         struct error_list *err)
{
    _cleanup_free_ char *keys = settings_keys_dir(s);
    _cleanup_buf_ struct buf token = BUF_INIT;
    struct key_request request = {BUF_INIT};
    struct contact c = CONTACT_INIT;
    int r = contact_find(s, &c, err);

    if (r == 0)
        r = whom_to_ask(&c, order, &token, err);
    if (r == 0)
        r = state_prepare(s, err);
    if (r == 0 && (r = finish_begun(s, keys, err)) == 0 &&
        (r = key_generate(keys, order->gateway, order->wish, s->link_uid, s->link_gid, &request,
                          err)) == 0) {
        printf("The fingerprint of this gateway's key is\n  %s\n", request.fingerprint);
        fflush(stdout);
        r = ask_and_install(&c, order, token.len ? buf_cstr(&token) : NULL, buf_cstr(&request.pem),
                            err);
    }
    if (r >= 0)
        r = contact_note(&c, err);
    key_request_clear(&request);
    contact_clear(&c);
    if (token.data)
        explicit_bzero(token.data, token.cap);
    return r;
}
