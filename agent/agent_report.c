/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent_report.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/identity.h"
#include "agent/supervise.h"
#include "common/alloc.h"
#include "common/fs.h"

#define WRITE_GAP_MS 1000
#define TEXT_KEEP 2000u /* bytes of a complaint */
#define TEXT_MAX 8192u  /* what may be in the file: bytes that are not UTF-8 become three there */

const char *const repair_names[REPAIR_KINDS] = {
    [REPAIR_INTERFACE] = "interface", [REPAIR_PROCESS] = "process", [REPAIR_ADDRESS] = "address",
    [REPAIR_SETTING] = "setting",     [REPAIR_FRR] = "frr",         [REPAIR_FIREWALL] = "firewall",
};

const char *const trouble_names[TROUBLE_KINDS] = {
    [TROUBLE_BUNDLE] = "bundle",     [TROUBLE_LINKS] = "links", [TROUBLE_FRR] = "frr",
    [TROUBLE_FIREWALL] = "firewall", [TROUBLE_DISK] = "disk",
};

/* A member of an object whose first member stands before it. */
static void add_text(struct buf *b, const char *indent, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(b, "%s\"%s\": ", indent, key);
    buf_json(b, value);
}

void agent_report_format(const struct agent_report *r, struct buf *ret)
{
    const char *separator = "\n    ";

    buf_printf(ret, "{\n  \"pid\": %lld,\n  \"start\": %llu,\n", (long long)r->pid, r->start);
    buf_printf(ret, "  \"since\": %lld,\n  \"applied\": %lld,\n", (long long)r->since,
               (long long)r->applied);
    buf_printf(ret, "  \"drained\": %s", r->drained ? "true" : "false");
    add_text(ret, ",\n  ", "source", r->source);
    buf_str(ret, ",\n  \"trouble\": {");
    for (size_t i = 0; i < TROUBLE_KINDS; i++) {
        add_text(ret, separator, trouble_names[i], r->trouble[i]);
        separator = r->trouble[i] ? ",\n    " : separator;
    }
    buf_str(ret, "},\n");
    buf_str(ret, "  \"repairs\": {\n");
    for (size_t i = 0; i < REPAIR_KINDS; i++)
        buf_printf(ret, "    \"%s\": {\"total\": %llu, \"last\": %lld}%s\n", repair_names[i],
                   (unsigned long long)r->repairs[i].total, (long long)r->repairs[i].last,
                   i + 1 < REPAIR_KINDS ? "," : "");
    buf_str(ret, "  }\n}\n");
}

/* A number that fits; else *good becomes false. */
static json_int_t number(const json_t *object, const char *key, json_int_t most, bool *good)
{
    const json_t *value = json_object_get(object, key);
    json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < 0 || n > most)
        *good = false;
    return n;
}

/* A text of bounded length, or NULL where there is none. */
static const char *sentence(const json_t *object, const char *key, bool *good)
{
    const json_t *value = json_object_get(object, key);

    if (value && (!json_is_string(value) || json_string_length(value) > TEXT_MAX))
        *good = false;
    return json_string_value(value);
}

int agent_report_parse(const char *data, size_t len, const char *file, struct agent_report *ret,
                       struct error_list *err)
{
    json_t *root = json_loadb(data, len, 0, NULL);
    const json_t *repairs = json_object_get(root, "repairs");
    const json_t *drained = json_object_get(root, "drained");
    const json_t *trouble = json_object_get(root, "trouble");
    bool good = json_is_boolean(drained);
    const char *source = sentence(root, "source", &good);
    struct agent_report r = {
        .pid = (pid_t)number(root, "pid", INT_MAX, &good),
        .start = (unsigned long long)number(root, "start", LLONG_MAX, &good),
        .since = number(root, "since", LLONG_MAX, &good),
        .applied = number(root, "applied", LLONG_MAX, &good),
        .drained = json_is_true(drained),
    };

    for (size_t i = 0; i < REPAIR_KINDS; i++) {
        const json_t *one = json_object_get(repairs, repair_names[i]);

        r.repairs[i].total = (uint64_t)number(one, "total", LLONG_MAX, &good);
        r.repairs[i].last = number(one, "last", LLONG_MAX, &good);
    }
    for (size_t i = 0; i < TROUBLE_KINDS; i++)
        sentence(trouble, trouble_names[i], &good);
    if (good) {
        r.source = source ? xstrdup(source) : NULL;
        for (size_t i = 0; i < TROUBLE_KINDS; i++)
            agent_report_trouble(&r, i, sentence(trouble, trouble_names[i], &good));
        *ret = r;
    }
    json_decref(root);
    return good ? 0
                : error_add(err, file, 0, NULL,
                            "this is no report of an agent of this version: restart the agent");
}

void agent_report_clear(struct agent_report *r)
{
    free(r->source);
    for (size_t i = 0; i < TROUBLE_KINDS; i++)
        free(r->trouble[i]);
    *r = (struct agent_report){0};
}

void agent_report_repaired(struct agent_report *r, enum repair_kind kind)
{
    r->repairs[kind].total++;
    r->repairs[kind].last = time(NULL);
}

void agent_report_trouble(struct agent_report *r, enum trouble_kind kind, const char *text)
{
    const char *old = r->trouble[kind];

    if (text && !*text)
        text = NULL;
    if (!text && !old)
        return;
    if (text && old && strncmp(text, old, TEXT_KEEP) == 0)
        return;
    free(r->trouble[kind]);
    r->trouble[kind] = text ? xstrndup(text, TEXT_KEEP) : NULL;
}

bool agent_report_alive(const struct agent_report *r)
{
    return process_runs(r->pid, r->start);
}

int agent_report_read(const char *run_dir, struct agent_report *ret, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" AGENT_REPORT_FILE, run_dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return -ENOENT;
    r = fs_read(path, AGENT_REPORT_MAX_BYTES, &text, err);
    return r < 0 ? r : agent_report_parse(buf_cstr(&text), text.len, path, ret, err);
}

/* --- the writer --------------------------------------------------------------------------------
 */

void agent_report_open(const char *run_dir, const char *source, struct agent_report *report,
                       struct agent_report_file *ret)
{
    struct error_list ignored = ERROR_LIST_INIT; /* then it counts from nothing */

    *report = (struct agent_report){0};
    agent_report_read(run_dir, report, &ignored);
    error_clear(&ignored);
    free(report->source);
    report->source = source ? xstrdup(source) : NULL;
    for (size_t i = 0; i < TROUBLE_KINDS; i++)
        agent_report_trouble(report, i, NULL);
    report->pid = getpid();
    report->start = 0;
    process_start_time(report->pid, &report->start);
    report->since = time(NULL);
    report->applied = 0;
    *ret = (struct agent_report_file){.path = xasprintf("%s/" AGENT_REPORT_FILE, run_dir)};
}

static bool write_report(struct agent_report_file *f, struct buf *text)
{
    struct error_list ignored = ERROR_LIST_INIT; /* the next second tries again */
    bool written = fs_write(f->path, text->data, text->len, 0644, &ignored) == 0;

    if (written) {
        free(f->written);
        f->written = buf_steal(text);
    }
    error_clear(&ignored);
    return written;
}

static bool differs(const struct agent_report_file *f, const struct buf *text)
{
    return !f->written || strcmp(f->written, text->data) != 0;
}

void agent_report_run(struct agent_report_file *f, const struct agent_report *r)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int64_t now = monotonic_ms();

    agent_report_format(r, &text);
    f->waits = differs(f, &text);
    if (!f->waits || now < f->next)
        return;
    f->waits = !write_report(f, &text);
    f->next = now + WRITE_GAP_MS;
}

int64_t agent_report_deadline(const struct agent_report_file *f)
{
    return f->waits ? f->next : SUPERVISE_NEVER;
}

void agent_report_close(struct agent_report_file *f, const struct agent_report *r)
{
    _cleanup_buf_ struct buf text = BUF_INIT;

    agent_report_format(r, &text);
    if (f->path && differs(f, &text))
        write_report(f, &text);
    free(f->path);
    free(f->written);
    *f = (struct agent_report_file){0};
}
