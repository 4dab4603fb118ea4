/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/nft.h"

#include <errno.h>
#include <string.h>

#include "agent/firewall.h"
#include "common/command.h"

#define NFT_PROGRAM "/usr/sbin/nft"
/* Thousands of links take a third of a second here; a hanging one must not hold up the rest. */
#define TIMEOUT_MS 20000
#define LIST_MAX (64u << 20)
#define COMPLAINT_MAX 300 /* bytes of what nft says */

/* The first line is what is wrong; behind it nft shows the place. */
static int complain(const struct command_result *r, const char *what, struct error_list *err)
{
    const char *said = buf_cstr(&r->errors);
    int len = (int)strnlen(said, COMPLAINT_MAX);
    const char *newline = memchr(said, '\n', (size_t)len);

    if (r->timed_out)
        return error_sys(err, ETIMEDOUT, NULL,
                         "nft could not %s within %d s, so the firewall is as it was; it is tried "
                         "again",
                         what, TIMEOUT_MS / 1000);
    error_add(err, NULL, 0, NULL,
              "nft could not %s: %.*s; the firewall is as it was. Is the kernel's nf_tables there "
              "(modprobe nf_tables)?",
              what, newline ? (int)(newline - said) : len, said);
    return -EIO;
}

static int run(const char *const *argv, const char *input, size_t len, const char *what,
               struct buf *ret, struct error_list *err)
{
    const struct command c = {.argv = argv,
                              .input = input,
                              .input_len = len,
                              .timeout_ms = TIMEOUT_MS,
                              .max_output = LIST_MAX};
    struct command_result result = COMMAND_RESULT_INIT;
    struct error_list why = ERROR_LIST_INIT;
    int r = command_run(&c, &result, &why);

    if (r == -ENOENT)
        error_add(err, NULL, 0, NULL,
                  NFT_PROGRAM " is not there, so there is no firewall on the links: install the "
                              "package nftables (apt install nftables), or leave the firewall to "
                              "others with --no-firewall");
    else if (r < 0)
        error_sys(err, -r, NFT_PROGRAM, "cannot start nft");
    else if (!command_succeeded(&result))
        r = complain(&result, what, err);
    else if (ret)
        buf_add(ret, result.output.data, result.output.len);
    command_result_clear(&result);
    error_clear(&why);
    return r;
}

int nft_run(const char *script, size_t len, struct error_list *err)
{
    static const char *const argv[] = {NFT_PROGRAM, "-f", "-", NULL};

    return run(argv, script, len, "set the table inet " FIREWALL_TABLE, NULL, err);
}

int nft_list(struct buf *ret, struct error_list *err)
{
    static const char *const argv[] = {NFT_PROGRAM, "-s",           "list", "table",
                                       "inet",      FIREWALL_TABLE, NULL};

    return run(argv, NULL, 0, "list the table inet " FIREWALL_TABLE, ret, err);
}

int nft_delete(struct error_list *err)
{
    static const char *const argv[] = {NFT_PROGRAM, "delete",       "table",
                                       "inet",      FIREWALL_TABLE, NULL};

    return run(argv, NULL, 0, "delete the table inet " FIREWALL_TABLE, NULL, err);
}
