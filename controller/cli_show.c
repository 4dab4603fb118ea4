/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl show topology`: the compiled mesh drawn, or in a form that other programs read. */
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/fs.h"
#include "controller/cli.h"
#include "controller/compiled.h"
#include "controller/draw.h"
#include "controller/export.h"
#include "controller/locate.h"

static int add_svg(const struct network *net, struct buf *ret, struct error_list *err)
{
    return draw_svg(net, draw_program(), DRAW_TIMEOUT_MS, ret, err);
}

static int add_dot(const struct network *net, struct buf *ret, struct error_list *err)
{
    (void)err;
    export_dot(net, ret);
    return 0;
}

static int add_json(const struct network *net, struct buf *ret, struct error_list *err)
{
    (void)err;
    export_json(net, ret);
    return 0;
}

static int add_ietf(const struct network *net, struct buf *ret, struct error_list *err)
{
    (void)err;
    export_ietf(net, ret);
    return 0;
}

static const struct format {
    const char *name;
    int (*add)(const struct network *net, struct buf *ret, struct error_list *err);
} formats[] = {{"dot", add_dot}, {"svg", add_svg}, {"json", add_json}, {"ietf", add_ietf}};

static const struct format *find_format(const char *name)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

int cli_show_topology(const struct cli_args *args)
{
    struct error_list warnings = ERROR_LIST_INIT, err = ERROR_LIST_INIT;
    const struct format *format = find_format(args->format);
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct compiled compiled = {0};
    int r;

    if (!format) {
        fputs("p2pvpn-ctl show topology: --format is dot, svg, json or ietf; see 'p2pvpn-ctl show "
              "topology --help'\n",
              stderr);
        return EXIT_USAGE;
    }
    r = compiled_load(args->argument, args->lock, &compiled, &warnings, &err);
    if (r == 0) {
        locate(args->argument, &warnings);
        if (!args->quiet)
            cli_print_warnings(&warnings);
        r = format->add(compiled.net, &text, &err);
    }
    if (r == 0 && args->output)
        r = fs_write(args->output, buf_cstr(&text), text.len, 0644, &err);
    else if (r == 0)
        fwrite(buf_cstr(&text), 1, text.len, stdout);
    error_print(&err, stderr);
    compiled_clear(&compiled);
    error_clear(&warnings);
    error_clear(&err);
    return error_exit_code(r);
}
