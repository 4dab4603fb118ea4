/* SPDX-License-Identifier: Apache-2.0 */
/* What a controller answers: the first byte says to what, and with which status. */
#include <stdlib.h>
#include <string.h>

#include "agent/contact.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 202, 403, 204, 401, 503, 302, 0};
    struct contact_answer answer = {.text = BUF_INIT};
    struct error_list err = ERROR_LIST_INIT;
    enum contact_what what;
    int r;

    if (size == 0)
        return 0;
    what = (enum contact_what)(data[0] >> 3 & 3);
    r = contact_read(what, statuses[data[0] & 7], (const char *)data + 1, size - 1, &answer, &err);
    if ((r < 0) != (err.n > 0) || answer.text.len > CONTACT_ANSWER_MAX ||
        strlen(buf_cstr(&answer.text)) != answer.text.len ||
        (answer.waits && answer.text.len != 32) || (r < 0 && answer.text.len))
        abort();
    contact_answer_clear(&answer);
    error_clear(&err);
    return 0;
}
