/* SPDX-License-Identifier: Apache-2.0 */
/* Texts within metadata: path patterns and times. */
#include <stdio.h>
#include <string.h>

#include "tuf/metadata.h"

/* One character more, whole if it is UTF-8. */
static const char *next_character(const char *p)
{
    p++;
    while (((unsigned char)*p & 0xc0) == 0x80)
        p++;
    return p;
}

/* "[a-z]" or "[!a-z]" at *pattern against one byte; *pattern moves behind it.  A bracket that is
 * not closed stands for itself. */
static bool bracket_matches(const char **pattern, char c)
{
    const char *p = *pattern + 1;
    bool negated = *p == '!', found = false;
    const char *first;

    if (negated)
        p++;
    for (first = p; *p && (*p != ']' || p == first); p++) {
        unsigned char low = (unsigned char)*p, high = low;

        if (p[1] == '-' && p[2] && p[2] != ']') {
            high = (unsigned char)p[2];
            p += 2;
        }
        found = found || ((unsigned char)c >= low && (unsigned char)c <= high);
    }
    if (*p != ']') {
        bool same = c == '[';

        (*pattern)++;
        return same;
    }
    *pattern = p + 1;
    return found != negated;
}

/* One element of the pattern, not a star, against the beginning of path; both move on. */
static bool element_matches(const char **pattern, const char **path)
{
    if (**path == '/' || **pattern == '/') {
        if (**path != **pattern)
            return false;
        (*pattern)++;
        (*path)++;
        return true;
    }
    if (**pattern == '?') {
        (*pattern)++;
        *path = next_character(*path);
        return true;
    }
    if (**pattern == '[')
        return bracket_matches(pattern, *(*path)++);
    return *(*pattern)++ == *(*path)++;
}

bool tuf_path_matches(const char *pattern, const char *path)
{
    const char *star = NULL, *resume = NULL; /* behind the last star, and where it ends for now */

    while (*path) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = path;
            continue;
        }
        if (*pattern && element_matches(&pattern, &path))
            continue;
        /* Only the last star may still take more: whatever an earlier one could, it can. */
        if (!star || *resume == '/')
            return false;
        path = ++resume;
        pattern = star;
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static bool leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 to the first of March of the year before or in which the date lies, and on.
 */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = y / 400, of_era = y % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool tuf_time_parse(const char *text, int64_t *ret)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day, hour, minute, second;

    if (strnlen(text, sizeof(form)) != TUF_TIME_LEN)
        return false;
    for (size_t i = 0; i < TUF_TIME_LEN; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ", &year, &month, &day, &hour, &minute, &second) != 6)
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 ||
        day > lengths[month - 1] + (month == 2 && leap(year)))
        return false;
    *ret = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

void tuf_time_text(int64_t seconds, char ret[static TUF_TIME_LEN + 1])
{
    int64_t last = days_of(9999, 12, 31) * 86400 + 86399, first = days_of(1, 1, 1) * 86400;
    int64_t s = seconds < first ? first : seconds > last ? last : seconds;
    int64_t days = s / 86400 - (s % 86400 < 0), rest = s - days * 86400, year, month = 12;

    year = days < 0 ? 1970 + days / 365 - 1 : 1970 + days / 366; /* not too late */
    if (year < 1)
        year = 1;
    while (year < 9999 && days_of(year + 1, 1, 1) <= days)
        year++;
    while (days_of(year, month, 1) > days)
        month--;
    snprintf(ret, TUF_TIME_LEN + 1, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000,
             (unsigned)month % 100, (unsigned)(days - days_of(year, month, 1) + 1) % 100,
             (unsigned)(rest / 3600) % 100, (unsigned)(rest / 60 % 60) % 100,
             (unsigned)(rest % 60) % 100);
}
