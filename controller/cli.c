/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/alloc.h"
#include "common/error.h"
#include "controller/cli_commands.h"
#include "controller/produce.h"
#include "controller/repo_keys.h"
#include "controller/service_ask.h"

#define PROGRAM "p2pvpn-ctl"

/* Long options have letters too, so that a command can say which it takes in one string; of them
 * only "hoqV" can be written with one dash. */
static const struct option long_options[] = {
    {"against", required_argument, NULL, 'a'},
    {"allow-shrink", no_argument, NULL, 'S'},
    {"ca", required_argument, NULL, 'c'},
    {"certificate", required_argument, NULL, 'E'},
    {"controller", required_argument, NULL, 'C'},
    {"detailed-exitcode", no_argument, NULL, 'd'},
    {"expires", required_argument, NULL, 'e'},
    {"finish", no_argument, NULL, 'x'},
    {"format", required_argument, NULL, 'f'},
    {"from", required_argument, NULL, 'i'},
    {"frr", required_argument, NULL, 'F'},
    {"gateway", required_argument, NULL, 'G'},
    {"generation", required_argument, NULL, 'g'},
    {"help", no_argument, NULL, 'h'},
    {"hours", required_argument, NULL, 'H'},
    {"json", no_argument, NULL, 'j'},
    {"keys", required_argument, NULL, 'k'},
    {"lock", required_argument, NULL, 'l'},
    {"name", required_argument, NULL, 'n'},
    {"no-passphrase", no_argument, NULL, 'P'},
    {"output", required_argument, NULL, 'o'},
    {"passphrase-file", required_argument, NULL, 'p'},
    {"pin", required_argument, NULL, 'I'},
    {"quiet", no_argument, NULL, 'q'},
    {"repository", required_argument, NULL, 'R'},
    {"repository-keys", required_argument, NULL, 'K'},
    {"role", required_argument, NULL, 'r'},
    {"root-keys", required_argument, NULL, 'N'},
    {"root-threshold", required_argument, NULL, 'M'},
    {"socket", required_argument, NULL, 's'},
    {"templates", required_argument, NULL, 't'},
    {"threads", required_argument, NULL, 'T'},
    {"url", required_argument, NULL, 'u'},
    {"version", no_argument, NULL, 'V'},
    {"watch", no_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
    printf("usage: " PROGRAM " COMMAND [OPTION...] [ARGUMENT]\n\n"
           "Compiles a mesh of OpenVPN links with BGP routes from one model.\n\n");
    for (size_t i = 0; i < n_cli_commands; i++)
        printf("  " PROGRAM " %s\n      %s\n", cli_commands[i].usage, cli_commands[i].summary);
    printf("\n"
           "  -h, --help         print this, or with a command what its options mean\n"
           "  -V, --version      print the version\n"
           "  -o is short for --output, -q for --quiet.\n\n"
           "The manual is p2pvpn-ctl(1); the model is described in p2pvpn-mesh(5).\n");
}

static int __attribute__((format(printf, 2, 3)))
usage_error(const struct command *command, const char *format, ...)
{
    va_list ap;

    fprintf(stderr, PROGRAM "%s%s: ", command ? " " : "", command ? command->name : "");
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "; see '" PROGRAM "%s%s --help'\n", command ? " " : "",
            command ? command->name : "");
    return EXIT_USAGE;
}

/* Matches one or two words; *words says how many. */
static const struct command *find_command(int argc, char **argv, int *words)
{
    for (size_t i = 0; i < n_cli_commands; i++) {
        const char *space = strchr(cli_commands[i].name, ' ');
        size_t n = space ? (size_t)(space - cli_commands[i].name) : strlen(cli_commands[i].name);

        if (argc < 2 || strlen(argv[1]) != n || strncmp(argv[1], cli_commands[i].name, n) != 0)
            continue;
        if (!space || (argc > 2 && strcmp(argv[2], space + 1) == 0)) {
            *words = space ? 2 : 1;
            return &cli_commands[i];
        }
    }
    return NULL;
}

static const char *option_name(int letter)
{
    for (const struct option *o = long_options; o->name; o++)
        if (o->val == letter)
            return o->name;
    return "?";
}

/* A number from 1 to max. */
static bool read_number(const char *text, uint32_t max, uint32_t *ret)
{
    unsigned long long n;
    char *end;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '1' || text[0] > '9' || n > max)
        return false;
    *ret = (uint32_t)n;
    return true;
}

static int read_numbers(const struct command *command, int letter, struct cli_args *args)
{
    if (letter == 'g' && !read_number(optarg, UINT32_MAX, &args->generation))
        return usage_error(command, "--generation needs a number from 1");
    if (letter == 'T' && !read_number(optarg, PRODUCE_MAX_THREADS, &args->threads))
        return usage_error(command, "--threads needs a number from 1 to %u", PRODUCE_MAX_THREADS);
    if (letter == 'H' && !read_number(optarg, 720, &args->hours))
        return usage_error(command, "--hours needs a number from 1 to 720");
    if (letter == 'N' && !read_number(optarg, REPO_ROOT_KEYS_MAX, &args->root_keys))
        return usage_error(command, "--root-keys needs a number from 1 to %d", REPO_ROOT_KEYS_MAX);
    if (letter == 'M' && !read_number(optarg, REPO_ROOT_KEYS_MAX, &args->root_threshold))
        return usage_error(command, "--root-threshold needs a number from 1 to %d",
                           REPO_ROOT_KEYS_MAX);
    return -1;
}

static int add_url(const struct command *command, struct cli_args *args)
{
    if (args->n_urls == URL_MIRRORS_MAX)
        return usage_error(command, "--url is there more than %d times", URL_MIRRORS_MAX);
    args->urls[args->n_urls++] = optarg;
    return -1;
}

/* -1: go on; else the exit code. */
static int read_option(const struct command *command, int letter, struct cli_args *args)
{
    const char **text = letter == 'a'   ? &args->against
                        : letter == 'c' ? &args->ca
                        : letter == 'C' ? &args->service.url
                        : letter == 'e' ? &args->expires
                        : letter == 'E' ? &args->service.certificate
                        : letter == 'f' ? &args->format
                        : letter == 'F' ? &args->frr
                        : letter == 'G' ? &args->gateway
                        : letter == 'i' ? &args->from
                        : letter == 'I' ? &args->service.pin
                        : letter == 'k' ? &args->keys
                        : letter == 'l' ? &args->lock
                        : letter == 'n' ? &args->name
                        : letter == 'o' ? &args->output
                        : letter == 'p' ? &args->passphrase_file
                        : letter == 'r' ? &args->role
                        : letter == 'R' ? &args->repository
                        : letter == 'K' ? &args->repo_keys
                        : letter == 's' ? &args->service.socket
                        : letter == 't' ? &args->templates
                                        : NULL;

    if (!strchr(command->options, letter))
        return usage_error(command, "there is no option --%s here", option_name(letter));
    if (text && *text)
        return usage_error(command, "--%s is there twice", option_name(letter));
    if (text && !*optarg)
        return usage_error(command, "--%s needs a value", option_name(letter));
    if (text)
        *text = optarg;
    else if (letter == 'j')
        args->json = true;
    else if (letter == 'x')
        args->finish = true;
    else if (letter == 'q')
        args->quiet = true;
    else if (letter == 'P')
        args->no_passphrase = true;
    else if (letter == 'S')
        args->allow_shrink = true;
    else if (letter == 'd')
        args->detailed = true;
    else if (letter == 'w')
        args->watch = true;
    else if (letter == 'u')
        return add_url(command, args);
    else
        return read_numbers(command, letter, args);
    return -1;
}

static bool has_option(const struct cli_args *args, char letter)
{
    return letter == 'c'   ? args->ca != NULL
           : letter == 'f' ? args->format != NULL
           : letter == 'i' ? args->from != NULL
           : letter == 'k' ? args->keys != NULL
           : letter == 'K' ? args->repo_keys != NULL
           : letter == 'R' ? args->repository != NULL
           : letter == 'o' ? args->output != NULL
                           : true;
}

/* -1: *args is ready; else the exit code. */
static int read_command(const struct command *command, int argc, char **argv, struct cli_args *args)
{
    int letter, r;

    optind = 1;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":ho:qV", long_options, NULL)) != -1) {
        if (letter == 'h') {
            printf("usage: " PROGRAM " %s\n\n%s", command->usage, command->help);
            return EXIT_DONE;
        }
        if (letter == ':')
            return usage_error(command, "%s needs a value", argv[optind - 1]);
        if (letter == '?')
            return usage_error(command, "there is no option %s here", argv[optind - 1]);
        r = read_option(command, letter, args);
        if (r >= 0)
            return r;
    }
    for (const char *need = command->needs; *need; need++)
        if (!has_option(args, *need))
            return usage_error(command, "--%s is missing", option_name(*need));
    if (args->service.url && args->service.socket)
        return usage_error(command, "--controller and --socket exclude each other");
    if (!args->service.url != !args->service.certificate ||
        (args->service.pin && !args->service.url))
        return usage_error(command,
                           "--controller and --certificate go together, and --pin with them");
    if (args->json && args->quiet)
        return usage_error(command, "--json and --quiet exclude each other");
    if (args->no_passphrase && args->passphrase_file)
        return usage_error(command, "--no-passphrase and --passphrase-file exclude each other");
    if (command->argument && optind >= argc && *command->argument == '[')
        return -1;
    if (command->argument && (optind >= argc || !*argv[optind]))
        return usage_error(command, "%s is missing", command->argument);
    if (optind + (command->argument ? 1 : 0) < argc)
        return usage_error(command, "'%s' is one argument too many",
                           argv[optind + (command->argument ? 1 : 0)]);
    args->argument = command->argument ? argv[optind] : NULL;
    return -1;
}

/* Where 2 means that there are changes, it cannot mean wrong usage too. */
static int usage_code(int argc, char **argv, int r)
{
    for (int i = 1; r == EXIT_USAGE && i < argc; i++)
        if (strcmp(argv[i], "--detailed-exitcode") == 0)
            return EXIT_INPUT;
    return r;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct cli_args args = {.command = command->name};
    int r = read_command(command, argc, argv, &args);

    if (r >= 0)
        return usage_code(argc, argv, r);
    r = command->run(&args);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, PROGRAM ": cannot write to standard output: %s\n", strerror(errno));
        r = r == EXIT_DONE || args.detailed ? EXIT_SYSTEM : r;
    }
    return r;
}

int cli_main(int argc, char **argv)
{
    const struct command *command;
    int words = 0;

    if (argc < 2) {
        usage_error(NULL, "a command is missing");
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf(PROGRAM " " P2PVPN_VERSION "\n");
        return EXIT_DONE;
    }
    command = find_command(argc, argv, &words);
    if (!command)
        return usage_error(NULL, "there is no command '%s'", argv[1]);
    return run_command(command, argc - words, argv + words);
}
