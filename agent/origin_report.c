/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/origin_report.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>

#include "agent/identity.h"
#include "agent/json_text.h"

/* With the place that it is about. */
static json_t *sentence(const struct error_item *e)
{
    if (!e->file)
        return json_string(e->message);
    return e->line ? json_sprintf("%s:%u: %s", e->file, e->line, e->message)
                   : json_sprintf("%s: %s", e->file, e->message);
}

void origin_report_format(const struct origin_report *r, struct buf *ret)
{
    json_t *root = json_object(), *problems = json_array();

    json_object_set_new(root, "pid", json_integer(r->pid));
    json_object_set_new(root, "start", json_integer((json_int_t)r->start));
    json_object_set_new(root, "serial", json_integer(r->rtr.serial));
    json_object_set_new(root, "prefixes", json_integer((json_int_t)r->rtr.prefixes));
    json_object_set_new(root, "pairs", json_integer((json_int_t)r->rtr.pairs));
    json_object_set_new(root, "routers", json_integer(r->rtr.routers));
    json_object_set_new(root, "up-to-date", json_integer(r->rtr.up_to_date));
    for (size_t i = 0; i < r->problems.n; i++)
        json_array_append_new(problems, sentence(&r->problems.items[i]));
    json_object_set_new(root, "problems", problems);
    json_text_take(root, ret);
}

/* A number that fits; else *good becomes false. */
static unsigned long long number(const json_t *root, const char *key, unsigned long long most,
                                 bool *good)
{
    const json_t *value = json_object_get(root, key);
    json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < 0 || (unsigned long long)n > most)
        *good = false;
    return (unsigned long long)n;
}

int origin_report_parse(const char *data, size_t len, const char *file, struct origin_report *ret,
                        struct error_list *err)
{
    json_t *root = json_loadb(data, len, 0, NULL);
    const json_t *problems = json_object_get(root, "problems");
    bool good = json_is_array(problems);
    struct origin_report r = {
        .pid = (pid_t)number(root, "pid", INT_MAX, &good),
        .start = number(root, "start", LLONG_MAX, &good),
        .rtr = {.serial = (uint32_t)number(root, "serial", UINT32_MAX, &good),
                .prefixes = (size_t)number(root, "prefixes", ORIGINS_MAX_ENTRIES, &good),
                .pairs = (size_t)number(root, "pairs", ORIGINS_MAX_PAIRS, &good),
                .routers = (unsigned)number(root, "routers", UINT_MAX, &good),
                .up_to_date = (unsigned)number(root, "up-to-date", UINT_MAX, &good)},
        .problems = ERROR_LIST_INIT,
    };

    for (size_t i = 0; good && i < json_array_size(problems); i++) {
        const char *message = json_string_value(json_array_get(problems, i));

        if (message)
            error_add(&r.problems, NULL, 0, NULL, "%s", message);
        else
            good = false;
    }
    json_decref(root);
    if (!good) {
        origin_report_clear(&r);
        return error_add(err, file, 0, NULL,
                         "this is no report of an agent of this version: restart the agent");
    }
    *ret = r;
    return 0;
}

void origin_report_clear(struct origin_report *r)
{
    error_clear(&r->problems);
    *r = (struct origin_report)ORIGIN_REPORT_INIT;
}

bool origin_report_alive(const struct origin_report *r)
{
    return process_runs(r->pid, r->start);
}
