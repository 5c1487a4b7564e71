/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <inttypes.h>

static const struct {
    const char *text;
    const char *json;
    uint32_t ppm;
} percentiles[] = {
    {"p50", "p50", 500000},
    {"p90", "p90", 900000},
    {"p99", "p99", 990000},
    {"p99.9", "p99_9", 999000},
};
#define PERCENTILE_COUNT (sizeof percentiles / sizeof percentiles[0])

static void text_counts(FILE *out, const struct tally *t)
{
    fprintf(out,
            "requests  sent %" PRIu64 ", answered 2xx %" PRIu64 ", refused %" PRIu64
            ", unanswered %" PRIu64 ", sent again %" PRIu64 "\n",
            t->sent, t->answered_2xx, t->refused, t->unanswered, t->resent);
    fprintf(out, "answers  ");
    for (int i = 0; i < TALLY_STATUS_END; i++)
        if (t->status[i] > 0)
            fprintf(out, " %d: %" PRIu64, i, t->status[i]);
    fprintf(out,
            "\nfailures  connect %" PRIu64 ", broken %" PRIu64 " (timed out %" PRIu64
            "), bad answers %" PRIu64 "%s%s, closed while idle %" PRIu64 "\n",
            t->connect_failed, t->broken, t->timed_out, t->bad_answers,
            t->bad_why == NULL ? "" : ": ", t->bad_why == NULL ? "" : t->bad_why, t->idle_closed);
    if (t->unsent > 0)
        fprintf(out,
                "WARNING   %" PRIu64 " requests were due but never sent: the latencies leave "
                "them out and are too low\n",
                t->unsent);
}

bool report_text(FILE *out, const struct options *o, const struct tally *t)
{
    const struct histogram *h = t->latency;
    fprintf(out, "target    %s %s\n", o->method, o->url);
    if (o->rate > 0)
        fprintf(out, "load      open loop, %" PRIu32 "/s", o->rate);
    else
        fprintf(out, "load      closed loop");
    fprintf(out, ", %" PRIu32 " connections, mix %s, %" PRIu32 " keys%s, seed %" PRIu64 "\n",
            o->connections, o->mix, o->keys, o->key_per_connection ? " (per connection)" : "",
            o->seed);
    text_counts(out, t);
    fprintf(out, "rate      %.1f answered 2xx per second over %.3f s\n", tally_rate(t),
            tally_elapsed_s(t));
    fprintf(out, "latency   us, %s: min %" PRId64 ", mean %.1f",
            o->rate > 0 ? "from the intended time" : "from the sending", histogram_min_us(h),
            histogram_mean_us(h));
    for (size_t i = 0; i < PERCENTILE_COUNT; i++)
        fprintf(out, ", %s %" PRId64, percentiles[i].text,
                histogram_percentile_us(h, percentiles[i].ppm));
    fprintf(out, ", max %" PRId64 "\n", histogram_max_us(h));
    return fflush(out) == 0 && ferror(out) == 0;
}

static void json_config(FILE *out, const struct options *o)
{
    /* The URL and the mix were refused if they had a character to escape. */
    fprintf(out,
            "{\"config\":{\"url\":\"%s\",\"method\":\"%s\",\"loop\":\"%s\",\"rate\":%" PRIu32
            ",\"connections\":%" PRIu32 ",\"duration_ms\":%" PRId64 ",\"requests\":%" PRIu64
            ",\"mix\":\"%s\",\"keys\":%" PRIu32 ",\"key_per_connection\":%s,\"seed\":%" PRIu64,
            o->url, o->method, o->rate > 0 ? "open" : "closed", o->rate, o->connections,
            o->duration_ms, o->requests, o->mix, o->keys, o->key_per_connection ? "true" : "false",
            o->seed);
    fprintf(out,
            ",\"reconnect\":%s,\"retry_unanswered\":%s,\"retry_ms\":%" PRId64
            ",\"timeout_ms\":%" PRId64 ",\"drain_ms\":%" PRId64 "}",
            o->reconnect ? "true" : "false", o->retry_unanswered ? "true" : "false", o->retry_ms,
            o->timeout_ms, o->drain_ms);
}

static void json_counts(FILE *out, const struct tally *t)
{
    const char *comma = "";
    fprintf(out,
            ",\"sent\":%" PRIu64 ",\"answered_2xx\":%" PRIu64 ",\"other_answers\":%" PRIu64
            ",\"refused\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"resent\":%" PRIu64
            ",\"unsent\":%" PRIu64,
            t->sent, t->answered_2xx, t->other, t->refused, t->unanswered, t->resent, t->unsent);
    fprintf(out,
            ",\"failures\":{\"connect\":%" PRIu64 ",\"broken\":%" PRIu64 ",\"timed_out\":%" PRIu64
            ",\"bad_answers\":%" PRIu64 ",\"closed_idle\":%" PRIu64 "},\"status\":{",
            t->connect_failed, t->broken, t->timed_out, t->bad_answers, t->idle_closed);
    for (int i = 0; i < TALLY_STATUS_END; i++) {
        if (t->status[i] == 0)
            continue;
        fprintf(out, "%s\"%d\":%" PRIu64, comma, i, t->status[i]);
        comma = ",";
    }
    fprintf(out, "}");
}

static void json_latency(FILE *out, const struct histogram *h)
{
    fprintf(out, ",\"latency_us\":{\"count\":%" PRIu64 ",\"min\":%" PRId64 ",\"mean\":%.1f",
            histogram_count(h), histogram_min_us(h), histogram_mean_us(h));
    for (size_t i = 0; i < PERCENTILE_COUNT; i++)
        fprintf(out, ",\"%s\":%" PRId64, percentiles[i].json,
                histogram_percentile_us(h, percentiles[i].ppm));
    fprintf(out, ",\"max\":%" PRId64 "}", histogram_max_us(h));
}

static void json_series(FILE *out, const struct tally *t)
{
    fprintf(out, ",\"per_second\":{\"answered_2xx\":[");
    for (size_t i = 0; i < t->second_used; i++)
        fprintf(out, "%s%" PRIu32, i == 0 ? "" : ",", t->second[i].answered_2xx);
    fprintf(out, "],\"other\":[");
    for (size_t i = 0; i < t->second_used; i++)
        fprintf(out, "%s%" PRIu32, i == 0 ? "" : ",", t->second[i].other);
    fprintf(out, "]}");
}

bool report_json(FILE *out, const struct options *o, const struct tally *t)
{
    json_config(out, o);
    json_counts(out, t);
    fprintf(out, ",\"elapsed_s\":%.6f,\"rate_per_s\":%.1f", tally_elapsed_s(t), tally_rate(t));
    json_latency(out, t->latency);
    json_series(out, t);
    fprintf(out, "}\n");
    return fflush(out) == 0 && ferror(out) == 0;
}
