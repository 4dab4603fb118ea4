/* SPDX-License-Identifier: Apache-2.0 */
#include "service/renewals.h"

#include <stdio.h>
#include <string.h>

static int64_t pace(unsigned gateways)
{
    int64_t each = RENEWALS_ALL / (gateways ? gateways : 1);

    return each > RENEWALS_PACE ? RENEWALS_PACE : each > 1 ? each : 1;
}

/* Not before all others have had their turn: otherwise many that cannot renew would keep some from
 * it. */
static int64_t again(unsigned gateways)
{
    int64_t all = gateways * pace(gateways);

    return all > RENEWALS_AGAIN ? all : RENEWALS_AGAIN;
}

/* Not when the clock went back since. */
static bool told(const json_t *when, unsigned gateways, int64_t now)
{
    int64_t since = now - json_integer_value(when);

    return when && since >= 0 && since < again(gateways);
}

/* After another step of the authorities all may be told anew. */
static void follow(struct renewals *r, const char *authorities)
{
    if (!r->names)
        r->names = json_object();
    if (strcmp(r->authorities, authorities) == 0)
        return;
    json_object_clear(r->names);
    snprintf(r->authorities, sizeof(r->authorities), "%s", authorities);
}

static void forget(struct renewals *r, unsigned gateways, int64_t now)
{
    const char *name;
    json_t *when;
    void *next;

    json_object_foreach_safe(r->names, next, name, when)
    {
        if (!told(when, gateways, now))
            json_object_del(r->names, name);
    }
}

bool renewals_tell(struct renewals *r, const char *gateway, const char *authorities,
                   unsigned gateways, int64_t now)
{
    int64_t since = now - r->told;

    if (since >= 0 && since < pace(gateways))
        return false;
    follow(r, authorities);
    if (told(json_object_get(r->names, gateway), gateways, now))
        return false;
    forget(r, gateways, now);
    json_object_set_new(r->names, gateway, json_integer(now));
    r->told = now;
    return true;
}

/* Not when the clock went back since. */
static bool lately(const json_t *when, int64_t now)
{
    int64_t since = now - json_integer_value(when);

    return when && since >= 0 && since < RENEWALS_WITHIN;
}

bool renewals_may(const struct renewals *r, const char *gateway, int64_t now)
{
    const json_t *times = json_object_get(r->made, gateway);

    return json_array_size(times) < RENEWALS_MOST || !lately(json_array_get(times, 0), now);
}

static void forget_made(struct renewals *r, int64_t now)
{
    const char *name;
    json_t *times;
    void *next;

    json_object_foreach_safe(r->made, next, name, times)
    {
        if (!lately(json_array_get(times, json_array_size(times) - 1), now))
            json_object_del(r->made, name);
    }
}

void renewals_made(struct renewals *r, const char *gateway, int64_t now)
{
    json_t *times;

    if (!r->made)
        r->made = json_object();
    forget_made(r, now);
    times = json_object_get(r->made, gateway);
    if (!times) {
        times = json_array();
        json_object_set_new(r->made, gateway, times);
    }
    if (json_array_size(times) == RENEWALS_MOST)
        json_array_remove(times, 0);
    json_array_append_new(times, json_integer(now));
}

void renewals_clear(struct renewals *r)
{
    json_decref(r->names);
    json_decref(r->made);
    *r = (struct renewals){0};
}
