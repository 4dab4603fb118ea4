/* SPDX-License-Identifier: Apache-2.0 */
/* Drives agent/frr_apply.h against a real FRR: tests/lab/test_frr_apply.py.
 * usage: frr_apply NAMESPACE STATE-FOLDER (apply|check) FILE | remove */
#include <stdio.h>
#include <string.h>

#include "agent/frr_apply.h"
#include "agent/vtysh.h"
#include "common/fs.h"

int main(int argc, char **argv)
{
    struct frr_result result = FRR_RESULT_INIT;
    struct error_list err = ERROR_LIST_INIT;
    struct buf text = BUF_INIT;
    struct vtysh v;
    int r;

    if (argc < 4 || (strcmp(argv[3], "remove") != 0 && argc < 5)) {
        fprintf(stderr, "usage: %s NAMESPACE STATE-FOLDER (apply|check) FILE | remove\n", argv[0]);
        return EXIT_USAGE;
    }
    r = vtysh_open(&v, argv[1], &err);
    if (r == 0 && argc > 4)
        r = fs_read(argv[4], 1u << 24, &text, &err);
    if (r == 0 && strcmp(argv[3], "apply") == 0)
        r = frr_apply(&v, buf_cstr(&text), argv[2], &result, &err);
    else if (r == 0 && strcmp(argv[3], "check") == 0)
        r = frr_check(&v, buf_cstr(&text), argv[2], &result, &err);
    else if (r == 0)
        r = frr_remove(&v, argv[2], &result, &err);
    printf("added %zu removed %zu\n%s", result.added, result.removed, buf_cstr(&result.changes));
    error_print(&err, stderr);
    error_clear(&err);
    frr_result_clear(&result);
    buf_free(&text);
    return r > 0 ? EXIT_INPUT : error_exit_code(r);
}
