/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_value.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

_Static_assert(CONF_ADDRESS_MAX == INET6_ADDRSTRLEN, "an address fits");

/* A bound of the table as a number of the row's unit. */
static uint64_t limit_of(const struct conf_option *row, const char *text)
{
    uint64_t value = 0;
    enum status st;
    if (row->kind == CONF_KIND_SIZE)
        st = num_parse_size(slice_of(text), 0, UINT64_MAX, &value, NULL);
    else if (row->kind == CONF_KIND_DURATION)
        st = num_parse_duration_ms(slice_of(text), 0, INT64_MAX, &value, NULL);
    else
        st = num_parse_u64(slice_of(text), 0, UINT64_MAX, &value, NULL);
    CHECK(st == ST_OK);
    return value;
}

/* A number within the row's bounds, which the reason names as an operator writes them. */
static enum status parse_number(const struct conf_option *row, struct slice text, uint64_t *out,
                                struct err *e)
{
    enum status st;
    if (row->kind == CONF_KIND_SIZE)
        st = num_parse_size(text, 0, UINT64_MAX, out, e);
    else if (row->kind == CONF_KIND_DURATION)
        st = num_parse_duration_ms(text, 0, UINT64_MAX, out, e);
    else
        st = num_parse_u64(text, 0, UINT64_MAX, out, e);
    if (st == ST_OK && (*out < limit_of(row, row->min) || *out > limit_of(row, row->max)))
        st = err_set(e, ST_BAD_INPUT, "must be between %s and %s", row->min, row->max);
    return st;
}

enum status conf_value_check_text(const struct conf_option *row, struct slice text, struct err *e)
{
    if (text.len < limit_of(row, row->min) || text.len > limit_of(row, row->max))
        return err_set(e, ST_BAD_INPUT, "must have %s to %s characters", row->min, row->max);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c == 0x7f)
            return err_set(e, ST_BAD_INPUT, "must not hold a control character");
    }
    return ST_OK;
}

bool conf_value_is_header_name(struct slice name)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (c < '0' || c > '9') && !memchr(marks, c, sizeof marks - 1))
            return false;
    }
    return name.len > 0;
}

static bool is_topic_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool conf_value_is_topic(struct slice topic)
{
    for (size_t i = 0; i < topic.len; i++)
        if (!is_topic_char(topic.ptr[i]))
            return false;
    return topic.len > 0 && topic.len <= 249 && !slice_eq(topic, slice_of(".")) &&
           !slice_eq(topic, slice_of(".."));
}

/* A topic with {family}, {source} and {org} in it. */
static enum status check_template(struct slice text, struct err *e)
{
    static const char *const holders[] = {"{family}", "{source}", "{org}"};
    for (size_t i = 0; i < text.len;) {
        size_t used = is_topic_char(text.ptr[i]) ? 1 : 0;
        for (size_t h = 0; h < sizeof holders / sizeof holders[0]; h++) {
            size_t len = strlen(holders[h]);
            if (text.len - i >= len && memcmp(text.ptr + i, holders[h], len) == 0)
                used = len;
        }
        if (used == 0)
            return err_set(e, ST_BAD_INPUT,
                           "must be of letters, digits, '.', '_', '-', {family}, {source} and "
                           "{org}");
        i += used;
    }
    if (slice_eq(text, slice_of(".")) || slice_eq(text, slice_of("..")))
        return err_set(e, ST_BAD_INPUT, "must not be '.' or '..'");
    return ST_OK;
}

static enum status check_url_path(struct slice path, struct err *e)
{
    static const char *const taken[] = {"/healthz", "/readyz", "/metrics"};
    if (path.ptr[0] != '/')
        return err_set(e, ST_BAD_INPUT, "must begin with '/'");
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c <= ' ' || c > '~' || c == '?' || c == '#')
            return err_set(e, ST_BAD_INPUT,
                           "must be of printable ASCII characters without space, '?' and '#'");
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        if (slice_eq(path, slice_of(taken[i])))
            return err_set(e, ST_BAD_INPUT, "must not be %s, which the relay itself serves",
                           taken[i]);
    return ST_OK;
}

/* Puts the numeric address into out in the one spelling of inet_ntop(3). */
static bool parse_address(struct slice text, bool is_v6, char out[CONF_ADDRESS_MAX])
{
    char copy[CONF_ADDRESS_MAX];
    unsigned char binary[sizeof(struct in6_addr)];
    int family = is_v6 ? AF_INET6 : AF_INET;
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, binary) == 1 &&
           inet_ntop(family, binary, out, CONF_ADDRESS_MAX) != NULL;
}

static enum status parse_listen(const struct conf_option *row, struct slice text,
                                struct conf_listen *out, struct err *e)
{
    struct conf_listen l = {.port = 0};
    const char *colon = memrchr(text.ptr, ':', text.len);
    struct slice host, port;
    uint64_t number = 0;
    bool is_v6, ok;
    if (text.len == 0 && row->min[0] == '0') {
        *out = l;
        return ST_OK;
    }
    host = (struct slice){text.ptr, colon ? (size_t)(colon - text.ptr) : 0};
    port = (struct slice){text.ptr + host.len + 1, colon ? text.len - host.len - 1 : 0};
    is_v6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (is_v6)
        host = (struct slice){host.ptr + 1, host.len - 2};
    ok = parse_address(host, is_v6, l.address) && port.len > 0 && port.len <= 5 &&
         num_parse_u64(port, 0, UINT16_MAX, &number, NULL) == ST_OK;
    if (!ok)
        return err_set(e, ST_BAD_INPUT,
                       "must be ADDRESS:PORT with a numeric address, such as 127.0.0.1:8080 or "
                       "[::1]:8080");
    l.port = (uint16_t)number;
    *out = l;
    return ST_OK;
}

/* Cuts the part before the next comma off *rest; false when there is none left. */
static bool next_item(struct slice *rest, struct slice *item)
{
    const char *comma;
    if (!rest->ptr)
        return false;
    comma = memchr(rest->ptr, ',', rest->len);
    *item = *rest;
    if (comma) {
        item->len = (size_t)(comma - rest->ptr);
        *rest = (struct slice){comma + 1, rest->len - item->len - 1};
    } else {
        *rest = (struct slice){NULL, 0};
    }
    *item = slice_trim(*item);
    return true;
}

static enum status parse_addresses(struct slice text, struct conf_addresses *out, struct err *e)
{
    struct conf_addresses list = {.count = 0};
    struct slice item;
    while (text.len && next_item(&text, &item)) {
        char *address;
        if (list.count == CONF_PROXIES_MAX)
            return err_set(e, ST_BAD_INPUT, "must have at most %d addresses", CONF_PROXIES_MAX);
        address = list.items[list.count];
        if (!parse_address(item, false, address) && !parse_address(item, true, address))
            return err_set(e, ST_BAD_INPUT,
                           "must be a comma-separated list of numeric addresses; number %zu is "
                           "none",
                           list.count + 1);
        list.count++;
    }
    *out = list;
    return ST_OK;
}

enum status conf_value_parse_keys(struct slice text, struct conf_keys *out, struct err *e)
{
    static const char *const known[] = {
        "conversationId", "customerId", "destinationCustomerId", "taskId", "agentId",
        "jobId",          "id"};
    const size_t known_count = sizeof known / sizeof known[0];
    struct conf_keys keys = {{NULL}};
    bool used[sizeof known / sizeof known[0]] = {false};
    struct slice item;
    for (size_t n = 0; next_item(&text, &item); n++) {
        size_t k = 0;
        while (k < known_count && !slice_eq(item, slice_of(known[k])))
            k++;
        if (k == known_count || used[k])
            return err_set(e, ST_BAD_INPUT,
                           "must be a comma-separated list of conversationId, customerId, "
                           "destinationCustomerId, taskId, agentId, jobId and id, each at most "
                           "once");
        used[k] = true;
        keys.names[n] = known[k];
    }
    *out = keys;
    return ST_OK;
}

enum status conf_value_format_keys(const struct conf_keys *keys, struct buf *out)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < CONF_KEYS_MAX && keys->names[i] && st == ST_OK; i++)
        st = buf_printf(out, "%s%s", i ? "," : "", keys->names[i]);
    return st;
}

/* One of the row's words, "a, b or c". */
static enum status parse_choice(const struct conf_option *row, struct slice text,
                                const char **field, struct conf_store *store, struct err *e)
{
    const char *word = row->min;
    while (*word) {
        size_t n = strcspn(word, ", ");
        if (n == text.len && memcmp(word, text.ptr, n) == 0 && strncmp(word, "or ", 3) != 0) {
            *field = conf_store_copy(store, text);
            return *field ? ST_OK : err_set(e, ST_NO_MEM, "out of memory");
        }
        word += n;
        word += strspn(word, ", ");
    }
    return err_set(e, ST_BAD_INPUT, "must be %s", row->min);
}

/* The kinds that are a string in the end. */
static enum status set_text(const struct conf_option *row, const char **field, struct slice text,
                            struct conf_store *store, struct err *e)
{
    const char *copy;
    enum status st = conf_value_check_text(row, text, e);
    if (st == ST_OK && row->kind == CONF_KIND_PATH)
        st = check_url_path(text, e);
    if (st == ST_OK && row->kind == CONF_KIND_TOPIC)
        st = check_template(text, e);
    if (st == ST_OK && row->kind == CONF_KIND_USER && memchr(text.ptr, ':', text.len))
        st = err_set(e, ST_BAD_INPUT, "must not hold ':', which ends the user (RFC 7617)");
    if (st == ST_OK && row->kind == CONF_KIND_HEADER && !conf_value_is_header_name(text))
        st = err_set(e, ST_BAD_INPUT, "must be the name of an HTTP header");
    if (st != ST_OK)
        return st;
    copy = conf_store_copy(store, text);
    if (!copy)
        return err_set(e, ST_NO_MEM, "out of memory");
    *field = copy;
    return ST_OK;
}

enum status conf_value_set(const struct conf_option *row, void *base, struct slice text,
                           struct conf_store *store, struct err *e)
{
    void *field = (char *)base + row->offset;
    uint64_t number = 0;
    enum status st;
    switch (row->kind) {
    case CONF_KIND_BOOL:
        return num_parse_bool(text, field, e);
    case CONF_KIND_COUNT:
        st = parse_number(row, text, &number, e);
        if (st == ST_OK)
            *(uint32_t *)field = (uint32_t)number;
        return st;
    case CONF_KIND_SIZE:
        st = parse_number(row, text, &number, e);
        if (st == ST_OK)
            *(uint64_t *)field = number;
        return st;
    case CONF_KIND_DURATION:
        st = parse_number(row, text, &number, e);
        if (st == ST_OK)
            *(int64_t *)field = (int64_t)number;
        return st;
    case CONF_KIND_LEVEL:
        if (!log_level_parse(text, field))
            return err_set(e, ST_BAD_INPUT, "must be debug, info, warn or error");
        return ST_OK;
    case CONF_KIND_CHOICE:
        return parse_choice(row, text, field, store, e);
    case CONF_KIND_LISTEN:
        return parse_listen(row, text, field, e);
    case CONF_KIND_ADDRESSES:
        return parse_addresses(text, field, e);
    case CONF_KIND_KEYS:
        return conf_value_parse_keys(text, field, e);
    default:
        CHECK(!conf_option_is_list(row));
        return set_text(row, field, text, store, e);
    }
}

struct unit {
    uint64_t factor;
    const char *name;
};

/* The number in the largest unit that divides it. */
static enum status format_number(uint64_t value, const struct unit *units, struct buf *out)
{
    while (units->factor > 1 && (value == 0 || value % units->factor))
        units++;
    return buf_printf(out, "%" PRIu64 "%s", value / units->factor, value ? units->name : "");
}

enum status conf_value_format(const struct conf_option *row, const void *base, struct buf *out)
{
    static const struct unit sizes[] = {
        {1u << 30, "GiB"}, {1u << 20, "MiB"}, {1u << 10, "KiB"}, {1, ""}};
    static const struct unit durations[] = {
        {86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    const void *field = (const char *)base + row->offset;
    const struct conf_addresses *addresses = field;
    const struct conf_listen *l = field;
    enum status st = ST_OK;
    switch (row->kind) {
    case CONF_KIND_BOOL:
        return buf_printf(out, "%s", *(const bool *)field ? "true" : "false");
    case CONF_KIND_COUNT:
        return buf_printf(out, "%" PRIu32, *(const uint32_t *)field);
    case CONF_KIND_SIZE:
        return format_number(*(const uint64_t *)field, sizes, out);
    case CONF_KIND_DURATION:
        return format_number((uint64_t) * (const int64_t *)field, durations, out);
    case CONF_KIND_LEVEL:
        return buf_printf(out, "%s", log_level_name(*(const enum log_level *)field));
    case CONF_KIND_LISTEN:
        if (!l->address[0])
            return ST_OK;
        return buf_printf(out, strchr(l->address, ':') ? "[%s]:%u" : "%s:%u", l->address,
                          (unsigned)l->port);
    case CONF_KIND_ADDRESSES:
        for (size_t i = 0; i < addresses->count && st == ST_OK; i++)
            st = buf_printf(out, "%s%s", i ? "," : "", addresses->items[i]);
        return st;
    case CONF_KIND_KEYS:
        return conf_value_format_keys(field, out);
    default:
        CHECK(!conf_option_is_list(row));
        return buf_printf(out, "%s", *(const char *const *)field);
    }
}
