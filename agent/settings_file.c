/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/settings_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/name.h"

#define FOLDER P2PVPN_SYSCONFDIR "/p2pvpn/"
#define HELP_COLUMN 27
#define HELP_WIDTH 100

#define AT(member) offsetof(struct settings, member)

/* In the order of --help, the example file and the man page. */
const struct setting settings_table[] = {
    {"bundle", "BUNDLE", SETTING_PATH, AT(bundle), 0, FOLDER "bundle",
     "the folder or archive that run watches"},
    {"origins", "FILE", SETTING_PATH, AT(origins), 0, FOLDER "mesh/origins",
     "the mesh's table of origins, for a bundle that wants it"},
    {"state", "DIR", SETTING_PATH, AT(state_dir), 0, SETTINGS_STATE_DIR,
     "keys and the bundle in force"},
    {"run-dir", "DIR", SETTING_PATH, AT(run_dir), 0, SETTINGS_RUN_DIR, "sockets, logs, locks"},
    {"link-user", "USER", SETTING_WORD, AT(link_user), 0, SETTINGS_LINK_USER,
     "whom OpenVPN runs as"},
    {"reader-user", "USER", SETTING_WORD, AT(reader_user), 0, SETTINGS_READER_USER,
     "whom bundles are read and parsed as"},
    {"metrics-file", "FILE", SETTING_PATH, AT(metrics_file), 0, NULL,
     "where run writes metrics for Prometheus's node_exporter"},
    {"links-by", "WHO", SETTING_WORD, AT(links_by), 0, "auto",
     "systemd: links are units; agent: its own processes; auto: units where systemd runs"},
    {"frr-namespace", "NAME", SETTING_WORD, AT(frr_namespace), 0, NULL,
     "the FRR whose daemons run with -N NAME"},
    {"confirm-time", "SECONDS", SETTING_NUMBER, AT(confirm_time), SETTINGS_CONFIRM_TIME_MAX, "120",
     "that a new bundle has to prove itself; 0: it stays at once"},
    {"reach", "HOST:PORT", SETTING_WORD, AT(reach), 0, NULL,
     "must answer after a change if it did before"},
    {"gateway", "NAME", SETTING_WORD, AT(gateway), 0, NULL,
     "this gateway's name, of enroll and fetch"},
    {"repository", "URLS", SETTING_WORDS, AT(repository), 0, NULL,
     "where fetch takes bundles from: mirrors, in order"},
    {"repository-ca", "FILE", SETTING_PATH, AT(repository_ca), 0, NULL,
     "CAs of these servers, instead of the system's"},
    {"controller", "URL", SETTING_WORD, AT(controller), 0, NULL,
     "which tells of a new bundle at once, enrolls, and is reported to"},
    {"pin", "PIN", SETTING_WORD, AT(pin), 0, NULL,
     "sha256//BASE64 of its public key and of the mirrors': no CA counts then"},
    {"proxy", "URL", SETTING_WORD, AT(proxy), 0, NULL, "through which fetch goes"},
    {"poll-time", "SECONDS", SETTING_NUMBER, AT(poll_time), SETTINGS_POLL_TIME_MAX, "60",
     "from one look at the repository to the next"},
    {"fetch-dir", "DIR", SETTING_PATH, AT(fetch_dir), 0, SETTINGS_FETCH_DIR,
     "what fetch has fetched"},
    {"fetch-user", "USER", SETTING_WORD, AT(fetch_user), 0, SETTINGS_FETCH_USER,
     "whom fetch runs as"},
    {"no-frr", NULL, SETTING_SWITCH, AT(no_frr), 0, "no", "leave FRR alone: links only"},
    {"no-firewall", NULL, SETTING_SWITCH, AT(no_firewall), 0, "no", "leave nftables alone"},
};
const size_t n_settings_table = sizeof(settings_table) / sizeof(settings_table[0]);

const char *settings_file_path(void)
{
    return FOLDER "agent.conf";
}

/* --- one setting -------------------------------------------------------------------------------
 */

static int refuse(const struct setting *t, const char *file, unsigned line, const char *value,
                  const char *wanted, struct error_list *err)
{
    return error_add(err, file, line, NULL, "%s%s wants %s, not '%.60s'", file ? "" : "--", t->name,
                     wanted, value);
}

static bool is_word(const char *value, bool more_than_one)
{
    if (!*value)
        return false;
    for (const char *p = value; *p; p++)
        if ((*p <= ' ' && !(more_than_one && *p == ' ')) || *p > '~')
            return false;
    return *value != '-';
}

static int set_text(const struct setting *t, const char *value, const char *file, unsigned line,
                    struct arena *keep, struct settings *s, struct error_list *err)
{
    size_t len = strlen(value);

    if (len > SETTINGS_VALUE_MAX || !value_valid(value, len))
        return refuse(t, file, line, value,
                      "text without quotes, backslashes and control characters", err);
    /* An option's path may be relative: cli.c knows to what. */
    if (t->type == SETTING_PATH && (file ? *value != '/' : !*value))
        return refuse(t, file, line, value, "an absolute path", err);
    if (t->type == SETTING_WORD && !is_word(value, false))
        return refuse(t, file, line, value, "one word", err);
    if (t->type == SETTING_WORDS && !is_word(value, true))
        return refuse(t, file, line, value, "words with blanks between them", err);
    *(const char **)((char *)s + t->offset) = arena_strdup(keep, value);
    return 0;
}

static int set_number(const struct setting *t, const char *value, const char *file, unsigned line,
                      struct settings *s, struct error_list *err)
{
    bool digits = *value && strspn(value, "0123456789") == strlen(value) && strlen(value) < 11;
    unsigned long long n = digits ? strtoull(value, NULL, 10) : 0;

    if (!digits || n > t->max)
        return error_add(err, file, line, NULL, "%s%s wants a number from 0 to %u, not '%.60s'",
                         file ? "" : "--", t->name, t->max, value);
    *(unsigned *)((char *)s + t->offset) = (unsigned)n;
    return 0;
}

static int set_switch(const struct setting *t, const char *value, const char *file, unsigned line,
                      struct settings *s, struct error_list *err)
{
    bool yes = strcmp(value, "yes") == 0;

    if (!yes && strcmp(value, "no") != 0)
        return refuse(t, file, line, value, "yes or no", err);
    *(bool *)((char *)s + t->offset) = yes;
    return 0;
}

int setting_set(const struct setting *t, const char *value, const char *file, unsigned line,
                struct arena *keep, struct settings *s, struct error_list *err)
{
    switch (t->type) {
    case SETTING_NUMBER:
        return set_number(t, value, file, line, s, err);
    case SETTING_SWITCH:
        return set_switch(t, value, file, line, s, err);
    default:
        return set_text(t, value, file, line, keep, s, err);
    }
}

void settings_defaults(struct settings *s)
{
    *s = (struct settings){0};
    for (size_t i = 0; i < n_settings_table; i++) {
        const struct setting *t = &settings_table[i];
        void *at = (char *)s + t->offset;

        if (t->type == SETTING_NUMBER)
            *(unsigned *)at = (unsigned)strtoul(t->initial, NULL, 10);
        else if (t->type == SETTING_SWITCH)
            *(bool *)at = strcmp(t->initial, "yes") == 0;
        else
            *(const char **)at = t->initial;
    }
}

bool settings_given(const char *const *at, const struct settings *s)
{
    size_t offset = (size_t)((const char *)at - (const char *)s);

    for (size_t i = 0; i < n_settings_table; i++)
        if (settings_table[i].offset == offset)
            return *at != settings_table[i].initial; /* what was set is a copy */
    return false;
}

/* --- the file ----------------------------------------------------------------------------------
 */

static void trim(const char **text, size_t *len)
{
    while (*len && (**text == ' ' || **text == '\t')) {
        (*text)++;
        (*len)--;
    }
    while (*len && ((*text)[*len - 1] == ' ' || (*text)[*len - 1] == '\t'))
        (*len)--;
}

static const struct setting *find(const char *name, size_t len)
{
    for (size_t i = 0; i < n_settings_table; i++)
        if (strlen(settings_table[i].name) == len && memcmp(settings_table[i].name, name, len) == 0)
            return &settings_table[i];
    return NULL;
}

/* One line that is neither empty nor a comment; seen[]: where each setting stood first. */
static void parse_line(const char *line, size_t len, const char *file, unsigned number,
                       unsigned *seen, struct arena *keep, struct settings *s,
                       struct error_list *err)
{
    const char *equals = memchr(line, '=', len), *key = line, *value;
    size_t key_len = equals ? (size_t)(equals - line) : len, value_len;
    const struct setting *t;
    size_t at;

    trim(&key, &key_len);
    if (!equals) {
        error_add(err, file, number, NULL,
                  "this is not of the form 'key = value': correct it, or make it a comment with #");
        return;
    }
    t = find(key, key_len);
    if (!t) {
        error_add(err, file, number, NULL,
                  "there is no setting '%.*s': correct its name or remove the line; "
                  "p2pvpn-agent.conf(5) lists all",
                  (int)(key_len < 60 ? key_len : 60), key);
        return;
    }
    at = (size_t)(t - settings_table);
    if (seen[at]) {
        error_add(err, file, number, NULL, "%s stands in line %u already: remove one of the two",
                  t->name, seen[at]);
        return;
    }
    seen[at] = number;
    value = equals + 1;
    value_len = (size_t)(line + len - value);
    trim(&value, &value_len);
    if (memmem(value, value_len, " #", 2)) {
        error_add(err, file, number, NULL,
                  "a comment needs a line of its own: move what follows # away");
        return;
    }
    setting_set(t, arena_strndup(keep, value, value_len), file, number, keep, s, err);
}

int settings_file_parse(const char *text, size_t len, const char *file, struct arena *keep,
                        struct settings *s, struct error_list *err)
{
    unsigned seen[sizeof(settings_table) / sizeof(settings_table[0])] = {0}, number = 0;
    const char *end = text + len;
    struct settings set = *s;
    size_t before = err->n;

    if (len && memchr(text, '\0', len))
        return error_add(err, file, 0, NULL,
                         "there is a NUL byte in it: this is no text, write it anew");
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text)), *line = text;
        size_t n = (size_t)((newline ? newline : end) - text);

        number++;
        text += n + 1;
        trim(&line, &n);
        if (n && *line != '#')
            parse_line(line, n, file, number, seen, keep, &set, err);
    }
    if (err->n != before)
        return -EINVAL;
    *s = set;
    return 0;
}

int settings_file_read(const char *path, struct arena *keep, struct settings *s,
                       struct error_list *err)
{
    const char *file = path ? path : settings_file_path();
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;
    _cleanup_buf_ struct buf text = BUF_INIT;
    struct stat is;

    if (fd < 0 && errno == ENOENT && !path)
        return 0;
    if (fd < 0)
        return error_sys(err, errno, file, "cannot read the settings");
    r = fstat(fd, &is) < 0 ? -errno : fs_read_fd(fd, SETTINGS_FILE_MAX_BYTES, &text);
    close(fd);
    if (r == -EFBIG)
        return error_add(err, file, 0, NULL,
                         "this is larger than %u bytes, and no settings file is: look what it is",
                         SETTINGS_FILE_MAX_BYTES);
    if (r < 0)
        return error_sys(err, -r, file, "cannot read the settings");
    if (S_ISREG(is.st_mode) &&
        ((is.st_uid != 0 && is.st_uid != geteuid()) || (is.st_mode & (S_IWGRP | S_IWOTH))))
        return error_add(err, file, 0, NULL,
                         "others than root can change this file: run \"chown root:root %s\" and "
                         "\"chmod 644 %s\"",
                         file, file);
    return settings_file_parse(buf_cstr(&text), text.len, file, keep, s, err);
}

void settings_file_format(const struct settings *s, struct buf *ret)
{
    for (size_t i = 0; i < n_settings_table; i++) {
        const struct setting *t = &settings_table[i];
        const void *at = (const char *)s + t->offset;

        if (t->type == SETTING_NUMBER) {
            buf_printf(ret, "%s = %u\n", t->name, *(const unsigned *)at);
        } else if (t->type == SETTING_SWITCH) {
            buf_printf(ret, "%s = %s\n", t->name, *(const bool *)at ? "yes" : "no");
        } else {
            const char *value = *(const char *const *)at;

            buf_printf(ret, value ? "%s = %s\n" : "#%s =%s\n", t->name, value ? value : "");
        }
    }
}

static void help_of(const struct setting *t, struct buf *ret)
{
    _cleanup_free_ char *initial =
        t->initial && t->argument ? xasprintf("(default %s)", t->initial) : xstrdup("");
    const char *line, *rest = t->help;
    size_t used = ret->len;
    int len;

    buf_printf(ret, "  --%s%s%s", t->name, t->argument ? " " : "", t->argument ? t->argument : "");
    used = ret->len - used;
    while (text_line(&rest, &line, &len)) {
        bool fits = HELP_COLUMN + (size_t)len + strlen(initial) < HELP_WIDTH;

        buf_printf(ret, "%*s%.*s", used < HELP_COLUMN ? (int)(HELP_COLUMN - used) : 1, "", len,
                   line);
        if (!*rest && *initial)
            buf_printf(ret, "%s%*s%s", fits ? " " : "\n", fits ? 0 : HELP_COLUMN, "", initial);
        buf_char(ret, '\n');
        used = 0;
    }
}

void settings_help(struct buf *ret)
{
    for (size_t i = 0; i < n_settings_table; i++)
        help_of(&settings_table[i], ret);
}
