/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl init`, and what comes next. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/cli.h"
#include "controller/init.h"

static void say(const struct cli_args *args, const char *folder, const char *mesh)
{
    bool here = strcmp(folder, ".") == 0;

    printf("mesh %s, with two LANs to begin from\n"
           "  mesh.json    the model; edit its LANs (names, prefixes) and its gateways (names,\n"
           "               endpoints)\n"
           "  ca, keys     secret: keep a copy%s\n"
           "  repository   for a web server%s%s%s\n"
           "\nNext:\n",
           mesh, args->no_passphrase ? "; they are not encrypted" : ", and the passphrase",
           args->n_urls ? "; gateways will take their bundles from\n               " : "",
           args->n_urls ? args->urls[0] : "", args->n_urls > 1 ? " and its mirrors" : "");
    if (!here)
        printf("  cd %s\n", folder);
    puts("  p2pvpn-ctl compile mesh.json                             # is the model right?\n"
         "  p2pvpn-ctl enroll --ca ca -o perth.answer perth.request  # each gateway's request\n"
         "  p2pvpn-ctl publish mesh.json                             # and after each change");
}

int cli_init(const struct cli_args *args)
{
    const char *folder = args->argument ? args->argument : ".";
    struct passphrase p = {.file = args->passphrase_file, .what = "of the mesh's keys"};
    const struct init_options options = {
        .folder = folder,
        .mesh = args->name,
        .passphrase = args->no_passphrase ? NULL : &p,
        .urls = args->urls,
        .n_urls = args->n_urls,
    };
    struct error_list err = ERROR_LIST_INIT;
    char *mesh = NULL;
    int r = init_folder(&options, &mesh, &err);

    passphrase_clear(&p);
    error_print(&err, stderr);
    if (r == 0 && !args->quiet)
        say(args, folder, mesh);
    free(mesh);
    error_clear(&err);
    return error_exit_code(r);
}
