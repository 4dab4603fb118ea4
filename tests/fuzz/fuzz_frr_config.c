/* SPDX-License-Identifier: Apache-2.0 */
/* FRR's configuration: three texts (desired, applied, running) with a NUL between.  Whatever is
 * valid: the batch brings the model of FRR there, after which nothing is left to do, and what is
 * not ours is as before. */
#include <stdlib.h>
#include <string.h>

#include "common/frr_diff.h"
#include "common/name.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/frr_model.h"

/* FRR shows no line with other bytes; the model knows contexts of ours only. */
static bool plausible(const struct frr_config *c)
{
    const struct frr_line *router = NULL;

    for (size_t i = 0; i < c->n; i++) {
        const struct frr_line *l = c->lines[i];

        if (!value_valid(l->text, strlen(l->text)) || (l->kind == FRR_FOREIGN && l->parent))
            return false;
        if (l->kind == FRR_LIST && strcmp(l->content, l->text) == 0)
            return false; /* without a number: vtysh -C refuses it */
        if (l->kind == FRR_ROUTER && router)
            return false;
        if (l->kind == FRR_ROUTER)
            router = l;
    }
    return true;
}

/* Obeys the rules of a configuration that FRR takes and shows. */
static bool consistent(const char *text)
{
    struct frr_config c = FRR_CONFIG_INIT;
    struct error_list err = ERROR_LIST_INIT;
    bool good;

    frr_config_parse(&c, text, strlen(text));
    good = plausible(&c) && frr_config_validate(&c, "fuzz", &err) == 0;
    frr_config_free(&c);
    error_clear(&err);
    return good;
}

static void check_again(const char *desired_text, const char *owned, const char *after)
{
    struct frr_config desired = FRR_CONFIG_INIT, applied = FRR_CONFIG_INIT,
                      running = FRR_CONFIG_INIT;
    struct error_list err = ERROR_LIST_INIT;
    struct frr_diff diff = FRR_DIFF_INIT;

    frr_config_parse(&desired, desired_text, strlen(desired_text));
    frr_config_parse(&applied, owned, strlen(owned));
    frr_config_parse(&running, after, strlen(after));
    frr_config_translate(&desired, &running);
    frr_config_translate(&applied, &running);
    if (frr_diff(&desired, &applied, &running, &diff, &err) < 0 || diff.n > 0)
        abort();
    frr_diff_free(&diff);
    frr_config_free(&desired);
    frr_config_free(&applied);
    frr_config_free(&running);
    error_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frr_config desired = FRR_CONFIG_INIT, applied = FRR_CONFIG_INIT,
                      running = FRR_CONFIG_INIT;
    struct error_list err = ERROR_LIST_INIT;
    struct frr_diff diff = FRR_DIFF_INIT;
    struct buf after = BUF_INIT;
    const char *part[3] = {"", "", ""};
    char *text = xmalloc(size + 1);
    bool valid;

    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    for (size_t i = 0, at = 0; i < 3 && at <= size; i++) {
        part[i] = text + at;
        at += strlen(part[i]) + 1;
    }
    frr_config_parse(&desired, part[0], strlen(part[0]));
    frr_config_parse(&applied, part[1], strlen(part[1]));
    frr_config_parse(&running, part[2], strlen(part[2]));
    valid = frr_config_validate(&desired, "fuzz", &err) == 0;
    frr_config_translate(&desired, &running);
    frr_config_translate(&applied, &running);
    if (valid && frr_diff(&desired, &applied, &running, &diff, &err) == 0 && consistent(part[0]) &&
        consistent(part[2])) {
        if (!frr_model_apply(part[2], buf_cstr(&diff.batch), &after))
            abort();
        check_again(part[0], buf_cstr(&diff.owned), buf_cstr(&after));
    }
    frr_diff_free(&diff);
    frr_config_free(&desired);
    frr_config_free(&applied);
    frr_config_free(&running);
    buf_free(&after);
    error_clear(&err);
    free(text);
    return 0;
}
