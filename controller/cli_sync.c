/* SPDX-License-Identifier: Apache-2.0 */
/* `p2pvpn-ctl sync`: the file of keys and the controller, each told what the other knows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "controller/cli.h"
#include "controller/keys_file.h"
#include "controller/service_ask.h"
#include "controller/sync.h"

#define TURNS 8 /* while others write the file */

struct sync {
    const struct cli_args *args;
    const char *file;
    struct keys_file *keys;
    struct sync_list *list;
    json_t *changed, *told; /* for --json */
    bool conflict;
    struct error_list *err;
};

static int ask(struct sync *s)
{
    json_t *answer = NULL;
    int r = service_ask(&s->args->service, "GET", "/v1/keys", NULL, &answer, s->err);

    s->list = sync_free(s->list);
    if (r == 0)
        r = sync_read(answer, &s->list, s->err);
    json_decref(answer);
    return r;
}

/* --- to the controller ------------------------------------------------------------------------ */

static int tell_one(struct sync *s, const struct keys_gateway *g)
{
    json_t *body = json_pack("{s:s, s:I, s:b}", "gateway", g->name, "least-generation",
                             (json_int_t)g->generation, "revoked", (int)g->revoked);
    json_t *answer = NULL;
    int r = service_ask(&s->args->service, "POST", "/v1/keys", body, &answer, s->err);

    json_decref(answer);
    if (r < 0) {
        json_decref(body);
        return r;
    }
    json_array_append_new(s->told, body);
    if (!s->args->json && !s->args->quiet && g->revoked)
        printf("%s: the controller enrolls it no more\n", g->name);
    else if (!s->args->json && !s->args->quiet && sync_readmits(g, s->list))
        printf("%s: it was revoked, and the controller enrolls it again, from generation %u\n",
               g->name, g->generation);
    else if (!s->args->json && !s->args->quiet)
        printf("%s: the controller refuses what is below generation %u\n", g->name, g->generation);
    return 0;
}

static int tell(struct sync *s)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->keys->n; i++)
        if (sync_refusal(&s->keys->gateways[i], s->list))
            r = tell_one(s, &s->keys->gateways[i]);
    return r;
}

/* --- into the file ---------------------------------------------------------------------------- */

static const struct {
    const char *word, *text; /* a generation stands behind it */
} changes[] = {
    [SYNC_ENROLLED] = {"enrolled", "enrolled, generation"},
    [SYNC_REPLACED] = {"replaced", "new keys, generation"},
    [SYNC_LINK_KEY] = {"link-key", "a link key came to generation"},
    [SYNC_REKEY] = {"rekey", "the controller refuses its keys; new ones will be of generation"},
    [SYNC_REVOKED] = {"revoked",
                      "the controller knows that it is revoked; nobody has keys of generation"},
    [SYNC_RAISED] = {"raised", "it stays revoked; now nobody has keys of generation"},
};

static void say_change(struct sync *s, const char *gateway, enum sync_change change)
{
    uint32_t generation = keys_file_find(s->keys, gateway)->generation;

    json_array_append_new(s->changed,
                          json_pack("{s:s, s:s, s:I}", "gateway", gateway, "change",
                                    changes[change].word, "generation", (json_int_t)generation));
    if (!s->args->json && !s->args->quiet)
        printf("%s: %s %u\n", gateway, changes[change].text, generation);
}

static void merge(struct sync *s)
{
    for (size_t i = 0; i < s->list->n; i++) {
        const struct sync_gateway *g = &s->list->gateways[i];
        enum sync_change change = sync_merge(s->keys, g, s->err);

        if (change == SYNC_CONFLICT)
            s->conflict = true;
        else if (change != SYNC_NOTHING)
            say_change(s, g->name, change);
    }
}

/* The controller is told first, so that what is taken from it is what it knew afterwards. */
static int prepare(struct sync *s)
{
    int r;

    s->keys = keys_file_free(s->keys);
    r = keys_file_load(s->file, &s->keys, s->err);
    if (r == 0)
        r = ask(s);
    if (r == 0)
        r = tell(s);
    if (r == 0 && json_array_size(s->told))
        r = ask(s);
    return r;
}

/* Asking takes its time, in which 'enroll' or 'revoke' may have written the file: then once more.
 */
static int run(struct sync *s)
{
    int r = prepare(s);

    for (unsigned i = 0; r == 0 && i < TURNS && keys_file_changed(s->keys, s->file); i++)
        r = prepare(s);
    if (r == 0) {
        merge(s);
        if (s->keys->n)
            r = keys_file_write(s->keys, s->file, s->err);
    }
    return r == 0 ? tell(s) : r;
}

static void print_json(const struct sync *s)
{
    json_t *all = json_pack("{s:s, s:b, s:O, s:O}", "keys", s->file, "conflict", (int)s->conflict,
                            "changed", s->changed, "told", s->told);
    char *dump = json_dumps(all, JSON_INDENT(2));

    if (dump)
        puts(dump);
    free(dump);
    json_decref(all);
}

int cli_sync(const struct cli_args *args)
{
    struct error_list err = ERROR_LIST_INIT;
    struct sync s = {.args = args,
                     .file = args->keys ? args->keys : KEYS_FILE_DEFAULT,
                     .changed = json_array(),
                     .told = json_array(),
                     .err = &err};
    int r = run(&s);

    if (r == 0 && args->json)
        print_json(&s);
    else if (r == 0 && !args->quiet && json_array_size(s.changed))
        printf("%s was changed: compile and publish the mesh.\n", s.file);
    else if (r == 0 && !args->quiet && !s.conflict && !json_array_size(s.told))
        puts("Nothing is new.");
    error_print(&err, stderr);
    error_clear(&err);
    json_decref(s.changed);
    json_decref(s.told);
    sync_free(s.list);
    keys_file_free(s.keys);
    return r == 0 && s.conflict ? EXIT_INPUT : error_exit_code(r);
}
