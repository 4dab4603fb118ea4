/* SPDX-License-Identifier: Apache-2.0 */
/* What `p2pvpn-ctl compile` prints: the summary for a person, or as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/origins.h"
#include "controller/cli.h"
#include "controller/compile.h"

#define NAMES_SHOWN 6
#define PROGRESS_AFTER 1.0 /* seconds: short work shows none */
#define PROGRESS_EVERY 0.2
#define STAGES_AFTER 1.0 /* nor where the time went */

void cli_progress(size_t done, size_t total)
{
    static double started, last; /* seconds; last 0: nothing is shown */
    double now = stages_now();

    if (total == 0) {
        started = now;
        return;
    }
    if (done == total) {
        fputs(last > 0 ? "\r\033[K" : "", stderr);
    } else if (now - started >= PROGRESS_AFTER && now - last >= PROGRESS_EVERY) {
        fprintf(stderr, "\r%zu of %zu gateways", done, total);
        last = now;
    }
    fflush(stderr);
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void add_names(struct buf *b, const char *what, char *const *names, size_t n)
{
    if (n == 0)
        return;
    buf_printf(b, "  %s: ", what);
    for (size_t i = 0; i < n && i < NAMES_SHOWN; i++)
        buf_printf(b, "%s%s", i ? ", " : "", names[i]);
    if (n > NAMES_SHOWN)
        buf_printf(b, " and %zu more", n - NAMES_SHOWN);
    buf_char(b, '\n');
}

static void add_cost(struct buf *b, const struct cost_figures *sum, const struct cost_figures *most)
{
    buf_printf(b, "cost: %" PRIu64 " OpenVPN processes, %" PRIu64 " BGP sessions, ", sum->tunnels,
               sum->sessions);
    buf_size(b, cost_value(sum, COST_MEMORY));
    buf_printf(b, "; on one gateway at most %" PRIu64 ", %" PRIu64 " and ", most->tunnels,
               most->sessions);
    buf_size(b, cost_value(most, COST_MEMORY));
    buf_char(b, '\n');
}

static void add_changes(struct buf *b, const struct cli_args *args, const struct compile_summary *s)
{
    if (!args->output) {
        buf_char(b, '\n');
        return;
    }
    if (s->n_changed == 0 && s->n_removed == 0 && !s->mesh_changed)
        buf_str(b, "; nothing changed\n");
    else
        buf_printf(b, "; %zu gateway%s changed, %zu removed\n", s->n_changed, plural(s->n_changed),
                   s->n_removed);
    add_names(b, "changed", s->changed, s->n_changed);
    add_names(b, "removed", s->removed, s->n_removed);
    if (s->mesh_changed)
        buf_printf(b, "%s/" ORIGINS_DIR ": changed\n", args->output);
    if (s->lock_changed)
        buf_printf(b, "%s: changed; keep it with the model\n", s->lock_file);
}

static void add_summary(struct buf *b, const struct cli_args *args, const struct compile_summary *s)
{
    buf_printf(b, "mesh %s: %zu gateway%s, %zu link%s, %zu LAN%s\n", s->mesh, s->gateways,
               plural(s->gateways), s->links, plural(s->links), s->lans, plural(s->lans));
    add_cost(b, &s->cost, &s->cost_most);
    buf_printf(b, "%s: %zu file%s, ", args->output ? args->output : "checked only (no -o)",
               s->files, plural(s->files));
    buf_size(b, (double)s->bytes);
    buf_printf(b, ", %.2f s", s->seconds);
    add_changes(b, args, s);
    if (s->seconds >= STAGES_AFTER) {
        buf_str(b, "time: ");
        stages_text(&s->stages, b);
        buf_char(b, '\n');
    }
}

static void add_json_names(struct buf *b, const char *member, char *const *names, size_t n)
{
    buf_printf(b, "  \"%s\": [", member);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? ", " : "");
        buf_json(b, names[i]);
    }
    buf_str(b, "],\n");
}

static void add_json_text(struct buf *b, const char *member, const char *value)
{
    buf_printf(b, "  \"%s\": ", member);
    if (value)
        buf_json(b, value);
    else
        buf_str(b, "null");
    buf_str(b, ",\n");
}

void cli_add_warnings(struct buf *b, const struct error_list *warnings)
{
    for (size_t i = 0; i < warnings->n; i++) {
        const struct error_item *w = &warnings->items[i];

        buf_str(b, i ? ",\n    {\"file\": " : "\n    {\"file\": ");
        buf_json(b, w->file ? w->file : "");
        buf_printf(b, ", \"line\": %u, \"path\": ", w->line);
        buf_json(b, w->path ? w->path : "");
        buf_str(b, ", \"message\": ");
        buf_json(b, w->message);
        buf_char(b, '}');
    }
    buf_str(b, warnings->n ? "\n  " : "");
}

void cli_print_warnings(const struct error_list *warnings)
{
    for (size_t i = 0; i < warnings->n; i++) {
        const struct error_list one = {&warnings->items[i], 1, 1};

        fputs("warning: ", stderr);
        error_print(&one, stderr);
    }
}

static void add_json(struct buf *b, const struct cli_args *args, const struct compile_summary *s)
{
    buf_str(b, "{\n");
    add_json_text(b, "mesh", s->mesh);
    buf_printf(b, "  \"gateways\": %zu,\n  \"links\": %zu,\n  \"lans\": %zu,\n", s->gateways,
               s->links, s->lans);
    buf_printf(b, "  \"files\": %zu,\n  \"bytes\": %" PRIu64 ",\n", s->files, s->bytes);
    buf_str(b, "  \"cost\": {\"sum\": {");
    cli_add_figures(b, &s->cost);
    buf_str(b, "}, \"most\": {");
    cli_add_figures(b, &s->cost_most);
    buf_str(b, "}},\n");
    add_json_text(b, "output", args->output);
    add_json_text(b, "lock", s->lock_file);
    buf_printf(b, "  \"lock-changed\": %s,\n", s->lock_changed ? "true" : "false");
    buf_printf(b, "  \"mesh-changed\": %s,\n", s->mesh_changed ? "true" : "false");
    add_json_names(b, "changed", s->changed, s->n_changed);
    add_json_names(b, "removed", s->removed, s->n_removed);
    buf_str(b, "  \"warnings\": [");
    cli_add_warnings(b, &s->warnings);
    buf_str(b, "],\n  \"stages\": {");
    stages_json(&s->stages, b);
    buf_printf(b, "},\n  \"seconds\": %.3f\n}\n", s->seconds);
}

static bool read_format(const char *text, enum output_format *ret)
{
    if (!text || strcmp(text, "tree") == 0)
        *ret = OUTPUT_TREE;
    else if (strcmp(text, "bundle") == 0)
        *ret = OUTPUT_BUNDLE;
    else
        return false;
    return true;
}

int cli_compile(const struct cli_args *args)
{
    struct compile_options options = {
        .mesh_file = args->argument,
        .output_dir = args->output,
        .lock_file = args->lock,
        .keys_file = args->keys,
        .template_dir = args->templates,
        .threads = args->threads,
        .allow_shrink = args->allow_shrink,
        .progress = !args->quiet && isatty(STDERR_FILENO) ? cli_progress : NULL,
    };
    struct error_list err = ERROR_LIST_INIT;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct compile_summary summary;
    int r;

    if (!read_format(args->format, &options.format)) {
        fputs("p2pvpn-ctl compile: --format is tree or bundle; see 'p2pvpn-ctl compile --help'\n",
              stderr);
        return EXIT_USAGE;
    }
    cli_progress(0, 0);
    r = compile(&options, &summary, &err);
    cli_print_warnings(&summary.warnings);
    error_print(&err, stderr);
    if (r == 0) {
        if (args->json)
            add_json(&text, args, &summary);
        else if (!args->quiet)
            add_summary(&text, args, &summary);
        fputs(buf_cstr(&text), stdout);
    }
    compile_summary_clear(&summary);
    error_clear(&err);
    return error_exit_code(r);
}
