/* SPDX-License-Identifier: Apache-2.0 */
/* What common/frr_sessions.h says of two configurations, for tests/lab/test_frr_sessions.py.
 * usage: frr_sessions OLD NEW; prints "stays|comes|resets|goes ADDRESS" lines. */
#include <stdio.h>

#include "common/buf.h"
#include "common/frr_sessions.h"
#include "common/fs.h"

int main(int argc, char **argv)
{
    static const char *const words[] = {
        [FRR_STAYS] = "stays", [FRR_COMES] = "comes", [FRR_RESETS] = "resets", [FRR_GOES] = "goes"};
    struct frr_sessions s = FRR_SESSIONS_INIT;
    struct error_list err = ERROR_LIST_INIT;
    struct buf old = BUF_INIT, now = BUF_INIT;
    int r;

    if (argc != 3) {
        fprintf(stderr, "usage: %s OLD NEW\n", argv[0]);
        return EXIT_USAGE;
    }
    r = fs_read(argv[1], 1u << 24, &old, &err);
    if (r == 0)
        r = fs_read(argv[2], 1u << 24, &now, &err);
    if (r == 0)
        r = frr_sessions_compare(buf_cstr(&old), buf_cstr(&now), &s, &err);
    for (size_t i = 0; r == 0 && i < s.n; i++)
        printf("%s %s\n", words[s.sessions[i].fate], s.sessions[i].neighbor);
    error_print(&err, stderr);
    error_clear(&err);
    frr_sessions_free(&s);
    buf_free(&old);
    buf_free(&now);
    return error_exit_code(r);
}
