/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/enroll.h"

#include <stdio.h>
#include <string.h>

#include "agent/key.h"
#include "agent/repository.h"
#include "agent/state.h"
#include "common/alloc.h"
#include "common/fs.h"

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

int enroll_install(const struct settings *s, const char *answer, struct error_list *err)
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
    if (r == 0)
        r = install_repository(s, answer, installed.common_name, err);
    key_installed_clear(&installed);
    return r;
}
