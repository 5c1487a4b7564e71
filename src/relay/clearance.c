/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/clearance.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

enum delivery { AT_LEAST_ONCE, TURNING, EXACTLY_ONCE };
static const char *const names[] = {"at_least_once", "turning", "exactly_once"};

enum alarm { WRONG_CLUSTER, FENCED, JOURNAL_BEHIND, CHECKPOINT_MISSING, ALARMS };
static const char *const reasons[ALARMS] = {"wrong_cluster", "fenced", "journal_behind",
                                            "checkpoint_missing"};

struct clearance {
    struct clearance_opts opts;
    struct publisher *publisher;
    bool alarms[ALARMS];
    struct metric *metrics[ALARMS];
    char cluster_id[128];   /* bound; "" until known */
    const char *checked_id; /* what the publisher said; another pointer: another cluster */
    bool is_adopted;
    bool is_recovering;
    struct mono recovering_since; /* with is_recovering */
    bool is_unread;               /* told: the journal cannot be held against the checkpoint */
    enum delivery kept;           /* the journal's note */
    enum delivery asked;          /* the note under way, or kept */
    bool is_decided;
    bool is_given;
};

static void create_metrics(struct clearance *c, struct metrics *m)
{
    struct metric_family *family;
    if (!m)
        return;
    family = metric_family(m, METRIC_GAUGE, "relay_publishing_stopped", "reason",
                           "1: nothing is published, for this reason; intake goes on");
    for (int i = 0; i < ALARMS; i++)
        c->metrics[i] = metric_child(family, slice_of(reasons[i]), slice_of(""), slice_of(""));
}

/* What the meta table has, "" when nothing. */
static enum status read_meta(struct clearance *c, const char *name, char *out, size_t size,
                             struct err *e)
{
    enum status st = journal_read_meta(c->opts.forwarder->reader, name, out, size, e);
    if (st == ST_NOT_FOUND)
        out[0] = 0;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status read_note(struct clearance *c, struct err *e)
{
    char text[SETTLE_DELIVERY_MAX];
    enum status st = read_meta(c, "delivery", text, sizeof text, e);
    if (st != ST_OK || !text[0])
        return st;
    while (c->kept < EXACTLY_ONCE && strcmp(text, names[c->kept]) != 0)
        c->kept++;
    if (strcmp(text, names[c->kept]) != 0)
        st = err_set(e, ST_CORRUPT, "journal: delivery is \"%s\", which is no such note", text);
    return st;
}

enum status clearance_create(struct clearance **out, const struct clearance_opts *opts,
                             struct err *e)
{
    enum status st;
    struct clearance *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(e, ST_NO_MEM, "clearance: out of memory");
    c->opts = *opts;
    c->publisher = opts->forwarder->publisher;
    create_metrics(c, opts->forwarder->metrics);
    st = read_meta(c, "kafka_cluster_id", c->cluster_id, sizeof c->cluster_id, e);
    if (st == ST_OK)
        st = read_note(c, e);
    if (st != ST_OK) {
        free(c);
        return st;
    }
    *out = c;
    return ST_OK;
}

void clearance_destroy(struct clearance *c)
{
    free(c);
}

static void stop(struct clearance *c, enum alarm alarm)
{
    c->alarms[alarm] = true;
    if (c->metrics[alarm])
        metric_set(c->metrics[alarm], 1);
}

static void go_on(struct clearance *c, enum alarm alarm)
{
    c->alarms[alarm] = false;
    if (c->metrics[alarm])
        metric_set(c->metrics[alarm], 0);
}

/* For good. */
static bool is_stopped(const struct clearance *c)
{
    return c->alarms[WRONG_CLUSTER] || c->alarms[FENCED] || c->alarms[JOURNAL_BEHIND];
}

/* ---- the cluster ---- */

static bool cluster_is_right(struct clearance *c)
{
    const char *id;
    if (!c->opts.forwarder->bind_cluster)
        return true;
    id = c->publisher->ops->cluster_id(c->publisher);
    if (!id)
        return false;
    if (id == c->checked_id)
        return !c->alarms[WRONG_CLUSTER];
    c->checked_id = id;
    if (!c->cluster_id[0]) {
        snprintf(c->cluster_id, sizeof c->cluster_id, "%s", id);
        settle_cluster(c->opts.settle, id);
        log_info("forwarder.cluster_bound", LOG_S("cluster", id));
    } else if (strcmp(c->cluster_id, id) != 0) {
        stop(c, WRONG_CLUSTER);
        log_error("forwarder.wrong_cluster", LOG_S("bound_to", c->cluster_id), LOG_S("found", id),
                  LOG_S("effect", "publishing is stopped, intake goes on"));
    }
    return !c->alarms[WRONG_CLUSTER];
}

/* ---- the checkpoint ---- */

/*
 * Whether the row at a lane's place is the one that Kafka has. It may be deleted only when the
 * journal's own cursor has passed it.
 */
static enum status find_same(struct clearance *c, const struct publisher_position *p, bool *is_same,
                             struct err *e)
{
    size_t unused;
    struct lane *const *lanes = sender_lanes(c->opts.sender, &unused);
    uint32_t check = 0;
    enum status st = journal_read_checksum(c->opts.forwarder->reader, p->seq, &check, e);
    *is_same = st == ST_NOT_FOUND ? p->seq <= lanes[p->feed - 1]->cursor
                                  : st == ST_OK && check == p->check;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/*
 * The journal must know every lane and every event that the checkpoint names. It is held against
 * what was there when the process began: an older journal that was put back grows again with the
 * next webhook, and its new events must not be taken for those that Kafka has. When it grew in a
 * process before this one, the check of the newest place tells it.
 */
static enum status find_known(struct clearance *c, const struct publisher_position *p,
                              bool *is_known, struct err *e)
{
    size_t lanes;
    sender_lanes(c->opts.sender, &lanes);
    *is_known = p->seq <= c->opts.start_seq && (p->feed < 0 || (size_t)p->feed <= lanes);
    if (!*is_known || p->feed < 0 || !p->check)
        return ST_OK;
    return find_same(c, p, is_known, e);
}

static bool is_behind(struct clearance *c, const struct publisher_checkpoint *cp)
{
    for (size_t i = 0; i < cp->count; i++) {
        const struct publisher_position *p = &cp->positions[i];
        struct err e = {0};
        bool is_known;
        if (find_known(c, p, &is_known, &e) != ST_OK) {
            if (!c->is_unread)
                log_error("forwarder.checkpoint_unchecked", LOG_S("reason", e.text));
            c->is_unread = true;
            return true;
        }
        if (is_known)
            continue;
        stop(c, JOURNAL_BEHIND);
        log_error("forwarder.journal_behind", LOG_I("feed", p->feed), LOG_I("published", p->seq),
                  LOG_I("last_seq", c->opts.start_seq),
                  LOG_S("effect", "the journal is older than what Kafka has of it (a backup that "
                                  "was put back?); publishing is stopped, intake goes on"));
        return true;
    }
    return false;
}

static bool adopt(struct clearance *c, const struct publisher_checkpoint *cp)
{
    if (is_behind(c, cp))
        return false;
    for (size_t i = 0; i < cp->count; i++) {
        if (cp->positions[i].feed > 0)
            sender_adopt(c->opts.sender, cp->positions[i].feed, cp->positions[i].seq);
        else if (c->opts.on_other_feed)
            c->opts.on_other_feed(c->opts.arg, &cp->positions[i]);
    }
    log_info("forwarder.checkpoint_adopted", LOG_I("positions", cp->count));
    return true;
}

static void note_recovering(struct clearance *c, bool is_recovering)
{
    if (is_recovering && !c->is_recovering)
        c->recovering_since = clock_mono(c->opts.forwarder->clock);
    c->is_recovering = is_recovering;
}

static void find_topic_missing(struct clearance *c)
{
    bool unused;
    if (c->alarms[CHECKPOINT_MISSING])
        return;
    stop(c, CHECKPOINT_MISSING);
    log_error("forwarder.checkpoint_missing",
              LOG_S("reason", c->publisher->ops->state(c->publisher, &unused)),
              LOG_S("effect", "nothing is published until the topic is made, intake goes on"));
}

static bool is_able(struct clearance *c)
{
    struct publisher_checkpoint last = {0};
    enum publisher_standing standing = c->publisher->ops->standing(c->publisher, &last);
    if (standing != PUBLISHER_TOPICLESS && c->alarms[CHECKPOINT_MISSING])
        go_on(c, CHECKPOINT_MISSING);
    note_recovering(c, standing == PUBLISHER_RECOVERING);
    switch (standing) {
    case PUBLISHER_RECOVERING:
        return false;
    case PUBLISHER_TOPICLESS:
        find_topic_missing(c);
        return false;
    case PUBLISHER_FENCED:
        stop(c, FENCED);
        log_error("forwarder.fenced",
                  LOG_S("effect", "another relay uses this transactional.id and has taken over; "
                                  "publishing is stopped, intake goes on"));
        return false;
    case PUBLISHER_ABLE:
        break;
    }
    if (!c->is_adopted)
        c->is_adopted = adopt(c, &last);
    return c->is_adopted;
}

/* ---- the note ---- */

static void ask(struct clearance *c, enum delivery want)
{
    c->asked = want;
    if (want != c->kept)
        settle_delivery(c->opts.settle, names[want]);
}

static void decide(struct clearance *c)
{
    c->is_decided = true;
    if (!c->opts.is_once) {
        if (c->kept != AT_LEAST_ONCE) {
            sender_suspect_all(c->opts.sender);
            if (c->opts.on_suspect)
                c->opts.on_suspect(c->opts.arg);
        }
        ask(c, AT_LEAST_ONCE);
    } else if (c->kept == EXACTLY_ONCE) {
        sender_forget_repeats(c->opts.sender);
        ask(c, EXACTLY_ONCE);
    } else {
        ask(c, sender_may_repeat(c->opts.sender) ? TURNING : EXACTLY_ONCE);
    }
}

static bool is_noted(struct clearance *c)
{
    if (!c->is_decided)
        decide(c);
    /* The last of what may be a repeat is through. */
    if (c->kept == TURNING && c->asked == TURNING && !sender_may_repeat(c->opts.sender))
        ask(c, EXACTLY_ONCE);
    if (c->opts.is_once)
        return c->kept != AT_LEAST_ONCE;
    return c->kept == AT_LEAST_ONCE;
}

void clearance_on_noted(struct clearance *c)
{
    c->kept = c->asked;
}

/* ---- all ---- */

bool clearance_is_given(struct clearance *c)
{
    c->is_given =
        !is_stopped(c) && cluster_is_right(c) && (!c->opts.is_once || is_able(c)) && is_noted(c);
    return c->is_given;
}

bool clearance_must_look_again(const struct clearance *c)
{
    return !c->is_given && !is_stopped(c);
}

void clearance_show(const struct clearance *c, struct forwarder_kafka_view *view)
{
    snprintf(view->cluster_id, sizeof view->cluster_id, "%s", c->cluster_id);
    view->wrong_cluster = c->alarms[WRONG_CLUSTER];
    view->fenced = c->alarms[FENCED];
    view->journal_behind = c->alarms[JOURNAL_BEHIND];
    view->checkpoint_missing = c->alarms[CHECKPOINT_MISSING];
    if (c->is_recovering) {
        struct mono now = clock_mono(c->opts.forwarder->clock);
        view->recovering_s = mono_diff_ns(now, c->recovering_since) / 1000000000;
    }
}
