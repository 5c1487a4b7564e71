/* SPDX-License-Identifier: Apache-2.0 */
#include "bodies.h"

#include "pen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIX_PARTS_MAX  16
#define MIX_WEIGHT_MAX 1000000
/* Padding starts at a random place of the pool, so that two long bodies rarely share their text. */
#define POOL_EXTRA   65536
#define PADDING_COST (sizeof(",\"padding\":\"\"") - 1)

enum field {
    FIELD_CUSTOMER = 1 << 0,
    FIELD_CONVERSATION = 1 << 1,
    FIELD_CONTACT = 1 << 2,
    FIELD_MESSAGE = 1 << 3,
    FIELD_TASK = 1 << 4,
    FIELD_AGENT = 1 << 5,
    FIELD_PAYMENT = 1 << 6,
    FIELD_STATUS = 1 << 7,
    FIELD_CONTEXT = 1 << 8,
};

#define IN_CONVERSATION (FIELD_CUSTOMER | FIELD_CONVERSATION | FIELD_CONTEXT)
#define IN_CONTACT      (IN_CONVERSATION | FIELD_CONTACT)

struct family {
    const char *type;
    const char *initiator;
    unsigned fields;
};

static const struct family families[] = {
    {"CONVERSATION/CREATED", "CUSTOMER", IN_CONVERSATION},
    {"CONTACT/STARTED", "CUSTOMER", IN_CONTACT},
    {"CONTACT/MESSAGE_RECEIVED", "CUSTOMER", IN_CONTACT | FIELD_MESSAGE},
    {"CONTACT/MESSAGE_SENT", "AGENT", IN_CONTACT | FIELD_MESSAGE},
    {"CONVERSATION_STATUS/UPDATED", "AGENT", IN_CONVERSATION | FIELD_STATUS},
    {"TASK/CREATED", "AGENT", FIELD_CUSTOMER | FIELD_TASK | FIELD_CONTEXT},
    {"AGENT_STATUS/LOGGED_IN", "AGENT", FIELD_AGENT},
    {"PAYMENT_REQUEST/CREATED", "AGENT", IN_CONVERSATION | FIELD_PAYMENT},
    {"CUSTOMER_PROFILE/UPDATED", "SYSTEM", FIELD_CUSTOMER},
    {"CONTACT/ENDED", "AGENT", IN_CONTACT},
    {"CONVERSATION/CLOSED", "AGENT", IN_CONVERSATION},
};
#define FAMILY_COUNT (sizeof families / sizeof families[0])

/* What an id names; part of the seed of the id, so that a task and a customer of one key differ. */
enum kind {
    KIND_EVENT = 1,
    KIND_CONVERSATION,
    KIND_CUSTOMER,
    KIND_CONTACT,
    KIND_MESSAGE,
    KIND_TASK,
    KIND_AGENT,
    KIND_PAYMENT,
    KIND_INBOX,
};

struct mix_part {
    size_t size;
    uint32_t weight;
};

struct bodies {
    uint64_t seed;
    uint64_t random;
    uint64_t made;
    struct mix_part part[MIX_PARTS_MAX];
    size_t part_count;
    uint32_t weight_sum;
    size_t size_max;
    uint32_t key_count;
    uint64_t *counter;
    char *pool;
    size_t pool_len;
    int64_t second; /* the unix second that second_text names */
    char second_text[sizeof "2026-01-02T03:04:05"];
};

/* The output function of SplitMix64 (prng.di.unimi.it/splitmix64.c): a bijection of 64 bits. */
static uint64_t scramble(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t next_random(struct bodies *b)
{
    b->random += UINT64_C(0x9e3779b97f4a7c15);
    return scramble(b->random);
}

/* 0..bound-1; the bias of the high-half product is below bound / 2^32 and does not matter here. */
static uint32_t draw(struct bodies *b, uint32_t bound)
{
    return (uint32_t)(((next_random(b) >> 32) * bound) >> 32);
}

static bool read_number(const char **at, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *out = strtoull(*at, &end, 10);
    *at = end;
    return errno == 0 && *out <= max;
}

static bool read_mix(struct bodies *b, const char *mix, struct fail *f)
{
    const char *at = mix;
    for (;;) {
        uint64_t size = 0;
        uint64_t weight = 0;
        if (b->part_count == MIX_PARTS_MAX)
            return fail_set(f, "mix '%s': more than %d parts", mix, MIX_PARTS_MAX);
        if (!read_number(&at, BODIES_SIZE_MAX, &size) || size < BODIES_SIZE_MIN)
            return fail_set(f, "mix '%s': a size is a number from %d to %d", mix, BODIES_SIZE_MIN,
                            BODIES_SIZE_MAX);
        if (*at++ != ':' || !read_number(&at, MIX_WEIGHT_MAX, &weight) || weight < 1)
            return fail_set(f, "mix '%s': a size is followed by ':' and a weight from 1 to %d", mix,
                            MIX_WEIGHT_MAX);
        b->part[b->part_count++] = (struct mix_part){(size_t)size, (uint32_t)weight};
        b->weight_sum += (uint32_t)weight;
        if (size > b->size_max)
            b->size_max = (size_t)size;
        if (*at == '\0')
            return true;
        if (*at++ != ',')
            return fail_set(f, "mix '%s': parts are separated by ','", mix);
    }
}

/* Words, not one repeated letter: the bytes must cost what text costs when somebody compresses
 * them. */
static void fill_pool(struct bodies *b)
{
    static const char *const words[] = {
        "hello",   "order",    "please",  "return",   "the",     "package", "arrived", "late",
        "refund",  "thanks",   "with",    "size",     "medium",  "change",  "address", "street",
        "number",  "tomorrow", "between", "noon",     "call",    "back",    "my",      "account",
        "shows",   "wrong",    "total",   "discount", "code",    "did",     "not",     "work",
        "blue",    "jacket",   "still",   "waiting",  "for",     "answer",  "about",   "delivery",
        "photo",   "attached", "broken",  "zipper",   "replace", "it",      "or",      "credit",
        "card",    "ending",   "in",      "4242",     "was",     "charged", "twice",   "yesterday",
        "regards", "from",     "we",      "can",      "help",    "you",     "today",   "soon",
    };
    const uint32_t word_count = (uint32_t)(sizeof words / sizeof words[0]);
    size_t at = 0;
    while (at < b->pool_len) {
        const char *word = words[draw(b, word_count)];
        size_t len = strlen(word);
        size_t room = b->pool_len - at - 1;
        memcpy(b->pool + at, word, len < room ? len : room);
        at += len < room ? len : room;
        b->pool[at++] = ' ';
    }
}

struct bodies *bodies_create(const char *mix, uint32_t key_count, uint64_t seed, struct fail *f)
{
    CHECK(key_count >= 1 && key_count <= BODIES_KEYS_MAX);
    struct bodies *b = calloc(1, sizeof *b);
    if (b == NULL) {
        fail_set(f, "no memory for the bodies");
        return NULL;
    }
    b->seed = seed;
    b->random = scramble(seed);
    b->key_count = key_count;
    b->second = -1;
    if (!read_mix(b, mix, f))
        goto out_destroy;
    b->pool_len = b->size_max + POOL_EXTRA;
    b->pool = malloc(b->pool_len);
    b->counter = calloc(key_count, sizeof *b->counter);
    if (b->pool == NULL || b->counter == NULL) {
        fail_set(f, "no memory for the counters of %u keys", key_count);
        goto out_destroy;
    }
    fill_pool(b);
    return b;
out_destroy:
    bodies_destroy(b);
    return NULL;
}

void bodies_destroy(struct bodies *b)
{
    if (b == NULL)
        return;
    free(b->pool);
    free(b->counter);
    free(b);
}

size_t bodies_size_max(const struct bodies *b)
{
    return b->size_max;
}

uint32_t bodies_draw_key(struct bodies *b, uint32_t first, uint32_t step)
{
    CHECK(first < b->key_count && step >= 1);
    uint32_t choices = (b->key_count - first - 1) / step + 1;
    return first + draw(b, choices) * step;
}

/*
 * An id is a counter scrambled by a bijection, then a constant of the seed. Scrambled, so that an
 * index over the ids meets the random order of real ids; a bijection, so that they stay distinct.
 */
static void make_id(const struct bodies *b, enum kind kind, uint64_t number,
                    char out[BODIES_ID_LEN + 1])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t tail = scramble(b->seed + (uint64_t)kind * UINT64_C(0x9e3779b97f4a7c15));
    uint64_t head = scramble(number ^ tail);
    /* 128 bits as 21 characters of 6 bits and one of 2 bits, from the left. */
    for (int i = 0; i < 10; i++)
        out[i] = alphabet[(head >> (58 - 6 * i)) & 63];
    out[10] = alphabet[((head & 15) << 2) | (tail >> 62)];
    for (int i = 0; i < 10; i++)
        out[11 + i] = alphabet[(tail >> (56 - 6 * i)) & 63];
    out[21] = alphabet[(tail & 3) << 4];
    out[22] = '\0';
}

static void put_id(struct pen *p, const struct bodies *b, enum kind kind, uint64_t number)
{
    char id[BODIES_ID_LEN + 1];
    make_id(b, kind, number, id);
    pen_put(p, id, BODIES_ID_LEN);
}

static void put_time(struct pen *p, struct bodies *b, struct wall now)
{
    int64_t second = now.us / 1000000;
    if (second != b->second) {
        time_t s = (time_t)second;
        struct tm tm;
        gmtime_r(&s, &tm);
        strftime(b->second_text, sizeof b->second_text, "%Y-%m-%dT%H:%M:%S", &tm);
        b->second = second;
    }
    int ms = (int)(now.us / 1000 % 1000);
    const char tail[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                         (char)('0' + ms % 10), 'Z'};
    pen_put(p, b->second_text, sizeof b->second_text - 1);
    pen_put(p, tail, sizeof tail);
}

static void put_ids(struct pen *p, const struct bodies *b, unsigned fields, uint32_t key)
{
    static const struct {
        unsigned field;
        enum kind kind;
        const char *text;
    } per_event[] =
        {
            {FIELD_CONTACT, KIND_CONTACT, "\"contactId\":\""},
            {FIELD_MESSAGE, KIND_MESSAGE, "\"messageId\":\""},
            {FIELD_PAYMENT, KIND_PAYMENT, "\"paymentRequestId\":\""},
        },
      per_key[] = {
          {FIELD_CUSTOMER, KIND_CUSTOMER, "\"customerId\":\""},
          {FIELD_CONVERSATION, KIND_CONVERSATION, "\"conversationId\":\""},
          {FIELD_TASK, KIND_TASK, "\"taskId\":\""},
          {FIELD_AGENT, KIND_AGENT, "\"agentId\":\""},
      };
    for (size_t i = 0; i < sizeof per_key / sizeof per_key[0]; i++) {
        if ((fields & per_key[i].field) == 0)
            continue;
        pen_text(p, per_key[i].text);
        put_id(p, b, per_key[i].kind, key);
        PEN_LITERAL(p, "\",");
    }
    for (size_t i = 0; i < sizeof per_event / sizeof per_event[0]; i++) {
        if ((fields & per_event[i].field) == 0)
            continue;
        pen_text(p, per_event[i].text);
        put_id(p, b, per_event[i].kind, b->made);
        PEN_LITERAL(p, "\",");
    }
}

/* An event of nobody's inbox has no assignee; here it is left out when the drawn size has no room.
 */
static void put_assignee(struct pen *p, const struct bodies *b, uint32_t key, size_t tail_len)
{
    const size_t cost = sizeof("\"context\":{\"assignee\":{\"agentId\":\"\",\"inboxId\":\"\"}},") -
                        1 + 2 * (size_t)BODIES_ID_LEN;
    if ((size_t)(p->end - p->at) < cost + tail_len)
        return;
    PEN_LITERAL(p, "\"context\":{\"assignee\":{\"agentId\":\"");
    put_id(p, b, KIND_AGENT, key % 97);
    PEN_LITERAL(p, "\",\"inboxId\":\"");
    put_id(p, b, KIND_INBOX, key % 7);
    PEN_LITERAL(p, "\"}},");
}

static void put_padding(struct pen *p, struct bodies *b)
{
    const size_t close_len = sizeof("}}") - 1;
    size_t room = (size_t)(p->end - p->at) - close_len;
    if (room <= PADDING_COST)
        return;
    PEN_LITERAL(p, ",\"padding\":\"");
    pen_put(p, b->pool + draw(b, POOL_EXTRA), room - PADDING_COST);
    PEN_LITERAL(p, "\"");
}

static size_t draw_size(struct bodies *b)
{
    uint32_t at = draw(b, b->weight_sum);
    size_t i = 0;
    while (at >= b->part[i].weight)
        at -= b->part[i++].weight;
    return b->part[i].size;
}

size_t bodies_render(struct bodies *b, uint32_t key, struct wall now, char *out,
                     struct bodies_event *event)
{
    static const char *const channels[] = {"CHAT", "EMAIL", "SMS", "VOICE"};
    CHECK(key < b->key_count);
    const struct family *fam = &families[b->made % FAMILY_COUNT];
    struct pen p = {out, out + draw_size(b)};
    b->made++;
    event->n = ++b->counter[key];
    make_id(b, KIND_EVENT, b->made, event->id);
    make_id(b, KIND_CONVERSATION, key, event->key);

    PEN_LITERAL(&p, "{\"id\":\"");
    pen_put(&p, event->id, BODIES_ID_LEN);
    PEN_LITERAL(&p, "\",\"type\":\"");
    pen_text(&p, fam->type);
    PEN_LITERAL(&p, "\",\"timestamp\":\"");
    put_time(&p, b, now);
    PEN_LITERAL(&p, "\",\"initiator\":{\"id\":\"");
    put_id(&p, b, fam->initiator[0] == 'C' ? KIND_CUSTOMER : KIND_AGENT, key);
    PEN_LITERAL(&p, "\",\"type\":\"");
    pen_text(&p, fam->initiator);
    PEN_LITERAL(&p, "\"},\"content\":{");
    put_ids(&p, b, fam->fields, key);
    if ((fam->fields & FIELD_CONTACT) != 0) {
        PEN_LITERAL(&p, "\"channel\":\"");
        pen_text(&p, channels[key % 4]);
        PEN_LITERAL(&p, "\",");
    }
    if ((fam->fields & FIELD_STATUS) != 0)
        PEN_LITERAL(&p, "\"status\":\"OPEN\",");
    size_t tail_len = sizeof("\"loadgenSeq\":}}") - 1 + pen_u64_digits(event->n);
    if ((fam->fields & FIELD_CONTEXT) != 0)
        put_assignee(&p, b, key, tail_len);
    PEN_LITERAL(&p, "\"loadgenSeq\":");
    pen_u64(&p, event->n);
    put_padding(&p, b);
    PEN_LITERAL(&p, "}}");
    return (size_t)(p.at - out);
}
