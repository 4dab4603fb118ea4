/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a model: JSON, or XML where it begins with "<".  What is accepted must be fit for
 * configuration files, what is refused must have been told why. */
#include <stdlib.h>
#include <string.h>

#include "common/name.h"
#include "controller/locate.h"
#include "controller/mesh.h"
#include "controller/model.h"
#include "controller/schema.h"
#include "tests/fuzz/fuzz.h"

static void expect(bool truth)
{
    if (!truth)
        abort();
}

static void expect_value(const char *value)
{
    expect(!value || value_valid(value, strlen(value)));
}

static void look_at(const struct mesh *m)
{
    expect(name_valid(m->name) && m->n_lans > 0 && m->n_gateways > 0);
    expect_value(m->description);
    expect(m->base_port && m->base_asn && m->defaults.underlay_mtu && m->defaults.bfd_interval &&
           m->defaults.bfd_multiplier && m->defaults.queue_length);
    for (size_t i = 0; i < m->n_lans; i++) {
        expect(name_valid(m->lans[i].name) && m->lans[i].n_prefixes > 0 && m->lans[i].line > 0);
        expect_value(m->lans[i].description);
        for (size_t k = 0; k < m->lans[i].n_prefixes; k++)
            expect(!prefix_has_host_bits(&m->lans[i].prefixes[k]));
        expect(i == 0 || strcmp(m->lans[i - 1].name, m->lans[i].name) < 0);
    }
    for (size_t i = 0; i < m->n_gateways; i++) {
        const struct mesh_gateway *gw = &m->gateways[i];

        expect(name_valid(gw->name) && name_valid(gw->short_name) && gw->line > 0);
        expect(strlen(gw->short_name) <= SHORT_NAME_MAX && gw->lan < m->n_lans);
        expect_value(gw->description);
        expect_value(gw->endpoint);
        expect(i == 0 || strcmp(m->gateways[i - 1].name, gw->name) < 0);
        for (size_t k = 0; k < gw->n_groups; k++)
            expect(name_valid(gw->groups[k]));
    }
    for (size_t i = 0; i < m->n_links; i++)
        expect(m->links[i].a < m->links[i].b && m->links[i].b < m->n_gateways);
}

/* What later stages do: a path without a line.  Here also paths that are nothing of the kind. */
static void look_for_lines(const char *text, size_t len, const char *file, struct error_list *err)
{
    char path[80];

    for (size_t i = 0; i < err->n; i++)
        err->items[i].line = 0;
    for (size_t at = 0; at < len && at < 400; at += 50) {
        size_t n = len - at < sizeof(path) - 2 ? len - at : sizeof(path) - 2;

        path[0] = '/';
        memcpy(path + 1, text + at, n);
        path[n + 1] = '\0';
        error_add(err, file, 0, path, "x");
    }
    locate_in_text(text, len, file, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct schema *schema;
    const char *file = size && data[0] == '<' ? "mesh.xml" : "mesh.json";
    struct error_list warnings = ERROR_LIST_INIT, err = ERROR_LIST_INIT;
    struct mesh *mesh = NULL;

    if (!schema && schema_new(&schema, &err) < 0) {
        error_print(&err, stderr);
        abort();
    }
    if (model_parse_with(schema, (const char *)data, size, file, &mesh, &warnings, &err) == 0) {
        expect(err.n == 0);
        look_at(mesh);
    } else {
        expect(err.n > 0 && !mesh);
        /* Our own checks are as strict as libyang, which large files do not go through. */
        for (size_t i = 0; i < err.n; i++)
            expect(strncmp(err.items[i].message, MODEL_VERDICT, strlen(MODEL_VERDICT)) != 0);
        look_for_lines((const char *)data, size, file, &err);
    }
    mesh_free(mesh);
    error_clear(&warnings);
    error_clear(&err);
    return 0;
}
