/* SPDX-License-Identifier: Apache-2.0 */
/* The fetcher's report: what is accepted prints to what is accepted. */
#include <stdlib.h>
#include <string.h>

#include "agent/fetch_report.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fetch_report report, again;
    struct error_list err = ERROR_LIST_INIT;
    struct buf text = BUF_INIT, twice = BUF_INIT;

    if (fetch_report_parse((const char *)data, size, "fuzz", &report, &err) == 0) {
        fetch_report_format(&report, &text);
        if (fetch_report_parse(text.data, text.len, "again", &again, &err) < 0)
            abort();
        fetch_report_format(&again, &twice);
        if (strcmp(buf_cstr(&text), buf_cstr(&twice)) != 0)
            abort();
    } else if (err.n == 0) {
        abort();
    }
    buf_free(&text);
    buf_free(&twice);
    error_clear(&err);
    return 0;
}
