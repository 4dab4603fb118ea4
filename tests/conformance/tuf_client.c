/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of tuf/ on a command line, as the public TUF conformance suite calls one:
 *
 *   tuf-client --metadata-dir DIR init ROOT
 *   tuf-client --metadata-dir DIR --metadata-url URL refresh
 *   tuf-client --metadata-dir DIR --metadata-url URL --target-base-url URL --target-dir DIR
 *              --target-name PATH... download
 *
 * Exit 0: done; 1: refused; 2: not called like this.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/fs.h"
#include "tuf/fetch_curl.h"
#include "tuf/updater.h"

#define FETCH_SECONDS 60
#define NAMES_MAX 64

struct options {
    const char *metadata_dir, *metadata_url, *target_url, *target_dir;
    const char *names[NAMES_MAX];
    size_t n_names;
};

static enum tuf_code init(const struct options *o, const char *root, struct tuf_error *err)
{
    _cleanup_buf_ struct buf data = BUF_INIT;
    struct error_list list = ERROR_LIST_INIT;

    if (fs_read(root, TUF_ROOT_MAX, &data, &list) != 0) {
        error_print(&list, stderr);
        error_clear(&list);
        return tuf_fail(err, TUF_STORAGE, "the trusted root cannot be read");
    }
    return tuf_updater_init(o->metadata_dir, buf_cstr(&data), data.len, err);
}

static enum tuf_code update(const struct options *o, struct tuf_error *err)
{
    struct tuf_curl *curl = tuf_curl_new(FETCH_SECONDS, err);
    struct tuf_updater u = {
        .metadata_dir = o->metadata_dir,
        .metadata_url = o->metadata_url,
        .target_url = o->target_url,
        .now = time(NULL),
        .fetch = tuf_curl_fetch,
        .fetch_ctx = curl,
    };
    enum tuf_code r = curl ? tuf_updater_refresh(&u, err) : err->code;

    for (size_t i = 0; i < o->n_names && r == TUF_OK; i++)
        r = tuf_updater_download(&u, o->names[i], o->target_dir, err);
    tuf_updater_close(&u);
    tuf_curl_free(curl);
    return r;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: tuf-client --metadata-dir DIR [--metadata-url URL] [--target-name PATH]..."
            " [--target-base-url URL] [--target-dir DIR] init ROOT|refresh|download\n");
    return EXIT_USAGE;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"metadata-dir", required_argument, NULL, 'm'},
        {"metadata-url", required_argument, NULL, 'u'},
        {"target-name", required_argument, NULL, 'n'},
        {"target-base-url", required_argument, NULL, 'b'},
        {"target-dir", required_argument, NULL, 'd'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'm')
            o->metadata_dir = optarg;
        else if (c == 'u')
            o->metadata_url = optarg;
        else if (c == 'b')
            o->target_url = optarg;
        else if (c == 'd')
            o->target_dir = optarg;
        else if (c == 'n' && o->n_names < NAMES_MAX)
            o->names[o->n_names++] = optarg;
        else
            return false;
    }
    return o->metadata_dir && optind < argc;
}

int main(int argc, char **argv)
{
    struct options o = {.metadata_dir = NULL};
    struct tuf_error err = {.text = ""};
    const char *verb;
    enum tuf_code r;

    if (!read_options(argc, argv, &o))
        return usage();
    verb = argv[optind];
    if (strcmp(verb, "init") == 0 && optind + 2 == argc)
        r = init(&o, argv[optind + 1], &err);
    else if (strcmp(verb, "refresh") == 0 && o.metadata_url && !o.n_names)
        r = update(&o, &err);
    else if (strcmp(verb, "download") == 0 && o.metadata_url && o.target_url && o.target_dir &&
             o.n_names)
        r = update(&o, &err);
    else
        return usage();
    if (r != TUF_OK)
        fprintf(stderr, "tuf-client: %s: %s\n", tuf_code_name(err.code), err.text);
    return r == TUF_OK ? EXIT_DONE : EXIT_INPUT;
}
