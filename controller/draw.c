/* SPDX-License-Identifier: Apache-2.0 */
#include "controller/draw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/buf.h"
#include "common/command.h"
#include "controller/export.h"
#include "controller/network.h"

#define EDGES_MAX 50000
#define SVG_MAX (512u << 20)

const char *draw_program(void)
{
    const char *program = getenv("P2PVPN_DOT");

    return program && *program ? program : DRAW_PROGRAM;
}

static int check_size(const struct network *net, struct error_list *err)
{
    size_t edges = export_dot_edges(net);

    if (edges <= EDGES_MAX)
        return 0;
    return error_add(err, net->mesh->file, 0, NULL,
                     "%zu pairs of gateways with a link are too many for a drawing that shows "
                     "anything, the limit is %d; take --format json or ietf to other programs, or "
                     "--format dot to Graphviz",
                     edges, EDGES_MAX);
}

static int check_program(const char *program, struct error_list *err)
{
    if (program[0] != '/')
        return error_add(err, NULL, 0, NULL,
                         "P2PVPN_DOT is '%s'; write the absolute path of Graphviz's dot", program);
    if (access(program, X_OK) == 0)
        return 0;
    error_sys(err, errno, program,
              "cannot run Graphviz, which lays the drawing out; install the Debian package "
              "'graphviz', or write --format dot and draw it on another machine");
    return -ENOENT;
}

/* How it ended, if not well: the first line that it complained in. */
static int judge(const struct network *net, const char *program, unsigned timeout_ms,
                 const struct command_result *result, struct error_list *err)
{
    const char *line, *rest = buf_cstr(&result->errors);
    int len;

    if (result->timed_out) {
        error_add(err, program, 0, NULL,
                  "the layout of %zu gateways and %zu links took more than %u s and was stopped; "
                  "write --format dot and run 'dot -Tsvg' on it yourself, where it may take "
                  "its time",
                  net->mesh->n_gateways, net->n_links, timeout_ms / 1000);
        return -ETIMEDOUT;
    }
    if (!text_line(&rest, &line, &len)) {
        line = "it said nothing";
        len = (int)strlen(line);
    }
    if (result->truncated)
        error_add(err, program, 0, NULL,
                  "the drawing is larger than %u MB; write --format dot and draw it yourself",
                  SVG_MAX >> 20);
    else if (!command_succeeded(result) && result->signal)
        error_add(err, program, 0, NULL,
                  "Graphviz was ended by signal %d (%.*s); write --format dot and draw it "
                  "yourself",
                  result->signal, len, line);
    else if (!command_succeeded(result))
        error_add(err, program, 0, NULL,
                  "Graphviz exited with %d (%.*s); repair that, or write --format dot",
                  result->status, len, line);
    else
        return 0;
    return -EIO;
}

int draw_svg(const struct network *net, const char *program, unsigned timeout_ms, struct buf *ret,
             struct error_list *err)
{
    const char *const argv[] = {program, "-Tsvg", NULL};
    struct command_result result = COMMAND_RESULT_INIT;
    _cleanup_buf_ struct buf dot = BUF_INIT;
    struct command command;
    int r = check_size(net, err);

    if (r == 0)
        r = check_program(program, err);
    if (r < 0)
        return r;
    export_dot(net, &dot);
    command = (struct command){.argv = argv,
                               .input = buf_cstr(&dot),
                               .input_len = dot.len,
                               .timeout_ms = timeout_ms,
                               .max_output = SVG_MAX};
    r = command_run(&command, &result, err);
    if (r == 0)
        r = judge(net, program, timeout_ms, &result, err);
    if (r == 0)
        buf_add(ret, result.output.data, result.output.len);
    command_result_clear(&result);
    return r;
}
