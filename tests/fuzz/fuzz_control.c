/* SPDX-License-Identifier: Apache-2.0 */
/* A line on the control socket: answered in one of two ways, and no verb hears of a word that is no
 * name. */
#include <stdlib.h>
#include <string.h>

#include "agent/control.h"
#include "common/name.h"
#include "tests/fuzz/fuzz.h"

static int heard(void *arg, const char *word, struct buf *said, struct error_list *err)
{
    (void)arg;
    if (word && !name_valid(word))
        abort();
    if (word)
        return error_add(err, NULL, 0, NULL, "no %s", word);
    buf_str(said, "done");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct control_verb verbs[] = {
        {"rollback", heard, false}, {"drain", heard, true}, {NULL, NULL, false}};
    struct buf answer = BUF_INIT;

    control_answer(verbs, NULL, (const char *)data, size, &answer);
    if ((strncmp(buf_cstr(&answer), "ok ", 3) != 0 &&
         strncmp(buf_cstr(&answer), "error ", 6) != 0) ||
        answer.data[answer.len - 1] != '\n' || strlen(answer.data) != answer.len)
        abort();
    buf_free(&answer);
    return 0;
}
