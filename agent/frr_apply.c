/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/frr_apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/vty.h"
#include "agent/vtysh.h"
#include "common/alloc.h"
#include "common/frr_config.h"
#include "common/frr_diff.h"
#include "common/fs.h"

#define DESIRED_FILE "frr/frr.conf"
#define RECORD_MAX (16u << 20)
/* bgpd acts on changed route maps and lists when none has changed for so many seconds, and lets a
 * neighbor that came in the same batch begin no sooner.  At 0 it does so at once.  What is given
 * to it is whole, so each batch ends with 0 and what it was; the record says what that is until
 * the batch has been taken. */
#define DELAY "bgp route-map delay-timer "
#define DELAY_DEFAULT DELAY "5" /* and then it is not shown */
/* Lines named in one error; the rest is counted. */
#define MAX_NAMED 10

/* One run from reading to the record. */
struct job {
    const struct vtysh *v;
    struct error_list *err;
    char *record_path;
    struct buf record;                           /* what the file says */
    struct frr_config desired, applied, running; /* of the comparison in hand */
    struct frr_diff diff;
    struct buf complaints;
    uint64_t running_digest;
};

static void forget(struct job *j)
{
    frr_config_free(&j->desired);
    frr_config_free(&j->applied);
    frr_config_free(&j->running);
    frr_diff_free(&j->diff);
}

static void job_free(struct job *j)
{
    forget(j);
    free(j->record_path);
    buf_free(&j->record);
    buf_free(&j->complaints);
}

static int read_record(struct job *j)
{
    return access(j->record_path, F_OK) < 0 && errno == ENOENT
               ? 0
               : fs_read(j->record_path, RECORD_MAX, &j->record, j->err);
}

/* A disk that takes no record must not keep FRR from what is in force, the way back above all: it
 * is said, and the next apply tries again. */
static int write_record(struct job *j, const char *text)
{
    int r = fs_write_if_changed(j->record_path, text, strlen(text), 0600, NULL, j->err);

    return r == -EROFS || r == -ENOSPC || r == -EDQUOT || r == -EIO ? 0 : r;
}

/* The `bfd` block of bfdd's configuration.  The rest is not bfdd's to tell: it keeps prefix lists,
 * too, and would hide that a restarted bgpd has lost them. */
static void bfd_block(const char *text, struct buf *ret)
{
    bool inside = false;
    size_t len;

    for (const char *p = text; *p; p += len) {
        len = strcspn(p, "\n");
        if (*p != ' ' && *p != '!')
            inside = len == 3 && strncmp(p, "bfd", 3) == 0;
        len += p[len] == '\n';
        if (inside)
            buf_add(ret, p, len);
    }
}

static bool is_marked(const struct frr_line *line)
{
    return line->marks != 0;
}

/* What zebra alone knows.  And lists and route-maps of ours that it has and nobody wants: vtysh
 * gives each line to one daemon after the other, and may have been killed between two of them. */
static void of_zebra(const char *text, size_t len, const struct frr_config *desired,
                     struct buf *ret)
{
    struct frr_config others = FRR_CONFIG_INIT;

    frr_config_parse(&others, text, len);
    for (size_t i = 0; i < others.n; i++) {
        struct frr_line *line = others.lines[i];

        line->marks = line->kind == FRR_ZEBRA_LINE ||
                      ((line->kind == FRR_LIST || line->kind == FRR_ROUTE_MAP) && line->object &&
                       frr_own_name(line->object) && !frr_config_find(desired, line->path));
    }
    frr_config_print(&others, is_marked, ret);
    frr_config_free(&others);
}

/* A bgpd without its RPKI module knows neither "rpki" nor "match rpki", while vtysh lets both pass.
 */
static int check_module(struct job *j)
{
    bool loaded = true;
    int r = frr_config_find(&j->desired, "rpki")
                ? vtysh_has_module(j->v, "bgpd", "bgpd_rpki", &loaded, j->err)
                : 0;

    if (r < 0 || loaded)
        return r;
    return error_add(j->err, NULL, 0, NULL, "%s", VTYSH_NO_RPKI);
}

/* Compares the desired text with what FRR has now. */
static int compare(struct job *j, const char *desired, const char *applied, bool validate)
{
    _cleanup_buf_ struct buf text = BUF_INIT, bfdd = BUF_INIT, zebra = BUF_INIT;
    int r;

    forget(j);
    frr_config_parse(&j->desired, desired, strlen(desired));
    frr_config_parse(&j->applied, applied, strlen(applied));
    r = validate ? frr_config_validate(&j->desired, DESIRED_FILE, j->err) : 0;
    if (r == 0 && validate)
        r = check_module(j);
    if (r == 0)
        r = vtysh_running_config(j->v, "zebra", &zebra, j->err);
    if (r == 0)
        r = vtysh_running_config(j->v, "bgpd", &text, j->err);
    if (r == 0)
        r = vtysh_running_config(j->v, "bfdd", &bfdd, j->err);
    if (r < 0)
        return r;
    j->running_digest = vty_digest(VTY_DIGEST_START, buf_cstr(&zebra), zebra.len);
    j->running_digest = vty_digest(j->running_digest, buf_cstr(&text), text.len);
    j->running_digest = vty_digest(j->running_digest, buf_cstr(&bfdd), bfdd.len);
    buf_char(&text, '\n');
    bfd_block(buf_cstr(&bfdd), &text);
    of_zebra(buf_cstr(&zebra), zebra.len, &j->desired, &text);
    frr_config_parse(&j->running, buf_cstr(&text), text.len);
    frr_config_translate(&j->desired, &j->running);
    frr_config_translate(&j->applied, &j->running);
    frr_config_imply(&j->running, &j->desired);
    return frr_diff(&j->desired, &j->applied, &j->running, &j->diff, j->err);
}

static void print_change(struct buf *b, const struct frr_change *c)
{
    buf_printf(b, "%c %s%s%s\n", c->added ? '+' : '-', c->context, *c->context ? " > " : "",
               c->text);
}

static void result_of(const struct frr_diff *d, struct frr_result *ret)
{
    ret->added = d->n_added;
    ret->removed = d->n_removed;
    for (size_t i = 0; i < d->n; i++)
        print_change(&ret->changes, &d->changes[i]);
}

static void report_difference(struct job *j)
{
    const struct frr_diff *d = &j->diff;
    const char *rest = buf_cstr(&j->complaints), *line;
    int len;

    for (size_t i = 0; i < d->n && i < MAX_NAMED; i++) {
        const struct frr_change *c = &d->changes[i];

        error_add(j->err, DESIRED_FILE, 0, NULL, "FRR %s \"%s%s%s\"",
                  c->added ? "did not take" : "did not give up", c->context,
                  *c->context ? " > " : "", c->text);
    }
    if (d->n > MAX_NAMED)
        error_add(j->err, DESIRED_FILE, 0, NULL, "and %zu more lines", d->n - MAX_NAMED);
    while (text_line(&rest, &line, &len))
        error_add(j->err, DESIRED_FILE, 0, NULL, "FRR said: %.*s", len, line);
}

static const char *delay_of(const struct frr_config *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (!c->lines[i]->parent && strncmp(c->lines[i]->text, DELAY, strlen(DELAY)) == 0)
            return c->lines[i]->text;
    return NULL;
}

/* What the operator, or FRR, has it at. */
static const char *delay_before(const struct job *j)
{
    const char *now = delay_of(&j->running), *recorded = delay_of(&j->applied);

    if (recorded && (!now || strcmp(now, DELAY "0") == 0))
        return recorded;
    return now ? now : DELAY_DEFAULT;
}

/* A batch, perhaps of an agent that was killed, ended before its end. */
static bool interrupted(const struct job *j)
{
    const char *now = delay_of(&j->running);

    return now && strcmp(now, delay_before(j)) != 0;
}

/* The batch in hand with its end. */
static char *whole_batch(struct job *j)
{
    return xasprintf("%s" DELAY "0\n%s\n", buf_cstr(&j->diff.batch), delay_before(j));
}

/* A batch that was recorded, and then nobody came to its end. */
static bool unfinished(const struct job *j)
{
    return delay_of(&j->applied) != NULL;
}

/* --- what bgpd judges anew ---------------------------------------------------------------------
 */

/* "neighbor X prefix-list NAME in": NAME, *list what the lines of such a list begin with. */
static char *list_named_by(const struct frr_line *l, const char **list)
{
    static const char *const kinds[][2] = {{" prefix-list ", "prefix-list "},
                                           {" filter-list ", "bgp as-path access-list "}};
    const char *rest = l->text + frr_head_len(l);
    size_t len = strlen(rest), head;

    if (l->kind != FRR_NEIGHBOR || l->parent->kind != FRR_FAMILY || l->malformed)
        return NULL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        head = strlen(kinds[i][0]);
        *list = kinds[i][1];
        if (len > head + 3 && strncmp(rest, kinds[i][0], head) == 0 &&
            strcmp(rest + len - 3, " in") == 0)
            return xstrndup(rest + head, len - head - 3);
    }
    return NULL;
}

static bool list_changes(const struct frr_diff *d, const char *list, const char *name)
{
    for (size_t i = 0; i < d->n; i++) {
        const char *text = d->changes[i].text;
        size_t n = strlen(name);

        text += strncmp(text, "ip ", 3) == 0 ? 3 : strncmp(text, "ipv6 ", 5) == 0 ? 5 : 0;
        if (strncmp(text, list, strlen(list)) != 0)
            continue;
        text += strlen(list);
        if (strncmp(text, name, n) == 0 && text[n] == ' ')
            return true;
    }
    return false;
}

/* A list that a route map matches by is acted on; one that a neighbor names itself only for what
 * comes from then on.  The commands, a line each, for those neighbors that are there and whose list
 * changes, or `all`. */
static void judge_anew(const struct job *j, bool all, struct buf *ret)
{
    static const char family[] = "address-family ";

    for (size_t i = 0; i < j->desired.n; i++) {
        const struct frr_line *l = j->desired.lines[i];
        const char *list;
        _cleanup_free_ char *name = list_named_by(l, &list);

        /* Where the line itself comes, bgpd does it. */
        if (name && frr_config_find(&j->running, l->path) &&
            (all || list_changes(&j->diff, list, name)))
            buf_printf(ret, "clear bgp %s %s%s soft in\n", l->parent->text + strlen(family),
                       frr_own_name(l->object) ? "peer-group " : "", l->object);
    }
}

static int judge(struct job *j, const struct buf *commands)
{
    const char *rest = buf_cstr(commands), *line;
    int r = 0, len;

    while (r == 0 && text_line(&rest, &line, &len)) {
        _cleanup_free_ char *command = xstrndup(line, (size_t)len);
        _cleanup_buf_ struct buf ignored = BUF_INIT;

        r = vtysh_show(j->v, "bgpd", command, &ignored, j->err);
    }
    return r;
}

static int judge_all(struct job *j)
{
    _cleanup_buf_ struct buf commands = BUF_INIT;

    judge_anew(j, true, &commands);
    return judge(j, &commands);
}

/* --- one batch ---------------------------------------------------------------------------------
 */

/* Puts `before` back; `both` is the record while it is uncertain what FRR has. */
static int roll_back(struct job *j, const char *before, const char *both)
{
    struct error_list quiet = ERROR_LIST_INIT, *loud = j->err;
    int r;

    j->err = &quiet;
    r = compare(j, before, both, false);
    if (r == 0 && (j->diff.batch.len > 0 || interrupted(j))) {
        _cleanup_free_ char *batch = whole_batch(j);

        buf_reset(&j->complaints);
        r = vtysh_load(j->v, batch, &j->complaints, j->err);
        if (r == 0)
            r = compare(j, before, both, false);
        if (r == 0)
            r = judge_all(j);
    }
    j->err = loud;
    if (r == 0 && j->diff.batch.len == 0)
        r = write_record(j, buf_cstr(&j->record));
    else if (r == 0)
        r = -EIO;
    if (r == 0) {
        error_add(j->err, NULL, 0, NULL,
                  "the FRR configuration of before is back in place: correct the lines above (a "
                  "template, or this router's own configuration) and apply again");
    } else {
        for (size_t i = 0; i < quiet.n; i++)
            error_add(j->err, NULL, 0, NULL, "%s", quiet.items[i].message);
        error_add(j->err, NULL, 0, NULL,
                  "the FRR configuration of before could not be put back whole either: see \"vtysh "
                  "-c 'show running-config'\", and apply again once FRR answers");
    }
    error_clear(&quiet);
    return r;
}

/* Sessions of the mesh run, and bgpd is to have a cache that it has not. */
static bool cache_comes(const struct job *j)
{
    bool sessions = false;

    for (size_t i = 0; i < j->running.n; i++)
        sessions |= frr_own_name(j->running.lines[i]->group);
    return sessions && frr_config_cache(&j->desired) && !frr_config_cache(&j->running);
}

static bool is_of_rpki(const struct frr_line *line)
{
    return line->kind == FRR_RPKI_LINE;
}

/* The cache first, and what matches by it when bgpd goes by the table: a changed route map acts at
 * once, and without a table it refuses all that came before.  When no table comes, the rest is put
 * in place all the same. */
static int cache_first(struct job *j, const char *desired, const char *both)
{
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    frr_config_print(&j->desired, is_of_rpki, &text);
    r = vtysh_load(j->v, buf_cstr(&text), &j->complaints, j->err);
    if (r == 0)
        r = vtysh_rpki_wait(j->v, j->err);
    return r == 0 || r == -ETIMEDOUT ? compare(j, desired, both, false) : r;
}

/* The difference in hand, acted on. */
static int act(struct job *j, const char *desired)
{
    _cleanup_free_ char *batch = whole_batch(j), *owned = buf_steal(&j->diff.owned),
                        *before = buf_steal(&j->diff.before),
                        *both = xasprintf("%s%s%s\n", owned, buf_cstr(&j->record), delay_before(j));
    _cleanup_buf_ struct buf anew = BUF_INIT;
    int r = vtysh_check(j->v, batch, j->err);

    judge_anew(j, unfinished(j), &anew);
    if (r == 0)
        r = write_record(j, both);
    if (r == 0 && cache_comes(j)) {
        r = cache_first(j, desired, both);
        free(batch);
        batch = whole_batch(j);
    }
    if (r == 0)
        r = vtysh_load(j->v, batch, &j->complaints, j->err);
    if (r == 0)
        r = compare(j, desired, both, false);
    if (r < 0)
        return r;
    if (j->diff.n == 0) {
        r = judge(j, &anew);
        return r == 0 ? write_record(j, owned) : r;
    }
    vtysh_forget();
    report_difference(j);
    r = roll_back(j, before, both);
    return r < 0 ? r : -EINVAL;
}

/* Nothing is to be changed. */
static int finish(struct job *j)
{
    int r = unfinished(j) ? judge_all(j) : 0;

    return r == 0 ? write_record(j, buf_cstr(&j->diff.owned)) : r;
}

static int start(struct job *j, const struct vtysh *v, const char *desired, const char *state_dir,
                 struct error_list *err)
{
    int r;

    *j = (struct job){.v = v, .err = err};
    j->record_path = xasprintf("%s/%s", state_dir, FRR_APPLIED_FILE);
    r = vtysh_alive(v, err);
    if (r == 0)
        r = read_record(j);
    if (r == 0)
        r = compare(j, desired, buf_cstr(&j->record), true);
    return r;
}

int frr_apply(const struct vtysh *v, const char *desired, const char *state_dir,
              struct frr_result *ret, struct error_list *err)
{
    struct job j;
    int r = start(&j, v, desired, state_dir, err);

    *ret = (struct frr_result)FRR_RESULT_INIT;
    if (r == 0)
        result_of(&j.diff, ret);
    if (r == 0)
        r = j.diff.batch.len || interrupted(&j) ? act(&j, desired) : finish(&j);
    ret->running = j.running_digest;
    job_free(&j);
    return r;
}

int frr_check(const struct vtysh *v, const char *desired, const char *state_dir,
              struct frr_result *ret, struct error_list *err)
{
    struct job j;
    int r = start(&j, v, desired, state_dir, err);

    *ret = (struct frr_result)FRR_RESULT_INIT;
    if (r == 0) {
        result_of(&j.diff, ret);
        r = j.diff.n > 0;
    }
    ret->running = j.running_digest;
    job_free(&j);
    return r;
}

int frr_remove(const struct vtysh *v, const char *state_dir, struct frr_result *ret,
               struct error_list *err)
{
    _cleanup_free_ char *path = xasprintf("%s/%s", state_dir, FRR_APPLIED_FILE);
    int r = frr_apply(v, "", state_dir, ret, err);

    if (r == 0 && unlink(path) < 0 && errno != ENOENT)
        r = error_sys(err, errno, path, "cannot remove the record of what is in FRR");
    return r;
}

void frr_result_clear(struct frr_result *r)
{
    buf_free(&r->changes);
    *r = (struct frr_result)FRR_RESULT_INIT;
}
