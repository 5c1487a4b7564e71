/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal without HTTP: how many rows a second the relay's own journal takes with a given
 * number of rows a commit. One of the three rates of bench/ingest; also fills a journal for the
 * growth benchmark.
 *
 *   journal_alone --dir DIR --rows-per-commit N (--seconds S | --rows N)
 *
 * Bodies, envelopes and digests are ready before the clock starts, in the sets of SET_ROWS: in the
 * relay they are made on the HTTP threads.
 */
#include "body_set.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ident.h"
#include "base/num.h"
#include "event/envelope.h"
#include "event/route.h"
#include "journal/journal.h"

#define SET_ROWS 20000

struct options {
    const char *dir;
    uint64_t rows_per_commit;
    uint64_t seconds;
    uint64_t rows;
};

struct prepared {
    struct envelope envelope;
    struct event ev;
    struct journal_append append;
};

struct run {
    struct options o;
    struct journal *journal;
    struct routes *routes;
    int64_t source;
    struct prepared *set;
    int64_t measured_ns;
    int64_t commits;
    int64_t rows;
};

static _Noreturn void die(const char *what, const struct err *e)
{
    fprintf(stderr, "journal_alone: %s: %s\n", what, e ? e->text : "");
    exit(1);
}

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {{"dir", required_argument, NULL, 'd'},
                                          {"rows-per-commit", required_argument, NULL, 'c'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"rows", required_argument, NULL, 'r'},
                                          {NULL, 0, NULL, 0}};
    struct err e = {0};
    enum status st = ST_OK;
    int c;
    *o = (struct options){.rows_per_commit = 64};
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1 && st == ST_OK) {
        if (c == 'd')
            o->dir = optarg;
        else if (c == 'c')
            st = num_parse_u64(slice_of(optarg), 1, 8192, &o->rows_per_commit, &e);
        else if (c == 's')
            st = num_parse_u64(slice_of(optarg), 1, 3600, &o->seconds, &e);
        else if (c == 'r')
            st = num_parse_u64(slice_of(optarg), 1, 1000000000, &o->rows, &e);
        else
            exit(2);
    }
    if (st != ST_OK || !o->dir || (!o->seconds && !o->rows))
        die("usage: --dir DIR --rows-per-commit N (--seconds S | --rows N)", &e);
}

static void open_journal(struct run *r)
{
    char path[4096];
    struct journal_opts opts = {.path = path,
                                .clock = clock_system(),
                                .wal_max_bytes = 64 << 20,
                                .checkpoint_pages = 200,
                                .window_ms = 48 * 3600000,
                                .window_ids_max = 2000000};
    struct routes_opts routes = {.template_text = "gladly.{family}",
                                 .source = "gladly",
                                 .org = "gladly",
                                 .keys = &envelope_keys_default};
    struct err e;
    snprintf(path, sizeof path, "%s/relay.db", r->o.dir);
    if (journal_open(&r->journal, &opts, &e) != ST_OK ||
        journal_source(r->journal, "gladly", "gladly", &r->source, &e) != ST_OK)
        die(path, &e);
    if (routes_create(&r->routes, &routes, &e) != ST_OK)
        die("routes", &e);
}

static void prepare(struct run *r, const struct body_set *bodies)
{
    struct err e;
    for (size_t i = 0; i < SET_ROWS; i++) {
        struct prepared *p = &r->set[i];
        struct slice body;
        body.ptr = body_set_get(bodies, i, &body.len);
        envelope_init(&p->envelope);
        p->ev = (struct event){.received = clock_wall(clock_system())};
        if (envelope_read(&p->envelope, body, &envelope_keys_default, &p->ev, &e) != ST_OK)
            die("envelope", &e);
        p->ev.topic = routes_find(r->routes, p->ev.type).topic;
        p->append = (struct journal_append){
            .ev = &p->ev,
            .digest = journal_digest(r->journal, slice_of("gladly"), &p->ev),
            .source = r->source};
    }
}

static void commit_one(struct run *r, size_t from, size_t n)
{
    struct err e;
    struct journal_appended out;
    if (journal_begin(r->journal, &e) != ST_OK)
        die("begin", &e);
    for (size_t i = from; i < from + n; i++)
        if (journal_append(r->journal, &r->set[i].append, &out, &e) != ST_OK)
            die("append", &e);
    if (journal_commit(r->journal, &e) != ST_OK || journal_maintain(r->journal, &e) != ST_OK)
        die("commit", &e);
    r->commits++;
    r->rows += (int64_t)n;
}

static bool is_over(const struct run *r)
{
    if (r->o.seconds && r->measured_ns >= (int64_t)r->o.seconds * 1000000000)
        return true;
    return r->o.rows && r->rows >= (int64_t)r->o.rows;
}

/* One set of fresh bodies through the journal, timed. */
static void run_set(struct run *r, uint64_t seed)
{
    struct body_set *bodies = body_set_create(SET_ROWS, seed);
    struct mono began;
    prepare(r, bodies);
    began = clock_mono(clock_system());
    for (size_t at = 0; at < SET_ROWS && !is_over(r); at += r->o.rows_per_commit) {
        size_t left = SET_ROWS - at;
        commit_one(r, at, left < r->o.rows_per_commit ? left : r->o.rows_per_commit);
    }
    r->measured_ns += mono_diff_ns(clock_mono(clock_system()), began);
    for (size_t i = 0; i < SET_ROWS; i++)
        envelope_fini(&r->set[i].envelope);
    body_set_destroy(bodies);
}

int main(int argc, char **argv)
{
    struct run r = {0};
    struct err e;
    read_options(&r.o, argc, argv);
    r.set = calloc(SET_ROWS, sizeof *r.set);
    if (!r.set || ident_init(&e) != ST_OK)
        die("start", NULL);
    open_journal(&r);
    for (uint64_t seed = 1; !is_over(&r); seed++)
        run_set(&r, seed);
    printf("{\"rows\":%" PRId64 ",\"commits\":%" PRId64
           ",\"rows_per_second\":%.1f,\"commit_mean_us\":%.1f}\n",
           r.rows, r.commits, (double)r.rows * 1e9 / (double)r.measured_ns,
           (double)r.measured_ns / 1e3 / (double)r.commits);
    journal_close(r.journal);
    routes_destroy(r.routes);
    free(r.set);
    return 0;
}
