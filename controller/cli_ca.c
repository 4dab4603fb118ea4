/* SPDX-License-Identifier: Apache-2.0 */
/* What `p2pvpn-ctl ca init` and `p2pvpn-ctl enroll` print and write. */
#include <stdio.h>

#include "common/fs.h"
#include "controller/ca.h"
#include "controller/cli.h"

static int finish(struct error_list *err, int r)
{
    error_print(err, stderr);
    error_clear(err);
    return error_exit_code(r);
}

int cli_ca_init(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    int r = ca_init(args->ca, args->name, &err);

    if (r == 0)
        printf("%s: a new certificate authority, for %d years\n"
               "Whoever has this folder can add a gateway to the mesh: keep it secret, and keep a "
               "copy.\n",
               args->ca, CA_DAYS / 365);
    return finish(&err, r);
}

int cli_enroll(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    struct ca_answer answer;
    int r =
        ca_enroll(args->ca, args->argument, args->generation ? args->generation : 1, &answer, &err);

    if (r < 0)
        return finish(&err, r);
    if (args->output)
        r = fs_write(args->output, buf_cstr(&answer.pem), answer.pem.len, 0644, &err);
    else
        fputs(buf_cstr(&answer.pem), stdout);
    /* To standard error: the answer may be on standard output. */
    if (r == 0 && !args->quiet)
        fprintf(stderr,
                "%s: %s for %d days%s%s\n"
                "Public key: %s\n"
                "Compare this with what 'p2pvpn-agent enroll' shows on the gateway before you hand "
                "the answer out.\n",
                answer.common_name, answer.renewed ? "renewed" : "enrolled", CA_GATEWAY_DAYS,
                args->output ? ", answer in " : "", args->output ? args->output : "",
                answer.fingerprint);
    ca_answer_clear(&answer);
    return finish(&err, r);
}
