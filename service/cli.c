/* SPDX-License-Identifier: Apache-2.0 */
#include "service/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "controller/ca.h"
#include "service/log.h"
#include "service/offer.h"
#include "service/server.h"
#include "service/settings.h"
#include "service/signing.h"
#include "service/tls.h"

#define PROGRAM "p2pvpn-controller"

static const char help[] =
    "usage: " PROGRAM " VERB [--config FILE]\n"
    "\n"
    "  run    serve the repository, and gateways and operators, until SIGTERM\n"
    "  check  read the settings and print them all; try the authority's key\n"
    "  pin    print what agents know this controller by: SHA-256 of its public key\n"
    "\n"
    "  --config FILE  the settings (default: " P2PVPN_SYSCONFDIR "/p2pvpn/controller.conf)\n"
    "  -h, --help     print this\n"
    "  -V, --version  print the version\n";

/* Whether the authority ends before long; the exit code says nothing of it. */
static void warn_of_end(const char *ca)
{
    struct error_list warnings = ERROR_LIST_INIT;

    ca_warn_end(ca, &warnings);
    say_errors(SAY_WARNING, &warnings);
}

static int run_check(const struct controller_settings *s, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct error_list said = ERROR_LIST_INIT; /* on standard error by now */
    struct signing signing = {.ca = NULL};
    int r;

    (void)err;
    controller_settings_format(s, &text);
    fputs(buf_cstr(&text), stdout);
    r = signing_ready(&signing, s, &said);
    error_clear(&said);
    signing_clear(&signing);
    if (r == 0 && s->ca)
        warn_of_end(s->ca);
    return r < 0 ? -EINVAL : 0;
}

static int run_pin(const struct controller_settings *s, struct error_list *err)
{
    _cleanup_free_ char *cert = server_certificate(s);
    unsigned char digest[TLS_PIN_LEN];
    char text[OFFER_PIN_SIZE];
    int r = tls_pin(cert, digest, err);

    if (r == 0) {
        offer_pin_text(digest, text);
        puts(text);
    }
    return r;
}

static const struct {
    const char *name;
    int (*run)(const struct controller_settings *s, struct error_list *err);
} verbs[] = {{"run", server_run}, {"check", run_check}, {"pin", run_pin}};

static int usage(const char *what)
{
    fprintf(stderr, PROGRAM ": %s; see '" PROGRAM " --help'\n", what);
    return EXIT_USAGE;
}

static int run(const char *name, const char *config)
{
    struct error_list err = ERROR_LIST_INIT;
    struct arena keep = ARENA_INIT;
    struct controller_settings s;
    int r = 1;

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, name) == 0) {
            controller_settings_defaults(&s);
            r = controller_settings_read(config, &keep, &s, &err);
            if (r == 0)
                r = verbs[i].run(&s, &err);
            break;
        }
    say_errors(SAY_ERROR, &err);
    arena_free(&keep);
    return r == 1 ? usage("there is no such verb") : error_exit_code(r);
}

int service_main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    const char *config = NULL;
    int letter;

    while ((letter = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
        if (letter == 'c') {
            config = optarg;
        } else if (letter == 'h') {
            fputs(help, stdout);
            return EXIT_DONE;
        } else if (letter == 'V') {
            puts(PROGRAM " " P2PVPN_VERSION);
            return EXIT_DONE;
        } else {
            return EXIT_USAGE;
        }
    }
    if (optind + 1 != argc)
        return usage(optind == argc ? "a verb is missing" : "there are too many arguments");
    return run(argv[optind], config);
}
