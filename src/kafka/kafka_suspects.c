/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_suspects.h"

#include "kafka/kafka_verdict.h"

#include <stdlib.h>

#define NOBODY UINT32_MAX

/* After a denial, or a record that ran out of time, the topic rests: each of its failures costs all
 * lanes a new producer. */
#define REST_FIRST_MS 1000
#define REST_MAX_MS   60000

struct suspicion {
    uint32_t alone;      /* so many records still go one by one */
    uint32_t rests;      /* in a row */
    bool is_resting_now; /* noted in this round */
};

struct kafka_suspects {
    struct kafka_watcher *watcher;
    struct suspicion topics[KAFKA_TOPICS_MAX];
    uint32_t held_by;  /* the suspect whose record is alone in the open transaction, or NOBODY */
    uint32_t turn;     /* the suspect that has the next transaction, or NOBODY */
    struct mono until; /* of its turn; counts from the first record that it keeps out */
    bool is_turn_running;
};

enum status kafka_suspects_create(struct kafka_suspects **out, struct kafka_watcher *w,
                                  struct err *e)
{
    struct kafka_suspects *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ST_NO_MEM, "Kafka publisher: out of memory");
    s->watcher = w;
    s->held_by = s->turn = NOBODY;
    *out = s;
    return ST_OK;
}

void kafka_suspects_destroy(struct kafka_suspects *s)
{
    free(s);
}

/* Whether another topic's turn keeps this one out of an empty transaction. */
static bool is_kept_out(struct kafka_suspects *s, uint32_t topic)
{
    struct mono now = clock_mono(clock_system());
    if (s->turn == NOBODY || s->turn == topic)
        return false;
    if (!s->is_turn_running) {
        s->is_turn_running = true;
        s->until = mono_add_ms(now, KAFKA_SUSPECTS_TURN_MS);
        kafka_watcher_alarm(s->watcher, s->until);
    }
    if (mono_diff_ns(now, s->until) < 0)
        return true;
    s->turn = NOBODY; /* it does not come: paused, or nothing to send */
    return false;
}

bool kafka_suspects_may_send(struct kafka_suspects *s, uint32_t topic, size_t held)
{
    bool is_suspect = s->topics[topic].alone > 0;
    if (held == 0)
        s->held_by = NOBODY;
    if (s->held_by != NOBODY)
        return false;
    if (is_suspect && held > 0) {
        if (s->turn == NOBODY) {
            s->turn = topic;
            s->is_turn_running = false;
        }
        return false;
    }
    if (held == 0 && is_kept_out(s, topic))
        return false;
    if (is_suspect)
        s->held_by = topic;
    if (s->turn == topic)
        s->turn = NOBODY;
    return true;
}

void kafka_suspects_clear(struct kafka_suspects *s, uint32_t topic, bool was_alone)
{
    struct suspicion *of = &s->topics[topic];
    of->rests = 0;
    if (was_alone && of->alone)
        of->alone--;
}

void kafka_suspects_suspect(struct kafka_suspects *s, uint32_t topic)
{
    if (!s->topics[topic].alone)
        s->topics[topic].alone = 1;
}

static void rest(struct kafka_suspects *s, uint32_t topic, rd_kafka_resp_err_t err)
{
    struct suspicion *of = &s->topics[topic];
    kafka_suspects_suspect(s, topic);
    if (of->is_resting_now)
        return;
    int64_t ms = of->rests < 6 ? (int64_t)REST_FIRST_MS << of->rests : REST_MAX_MS;
    of->is_resting_now = true;
    of->rests++;
    kafka_watcher_hold(s->watcher, topic, rd_kafka_err2str(err), (int)ms);
}

enum publisher_outcome kafka_suspects_judge(struct kafka_suspects *s, uint32_t topic,
                                            rd_kafka_resp_err_t err, bool was_alone)
{
    struct suspicion *of = &s->topics[topic];
    switch (kafka_verdict_of(err)) {
    case KAFKA_VERDICT_BATCH:
        if (!was_alone) {
            of->alone++;
            return PUBLISHER_RETRY;
        }
        if (of->alone)
            of->alone--;
        return PUBLISHER_REJECTED;
    case KAFKA_VERDICT_DENIED:
        rest(s, topic, err);
        return PUBLISHER_DENIED;
    case KAFKA_VERDICT_NO_TOPIC:
        kafka_watcher_hold(s->watcher, topic, rd_kafka_err2str(err), 0);
        return PUBLISHER_RETRY;
    case KAFKA_VERDICT_AGAIN:
        if (err == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT || err == RD_KAFKA_RESP_ERR__TIMED_OUT)
            rest(s, topic, err);
        return PUBLISHER_RETRY;
    case KAFKA_VERDICT_DELIVERED:
        break;
    }
    return PUBLISHER_RETRY;
}

void kafka_suspects_end_round(struct kafka_suspects *s)
{
    for (size_t i = 0; i < KAFKA_TOPICS_MAX; i++)
        s->topics[i].is_resting_now = false;
}

bool kafka_suspects_refused(struct kafka_suspects *s, uint32_t topic, rd_kafka_resp_err_t why)
{
    enum kafka_verdict v = kafka_verdict_of(why);
    if (v != KAFKA_VERDICT_DENIED && v != KAFKA_VERDICT_NO_TOPIC)
        return false;
    kafka_suspects_judge(s, topic, why, true);
    kafka_suspects_end_round(s);
    return true;
}
