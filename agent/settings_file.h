/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings file: /etc/p2pvpn/agent.conf, and the one table of all settings.
 *
 * Each setting is a long option and a key of the file by the same name; the table says its default,
 * its kind and its help.  The file has lines `key = value`; a line that begins with # is a comment.
 * It is strict: an unknown key, one that stands there twice and a value of the wrong kind are
 * errors, each with its line, and all of them are told.
 */
#ifndef P2PVPN_AGENT_SETTINGS_FILE_H
#define P2PVPN_AGENT_SETTINGS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/settings.h"
#include "common/alloc.h"
#include "common/buf.h"
#include "common/error.h"

#define SETTINGS_FILE_MAX_BYTES 65536u
#define SETTINGS_VALUE_MAX 1024u

enum setting_type {
    SETTING_PATH,   /* const char *; absolute in the file */
    SETTING_WORD,   /* const char *; printable, without blanks */
    SETTING_WORDS,  /* const char *; some of them, with blanks between them */
    SETTING_NUMBER, /* unsigned, from 0 to max */
    SETTING_SWITCH, /* bool; yes or no, as an option without argument */
};

struct setting {
    const char *name;     /* of the option and of the key */
    const char *argument; /* what --help calls its value; NULL: a switch */
    enum setting_type type;
    size_t offset; /* in struct settings */
    unsigned max;
    const char *initial; /* as it would stand in the file; NULL: none */
    const char *help;    /* one line or more */
};

extern const struct setting settings_table[];
extern const size_t n_settings_table;

const char *settings_file_path(void); /* of the default file */

void settings_defaults(struct settings *s);

/* Whether the setting at this place, a text, was set since: to whatever. */
bool settings_given(const char *const *at, const struct settings *s);

/* Sets one from a text, which is copied into *keep.  The place, for messages, is a line of a file;
 * or, file being NULL, the command line.  -EINVAL, and *s is as it was. */
int setting_set(const struct setting *t, const char *value, const char *file, unsigned line,
                struct arena *keep, struct settings *s, struct error_list *err);

/* The text of a file; what is in it is set in *s, which is as it was on -EINVAL.  Pure. */
int settings_file_parse(const char *text, size_t len, const char *file, struct arena *keep,
                        struct settings *s, struct error_list *err);

/* Reads the file at this path, or the default one (NULL), which may be missing.  -EINVAL also when
 * others than root can change it. */
int settings_file_read(const char *path, struct arena *keep, struct settings *s,
                       struct error_list *err);

/* What settings_file_parse() reads back to the same; what has no value becomes a comment. */
void settings_file_format(const struct settings *s, struct buf *ret);

/* The lines about settings in --help. */
void settings_help(struct buf *ret);

#endif
