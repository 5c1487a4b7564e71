/* SPDX-License-Identifier: Apache-2.0 */
#include "http_answer.h"

#include <string.h>
#include <strings.h>

/* Length of "HTTP/1.1 200 ": the reason phrase after it may be empty (RFC 9112, section 4). */
#define STATUS_LINE_MIN 13

struct head {
    bool has_length;
    size_t length;
    bool closes;
    bool keeps_alive;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9110, section 5.6.2. */
static bool is_token_char(char c)
{
    if (is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool same(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

static bool read_status_line(const char *line, size_t len, struct http_answer *out, bool *is_1_0)
{
    if (len < STATUS_LINE_MIN || memcmp(line, "HTTP/1.", 7) != 0)
        return false;
    if ((line[7] != '0' && line[7] != '1') || line[8] != ' ' || line[12] != ' ')
        return false;
    if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]))
        return false;
    *is_1_0 = line[7] == '0';
    out->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    return out->status >= 200 && out->status <= 599;
}

static bool read_length(const char *value, size_t len, struct head *h)
{
    if (h->has_length || len == 0 || len > 9)
        return false;
    h->has_length = true;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(value[i]))
            return false;
        h->length = h->length * 10 + (size_t)(value[i] - '0');
    }
    return true;
}

/* One "name: value" line. Returns NULL, or why it is refused. */
static const char *read_field(const char *line, size_t len, struct head *h)
{
    size_t name_len = 0;
    while (name_len < len && is_token_char(line[name_len]))
        name_len++;
    if (name_len == 0 || name_len == len || line[name_len] != ':')
        return "malformed header line";
    const char *value = line + name_len + 1;
    size_t value_len = len - name_len - 1;
    while (value_len > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        value_len--;
    }
    while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value_len--;
    if (same(line, name_len, "content-length") && !read_length(value, value_len, h))
        return "malformed or repeated Content-Length";
    if (same(line, name_len, "transfer-encoding"))
        return "Transfer-Encoding is not supported";
    if (same(line, name_len, "connection")) {
        h->closes = h->closes || same(value, value_len, "close");
        h->keeps_alive = h->keeps_alive || same(value, value_len, "keep-alive");
    }
    return NULL;
}

/* All lines of the head from buf up to end, which is behind the last CRLF. */
static const char *read_head(const char *buf, const char *end, struct http_answer *out,
                             struct head *h)
{
    bool is_first = true;
    bool is_1_0 = false;
    while (buf < end) {
        const char *cr = memchr(buf, '\r', (size_t)(end - buf));
        if (cr == NULL || cr[1] != '\n')
            return "line without CRLF";
        size_t len = (size_t)(cr - buf);
        const char *why = NULL;
        if (!is_first)
            why = read_field(buf, len, h);
        else if (!read_status_line(buf, len, out, &is_1_0))
            why = "malformed status line";
        if (why != NULL)
            return why;
        is_first = false;
        buf = cr + 2;
    }
    out->closes = h->closes || (is_1_0 && !h->keeps_alive);
    return NULL;
}

enum http_answer_state http_answer_read(const char *buf, size_t len, struct http_answer *out,
                                        const char **why)
{
    struct head h = {0};
    *out = (struct http_answer){0};
    const char *blank = memmem(buf, len, "\r\n\r\n", 4);
    if (blank == NULL) {
        *why = "the head is too long";
        return len >= HTTP_ANSWER_MAX ? HTTP_ANSWER_BAD : HTTP_ANSWER_PARTIAL;
    }
    *why = read_head(buf, blank + 2, out, &h);
    if (*why != NULL)
        return HTTP_ANSWER_BAD;
    bool is_bodyless = out->status == 204 || out->status == 304;
    if (!h.has_length && !is_bodyless) {
        *why = "no Content-Length";
        return HTTP_ANSWER_BAD;
    }
    out->body = blank + 4;
    out->body_len = is_bodyless ? 0 : h.length;
    out->total_len = (size_t)(out->body - buf) + out->body_len;
    *why = "the answer is too long";
    if (out->total_len > HTTP_ANSWER_MAX)
        return HTTP_ANSWER_BAD;
    return len < out->total_len ? HTTP_ANSWER_PARTIAL : HTTP_ANSWER_WHOLE;
}

void http_answer_seq(const struct http_answer *a, char seq[HTTP_ANSWER_SEQ_MAX + 1])
{
    static const char member[] = "\"seq\"";
    const char *end = a->body + a->body_len;
    size_t n = 0;
    seq[0] = '\0';
    const char *at = a->body_len == 0 ? NULL : memmem(a->body, a->body_len, member, 5);
    if (at == NULL)
        return;
    at += sizeof member - 1;
    while (at < end && (*at == ' ' || *at == ':' || *at == '"'))
        at++;
    while (at < end && is_digit(*at) && n < HTTP_ANSWER_SEQ_MAX)
        seq[n++] = *at++;
    seq[n] = '\0';
}
