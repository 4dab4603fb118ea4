/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl repo ...`: the signed repository, and what is printed of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "controller/cli.h"
#include "controller/compile.h"
#include "controller/preview.h"
#include "controller/publish_files.h"
#include "controller/repo_check.h"
#include "controller/repo_keys.h"
#include "controller/repository.h"

static struct repository_options options_of(const struct cli_args *args, struct passphrase *p)
{
    *p = (struct passphrase){.file = args->passphrase_file, .what = "of the repository's keys"};
    return (struct repository_options){
        .dir = args->argument,
        .keys = args->keys,
        .passphrase = p,
        .expires = args->expires,
        .allow_shrink = args->allow_shrink,
    };
}

/* --- printing
 * ---------------------------------------------------------------------------------- */

static void add_expiry(struct buf *b, const struct repository_result *r, bool json)
{
    char text[TUF_TIME_LEN + 1];
    bool first = true;

    buf_str(b, json ? "  \"expires\": {" : "valid until: ");
    for (enum tuf_type t = 0; t < TUF_TYPES; t++) {
        if (r->expires[t] == 0)
            continue;
        tuf_time_text(r->expires[t], text);
        buf_printf(b, json ? "%s\"%s\": \"%s\"" : "%s%s %s", first ? "" : ", ", tuf_type_name(t),
                   text);
        first = false;
    }
    buf_str(b, json ? "},\n" : "\n");
}

void cli_add_repository(struct buf *b, const struct repository_result *r, bool json)
{
    if (json) {
        buf_printf(b,
                   "  \"version\": %" PRId64 ",\n  \"root-version\": %" PRId64
                   ",\n  \"targets\": %zu,\n  \"added\": %zu,\n  \"changed\": %zu,\n"
                   "  \"removed\": %zu,\n  \"bins\": %u,\n  \"pruned\": %zu,\n"
                   "  \"root-waits\": %s,\n",
                   r->version, r->root_version, r->targets, r->added, r->changed, r->removed,
                   r->bins ? 1u << r->bins : 0, r->pruned, r->root_waits ? "true" : "false");
        add_expiry(b, r, true);
        buf_str(b, "  \"warnings\": [");
        cli_add_warnings(b, &r->warnings);
        buf_str(b, "]\n");
        return;
    }
    if (r->version > 0)
        buf_printf(b, "version %" PRId64 ": %zu target%s", r->version, r->targets,
                   r->targets == 1 ? "" : "s");
    if (r->version > 0 && r->bins > 0)
        buf_printf(b, " in %u bins", 1u << r->bins);
    if (r->version > 0)
        buf_printf(b, "; %zu new, %zu changed, %zu removed\n", r->added, r->changed, r->removed);
    add_expiry(b, r, false);
}

/* What came of it; returns the exit code and clears all. */
static int finish(const struct cli_args *args, int r, struct repository_result *result,
                  struct passphrase *p, struct error_list *err, const char *text)
{
    _cleanup_buf_ struct buf b = BUF_INIT;

    cli_print_warnings(&result->warnings);
    error_print(err, stderr);
    if (r == 0 && args->json) {
        buf_str(&b, "{\n");
        cli_add_repository(&b, result, true);
        buf_str(&b, "}\n");
    } else if (r == 0 && !args->quiet) {
        buf_str(&b, text);
        cli_add_repository(&b, result, false);
    }
    fputs(buf_cstr(&b), stdout);
    passphrase_clear(p);
    repository_result_clear(result);
    error_clear(err);
    return error_exit_code(r);
}

static int check_owners(const struct cli_args *args, const struct repository_options *o,
                        struct error_list *err)
{
    int r = cli_check_owner(args, o->dir, err);

    return r == 0 ? cli_check_owner(args, o->keys, err) : r;
}

/* --- the verbs
 * --------------------------------------------------------------------------------- */

int cli_repo_init(const struct cli_args *args)
{
    unsigned n = args->root_keys ? args->root_keys : 1;
    unsigned threshold = args->root_threshold ? args->root_threshold : 1;
    struct passphrase p;
    struct repository_options o = options_of(args, &p);
    struct repository_result result = {.version = 0};
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    if (threshold > n) {
        fputs("p2pvpn-ctl repo init: --root-threshold is more than --root-keys; see 'p2pvpn-ctl "
              "repo init --help'\n",
              stderr);
        return EXIT_USAGE;
    }
    r = check_owners(args, &o, &err);
    if (r == 0)
        r = repository_init(&o, n, threshold, &result, &err);
    buf_printf(&text,
               "%s: a repository with %u root key%s, of which %u must sign\n"
               "%s: its keys; keep a copy, and take the root's keys off this machine\n"
               "%s/metadata/1.root.json: what gateways are to trust\n",
               args->argument, n, n == 1 ? "" : "s", threshold, args->keys, args->argument);
    return finish(args, r, &result, &p, &err, buf_cstr(&text));
}

int cli_repo_publish(const struct cli_args *args)
{
    struct passphrase p;
    struct repository_options o = options_of(args, &p);
    struct repository_result result = {.version = 0};
    struct error_list err = ERROR_LIST_INIT;
    struct publish_files files = {.n = 0};
    int64_t seen = 0;
    int r = check_owners(args, &o, &err);

    if (r == 0)
        r = repository_begin(&o, &seen, &err);
    if (r == 0)
        r = publish_files_open(args->from, &files, &err);
    if (r == 0)
        r = repository_publish(&o, files.files, files.n, seen, &result, &err);
    publish_files_close(&files);
    return finish(args, r, &result, &p, &err, "");
}

int cli_repo_refresh(const struct cli_args *args)
{
    struct passphrase p;
    struct repository_options o = options_of(args, &p);
    struct repository_result result = {.version = 0};
    struct error_list err = ERROR_LIST_INIT;
    int r = check_owners(args, &o, &err);

    if (r == 0)
        r = repository_refresh(&o, &result, &err);
    return finish(args, r, &result, &p, &err, "");
}

int cli_repo_rotate(const struct cli_args *args)
{
    struct passphrase p;
    struct repository_options o = options_of(args, &p);
    struct repository_result result = {.version = 0};
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    if (args->finish && (args->role || args->root_keys || args->root_threshold)) {
        fputs("p2pvpn-ctl repo rotate: --finish takes the root that waits as it is; see "
              "'p2pvpn-ctl repo rotate --help'\n",
              stderr);
        return EXIT_USAGE;
    }
    r = check_owners(args, &o, &err);
    if (r == 0 && args->finish)
        r = repository_finish(&o, &result, &err);
    else if (r == 0)
        r = repository_rotate(&o, args->role, args->root_keys, args->root_threshold, &result, &err);
    buf_printf(&text, "root version %" PRId64 "%s\n", result.root_version,
               result.root_waits ? " is in place; the next one waits for signatures" : "");
    return finish(args, r, &result, &p, &err, buf_cstr(&text));
}

int cli_repo_sign(const struct cli_args *args)
{
    struct passphrase p;
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf who = BUF_INIT, what = BUF_INIT;
    int r;

    options_of(args, &p);
    r = repository_sign(args->argument, args->keys, &p, &who, &what, &err);
    error_print(&err, stderr);
    if (r == 0 && !args->quiet)
        printf("%s\nsigned with %s\n", buf_cstr(&what), buf_cstr(&who));
    passphrase_clear(&p);
    error_clear(&err);
    return error_exit_code(r);
}

static void (*progress_of(const struct cli_args *args))(size_t done, size_t total)
{
    cli_progress(0, 0);
    return !args->quiet && isatty(STDERR_FILENO) ? cli_progress : NULL;
}

int cli_repo_check(const struct cli_args *args)
{
    struct passphrase p;
    struct repository_options o = options_of(args, &p);
    struct repository_result result = {.version = 0};
    struct error_list err = ERROR_LIST_INIT;
    int r = repo_check(args->argument, progress_of(args), &err);

    if (r == 0)
        r = repository_show(&o, &result, &err);
    return finish(args, r, &result, &p, &err, "a gateway gets everything that is published\n");
}

/* --- publish, from the model on
 * ---------------------------------------------------------------- */

/* What would be done, which is told before anything is, and the gateways' archives.  *any: there is
 * something to do. */
static int make(const struct cli_args *args, struct buf *plan, bool *any, struct error_list *err)
{
    const struct preview_options look = {
        .mesh_file = args->argument,
        .against = args->output,
        .lock_file = args->lock,
        .keys_file = args->keys,
        .template_dir = args->templates,
        .allow_shrink = args->allow_shrink,
        .progress = progress_of(args),
    };
    const struct compile_options options = {
        .mesh_file = args->argument,
        .format = OUTPUT_BUNDLE,
        .output_dir = args->output,
        .lock_file = args->lock,
        .keys_file = args->keys,
        .template_dir = args->templates,
        .threads = args->threads,
        .allow_shrink = args->allow_shrink,
        .progress = progress_of(args),
    };
    struct preview preview_of;
    struct compile_summary summary;
    int r = preview(&look, &preview_of, err);

    if (r == 0 && args->json)
        cli_add_plan(plan, &preview_of, NULL);
    else if (r == 0)
        cli_add_plan_text(plan, &preview_of);
    if (r == 0 && !args->json && !args->quiet) {
        fputs(buf_cstr(plan), stdout);
        fflush(stdout);
    }
    *any = r == 0 && preview_any(&preview_of);
    cli_print_warnings(&preview_of.summary.warnings);
    preview_clear(&preview_of);
    if (r < 0)
        return r;
    r = compile(&options, &summary, err);
    compile_summary_clear(&summary);
    return r;
}

/* Where `init` has put it. */
static char *beside(const char *model, const char *name)
{
    const char *slash = strrchr(model, '/');

    return xasprintf("%.*s%s", slash ? (int)(slash - model + 1) : 0, model, name);
}

int cli_publish(const struct cli_args *given)
{
    _cleanup_free_ char *out = beside(given->argument, "out");
    _cleanup_free_ char *repo = beside(given->argument, "repository");
    _cleanup_free_ char *keys = beside(given->argument, "keys");
    struct cli_args with = *given;
    const struct cli_args *args = &with;
    struct passphrase p;
    struct repository_options o = options_of(args, &p);
    struct repository_result result = {.version = 0};
    struct error_list err = ERROR_LIST_INIT;
    struct publish_files files = {.n = 0};
    _cleanup_buf_ struct buf plan = BUF_INIT, b = BUF_INIT;
    int64_t seen = 0;
    bool any = false;
    int r;

    with.output = given->output ? given->output : out;
    o.dir = args->repository ? args->repository : repo;
    o.keys = args->repo_keys ? args->repo_keys : keys;
    r = check_owners(args, &o, &err);
    if (r == 0)
        r = repository_begin(&o, &seen, &err);
    if (r == 0)
        r = make(args, &plan, &any, &err);
    if (r == 0)
        r = publish_files_open(args->output, &files, &err);
    if (r == 0)
        r = repository_publish(&o, files.files, files.n, seen, &result, &err);
    publish_files_close(&files);
    if (r == 0 && args->json) {
        buf_printf(&b, "{\n  \"plan\": %s,\n  \"repository\": {\n", buf_cstr(&plan));
        cli_add_repository(&b, &result, true);
        buf_str(&b, "}\n}\n");
        fputs(buf_cstr(&b), stdout);
        cli_print_warnings(&result.warnings);
        passphrase_clear(&p);
        repository_result_clear(&result);
        return EXIT_DONE;
    }
    buf_char(&b, '\n');
    if (!any && result.added + result.changed + result.removed)
        buf_str(&b, "An earlier run had compiled this and not published it, and it is published "
                    "now.\n");
    return finish(args, r, &result, &p, &err, buf_cstr(&b));
}
