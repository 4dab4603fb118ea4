/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/report_note.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "agent/identity.h"
#include "common/alloc.h"
#include "common/fs.h"

/* Without jansson: the reporter stays, and what that library keeps would stay with it. */
void report_note_format(const struct report_note *n, struct buf *ret)
{
    buf_printf(ret, "{\"pid\": %d, \"start\": %llu, \"told\": %" PRId64 ", \"next\": %" PRId64,
               (int)n->pid, n->start, n->told, n->next);
    if (*n->text) {
        buf_str(ret, ", \"error\": {\"text\": ");
        buf_json(ret, n->text);
        buf_printf(ret, ", \"since\": %" PRId64 ", \"tries\": %u, \"refused\": %s}", n->since,
                   n->tries, n->refused ? "true" : "false");
    }
    buf_str(ret, "}\n");
}

/* Each may be missing; *good becomes false when it is not what it should be. */
static int64_t number(const json_t *o, const char *key, int64_t most, bool *good)
{
    const json_t *value = json_object_get(o, key);
    json_int_t n = json_integer_value(value);

    if (value && (!json_is_integer(value) || n < 0 || n > most))
        *good = false;
    return n;
}

static void text_of(const json_t *error, char ret[static REPORT_NOTE_TEXT_MAX + 1], bool *good)
{
    const json_t *value = json_object_get(error, "text");
    const char *text = json_string_value(value);
    size_t n = text ? strlen(text) : 0;

    if (!error)
        return;
    if (n == 0 || n != json_string_length(value) || n > REPORT_NOTE_TEXT_MAX) {
        *good = false;
        return;
    }
    for (const char *p = text; *p; p++)
        *good = *good && *p >= ' ' && *p <= '~';
    memcpy(ret, text, n + 1);
}

int report_note_parse(const char *data, size_t len, const char *file, struct report_note *ret,
                      struct error_list *err)
{
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *error = json_object_get(root, "error");
    bool good = json_is_object(root) && (!error || json_is_object(error));
    struct report_note n = {
        .pid = (pid_t)number(root, "pid", INT_MAX, &good),
        .start = (unsigned long long)number(root, "start", LLONG_MAX, &good),
        .told = number(root, "told", INT64_MAX / 2, &good),
        .next = number(root, "next", INT64_MAX / 2, &good),
        .since = number(error, "since", INT64_MAX / 2, &good),
        .tries = (unsigned)number(error, "tries", UINT_MAX, &good),
    };

    const json_t *refused = json_object_get(error, "refused");

    n.refused = json_is_true(refused);
    good = good && (!refused || json_is_boolean(refused));
    text_of(error, n.text, &good);
    json_decref(root);
    if (!good)
        return error_add(err, file, 0, NULL,
                         "this is no note of a reporter of this version: run \"systemctl restart "
                         "p2pvpn-report\"");
    *ret = n;
    return 0;
}

int report_note_read(const char *run_dir, struct report_note *ret, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" REPORT_NOTE_FILE, run_dir);
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return -ENOENT;
    r = fs_read(path, REPORT_NOTE_MAX_BYTES, &text, err);
    return r == 0 ? report_note_parse(buf_cstr(&text), text.len, path, ret, err) : r;
}

int report_note_write(const char *run_dir, const struct report_note *n, struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" REPORT_NOTE_FILE, run_dir);
    _cleanup_buf_ struct buf text = BUF_INIT;

    report_note_format(n, &text);
    return fs_write(path, buf_cstr(&text), text.len, 0644, err);
}

bool report_note_alive(const struct report_note *n)
{
    return process_runs(n->pid, n->start);
}
