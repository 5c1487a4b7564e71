/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Writes down when each record of some topics reaches a read_committed consumer: one line
 * "<ce_id> <unix microseconds>" for each, from the topics' ends at the start on. Prints "ready"
 * when it reads; ends at SIGTERM, or when nothing came for --idle seconds.
 *
 *   arrival_log --topics A,B --out FILE --idle SECONDS --set bootstrap.servers=HOST:PORT
 */

#include "fail.h"
#include "instant.h"
#include "topic_set.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define POLL_MS 100

struct options {
    const char *topics;
    const char *out;
    long idle_s;
    struct topic_set_settings settings;
};

static volatile sig_atomic_t is_ended;

static void on_signal(int number)
{
    (void)number;
    is_ended = 1;
}

static bool read_options(struct options *o, int argc, char *const *argv, struct fail *f)
{
    static const struct option names[] = {{"topics", required_argument, NULL, 't'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"idle", required_argument, NULL, 'i'},
                                          {"set", required_argument, NULL, 's'},
                                          {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 't')
            o->topics = optarg;
        else if (c == 'o')
            o->out = optarg;
        else if (c == 'i')
            o->idle_s = strtol(optarg, NULL, 10);
        else if (c == 's' && o->settings.count < TOPIC_SET_SETTINGS_MAX / 2)
            o->settings.text[o->settings.count++] = optarg;
        else
            return fail_set(f, "wrong usage; see the head of arrival_log.c");
    }
    if (o->topics == NULL || o->out == NULL || o->idle_s < 1)
        return fail_set(f, "--topics, --out and --idle are required");
    return true;
}

static void write_line(FILE *out, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    struct wall now = instant_wall();
    if (rd_kafka_message_headers(m, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, "ce_id", &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    fprintf(out, "%.*s %" PRId64 "\n", (int)size, (const char *)value, now.us);
}

static bool run(const struct options *o, struct fail *f)
{
    struct topic_set *s = topic_set_open(o->topics, true, &o->settings, f);
    if (s == NULL)
        return false;
    FILE *out = fopen(o->out, "w");
    if (out == NULL) {
        topic_set_close(s);
        return fail_set(f, "%s cannot be written", o->out);
    }
    struct mono last = instant_mono();
    puts("ready");
    fflush(stdout);
    while (!is_ended && !instant_reached(instant_mono(), instant_add_ms(last, o->idle_s * 1000))) {
        rd_kafka_message_t *m = topic_set_next(s, POLL_MS);
        if (m == NULL) {
            fflush(out);
            continue;
        }
        write_line(out, m);
        rd_kafka_message_destroy(m);
        last = instant_mono();
    }
    topic_set_close(s);
    return fclose(out) == 0 || fail_set(f, "%s cannot be written", o->out);
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct fail f = {""};
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    if (read_options(&o, argc, argv, &f) && run(&o, &f))
        return 0;
    fprintf(stderr, "arrival_log: %s\n", f.text);
    return 1;
}
