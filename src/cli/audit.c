/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/feed_part.h"
#include "cli/table.h"
#include "conf/conf.h"
#include "journal/journal_audit.h"
#include "json/json_value.h"
#include "kafka/kafka_reader.h"
#include "relay/audit.h"

/* Findings that are told one by one; the others are counted. */
#define FINDINGS_SHOWN_MAX 100

/* The answer as JSON: some 400 bytes a lane and 200 a finding. */
#define JSON_BYTES_MAX (64u << 20)

/* The slowest answer of a cluster that is there: a partition that elects its leader. */
#define KAFKA_ANSWER_MS 30000

/* A transaction that its owner left open is ended by the broker after transaction.timeout.ms, 60 s
 * unless it was set, and a scan every 10 s. */
#define KAFKA_PATIENCE_MS 90000

struct shown {
    bool json;
    struct json_value *root;
    struct json_value *lanes;
    struct json_value *findings;
    int64_t told;
    bool has_heading;
};

/* ---- the doors ---- */

static enum status door_lanes(void *ctx, journal_audit_lane_fn *fn, void *arg, struct err *e)
{
    return journal_audit_lanes(ctx, fn, arg, e);
}

static enum status door_rows(void *ctx, const struct journal_audit_want *want,
                             journal_audit_row_fn *fn, void *arg, int64_t *count, struct err *e)
{
    return journal_audit_rows(ctx, want, fn, arg, count, e);
}

static enum status door_row(void *ctx, int64_t seq, journal_audit_row_fn *fn, void *arg,
                            struct err *e)
{
    return journal_audit_row(ctx, seq, fn, arg, e);
}

static enum status door_parked(void *ctx,
                               void (*fn)(void *arg, const struct journal_audit_parked *),
                               void *arg, struct err *e)
{
    return journal_audit_parked(ctx, fn, arg, e);
}

static enum status door_was_parked(void *ctx, int64_t seq, bool *out, struct err *e)
{
    return journal_audit_was_parked(ctx, seq, out, e);
}

static enum status door_last_seq(void *ctx, int64_t *seq, struct err *e)
{
    return journal_audit_last_seq(ctx, seq, e);
}

static enum status door_open(void *ctx, const char *topic, int *partitions, struct err *e)
{
    return kafka_reader_open(ctx, topic, partitions, e);
}

static enum status door_span(void *ctx, int partition, int64_t *low, int64_t *end, struct err *e)
{
    return kafka_reader_span(ctx, partition, low, end, e);
}

static enum status door_read(void *ctx, int partition, int64_t from, kafka_reader_fn *fn, void *arg,
                             struct err *e)
{
    return kafka_reader_read(ctx, partition, from, fn, arg, e);
}

static enum status door_find(void *ctx, int partition, struct wall t, int64_t *offset,
                             struct err *e)
{
    return kafka_reader_find(ctx, partition, t, offset, e);
}

static int door_place(void *ctx, struct slice key)
{
    return kafka_reader_place(ctx, key);
}

/* ---- what is shown ---- */

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

static void on_progress(void *ctx, const char *topic, int pass, int64_t records, int64_t of)
{
    (void)ctx;
    fprintf(stderr, "\r\033[K%s pass %d: %" PRId64 " of %" PRId64 " records", topic, pass, records,
            of);
}

static void on_finding(void *ctx, const struct audit_finding *f)
{
    struct shown *s = ctx;
    struct json_value *one;
    if (s->told == FINDINGS_SHOWN_MAX)
        return;
    s->told++;
    if (!s->json) {
        end_progress();
        printf("%s: lane %" PRId64 " %s seq %" PRId64, audit_kind_name(f->kind), f->lane->id,
               f->lane->topic, f->seq);
        if (f->offset >= 0)
            printf(" partition %" PRId32 " offset %" PRId64, f->partition, f->offset);
        printf(": %s\n", f->detail);
        return;
    }
    one = json_add_object(s->findings, NULL);
    json_add_string(one, "kind", slice_of(audit_kind_name(f->kind)));
    json_add_u64(one, "lane", (uint64_t)f->lane->id);
    json_add_string(one, "source", slice_of(f->lane->source));
    json_add_string(one, "topic", slice_of(f->lane->topic));
    json_add_u64(one, "seq", (uint64_t)f->seq);
    if (f->offset >= 0) {
        json_add_int(one, "partition", f->partition);
        json_add_u64(one, "offset", (uint64_t)f->offset);
    } else {
        json_add_null(one, "partition");
        json_add_null(one, "offset");
    }
    json_add_string(one, "detail", slice_of(f->detail));
}

/* Of a lane, what is no finding. */
struct figure {
    const char *name;
    int64_t value;
};
#define FIGURES 8

static void figures_of(const struct audit_lane *lane, struct figure out[FIGURES])
{
    const struct figure figures[FIGURES] = {
        {"waiting", lane->waiting},     {"parked", lane->parked},    {"requeued", lane->requeued},
        {"discarded", lane->discarded}, {"expired", lane->expired},  {"pruned", lane->pruned},
        {"elsewhere", lane->elsewhere}, {"replayed", lane->replayed}};
    memcpy(out, figures, sizeof figures);
}

static void lane_json(struct shown *s, const struct audit_lane *lane)
{
    struct json_value *one = json_add_object(s->lanes, NULL);
    struct figure figures[FIGURES];
    int64_t findings = 0;
    figures_of(lane, figures);
    json_add_u64(one, "lane", (uint64_t)lane->id);
    json_add_string(one, "source", slice_of(lane->source));
    json_add_string(one, "topic", slice_of(lane->topic));
    json_add_u64(one, "complete", (uint64_t)lane->complete);
    json_add_u64(one, "repeated", (uint64_t)lane->repeated);
    for (int kind = 0; kind < AUDIT_KINDS; kind++) {
        json_add_u64(one, audit_kind_name((enum audit_kind)kind), (uint64_t)lane->found[kind]);
        findings += lane->found[kind];
    }
    for (int i = 0; i < FIGURES; i++)
        json_add_u64(one, figures[i].name, (uint64_t)figures[i].value);
    json_add_bool(one, "clean", findings == 0);
}

static void number_cell(int64_t value, int width)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    table_cell(slice_of(text), -width);
}

static void on_lane(void *ctx, const struct audit_lane *lane)
{
    struct shown *s = ctx;
    struct figure figures[FIGURES];
    if (s->json) {
        lane_json(s, lane);
        return;
    }
    end_progress();
    if (!s->has_heading) {
        printf("%5s %-16s %-28s %10s %8s", "LANE", "SOURCE", "TOPIC", "COMPLETE", "REPEATED");
        for (int kind = 0; kind < AUDIT_KINDS; kind++)
            printf(" %10s", audit_kind_name((enum audit_kind)kind));
        putchar('\n');
    }
    s->has_heading = true;
    number_cell(lane->id, 5);
    table_cell(slice_of(lane->id ? lane->source : "(none)"), 16);
    table_cell(slice_of(lane->topic), 28);
    number_cell(lane->complete, 10);
    number_cell(lane->repeated, 8);
    for (int kind = 0; kind < AUDIT_KINDS; kind++)
        number_cell(lane->found[kind], 10);
    putchar('\n');
    figures_of(lane, figures);
    for (int i = 0; i < FIGURES; i++)
        if (figures[i].value)
            printf("%22s %s %" PRId64 "\n", "", figures[i].name, figures[i].value);
}

static void tell_result(const struct shown *s, const struct audit_result *r, int64_t kept)
{
    end_progress();
    if (r->findings > s->told)
        printf("%" PRId64 " more findings are not listed\n", r->findings - s->told);
    printf("%" PRId64 " findings; %" PRId64 " records of this journal read", r->findings,
           r->records);
    if (r->foreign)
        printf(", %" PRId64 " others passed over", r->foreign);
    if (kept)
        printf("; %" PRId64 " events are kept from Kafka", kept);
    putchar('\n');
}

static enum status print_json(const struct shown *s, const struct audit_result *r, int64_t kept)
{
    struct buf text;
    enum status st;
    json_add_bool(s->root, "clean", r->findings == 0);
    json_add_u64(s->root, "finding_count", (uint64_t)r->findings);
    json_add_u64(s->root, "records", (uint64_t)r->records);
    json_add_u64(s->root, "foreign", (uint64_t)r->foreign);
    json_add_u64(s->root, "kept", (uint64_t)kept);
    json_add_int(s->root, "passes", r->passes);
    buf_init(&text, JSON_BYTES_MAX);
    st = json_print(s->root, &text);
    if (st == ST_OK) {
        fwrite(text.ptr, 1, text.len, stdout);
        putchar('\n');
    }
    buf_fini(&text);
    return st;
}

/* ---- the run ---- */

static enum status open_feed(const struct conf *conf, struct kafka_reader **out, struct err *e)
{
    enum status st = feed_part_open(out, &conf->kafka, KAFKA_ANSWER_MS, e);
    if (st == ST_OK)
        kafka_reader_set_patience(*out, KAFKA_PATIENCE_MS);
    return st;
}

/* Everything would be missing in another cluster. */
static enum status check_cluster(struct journal_audit *journal, struct kafka_reader *feed,
                                 struct err *e)
{
    char bound[256] = "";
    const char *id;
    enum status st = journal_audit_meta(journal, "kafka_cluster_id", bound, sizeof bound, e);
    if (st == ST_NOT_FOUND)
        return ST_OK; /* it has published nothing yet */
    if (st == ST_OK)
        st = kafka_reader_cluster(feed, &id, e);
    if (st == ST_OK && strcmp(id, bound) != 0)
        st = err_set(e, ST_DENIED, "the journal is bound to the Kafka cluster %s, and %s answers",
                     bound, id);
    return st;
}

static enum status run(struct journal_audit *journal, struct kafka_reader *feed,
                       struct audit_opts *opts, struct audit_result *result, struct err *e)
{
    const struct audit_journal rows = {journal,     door_lanes,      door_rows,    door_row,
                                       door_parked, door_was_parked, door_last_seq};
    const struct audit_feed records = {feed,      door_open, door_span,
                                       door_read, door_find, door_place};
    struct audit_opts own = *opts;
    struct shown *shown = opts->ctx;
    char id[64];
    int64_t kept = 0;
    enum status st = journal_audit_meta(journal, "journal_id", id, sizeof id, e);
    if (st == ST_OK)
        st = check_cluster(journal, feed, e);
    own.journal = &rows;
    own.feed = &records;
    own.journal_id = id;
    if (st == ST_OK)
        st = audit_run(&own, result, e);
    if (st == ST_OK && !opts->lane)
        st = journal_audit_kept(journal, opts->since, opts->until, &kept, e);
    if (st == ST_OK && shown->json)
        st = print_json(shown, result, kept) == ST_OK
                 ? ST_OK
                 : err_set(e, ST_NO_MEM, "the answer is too long: out of memory");
    else if (st == ST_OK)
        tell_result(shown, result, kept);
    return st;
}

static void begin_json(struct shown *shown)
{
    shown->root = json_object();
    shown->lanes = json_add_array(shown->root, "lanes");
    shown->findings = json_add_array(shown->root, "findings");
}

static bool read_time(const char *name, const char *text, struct wall *out)
{
    if (!text || wall_parse(text, strlen(text), out))
        return true;
    fprintf(stderr, "gladly-relay audit: %s takes a time like 2026-01-02T03:04:05Z\n", name);
    return false;
}

/* False: usage error, already explained. */
static bool read_options(const struct cli_args *args, struct audit_opts *opts)
{
    uint64_t number = 0;
    struct err e;
    if (args->count) {
        fputs("usage: gladly-relay audit [--since T] [--until T] [--lane ID] [--memory SIZE] "
              "[--json] -c FILE\n",
              stderr);
        return false;
    }
    if (!read_time("--since", args->since, &opts->since) ||
        !read_time("--until", args->until, &opts->until))
        return false;
    if (args->lane && !cli_is_seq(args->lane)) {
        fputs("gladly-relay audit: --lane takes a number, see gladly-relay status\n", stderr);
        return false;
    }
    if (args->lane && num_parse_u64(slice_of(args->lane), 1, INT64_MAX, &number, &e) == ST_OK)
        opts->lane = (int64_t)number;
    if (!args->memory)
        return true;
    if (num_parse_size(slice_of(args->memory), AUDIT_MEMORY_MIN_BYTES, SIZE_MAX / 2, &number, &e)) {
        fprintf(stderr, "gladly-relay audit: --memory %s\n", e.text);
        return false;
    }
    opts->memory_bytes = (size_t)number;
    return true;
}

enum cli_exit cli_audit(const struct cli_args *args)
{
    struct shown shown = {.json = args->json};
    struct audit_opts opts = {.since.us = INT64_MIN,
                              .until.us = INT64_MAX,
                              .memory_bytes = AUDIT_MEMORY_DEFAULT_BYTES,
                              .on_finding = on_finding,
                              .on_progress = isatty(STDERR_FILENO) ? on_progress : NULL,
                              .on_lane = on_lane,
                              .ctx = &shown};
    struct audit_result result = {0};
    struct journal_audit *journal = NULL;
    struct kafka_reader *feed = NULL;
    struct conf *conf;
    struct err e;
    enum status st;
    if (!read_options(args, &opts))
        return CLI_USAGE;
    conf = cli_load_conf(args);
    if (!conf)
        return CLI_FAILED;
    if (args->json)
        begin_json(&shown);
    st = journal_audit_open(&journal, conf->journal.path, &e);
    if (st == ST_OK)
        st = open_feed(conf, &feed, &e);
    if (st == ST_OK)
        st = run(journal, feed, &opts, &result, &e);
    if (st != ST_OK) {
        end_progress();
        fprintf(stderr, "gladly-relay audit: %s\n", e.text);
    }
    kafka_reader_destroy(feed);
    journal_audit_close(journal);
    json_destroy(shown.root);
    conf_destroy(conf);
    return st == ST_OK && !result.findings ? CLI_OK : CLI_FAILED;
}
