/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/systemd.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "agent/settings.h"
#include "agent/supervise.h" /* monotonic_ms() */

#define LIBRARY "libsystemd.so.0"
#define PRIVATE_SOCKET "unix:path=/run/systemd/private"
#define SERVICE "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define MANAGER SERVICE ".Manager"
#define CALL_USEC (10u * 1000 * 1000)
#define START_MS 5000 /* that a unit has to become active or not */
#define POLL_MS 30

/* What we use of the library, each as its header declares it. */
#define FUNCTIONS(X)                  \
    X(sd_bus_call_method)             \
    X(sd_bus_error_free)              \
    X(sd_bus_flush_close_unref)       \
    X(sd_bus_get_property_trivial)    \
    X(sd_bus_message_enter_container) \
    X(sd_bus_message_exit_container)  \
    X(sd_bus_message_read)            \
    X(sd_bus_message_unref)           \
    X(sd_bus_new)                     \
    X(sd_bus_open_system)             \
    X(sd_bus_set_address)             \
    X(sd_bus_set_method_call_timeout) \
    X(sd_bus_start)

#define MEMBER(f) __typeof__(&f) f;
#define NAME(f) #f,

struct library {
    FUNCTIONS(MEMBER)
};

static const char *const names[] = {FUNCTIONS(NAME)};

_Static_assert(sizeof(struct library) == sizeof(names) / sizeof(names[0]) * sizeof(void *),
               "each function has its name");

struct manager {
    struct library lib;
    sd_bus *bus;
    const char *service; /* whom messages go to; NULL: there is only one at the other end */
};

/* --- whether ------------------------------------------------------------------------------- */

static bool unit_is_installed(void)
{
    static const char *const folders[] = {"/etc/systemd/system", "/usr/local/lib/systemd/system",
                                          "/usr/lib/systemd/system", "/lib/systemd/system"};
    char path[128];

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        snprintf(path, sizeof(path), "%s/" LINK_UNIT_FILE, folders[i]);
        if (access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* A unit would run in another network than this agent, which was started in one of its own. */
static bool in_another_network(void)
{
    struct stat ours, theirs;

    return stat("/proc/self/ns/net", &ours) == 0 && stat("/proc/1/ns/net", &theirs) == 0 &&
           ours.st_ino != theirs.st_ino;
}

bool systemd_has_links(const struct settings *s)
{
    return access("/run/systemd/system", F_OK) == 0 &&
           strcmp(s->state_dir, SETTINGS_STATE_DIR) == 0 &&
           strcmp(s->run_dir, SETTINGS_RUN_DIR) == 0 &&
           strcmp(s->link_user, SETTINGS_LINK_USER) == 0 && unit_is_installed() &&
           !in_another_network();
}

/* --- the bus ------------------------------------------------------------------------------- */

static int load(struct library *lib, struct error_list *err)
{
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        return error_sys(err, ELIBACC, NULL,
                         "links are units of systemd here, and its library cannot be loaded "
                         "(install the package libsystemd0): %s",
                         dlerror());
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        void *f = dlsym(handle, names[i]);

        if (!f)
            return error_sys(err, ELIBACC, NULL, LIBRARY " has no %s: it is too old", names[i]);
        memcpy((char *)lib + i * sizeof(f), &f, sizeof(f));
    }
    return 0;
}

static int open_private(struct manager *m)
{
    int r = m->lib.sd_bus_new(&m->bus);

    m->service = NULL;
    if (r >= 0)
        r = m->lib.sd_bus_set_address(m->bus, PRIVATE_SOCKET);
    return r < 0 ? r : m->lib.sd_bus_start(m->bus);
}

static int manager_open(struct manager *m, struct error_list *err)
{
    int r = load(&m->lib, err);

    if (r < 0)
        return r;
    m->service = SERVICE;
    if (m->lib.sd_bus_open_system(&m->bus) < 0 && (r = open_private(m)) < 0) {
        m->lib.sd_bus_flush_close_unref(m->bus);
        return error_sys(err, -r, NULL,
                         "cannot reach systemd, by which links are started; it is tried again");
    }
    m->lib.sd_bus_set_method_call_timeout(m->bus, CALL_USEC);
    return 0;
}

/* --- asking -------------------------------------------------------------------------------- */

static int read_one(struct manager *m, sd_bus_message *list, struct unit_state *state,
                    bool *ret_ours)
{
    const char *unit, *active, *sub, *path;
    uint32_t pid = 0;
    int r = m->lib.sd_bus_message_read(list, "(ssssssouso)", &unit, NULL, NULL, &active, &sub, NULL,
                                       &path, NULL, NULL, NULL);

    *ret_ours = r > 0 && link_unit_interface(unit, state->interface);
    if (r <= 0 || !*ret_ours)
        return r;
    if (strcmp(active, "active") == 0) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        /* A unit that has just gone has none. */
        m->lib.sd_bus_get_property_trivial(m->bus, m->service, path, SERVICE ".Service", "MainPID",
                                           &error, 'u', &pid);
        m->lib.sd_bus_error_free(&error);
    }
    state->pid = (pid_t)pid;
    state->life = link_unit_life(active, sub, state->pid);
    return 1;
}

static int list(struct manager *m, struct unit_state *states, size_t max, size_t *ret_n,
                struct error_list *err)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    int r = m->lib.sd_bus_call_method(m->bus, m->service, PATH, MANAGER, "ListUnitsByPatterns",
                                      &error, &reply, "asas", 0, 1, LINK_UNIT_PATTERN);
    size_t n = 0;

    if (r >= 0)
        r = m->lib.sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
    while (r >= 0 && n < max) {
        bool ours;

        r = read_one(m, reply, &states[n], &ours);
        if (r <= 0)
            break;
        n += ours;
    }
    if (r < 0)
        r = error_sys(err, -r, NULL, "systemd does not say what units of links there are%s%s",
                      error.message ? ": " : "", error.message ? error.message : "");
    else
        *ret_n = n;
    m->lib.sd_bus_message_unref(reply);
    m->lib.sd_bus_error_free(&error);
    return r < 0 ? r : 0;
}

static void act(struct manager *m, const struct unit_request *request, struct error_list *err)
{
    const char *method = request->act == UNIT_START ? "RestartUnit" : "StopUnit";
    sd_bus_error error = SD_BUS_ERROR_NULL, ignored = SD_BUS_ERROR_NULL;
    char unit[LINK_UNIT_NAME_SIZE];
    int r;

    link_unit_name(request->interface, unit);
    if (request->act == UNIT_START) /* it may be one that died too often: forgiven */
        m->lib.sd_bus_call_method(m->bus, m->service, PATH, MANAGER, "ResetFailedUnit", &ignored,
                                  NULL, "s", unit);
    r = m->lib.sd_bus_call_method(m->bus, m->service, PATH, MANAGER, method, &error, NULL, "ss",
                                  unit, "replace");
    /* One that systemd has never heard of is stopped enough. */
    if (r < 0 && !(request->act == UNIT_STOP && error.name &&
                   strcmp(error.name, SERVICE ".NoSuchUnit") == 0))
        error_sys(err, -r, NULL, "systemd does not %s %s%s%s",
                  request->act == UNIT_START ? "start" : "stop", unit, error.message ? ": " : "",
                  error.message ? error.message : "");
    m->lib.sd_bus_error_free(&ignored);
    m->lib.sd_bus_error_free(&error);
}

/* Whether a unit that we had started has not yet become anything. */
static bool awaited(const struct unit_request *requests, size_t n, const struct unit_state *states,
                    size_t n_states)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; requests[i].act == UNIT_START && k < n_states; k++)
            if (states[k].life == UNIT_CHANGES &&
                strcmp(states[k].interface, requests[i].interface) == 0)
                return true;
    return false;
}

int systemd_links(const struct unit_request *requests, size_t n, struct unit_state *states,
                  size_t max, size_t *ret_n, struct error_list *err)
{
    struct manager m = {0};
    int64_t until = monotonic_ms() + START_MS;
    int r = manager_open(&m, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        act(&m, &requests[i], err); /* of one that fails the list tells what became of it */
    for (;;) {
        r = list(&m, states, max, ret_n, err);
        if (r < 0 || !awaited(requests, n, states, *ret_n) || monotonic_ms() > until)
            break;
        poll(NULL, 0, POLL_MS);
    }
    m.lib.sd_bus_flush_close_unref(m.bus);
    return r;
}
