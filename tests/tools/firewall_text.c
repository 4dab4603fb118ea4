/* SPDX-License-Identifier: Apache-2.0 */
/* usage: firewall_text [--origins FILE] [--before BUNDLE] BUNDLE
 *
 * Prints what nft would get. */
#include <getopt.h>
#include <stdio.h>

#include "agent/firewall.h"
#include "common/fs.h"

static int read_origins(const char *path, struct origins **ret, struct error_list *err)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r = fs_read(path, ORIGINS_MAX_BYTES, &text, err);

    return r < 0 ? r : origins_parse(buf_cstr(&text), text.len, path, ret, err);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"origins", required_argument, NULL, 'o'},
                                            {"before", required_argument, NULL, 'b'},
                                            {NULL, 0, NULL, 0}};
    struct error_list err = ERROR_LIST_INIT;
    struct bundle *now = NULL, *before = NULL;
    struct origins *origins = NULL;
    struct firewall f = {NULL};
    struct buf text = BUF_INIT;
    int c, r = 0;

    while (r == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1)
        r = c == 'o'   ? read_origins(optarg, &origins, &err)
            : c == 'b' ? bundle_load(optarg, &before, &err)
                       : -1;
    if (r == 0 && optind == argc - 1)
        r = bundle_load(argv[optind], &now, &err);
    if (r == 0 && now) {
        f = (struct firewall){now, before, origins};
        r = firewall_render(&f, &text, &err);
    }
    if (r == 0 && now)
        firewall_render_hosts(&f, NULL, 0, &text);
    fputs(buf_cstr(&text), stdout);
    error_print(&err, stderr);
    buf_free(&text);
    bundle_free(now);
    bundle_free(before);
    origins_free(origins);
    error_clear(&err);
    return r == 0 && now ? 0 : 1;
}
