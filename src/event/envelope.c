/* SPDX-License-Identifier: Apache-2.0 */
#include "event/envelope.h"

#include "json/json_scan.h"

/* An escape is at most six bytes for one decoded byte: a longer raw text is over the limit. */
#define RAW_MAX (6 * ENVELOPE_STRING_MAX)

/* The ids of envelope_keys_default come first and in its order; the event's own id is the last of
 * them and the first member of the top object. */
enum want {
    WANT_CONVERSATION,
    WANT_CUSTOMER,
    WANT_DESTINATION,
    WANT_TASK,
    WANT_AGENT,
    WANT_JOB,
    WANT_ID,
    WANT_KEYS, /* how many can be the key */
    WANT_TYPE = WANT_KEYS,
    WANT_TIMESTAMP,
    WANTS
};
_Static_assert(WANT_KEYS <= ENVELOPE_KEYS_MAX, "room for every key");

static const struct json_want wanted[WANTS] = {
    [WANT_CONVERSATION] = {.parent = "content", .name = "conversationId"},
    [WANT_CUSTOMER] = {.parent = "content", .name = "customerId"},
    [WANT_DESTINATION] = {.parent = "content", .name = "destinationCustomerId"},
    [WANT_TASK] = {.parent = "content", .name = "taskId"},
    [WANT_AGENT] = {.parent = "content", .name = "agentId"},
    [WANT_JOB] = {.parent = "content", .name = "jobId"},
    [WANT_ID] = {.name = "id"},
    [WANT_TYPE] = {.name = "type"},
    [WANT_TIMESTAMP] = {.name = "timestamp"},
};

const struct envelope_keys envelope_keys_default = {{
    "conversationId",
    "customerId",
    "destinationCustomerId",
    "taskId",
    "agentId",
    "jobId",
    "id",
}};

/* The index of a name in the default order; WANT_KEYS when it is not there. */
static size_t key_index(struct slice name)
{
    size_t i = 0;
    while (i < WANT_KEYS && !slice_eq(name, slice_of(envelope_keys_default.names[i])))
        i++;
    return i;
}

bool envelope_key_is_known(struct slice name)
{
    return key_index(name) < WANT_KEYS;
}

void envelope_init(struct envelope *env)
{
    *env = (struct envelope){.found = {{NULL, 0}}};
    buf_init(&env->scratch, WANTS * RAW_MAX);
}

void envelope_fini(struct envelope *env)
{
    buf_fini(&env->scratch);
}

static bool is_escaped(const struct json_want *w)
{
    return memchr(w->raw.ptr, '\\', w->raw.len) != NULL;
}

/* Decodes the wanted strings; what is no usable string becomes empty. */
static enum status decode(struct envelope *env, const struct json_want *wants, struct slice *out)
{
    size_t need = 0;
    enum status st;
    buf_clear(&env->scratch);
    for (size_t i = 0; i < WANTS; i++) {
        bool usable =
            wants[i].kind == JSON_STRING && wants[i].raw.len && wants[i].raw.len <= RAW_MAX;
        out[i] = usable ? wants[i].raw : (struct slice){NULL, 0};
        if (usable && is_escaped(&wants[i]))
            need += wants[i].raw.len;
    }
    /* All room at once, so that no slice moves; decoded text is never longer than its raw text. */
    st = need ? buf_reserve(&env->scratch, need) : ST_OK;
    for (size_t i = 0; i < WANTS && st == ST_OK; i++) {
        if (need && out[i].len && is_escaped(&wants[i])) {
            size_t from = env->scratch.len;
            st = json_unescape(wants[i].raw, &env->scratch);
            out[i] = (struct slice){env->scratch.ptr + from, env->scratch.len - from};
        }
        if (out[i].len > ENVELOPE_STRING_MAX)
            out[i] = (struct slice){NULL, 0};
    }
    return st;
}

static enum status refuse_type(const struct json_want *type, struct err *e)
{
    if (type->kind == JSON_ABSENT)
        return err_set(e, ST_BAD_INPUT, "the body has no \"type\"");
    if (type->kind != JSON_STRING)
        return err_set(e, ST_BAD_INPUT, "\"type\" is not a string");
    if (type->raw.len == 0)
        return err_set(e, ST_BAD_INPUT, "\"type\" is empty");
    return err_set(e, ST_BAD_INPUT, "\"type\" is longer than %d bytes", ENVELOPE_STRING_MAX);
}

static enum status read_strings(struct envelope *env, struct slice body, struct slice *out,
                                struct err *e)
{
    struct json_want wants[WANTS];
    enum json_kind top;
    enum status st;
    memcpy(wants, wanted, sizeof wants);
    st = json_scan(body, wants, WANTS, &top, e);
    if (st != ST_OK) {
        err_context(e, "the body is not JSON");
        return st;
    }
    if (top != JSON_OBJECT)
        return err_set(e, ST_BAD_INPUT, "the body is not a JSON object");
    st = decode(env, wants, out);
    if (st != ST_OK)
        return err_set(e, ST_NO_MEM, "out of memory while reading a body");
    if (out[WANT_TYPE].len == 0)
        return refuse_type(&wants[WANT_TYPE], e);
    return ST_OK;
}

static void set_flag(struct event *ev, unsigned flag, bool on)
{
    ev->flags = on ? ev->flags | flag : ev->flags & ~flag;
}

enum status envelope_read(struct envelope *env, struct slice body, const struct envelope_keys *keys,
                          struct event *ev, struct err *e)
{
    struct slice out[WANTS];
    enum status st = read_strings(env, body, out, e);
    if (st != ST_OK)
        memset(out, 0, sizeof out);
    memcpy(env->found, out, WANT_KEYS * sizeof out[0]);
    ev->body = body;
    ev->id = out[WANT_ID];
    ev->type = out[WANT_TYPE];
    ev->key = envelope_key(env, keys);
    set_flag(ev, EVENT_PING, slice_eq(ev->type, slice_of("PING")));
    set_flag(ev, EVENT_HAS_TIME,
             out[WANT_TIMESTAMP].len &&
                 wall_parse(out[WANT_TIMESTAMP].ptr, out[WANT_TIMESTAMP].len, &ev->event_time));
    return st;
}

struct slice envelope_key(const struct envelope *env, const struct envelope_keys *keys)
{
    for (size_t i = 0; i < ENVELOPE_KEYS_MAX && keys->names[i]; i++) {
        size_t at = key_index(slice_of(keys->names[i]));
        if (at < WANT_KEYS && env->found[at].len)
            return env->found[at];
    }
    return (struct slice){NULL, 0};
}
