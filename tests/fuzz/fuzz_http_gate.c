/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Fuzzes the framing gate with raw heads. The input is cut in place as libmicrohttpd 0.9.75 cuts it
 * (connection.c: get_next_header_line, parse_initial_message_line, process_header_line), with its
 * leniencies: bare line feeds end lines, NUL bytes end texts, blanks are skipped. What the gate
 * lets pass must then be what a strict reader of the same bytes sees.
 */

#include "http/http_gate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64

struct head {
    struct http_gate_field fields[FIELDS_MAX];
    struct http_gate_head gate;
    char *target; /* a copy */
};

/* The next line of [*at, end), ended by NUL, and its length on the wire; NULL when there is none.
 */
static char *next_line(char **at, char *end, size_t *len)
{
    char *line = *at;
    char *lf = memchr(line, '\n', (size_t)(end - line));
    if (!lf)
        return NULL;
    *lf = '\0';
    *len = (size_t)(lf - line);
    if (lf > line && lf[-1] == '\r')
        line[--*len] = '\0';
    *at = lf + 1;
    return line;
}

static bool cut_request_line(struct head *h, char *line, size_t len)
{
    char *target = memchr(line, ' ', len);
    char *version = memrchr(line, ' ', len);
    if (!target || version <= target || (size_t)(line + len - version) != sizeof "HTTP/1.1")
        return false;
    *target++ = '\0';
    *version++ = '\0';
    while (*target == ' ')
        target++;
    h->target = strdup(target);
    if (!h->target)
        return false;
    h->gate.method = slice_of(line);
    h->gate.target = slice_of(h->target);
    h->gate.target_at = target;
    h->gate.version = slice_of(version);
    return true;
}

static bool cut_fields(struct head *h, char **at, char *end)
{
    for (;;) {
        size_t len;
        char *line = next_line(at, end, &len);
        if (!line)
            return false;
        if (!*line)
            return true;
        char *colon = strchr(line, ':');
        if (!colon || h->gate.field_count == FIELDS_MAX)
            return false;
        *colon++ = '\0';
        while (*colon == ' ' || *colon == '\t')
            colon++;
        h->fields[h->gate.field_count++] =
            (struct http_gate_field){slice_of(line), slice_of(colon)};
    }
}

static size_t times(const struct head *h, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < h->gate.field_count; i++)
        n += slice_eq_nocase(h->fields[i].name, slice_of(name));
    return n;
}

/*
 * Every line of the original ends in CR LF, nothing in it is a NUL or a lone CR or LF, and no line
 * is folded. The one thing the gate may miss is a NUL with as many bare LF near it as make up the
 * gap that CR LF leaves.
 */
static void check_wire(const char *raw, size_t len)
{
    size_t nuls = 0, odd = 0;
    for (size_t i = 0; i < len; i++) {
        char after = i + 1 < len ? raw[i + 1] : '\0';
        nuls += raw[i] == '\0';
        odd += raw[i] == '\n' && (i == 0 || raw[i - 1] != '\r');
        odd += raw[i] == '\r' && after != '\n';
        odd += raw[i] == '\n' && (after == ' ' || after == '\t');
    }
    CHECK((nuls == 0) == (odd == 0));
}

static void check_passed(const struct head *h, const struct http_gate_body *b, const char *raw)
{
    bool is_1_1 = slice_eq(h->gate.version, slice_of("HTTP/1.1"));
    size_t lengths = times(h, "content-length");
    size_t codings = times(h, "transfer-encoding");
    CHECK(is_1_1 || slice_eq(h->gate.version, slice_of("HTTP/1.0")));
    CHECK(http_gate_is_token(h->gate.method) && h->target[0] == '/');
    CHECK(times(h, "host") == 1 || (!is_1_1 && times(h, "host") == 0));
    CHECK(lengths + codings <= 1 && (codings == 0 || is_1_1));
    CHECK((b->framing == HTTP_GATE_BODY_LENGTH) == (lengths == 1));
    CHECK((b->framing == HTTP_GATE_BODY_CHUNKED) == (codings == 1));
    CHECK(b->framing != HTTP_GATE_BODY_NONE || !slice_eq(h->gate.method, slice_of("POST")));
    CHECK(times(h, "authorization") <= 1 && times(h, "content-type") <= 1);
    CHECK(times(h, "expect") == (b->expects_continue ? 1U : 0U));
    for (size_t i = 0; i < h->gate.field_count; i++) {
        CHECK(http_gate_is_token(h->fields[i].name));
        for (size_t k = 0; k < h->fields[i].value.len; k++)
            CHECK((unsigned char)h->fields[i].value.ptr[k] >= 0x20 ||
                  h->fields[i].value.ptr[k] == '\t');
    }
    check_wire(raw, h->gate.head_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct head h = {0};
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    char *at = text;
    size_t len = 0;
    char *line = next_line(&at, text + size, &len);
    h.gate.fields = h.fields;
    if (line && cut_request_line(&h, line, len) && cut_fields(&h, &at, text + size)) {
        struct http_gate_body body = {0};
        h.gate.head_len = (size_t)(at - text);
        enum http_gate_verdict v = http_gate_judge(&h.gate, &body);
        int status = http_gate_status(v);
        CHECK(http_gate_reason(v)[0] && (status == 400 || status == 411 || status == 417));
        if (v == HTTP_GATE_PASSED)
            check_passed(&h, &body, (const char *)data);
    }
    free(h.target);
    free(text);
    return 0;
}
