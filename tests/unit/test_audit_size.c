/* SPDX-License-Identifier: Apache-2.0 */
#include "test_audit_kit.h"

#define BIG_KEYS 1000

struct big {
    int64_t rows; /* all of lane 1 */
    int64_t findings, complete;
};

static void make_big_row(int64_t seq, struct content *c)
{
    snprintf(c->id, sizeof c->id, "event-%" PRId64, seq);
    snprintf(c->key, sizeof c->key, "k%" PRId64, seq % BIG_KEYS);
    snprintf(c->body, sizeof c->body, "{\"id\":\"event-%" PRId64 "\"}", seq);
    c->row = (struct journal_audit_row){.row = {.seq = seq,
                                                .prev = seq - 1,
                                                .lane = 1,
                                                .source = 1,
                                                .intact = true,
                                                .ev = {.body = slice_of(c->body),
                                                       .id = slice_of(c->id),
                                                       .type = slice_of("CONTACT/STARTED"),
                                                       .key = slice_of(c->key),
                                                       .received.us = FIRST_US + seq}}};
}

static enum status big_lanes(void *ctx, journal_audit_lane_fn *fn, void *arg, struct err *e)
{
    const struct big *b = ctx;
    const struct journal_audit_lane lane = {.lane = {.id = 1,
                                                     .source = 1,
                                                     .org = "org",
                                                     .source_name = "a",
                                                     .topic = "t0",
                                                     .cursor = b->rows}};
    (void)e;
    fn(arg, &lane);
    return ST_OK;
}

static enum status big_rows(void *ctx, const struct journal_audit_want *want,
                            journal_audit_row_fn *fn, void *arg, int64_t *count, struct err *e)
{
    const struct big *b = ctx;
    (void)e;
    *count = 0;
    for (int64_t seq = want->after + 1; seq <= want->upto && seq <= b->rows; seq++) {
        struct content c;
        if (*count == want->max_rows)
            break;
        make_big_row(seq, &c);
        fn(arg, &c.row);
        ++*count;
    }
    return ST_OK;
}

static enum status big_last_seq(void *ctx, int64_t *seq, struct err *e)
{
    (void)e;
    *seq = ((const struct big *)ctx)->rows;
    return ST_OK;
}

static enum status big_parked(void *ctx, void (*fn)(void *arg, const struct journal_audit_parked *),
                              void *arg, struct err *e)
{
    (void)ctx;
    (void)fn;
    (void)arg;
    (void)e;
    return ST_OK;
}

static enum status big_open(void *ctx, const char *topic, int *partitions, struct err *e)
{
    (void)ctx;
    (void)topic;
    (void)e;
    *partitions = PARTITIONS;
    return ST_OK;
}

static enum status big_span(void *ctx, int partition, int64_t *low, int64_t *end, struct err *e)
{
    (void)partition;
    (void)e;
    *low = 0;
    *end = ((const struct big *)ctx)->rows;
    return ST_OK;
}

static enum status big_read(void *ctx, int partition, int64_t from, kafka_reader_fn *fn, void *arg,
                            struct err *e)
{
    const struct big *b = ctx;
    const struct record_origin origin = {JOURNAL, "org", "a", "t0"};
    (void)e;
    for (int64_t seq = from + 1; seq <= b->rows; seq++) {
        struct audit_expected made;
        struct content c;
        if (seq % BIG_KEYS % PARTITIONS != partition)
            continue;
        make_big_row(seq, &c);
        audit_record_expect(&made, &c.row.row, &origin);
        made.in.partition = partition;
        made.in.offset = seq - 1;
        if (!fn(arg, &made.in))
            break;
    }
    return ST_OK;
}

static void on_big_finding(void *ctx, const struct audit_finding *f)
{
    (void)f;
    ((struct big *)ctx)->findings++;
}

static void on_big_lane(void *ctx, const struct audit_lane *lane)
{
    ((struct big *)ctx)->complete += lane->complete;
}

static int64_t resident_peak_kib(void)
{
    char line[256];
    long long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtoll(line + 6, NULL, 10);
    fclose(f);
    return kib;
}

/* RELAY_AUDIT_ROWS and RELAY_AUDIT_BYTES make it as large as one likes. */
static void memory_stays_within_its_bound(void **state)
{
    const char *rows = getenv("RELAY_AUDIT_ROWS"), *bytes = getenv("RELAY_AUDIT_BYTES");
    struct big b = {.rows = rows ? strtoll(rows, NULL, 10) : 300000};
    struct audit_journal journal = {&b,         big_lanes,       big_rows,    fake_row,
                                    big_parked, fake_was_parked, big_last_seq};
    struct audit_feed feed = {&b, big_open, big_span, big_read, fake_find, fake_place};
    struct audit_result result;
    struct err e = {0};
    struct audit_opts opts = {.journal = &journal,
                              .feed = &feed,
                              .journal_id = JOURNAL,
                              .since.us = INT64_MIN,
                              .until.us = INT64_MAX,
                              .memory_bytes = bytes ? (size_t)strtoll(bytes, NULL, 10) : 1 << 20,
                              .on_finding = on_big_finding,
                              .on_lane = on_big_lane,
                              .ctx = &b};
    int64_t before, after;
    (void)state;
    before = resident_peak_kib();
    assert_int_equal(audit_run(&opts, &result, &e), ST_OK);
    after = resident_peak_kib();
    print_message("%" PRId64 " rows, %d passes, bound %zu KiB: resident peak %" PRId64
                  " KiB before, %" PRId64 " KiB after\n",
                  b.rows, result.passes, opts.memory_bytes >> 10, before, after);
    assert_int_equal(b.findings, 0);
    assert_int_equal(b.complete, b.rows);
    /* Each pass holds no more rows than the formula of audit.h says. */
    int64_t rows_of_pass = (int64_t)(opts.memory_bytes / 16 * 15 / 12);
    assert_int_equal(result.passes, (b.rows + rows_of_pass - 1) / rows_of_pass);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_stays_within_its_bound)};
    struct err e;
    if (ident_init(&e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
