/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_gate.h"

#include "base/num.h"

/* What is learnt while walking the header fields. */
struct tally {
    size_t hosts;
    size_t lengths;
    size_t codings;
    size_t expects;
    size_t content_types;
    size_t authorizations;
    struct slice host;
    struct slice length;
    struct slice coding;
    struct slice expect;
};

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_one_of(unsigned char c, const char *set)
{
    return c != 0 && strchr(set, c) != NULL;
}

bool http_gate_is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (!is_alnum(c) && !is_one_of(c, "!#$%&'*+-.^_`|~"))
            return false;
    }
    return text.len > 0;
}

static bool is_clean_value(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* A path with an optional query, in the bytes that RFC 3986 leaves on the wire. */
static bool is_origin_form(struct slice target)
{
    if (target.len == 0 || target.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#')
            return false;
    }
    return true;
}

/* The bytes of "uri-host [ : port ]" (RFC 9110 section 7.2), without taking it apart. */
static bool is_host(struct slice value)
{
    value = slice_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (!is_alnum(c) && !is_one_of(c, "-._~%!$&'()*+;=:[]"))
            return false;
    }
    return value.len > 0;
}

static bool is_named(struct slice name, const char *want)
{
    return slice_eq_nocase(name, slice_of(want));
}

static void note(struct tally *t, const struct http_gate_field *f)
{
    if (is_named(f->name, "host")) {
        t->hosts++;
        t->host = f->value;
    } else if (is_named(f->name, "content-length")) {
        t->lengths++;
        t->length = f->value;
    } else if (is_named(f->name, "transfer-encoding")) {
        t->codings++;
        t->coding = f->value;
    } else if (is_named(f->name, "expect")) {
        t->expects++;
        t->expect = f->value;
    } else if (is_named(f->name, "content-type")) {
        t->content_types++;
    } else if (is_named(f->name, "authorization")) {
        t->authorizations++;
    }
}

static enum http_gate_verdict walk(const struct http_gate_head *head, struct tally *t)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_gate_field *f = &head->fields[i];
        if (!http_gate_is_token(f->name))
            return HTTP_GATE_BAD_NAME;
        if (!is_clean_value(f->value))
            return HTTP_GATE_BAD_VALUE;
        note(t, f);
    }
    return HTTP_GATE_PASSED;
}

static bool method_needs_length(struct slice method)
{
    return slice_eq(method, slice_of("POST")) || slice_eq(method, slice_of("PUT")) ||
           slice_eq(method, slice_of("PATCH"));
}

/* RFC 9112 section 6; compared without trimming, because libmicrohttpd compares so. */
static enum http_gate_verdict judge_length(const struct http_gate_head *head, bool is_1_1,
                                           const struct tally *t, struct http_gate_body *body)
{
    if (t->codings && t->lengths)
        return HTTP_GATE_LENGTH_AND_CODING;
    if (t->codings) {
        if (!is_1_1)
            return HTTP_GATE_CODING_IN_1_0;
        if (t->codings > 1 || !is_named(t->coding, "chunked"))
            return HTTP_GATE_BAD_CODING;
        body->framing = HTTP_GATE_BODY_CHUNKED;
        return HTTP_GATE_PASSED;
    }
    if (t->lengths > 1)
        return HTTP_GATE_TWO_LENGTHS;
    if (t->lengths == 1) {
        if (t->length.len > HTTP_GATE_LENGTH_DIGITS_MAX ||
            num_parse_u64(t->length, 0, UINT64_MAX, &body->length, NULL) != ST_OK)
            return HTTP_GATE_BAD_LENGTH;
        body->framing = HTTP_GATE_BODY_LENGTH;
        return HTTP_GATE_PASSED;
    }
    body->framing = HTTP_GATE_BODY_NONE;
    return method_needs_length(head->method) ? HTTP_GATE_NO_LENGTH : HTTP_GATE_PASSED;
}

static uintptr_t end_of(struct slice s)
{
    return (uintptr_t)s.ptr + s.len;
}

/* Whether the pieces touch each other as they do on the wire; see the header. */
static bool is_contiguous(const struct http_gate_head *head)
{
    uintptr_t at = end_of(head->version);
    if ((uintptr_t)head->target_at != end_of(head->method) + 1 ||
        (uintptr_t)head->version.ptr != (uintptr_t)head->target_at + head->target.len + 1)
        return false;
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http_gate_field *f = &head->fields[i];
        if ((uintptr_t)f->name.ptr != at + 2 || (uintptr_t)f->value.ptr < end_of(f->name) + 1)
            return false;
        at = end_of(f->value);
    }
    return at + 4 == (uintptr_t)head->method.ptr + head->head_len;
}

enum http_gate_verdict http_gate_judge(const struct http_gate_head *head,
                                       struct http_gate_body *body)
{
    struct tally t = {0};
    struct http_gate_body found = {0};
    if (head->method.len > HTTP_GATE_METHOD_MAX || !http_gate_is_token(head->method))
        return HTTP_GATE_BAD_METHOD;
    if (!is_origin_form(head->target))
        return HTTP_GATE_BAD_TARGET;
    bool is_1_1 = slice_eq(head->version, slice_of("HTTP/1.1"));
    if (!is_1_1 && !slice_eq(head->version, slice_of("HTTP/1.0")))
        return HTTP_GATE_BAD_VERSION;
    enum http_gate_verdict verdict = walk(head, &t);
    if (verdict != HTTP_GATE_PASSED)
        return verdict;
    if (head->head_len && !is_contiguous(head))
        return HTTP_GATE_BAD_LAYOUT;
    if (t.hosts > 1 || (is_1_1 && t.hosts == 0) || (t.hosts == 1 && !is_host(t.host)))
        return HTTP_GATE_BAD_HOST;
    if (t.content_types > 1 || t.authorizations > 1)
        return HTTP_GATE_REPEATED;
    if (t.expects > 1 || (t.expects == 1 && !is_named(slice_trim(t.expect), "100-continue")))
        return HTTP_GATE_BAD_EXPECT;
    verdict = judge_length(head, is_1_1, &t, &found);
    if (verdict == HTTP_GATE_PASSED) {
        found.expects_continue = t.expects == 1;
        *body = found;
    }
    return verdict;
}

const char *http_gate_reason(enum http_gate_verdict verdict)
{
    static const char *const reasons[HTTP_GATE_VERDICT_COUNT] = {
        [HTTP_GATE_PASSED] = "passed",
        [HTTP_GATE_BAD_METHOD] = "the method is not a token",
        [HTTP_GATE_BAD_TARGET] = "the request target is not a plain path",
        [HTTP_GATE_BAD_VERSION] = "the version is neither HTTP/1.1 nor HTTP/1.0",
        [HTTP_GATE_BAD_NAME] = "a header name is not a token",
        [HTTP_GATE_BAD_VALUE] = "a header value contains a control byte",
        [HTTP_GATE_BAD_HOST] = "exactly one valid Host is needed",
        [HTTP_GATE_BAD_LENGTH] = "Content-Length is not a number",
        [HTTP_GATE_TWO_LENGTHS] = "Content-Length occurs twice",
        [HTTP_GATE_BAD_CODING] = "the only Transfer-Encoding understood is chunked, once",
        [HTTP_GATE_LENGTH_AND_CODING] = "Content-Length and Transfer-Encoding exclude each other",
        [HTTP_GATE_CODING_IN_1_0] = "HTTP/1.0 has no Transfer-Encoding",
        [HTTP_GATE_NO_LENGTH] = "Content-Length is needed, 0 for an empty body",
        [HTTP_GATE_BAD_EXPECT] = "the only expectation understood is 100-continue",
        [HTTP_GATE_REPEATED] = "Content-Type and Authorization may occur once",
        [HTTP_GATE_BAD_LAYOUT] = "the head has a folded line, a NUL byte or a bare line feed",
    };
    CHECK((unsigned)verdict < HTTP_GATE_VERDICT_COUNT);
    return reasons[verdict];
}

int http_gate_status(enum http_gate_verdict verdict)
{
    switch (verdict) {
    case HTTP_GATE_NO_LENGTH:
        return 411;
    case HTTP_GATE_BAD_EXPECT:
        return 417;
    default:
        return 400;
    }
}
