/* SPDX-License-Identifier: Apache-2.0 */
/* What `p2pvpn-ctl ca init`, `enroll`, `revoke` and `rekey` print and write. */
#include <stdio.h>
#include <string.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "common/name.h"
#include "controller/ca.h"
#include "controller/ca_repository.h"
#include "controller/cli.h"
#include "controller/keys_file.h"
#include "controller/lock.h"
#include "controller/passphrase.h"

static int finish(struct error_list *err, int r)
{
    error_print(err, stderr);
    error_clear(err);
    return error_exit_code(r);
}

static struct passphrase passphrase_of(const struct cli_args *args)
{
    return (struct passphrase){.file = args->passphrase_file, .what = "of the authority's key"};
}

/* After what was done. */
static void warn_of_end(const char *dir)
{
    struct error_list warnings = ERROR_LIST_INIT;

    ca_warn_end(dir, &warnings);
    cli_print_warnings(&warnings);
    error_clear(&warnings);
}

int cli_ca_init(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    struct passphrase p = passphrase_of(args);
    int r = ca_init_with(args->ca, args->name, args->no_passphrase ? NULL : &p, &err);

    passphrase_clear(&p);
    if (r == 0)
        printf(
            "%s: a new certificate authority, for %d years\n"
            "Whoever has this folder%s can add a gateway to the mesh: keep it secret, and keep a "
            "copy.\n",
            args->ca, CA_DAYS / 365, args->no_passphrase ? "" : " and the passphrase");
    return finish(&err, r);
}

int cli_ca_rollover(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    struct passphrase p = passphrase_of(args);
    int r = cli_check_owner(args, args->ca, &err);

    if (r == 0)
        r = ca_rollover(args->ca, &p, &err);
    passphrase_clear(&p);
    if (r == 0)
        printf("%s: made the authority that follows; it does not issue yet\n"
               "From now on answers carry both.  Renew the certificate of every gateway, so that "
               "all trust both; then run 'p2pvpn-ctl ca switch'.\n",
               args->ca);
    return finish(&err, r);
}

int cli_ca_switch(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    int r = cli_check_owner(args, args->ca, &err);

    if (r == 0)
        r = ca_switch(args->ca, &err);
    if (r == 0)
        printf("%s: the new authority issues from now on\n"
               "Renew the certificate of every gateway once more; then run 'p2pvpn-ctl ca "
               "retire'.\n",
               args->ca);
    return finish(&err, r);
}

int cli_ca_retire(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    int r = cli_check_owner(args, args->ca, &err);

    if (r == 0)
        r = ca_retire(args->ca, &err);
    if (r == 0)
        printf("%s: answers carry the new authority only\n"
               "Each gateway ends its trust in the old one with its next certificate.\n",
               args->ca);
    return finish(&err, r);
}

int cli_ca_operator(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    struct passphrase p = passphrase_of(args);
    struct buf pem = BUF_INIT;
    int days, r = ca_operator(args->ca, &p, args->argument, &pem, &days, &err);

    passphrase_clear(&p);
    if (r == 0)
        r = fs_write(args->output, buf_cstr(&pem), pem.len, 0600, &err);
    if (pem.data)
        explicit_bzero(pem.data, pem.cap);
    buf_free(&pem);
    if (r == 0)
        printf("%s: key and certificate of the operator '%s', for %d days\n"
               "Whoever has this file can do at the controller what an operator may: bring it as "
               "you would bring a password.\n",
               args->output, args->argument, days);
    if (r == 0)
        warn_of_end(args->ca);
    return finish(&err, r);
}

static const char *keys_name(const struct cli_args *args)
{
    return args->keys ? args->keys : KEYS_FILE_DEFAULT;
}

/* Into the file that compile reads, before the answer is handed out. */
static int note_keys(struct keys_file *keys, const char *file, const struct ca_answer *answer,
                     uint32_t generation, struct error_list *err)
{
    const struct keys_gateway g = {
        .name = answer->gateway,
        .generation = generation,
        .tls_key = answer->fingerprint,
        .link_key = *answer->link_key ? answer->link_key : NULL,
    };

    keys_file_put(keys, &g);
    return keys_file_write(keys, file, err);
}

static void say_enrolled(const struct cli_args *args, const struct ca_answer *answer)
{
    /* To standard error: the answer may be on standard output. */
    fprintf(stderr,
            "%s: %s for %d days%s%s\n"
            "Public key: %s\n"
            "Compare this with what 'p2pvpn-agent enroll' shows on the gateway before you hand "
            "the answer out.\n",
            answer->common_name, answer->renewed ? "renewed" : "enrolled", answer->days,
            args->output ? ", answer in " : "", args->output ? args->output : "",
            answer->fingerprint);
    fprintf(stderr, "%s has its keys: keep it beside the model, compile reads it.\n",
            keys_name(args));
}

int cli_enroll(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    struct passphrase p = passphrase_of(args);
    struct ca_answer answer = {.pem = BUF_INIT};
    struct keys_file *keys = NULL;
    struct ca_request request;
    uint32_t generation = 1;
    int r = ca_check(args->ca, &err);

    if (r == 0)
        r = cli_check_owner(args, args->ca, &err);
    if (r == 0)
        r = ca_read_request(args->argument, &request, &err);
    if (r == 0)
        r = keys_file_load(keys_name(args), &keys, &err);
    if (r == 0)
        r = keys_file_generation(keys, request.gateway, args->generation, &generation, &err);
    if (r == 0)
        r = ca_enroll_with(args->ca, &p, args->argument, generation, &answer, &err);
    passphrase_clear(&p);
    if (r == 0)
        r = note_keys(keys, keys_name(args), &answer, generation, &err);
    if (r == 0)
        r = ca_add_repository(args->ca, &answer.pem, &err);
    if (r == 0 && args->output)
        r = fs_write(args->output, buf_cstr(&answer.pem), answer.pem.len, 0644, &err);
    else if (r == 0)
        fputs(buf_cstr(&answer.pem), stdout);
    if (r == 0 && !args->quiet)
        say_enrolled(args, &answer);
    if (r == 0)
        warn_of_end(args->ca);
    keys_file_free(keys);
    ca_answer_clear(&answer);
    return finish(&err, r);
}

/* What the lock says; 0: it does not know the gateway. */
static int known_generation(const char *file, const char *gateway, uint32_t *ret,
                            struct error_list *err)
{
    struct lock *lock = NULL;
    int r = lock_load(file, &lock, err);

    *ret = 0;
    for (size_t i = 0; r == 0 && i < lock->n_gateways; i++)
        if (strcmp(lock->gateways[i].name, gateway) == 0)
            *ret = lock->gateways[i].generation;
    lock_free(lock);
    return r;
}

static int revoke(const struct cli_args *args, bool out)
{
    const char *lock = args->lock ? args->lock : "mesh.lock.json", *gateway = args->argument;
    struct error_list err = ERROR_LIST_INIT;
    struct keys_file *keys = NULL;
    uint32_t known = 0, generation = 0;
    int r = 0;

    if (!name_valid(gateway))
        r = error_add(&err, NULL, 0, NULL, "this is no name of a gateway");
    if (r == 0)
        r = keys_file_load(keys_name(args), &keys, &err);
    if (r == 0)
        r = known_generation(lock, gateway, &known, &err);
    if (r == 0 && known == 0 && !keys_file_find(keys, gateway))
        r = error_add(&err, NULL, 0, NULL,
                      "neither %s nor %s knows a gateway '%s': check the name, or say with --keys "
                      "and --lock where they are",
                      keys_name(args), lock, gateway);
    if (r == 0) {
        generation = keys_file_revoke(keys, gateway, out, known);
        r = generation
                ? keys_file_write(keys, keys_name(args), &err)
                : error_add(&err, keys_name(args), 0, NULL,
                            "gateway '%s' has the highest generation that there is", gateway);
    }
    if (r == 0 && !args->quiet)
        printf("%s: its keys are refused by every gateway that has the next bundle: compile and "
               "publish the mesh now.\n%s",
               gateway,
               out ? "It gets no certificate any more.\n"
                   : "On the gateway make new keys with 'p2pvpn-agent enroll --rekey', and answer "
                     "that request with 'p2pvpn-ctl enroll'.\n");
    keys_file_free(keys);
    return finish(&err, r);
}

int cli_revoke(const struct cli_args *args)
{
    return revoke(args, true);
}

int cli_rekey(const struct cli_args *args)
{
    return revoke(args, false);
}
