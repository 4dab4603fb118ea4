/* SPDX-License-Identifier: Apache-2.0 */
/* What `p2pvpn-ctl import p2p-vpn` prints. */
#include <stdio.h>

#include "controller/cli.h"
#include "controller/import_p2pvpn.h"

int cli_import(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    struct import_report report = {0};
    int r = import_p2pvpn(args->argument, args->output, &report, &err);

    if (r < 0) {
        error_print(&err, stderr);
    } else if (!args->quiet) {
        printf("%zu gateways and %zu links written to %s and %s\n", report.gateways, report.links,
               args->output, report.lock_file);
        error_print(&report.notes, stdout);
        printf("next: p2pvpn-ctl compile -o out %s\n", args->output);
    }
    import_report_clear(&report);
    error_clear(&err);
    return error_exit_code(r);
}
