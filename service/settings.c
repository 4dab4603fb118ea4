/* SPDX-License-Identifier: Apache-2.0 */
#include "service/settings.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/name.h"
#include "common/url.h"

#define VALUE_MAX 1024u
#define AT(member) offsetof(struct controller_settings, member)

/* In the order of the example file and the man page. */
const struct controller_setting controller_settings_table[] = {
    {"listen", "HOST:PORT", CONTROLLER_WORD, AT(listen), 0, "[::]:8443"},
    {"url", "URL", CONTROLLER_URL, AT(url), 0, NULL},
    {"repository", "DIR", CONTROLLER_PATH, AT(repository), 0, "/var/lib/p2pvpn-repository"},
    {"state", "DIR", CONTROLLER_PATH, AT(state), 0, "/var/lib/p2pvpn-controller"},
    {"socket", "FILE", CONTROLLER_PATH, AT(socket), 0, "/run/p2pvpn-controller/socket"},
    {"certificate", "FILE", CONTROLLER_PATH, AT(certificate), 0, NULL},
    {"key", "FILE", CONTROLLER_PATH, AT(key), 0, NULL},
    {"client-ca", "FILE", CONTROLLER_PATH, AT(client_ca), 0, NULL},
    {"operators", "NAME", CONTROLLER_WORD, AT(operators), 0, NULL},
    {"ca", "DIR", CONTROLLER_PATH, AT(ca), 0, NULL},
    {"ca-passphrase-file", "FILE", CONTROLLER_PATH, AT(ca_passphrase), 0, NULL},
    {"keys", "DIR", CONTROLLER_PATH, AT(keys), 0, NULL},
    {"max-connections", "NUMBER", CONTROLLER_NUMBER, AT(max_connections), 1000000, "16384"},
    {"max-per-address", "NUMBER", CONTROLLER_NUMBER, AT(max_per_address), 1000000, "64"},
    {"max-unproven", "NUMBER", CONTROLLER_NUMBER, AT(max_unproven), 1000000, "1024"},
};
const size_t n_controller_settings =
    sizeof(controller_settings_table) / sizeof(controller_settings_table[0]);

const char *controller_settings_path(void)
{
    return P2PVPN_SYSCONFDIR "/p2pvpn/controller.conf";
}

static const char **text_of(const struct controller_setting *t, struct controller_settings *s)
{
    return (const char **)((char *)s + t->offset);
}

static unsigned *number_of(const struct controller_setting *t, struct controller_settings *s)
{
    return (unsigned *)((char *)s + t->offset);
}

static bool read_number(const char *value, unsigned max, unsigned *ret)
{
    unsigned long long n;
    char *end;

    errno = 0;
    n = strtoull(value, &end, 10);
    if (errno || *end || *value < '0' || *value > '9' || n > max)
        return false;
    *ret = (unsigned)n;
    return true;
}

static bool is_word(const char *value)
{
    for (const char *p = value; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return *value != '\0' && *value != '-';
}

static int set(const struct controller_setting *t, const char *value, const char *file,
               unsigned line, struct arena *keep, struct controller_settings *s,
               struct error_list *err)
{
    size_t len = strlen(value);

    if (t->type == CONTROLLER_NUMBER)
        return read_number(value, t->max, number_of(t, s))
                   ? 0
                   : error_add(err, file, line, NULL, "%s wants a number from 0 to %u, not '%.60s'",
                               t->name, t->max, value);
    if (len > VALUE_MAX || !value_valid(value, len))
        return error_add(err, file, line, NULL,
                         "%s wants text without quotes, backslashes and control characters",
                         t->name);
    if (t->type == CONTROLLER_URL && (strncmp(value, "https://", 8) != 0 || !url_valid(value)))
        return error_add(err, file, line, NULL, "%s wants https://HOST:PORT, not '%.60s'", t->name,
                         value);
    if (t->type == CONTROLLER_PATH ? *value != '/' : !is_word(value))
        return error_add(err, file, line, NULL, "%s wants %s, not '%.60s'", t->name,
                         t->type == CONTROLLER_PATH ? "an absolute path" : "one word", value);
    *text_of(t, s) = arena_strdup(keep, value);
    return 0;
}

void controller_settings_defaults(struct controller_settings *s)
{
    *s = (struct controller_settings){0};
    for (size_t i = 0; i < n_controller_settings; i++) {
        const struct controller_setting *t = &controller_settings_table[i];

        if (t->type == CONTROLLER_NUMBER)
            read_number(t->initial, t->max, number_of(t, s));
        else
            *text_of(t, s) = t->initial;
    }
}

static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1]))
        text[--n] = '\0';
    return text;
}

static int parse_line(char *text, const char *file, unsigned line, unsigned *seen,
                      struct arena *keep, struct controller_settings *s, struct error_list *err)
{
    char *key = trim(text), *equals;

    if (!*key || *key == '#')
        return 0;
    equals = strchr(key, '=');
    if (!equals)
        return error_add(err, file, line, NULL, "this is not of the form 'key = value'");
    *equals = '\0';
    key = trim(key);
    for (size_t i = 0; i < n_controller_settings; i++) {
        const struct controller_setting *t = &controller_settings_table[i];

        if (strcmp(t->name, key) != 0)
            continue;
        if (*seen & 1u << i)
            return error_add(err, file, line, NULL, "%s stands there twice", t->name);
        *seen |= 1u << i;
        return set(t, trim(equals + 1), file, line, keep, s, err);
    }
    return error_add(err, file, line, NULL,
                     "there is no setting '%.60s'; see p2pvpn-controller.conf(5)", key);
}

int controller_settings_parse(const char *text, size_t len, const char *file, struct arena *keep,
                              struct controller_settings *s, struct error_list *err)
{
    _cleanup_free_ char *copy = xstrndup(text, len);
    struct controller_settings new = *s;
    unsigned line = 0, seen = 0;
    char *rest = copy, *at;
    int r = 0;

    if (strlen(copy) != len)
        return error_add(err, file, 0, NULL, "there is a NUL in the file");
    while ((at = strsep(&rest, "\n")))
        if (parse_line(at, file, ++line, &seen, keep, &new, err) < 0)
            r = -EINVAL;
    if (r == 0 && !new.certificate != !new.key)
        r = error_add(err, file, 0, NULL,
                      "certificate and key go together: name both files, or none");
    if (r == 0 && new.ca_passphrase && !new.ca)
        r = error_add(err, file, 0, NULL,
                      "ca-passphrase-file is of the authority in ca, which is not set");
    if (r == 0)
        *s = new;
    return r;
}

int controller_settings_read(const char *path, struct arena *keep, struct controller_settings *s,
                             struct error_list *err)
{
    const char *file = path ? path : controller_settings_path();
    _cleanup_buf_ struct buf text = BUF_INIT;
    int r;

    if (!path && access(file, F_OK) < 0 && errno == ENOENT)
        return 0;
    r = fs_read(file, CONTROLLER_SETTINGS_MAX_BYTES, &text, err);
    return r < 0 ? r : controller_settings_parse(buf_cstr(&text), text.len, file, keep, s, err);
}

void controller_settings_format(const struct controller_settings *s, struct buf *ret)
{
    for (size_t i = 0; i < n_controller_settings; i++) {
        const struct controller_setting *t = &controller_settings_table[i];
        const char *text = t->type == CONTROLLER_NUMBER
                               ? NULL
                               : *(const char *const *)((const char *)s + t->offset);

        if (t->type == CONTROLLER_NUMBER)
            buf_printf(ret, "%s = %u\n", t->name, *(const unsigned *)((const char *)s + t->offset));
        else if (text)
            buf_printf(ret, "%s = %s\n", t->name, text);
        else
            buf_printf(ret, "#%s =\n", t->name);
    }
}
