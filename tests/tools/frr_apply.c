/* SPDX-License-Identifier: Apache-2.0 */
/* Drives agent/frr_apply.h against a real FRR: tests/lab/test_frr_apply.py.
 * usage: frr_apply NAMESPACE STATE-FOLDER (apply|check) FILE [all] [drain=LINK]... [keep=LINK]...
 *        frr_apply NAMESPACE STATE-FOLDER each FILE...
 *        frr_apply NAMESPACE STATE-FOLDER remove */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/drain_text.h"
#include "agent/frr_apply.h"
#include "agent/vtysh.h"
#include "common/alloc.h"
#include "common/fs.h"

/* The text with what is to be drained, from what was applied last. */
static int drained(const char *state, char **wishes, int n, struct buf *text,
                   struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" FRR_APPLIED_FILE, state);
    _cleanup_buf_ struct buf record = BUF_INIT, out = BUF_INIT;
    struct drain_request request = DRAIN_REQUEST_INIT;
    int r = access(path, F_OK) == 0 ? fs_read(path, 1u << 24, &record, err) : 0;

    for (int i = 0; i < n; i++) {
        request.all |= strcmp(wishes[i], "all") == 0;
        if (strncmp(wishes[i], "drain=", 6) == 0)
            drain_names_add(&request.drain, wishes[i] + 6);
        if (strncmp(wishes[i], "keep=", 5) == 0)
            drain_names_add(&request.keep, wishes[i] + 5);
    }
    drain_text(buf_cstr(text), buf_cstr(&record), &request, &out);
    buf_reset(text);
    buf_add(text, out.data, out.len);
    drain_request_clear(&request);
    return r;
}

/* As an agent does that stays: what vtysh took of the first is known when the second comes.  The
 * result is that of the last. */
static int each(const struct vtysh *v, const char *state, char **files, int n,
                struct frr_result *result, struct error_list *err)
{
    int r = vtysh_remember(err);

    if (r < 0)
        return r;
    for (int i = 0; i < n; i++) {
        struct buf text = BUF_INIT;

        frr_result_clear(result);
        r = fs_read(files[i], 1u << 24, &text, err);
        if (r == 0)
            r = frr_apply(v, buf_cstr(&text), state, result, err);
        buf_free(&text);
    }
    return r;
}

int main(int argc, char **argv)
{
    struct frr_result result = FRR_RESULT_INIT;
    struct error_list err = ERROR_LIST_INIT;
    struct buf text = BUF_INIT;
    struct vtysh v;
    int r;

    if (argc < 4 || (strcmp(argv[3], "remove") != 0 && argc < 5)) {
        fprintf(stderr,
                "usage: %s NAMESPACE STATE-FOLDER (apply|check) FILE | each FILE... | remove\n",
                argv[0]);
        return EXIT_USAGE;
    }
    r = vtysh_open(&v, argv[1], &err);
    if (r == 0 && strcmp(argv[3], "each") == 0) {
        r = each(&v, argv[2], argv + 4, argc - 4, &result, &err);
        goto end;
    }
    if (r == 0 && argc > 4)
        r = fs_read(argv[4], 1u << 24, &text, &err);
    if (r == 0 && argc > 5)
        r = drained(argv[2], argv + 5, argc - 5, &text, &err);
    if (r == 0 && strcmp(argv[3], "apply") == 0)
        r = frr_apply(&v, buf_cstr(&text), argv[2], &result, &err);
    else if (r == 0 && strcmp(argv[3], "check") == 0)
        r = frr_check(&v, buf_cstr(&text), argv[2], &result, &err);
    else if (r == 0)
        r = frr_remove(&v, argv[2], &result, &err);
end:
    printf("added %zu removed %zu\n%s", result.added, result.removed, buf_cstr(&result.changes));
    error_print(&err, stderr);
    error_clear(&err);
    frr_result_clear(&result);
    buf_free(&text);
    return r > 0 ? EXIT_INPUT : error_exit_code(r);
}
