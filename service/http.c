/* SPDX-License-Identifier: Apache-2.0 */
#include "service/http.h"

#include <string.h>
#include <strings.h>

/* What may stand in a target: unreserved characters and what divides them; no '%', for nothing
 * that is served here needs it. */
static bool target_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~/?&=:", c));
}

static bool token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* "GET /path?query HTTP/1.1" */
static int parse_line(const char *line, size_t len, struct http_request *ret)
{
    static const char *const methods[] = {"GET", "POST", "DELETE"};
    const char *space = memchr(line, ' ', len), *target, *end, *question;
    size_t n = 0;
    int method = -1;

    if (!space || space == line)
        return -400;
    for (const char *p = line; p < space; p++)
        if (!token_char(*p))
            return -400;
    for (int i = 0; i < 3; i++)
        if (strlen(methods[i]) == (size_t)(space - line) &&
            memcmp(methods[i], line, (size_t)(space - line)) == 0)
            method = i;
    target = space + 1;
    end = memchr(target, ' ', len - (size_t)(target - line));
    if (!end || *target != '/')
        return -400;
    n = (size_t)(end - target);
    for (size_t i = 0; i < n; i++)
        if (!target_char(target[i]))
            return -400;
    if (n > HTTP_TARGET_MAX)
        return -414;
    end++;
    if (len - (size_t)(end - line) != 8 || memcmp(end, "HTTP/1.", 7) != 0)
        return len - (size_t)(end - line) > 5 && memcmp(end, "HTTP/", 5) == 0 ? -505 : -400;
    if (end[7] != '1')
        return -505;
    if (method < 0)
        return -405;
    ret->method = (enum http_method)method;
    question = memchr(target, '?', n);
    if (question) {
        size_t rest = n - (size_t)(question - target) - 1;

        memcpy(ret->query, question + 1, rest);
        ret->query[rest] = '\0';
        n = (size_t)(question - target);
    }
    memcpy(ret->path, target, n);
    ret->path[n] = '\0';
    return 0;
}

struct seen {
    bool host, length;
};

static bool is(const char *name, size_t len, const char *want)
{
    return len == strlen(want) && strncasecmp(name, want, len) == 0;
}

static int parse_length(const char *value, size_t n, size_t *ret)
{
    size_t sum = 0;

    if (n == 0 || n > 9)
        return n == 0 ? -400 : -413;
    for (size_t i = 0; i < n; i++) {
        if (value[i] < '0' || value[i] > '9')
            return -400;
        sum = sum * 10 + (size_t)(value[i] - '0');
    }
    *ret = sum;
    return 0;
}

/* A comma list has this word. */
static bool has_word(const char *value, size_t n, const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; i + len <= n; i++)
        if (strncasecmp(value + i, word, len) == 0 && (i == 0 || strchr(" ,\t", value[i - 1])) &&
            (i + len == n || strchr(" ,\t", value[i + len])))
            return true;
    return false;
}

static int parse_field(const char *line, size_t len, struct seen *seen, struct http_request *ret)
{
    const char *colon = memchr(line, ':', len), *value;
    size_t n;

    if (!colon || colon == line)
        return -400;
    for (const char *p = line; p < colon; p++)
        if (!token_char(*p))
            return -400;
    value = colon + 1;
    n = len - (size_t)(value - line);
    while (n > 0 && (*value == ' ' || *value == '\t'))
        value++, n--;
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f)
            return -400;
    len = (size_t)(colon - line);
    if (is(line, len, "host")) {
        if (seen->host || n == 0)
            return -400;
        seen->host = true;
    } else if (is(line, len, "content-length")) {
        if (seen->length)
            return -400;
        seen->length = true;
        return parse_length(value, n, &ret->body_len);
    } else if (is(line, len, "transfer-encoding")) {
        return -501;
    } else if (is(line, len, "expect")) {
        return -417; /* clients then send it without */
    } else if (is(line, len, "connection") && has_word(value, n, "close")) {
        ret->keep_alive = false;
    }
    return 0;
}

int http_parse(const char *data, size_t len, struct http_request *ret)
{
    struct seen seen = {false, false};
    size_t at = 0;
    bool first = true;

    *ret = (struct http_request){.keep_alive = true};
    for (;;) {
        const char *line = data + at, *end = memchr(line, '\n', len - at);
        size_t n;
        int r;

        if (!end)
            return len >= HTTP_HEAD_MAX ? -431 : 0;
        n = (size_t)(end - line);
        if ((size_t)(end - data) >= HTTP_HEAD_MAX)
            return -431;
        if (n == 0 || line[n - 1] != '\r' || memchr(line, '\r', n - 1) || memchr(line, '\0', n))
            return -400;
        n--;
        at = (size_t)(end - data) + 1;
        if (n == 0) {
            if (first)
                return -400;
            return seen.host ? (int)at : -400;
        }
        r = first ? parse_line(line, n, ret) : parse_field(line, n, &seen, ret);
        if (r < 0)
            return r;
        first = false;
    }
}

bool http_query_number(const char *query, const char *key, unsigned long long max,
                       unsigned long long *ret)
{
    size_t len = strlen(key);

    while (*query) {
        size_t n = strcspn(query, "&");

        if (n > len && strncmp(query, key, len) == 0 && query[len] == '=') {
            unsigned long long sum = 0;

            if (n == len + 1 || n > len + 18)
                return false;
            for (size_t i = len + 1; i < n; i++) {
                if (query[i] < '0' || query[i] > '9')
                    return false;
                sum = sum * 10 + (unsigned)(query[i] - '0');
            }
            if (sum > max)
                return false;
            *ret = sum;
            return true;
        }
        query += n + (query[n] == '&');
    }
    return true;
}

const char *http_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

void http_head(int status, const char *type, size_t body_len, bool keep_alive, struct buf *ret)
{
    buf_printf(ret, "HTTP/1.1 %d %s\r\n", status, http_reason(status));
    if (type)
        buf_printf(ret, "Content-Type: %s\r\nX-Content-Type-Options: nosniff\r\n", type);
    if (status != 204)
        buf_printf(ret, "Content-Length: %zu\r\n", body_len);
    if (status == 503)
        buf_str(ret, "Retry-After: 5\r\n");
    buf_str(ret, "Cache-Control: no-cache\r\n");
    buf_printf(ret, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}
