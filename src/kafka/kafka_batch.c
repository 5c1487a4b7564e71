/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_batch.h"

#include "kafka/kafka_verdict.h"

#include <stdlib.h>

struct entry {
    uint64_t tag;
    uint32_t topic;
    rd_kafka_resp_err_t err; /* of its report */
};

struct kafka_batch {
    struct kafka_suspects *suspects;
    struct entry *entries;
    size_t count;
    size_t capacity;
};

enum status kafka_batch_create(struct kafka_batch **out, size_t capacity,
                               struct kafka_suspects *suspects, struct err *e)
{
    struct kafka_batch *b = calloc(1, sizeof *b);
    CHECK(capacity > 0 && capacity < UINT32_MAX);
    if (b)
        b->entries = calloc(capacity, sizeof *b->entries);
    if (!b || !b->entries) {
        kafka_batch_destroy(b);
        return err_set(e, ST_NO_MEM, "Kafka publisher: out of memory");
    }
    b->suspects = suspects;
    b->capacity = capacity;
    *out = b;
    return ST_OK;
}

void kafka_batch_destroy(struct kafka_batch *b)
{
    if (!b)
        return;
    free(b->entries);
    free(b);
}

size_t kafka_batch_count(const struct kafka_batch *b)
{
    return b->count;
}

bool kafka_batch_is_full(const struct kafka_batch *b)
{
    return b->count == b->capacity;
}

uint32_t kafka_batch_open(struct kafka_batch *b, uint64_t tag, uint32_t topic)
{
    CHECK(b->count < b->capacity);
    b->entries[b->count] = (struct entry){.tag = tag, .topic = topic};
    return (uint32_t)b->count;
}

void kafka_batch_keep(struct kafka_batch *b)
{
    CHECK(b->count < b->capacity);
    b->count++;
}

void kafka_batch_note(struct kafka_batch *b, uint32_t slot, rd_kafka_resp_err_t err)
{
    if (slot < b->count)
        b->entries[slot].err = err;
}

/* ---- blame ---- */

/* Whether the error is about the record or its topic, and not a consequence of another. */
static bool is_telling(rd_kafka_resp_err_t err)
{
    enum kafka_verdict v = kafka_verdict_of(err);
    return v == KAFKA_VERDICT_BATCH || v == KAFKA_VERDICT_DENIED || v == KAFKA_VERDICT_NO_TOPIC ||
           err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
}

static bool is_consequence(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

static bool has_telling(const struct kafka_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (is_telling(b->entries[i].err))
            return true;
    return false;
}

static bool has_one_topic(const struct kafka_batch *b)
{
    for (size_t i = 1; i < b->count; i++)
        if (b->entries[i].topic != b->entries[0].topic)
            return false;
    return true;
}

/* Lays a refusal that names no record on the batch's only topic, or suspects all of them. (A
 * refusal of a batch of records always names them.) */
static void blame(struct kafka_batch *b, rd_kafka_resp_err_t code)
{
    enum kafka_verdict v = kafka_verdict_of(code);
    if ((v != KAFKA_VERDICT_DENIED && v != KAFKA_VERDICT_NO_TOPIC) || has_telling(b))
        return;
    bool is_one = has_one_topic(b);
    for (size_t i = 0; i < b->count; i++) {
        if (is_one)
            b->entries[i].err = code;
        else
            kafka_suspects_suspect(b->suspects, b->entries[i].topic);
    }
}

/* ---- outcomes ---- */

static void report(const struct entry *en, enum publisher_outcome outcome, const char *reason,
                   kafka_batch_report_fn *fn, void *arg)
{
    const struct publisher_report r = {.tag = en->tag,
                                       .outcome = outcome,
                                       .partition = -1,
                                       .offset = -1,
                                       .surely_absent = outcome != PUBLISHER_DELIVERED,
                                       .reason = reason};
    fn(arg, &r);
}

void kafka_batch_committed(struct kafka_batch *b, kafka_batch_report_fn *fn, void *arg)
{
    bool was_alone = b->count == 1;
    for (size_t i = 0; i < b->count; i++) {
        kafka_suspects_clear(b->suspects, b->entries[i].topic, was_alone);
        report(&b->entries[i], PUBLISHER_DELIVERED, NULL, fn, arg);
    }
    b->count = 0;
}

void kafka_batch_aborted(struct kafka_batch *b, rd_kafka_resp_err_t code, const char *why,
                         kafka_batch_report_fn *fn, void *arg)
{
    bool was_alone = b->count == 1;
    if (b->count)
        blame(b, code);
    for (size_t i = 0; i < b->count; i++) {
        const struct entry *en = &b->entries[i];
        bool has_own = en->err && !is_consequence(en->err);
        report(en, kafka_suspects_judge(b->suspects, en->topic, en->err, was_alone),
               has_own ? rd_kafka_err2str(en->err) : why, fn, arg);
    }
    kafka_suspects_end_round(b->suspects);
    b->count = 0;
}
