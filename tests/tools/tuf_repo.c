/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signed repository on a command line, for tests that need one that lies:
 *
 *   tuf_repo [OPTIONS] FOLDER init
 *   tuf_repo [OPTIONS] FOLDER publish NAME=FILE...
 *   tuf_repo [OPTIONS] FOLDER refresh
 *   tuf_repo [OPTIONS] FOLDER rotate ROLE SEED
 *
 *   --seed ROLE=N        the role's key comes from this number (1 to 255); default its place, 1 to
 * 4
 *   --expires ROLE=N     seconds from now, also negative; default a day
 *   --seen N             of publish: what it is made from; default what is there
 *
 * FOLDER gets metadata/ and targets/.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/alloc.h"
#include "common/fs.h"
#include "tuf/repo_publish.h"
#include "tuf/repo_read.h"
#include "tuf/repo_root.h"

#define FILES_MAX 64
#define FILE_MAX_BYTES ((size_t)64 << 20)

static struct tuf_error err;

static void fail(const char *what)
{
    fprintf(stderr, "tuf_repo: %s: %s: %s\n", what, tuf_code_name(err.code), err.text);
    exit(EXIT_INPUT);
}

static void usage(void)
{
    fprintf(stderr, "usage: see tests/tools/tuf_repo.c\n");
    exit(EXIT_USAGE);
}

static enum tuf_type role_of(const char *text)
{
    for (int t = 0; t < TUF_TYPES; t++)
        if (strncmp(text, tuf_type_name(t), strlen(tuf_type_name(t))) == 0)
            return t;
    usage();
    return TUF_TYPES;
}

/* "ROLE=N" */
static long number_of(const char *text)
{
    const char *equals = strchr(text, '=');

    if (!equals)
        usage();
    return strtol(equals + 1, NULL, 10);
}

static struct tuf_seed seed_of(long number)
{
    struct tuf_seed seed;

    memset(seed.bytes, (int)number, sizeof(seed.bytes));
    return seed;
}

/* The next root names another key for one role. */
static void rotate(const struct tuf_repo *repo, enum tuf_type type, const struct tuf_seed *to)
{
    char keyid[TUF_KEYID_LEN + 1];
    json_t *newest, *root, *key = tuf_seed_public(to->bytes, keyid);
    const json_t *const keys[] = {key};

    if (tuf_repo_read_root(repo->metadata_dir, &newest, &err) != TUF_OK)
        fail("rotate");
    root = tuf_root_next(newest, repo->expires[TUF_ROOT]);
    tuf_root_set_keys(root, type, keys, 1, 1);
    tuf_root_sign(root, &repo->seeds[TUF_ROOT]);
    if (type == TUF_ROOT)
        tuf_root_sign(root, to);
    if (tuf_repo_put_root(repo, root, &err) != TUF_OK)
        fail("rotate");
    json_decref(newest);
    json_decref(root);
    json_decref(key);
}

static void publish(const struct tuf_repo *repo, char **names, int n, int64_t seen)
{
    struct tuf_repo_file files[FILES_MAX];
    struct error_list list = ERROR_LIST_INIT;

    if (n > FILES_MAX)
        usage();
    for (int i = 0; i < n; i++) {
        char *equals = strchr(names[i], '=');
        struct buf data = BUF_INIT; /* until the end */

        if (!equals)
            usage();
        *equals = '\0';
        if (fs_read(equals + 1, FILE_MAX_BYTES, &data, &list) < 0) {
            error_print(&list, stderr);
            exit(EXIT_SYSTEM);
        }
        files[i] =
            (struct tuf_repo_file){.path = names[i], .data = buf_cstr(&data), .len = data.len};
    }
    if (seen < 0 && tuf_repo_seen(repo, &seen, &err) != TUF_OK)
        fail("version");
    if (tuf_repo_publish(repo, files, (size_t)n, seen, &err) != TUF_OK)
        fail("publish");
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"expires", required_argument, NULL, 'e'},
                                          {"seen", required_argument, NULL, 'n'},
                                          {NULL, 0, NULL, 0}};
    struct tuf_repo repo = {.metadata_dir = NULL};
    struct error_list list = ERROR_LIST_INIT;
    int64_t seen = -1;
    int c;

    for (int t = 0; t < TUF_TYPES; t++) {
        repo.seeds[t] = seed_of(t + 1);
        repo.expires[t] = time(NULL) + 86400;
        repo.keep_until[t] = INT64_MAX;
    }
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 's')
            repo.seeds[role_of(optarg)] = seed_of(number_of(optarg));
        else if (c == 'e')
            repo.expires[role_of(optarg)] = time(NULL) + number_of(optarg);
        else if (c == 'n')
            seen = strtol(optarg, NULL, 10);
        else
            usage();
    }
    if (argc - optind < 2)
        usage();
    argv += optind;
    argc -= optind;
    repo.metadata_dir = xasprintf("%s/metadata", argv[0]);
    repo.target_dir = xasprintf("%s/targets", argv[0]);
    if (fs_mkdirs(repo.metadata_dir, 0755, &list) < 0 ||
        fs_mkdirs(repo.target_dir, 0755, &list) < 0) {
        error_print(&list, stderr);
        return EXIT_SYSTEM;
    }
    if (strcmp(argv[1], "init") == 0) {
        if (tuf_repo_init(&repo, &err) != TUF_OK)
            fail("init");
    } else if (strcmp(argv[1], "publish") == 0) {
        publish(&repo, argv + 2, argc - 2, seen);
    } else if (strcmp(argv[1], "refresh") == 0) {
        if (tuf_repo_refresh(&repo, &err) != TUF_OK)
            fail("refresh");
    } else if (strcmp(argv[1], "rotate") == 0 && argc == 4) {
        struct tuf_seed to = seed_of(strtol(argv[3], NULL, 10));

        rotate(&repo, role_of(argv[2]), &to);
    } else {
        usage();
    }
    return EXIT_DONE;
}
