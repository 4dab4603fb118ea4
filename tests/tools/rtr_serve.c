/* SPDX-License-Identifier: Apache-2.0 */
/* Serves tables of origins by RTR, without an agent: tests/cli/test_rtr.py.
 * usage: rtr_serve PORT (0: any)
 * Prints "port N".  Each line of standard input names a file, which becomes the table; then prints
 * "serial N pairs N".  Ends with its input. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/rtr.h"
#include "common/fs.h"

static int load(struct rtr *rtr, const char *file, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct origins *table = NULL;
    int r = fs_read(file, ORIGINS_MAX_BYTES, &text, err);

    if (r == 0)
        r = origins_parse(buf_cstr(&text), text.len, file, &table, err);
    if (r < 0)
        return r;
    rtr_set(rtr, table);
    printf("serial %u pairs %zu\n", rtr_status(rtr).serial, rtr_status(rtr).pairs);
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    struct error_list err = ERROR_LIST_INIT;
    struct rtr *rtr = NULL;
    char line[4096];
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return EXIT_USAGE;
    }
    r = rtr_new((uint16_t)strtoul(argv[1], NULL, 10), &rtr, &err);
    if (r == 0) {
        printf("port %u\n", rtr_port(rtr));
        fflush(stdout);
    }
    while (r == 0) {
        struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.fd = rtr_fd(rtr), .events = POLLIN}};
        ssize_t n;

        poll(fds, 2, 1000);
        rtr_run(rtr);
        if (!fds[0].revents)
            continue;
        n = read(0, line, sizeof(line) - 1);
        if (n <= 1)
            break;
        line[n - 1] = '\0';
        r = load(rtr, line, &err);
    }
    error_print(&err, stderr);
    error_clear(&err);
    rtr_free(rtr);
    return error_exit_code(r);
}
