/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation: many thousand schedules of one relay with its disk, its clock and its Kafka, each
 * a function of its seed. Stops at the first broken promise and says how to see it again.
 */

#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ident.h"
#include "base/log.h"
#include "base/num.h"
#include "sim/sim_random.h"
#include "sim/sim_schedule.h"

struct options {
    uint64_t seeds;
    uint64_t first;
    uint64_t steps;
    enum sim_plant plant;
    bool verbose;
    bool twice;
};

/* What the handler of SIGABRT tells of: a CHECK in the relay is a finding like any other. */
static struct {
    const struct options *options;
    const struct sim_trace *trace;
    uint64_t seed;
} now;

static void print_again(FILE *out)
{
    const struct options *o = now.options;
    fprintf(out, "again: sim --first %llu --seeds 1 --steps %llu --plant %s --verbose\n",
            (unsigned long long)now.seed, (unsigned long long)o->steps,
            sim_plant_info(o->plant)->name);
}

static void on_abort(int number)
{
    (void)number;
    sim_trace_print(now.trace, stderr);
    fprintf(stderr, "seed %llu: aborted\n", (unsigned long long)now.seed);
    print_again(stderr);
    _exit(1);
}

static bool parse_number(const char *text, uint64_t *out)
{
    struct err e;
    if (num_parse_u64(slice_of(text), 0, UINT64_MAX, out, &e) == ST_OK)
        return true;
    fprintf(stderr, "sim: %s: %s\n", text, e.text);
    return false;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"steps", required_argument, NULL, 'k'},
        {"plant", required_argument, NULL, 'p'},
        {"verbose", no_argument, NULL, 'v'},
        {"twice", no_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    int c;
    bool good = true;
    while (good && (c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'n')
            good = parse_number(optarg, &o->seeds);
        else if (c == 'f')
            good = parse_number(optarg, &o->first);
        else if (c == 'k')
            good = parse_number(optarg, &o->steps);
        else if (c == 'p')
            good = (o->plant = sim_plant_find(optarg)) != SIM_PLANT_COUNT;
        else if (c == 'v')
            o->verbose = true;
        else if (c == 't')
            o->twice = true;
        else
            good = false;
    }
    if (!good || optind != argc)
        fprintf(stderr, "usage: sim [--seeds N] [--first S] [--steps K] [--plant BUG] [--twice] "
                        "[--verbose]\n");
    return good && optind == argc;
}

static void set_up(void)
{
    struct err e;
    const struct sigaction action = {.sa_handler = on_abort, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGABRT, &action, NULL);
    log_set_level(LOG_ERROR);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    /* One thread: no locks; nobody reads the statistics. */
    CHECK(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
    CHECK(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
    /* A life opens three connections: their small allocations must not be what takes the time. */
    CHECK(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 512, 400) == SQLITE_OK);
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    sim_random_install();
    CHECK(ident_init(&e) == ST_OK);
}

/* A planted bug is found when a promise breaks that it can break. */
static bool is_found(const struct options *o, const char *promise)
{
    const char *want = sim_plant_info(o->plant)->promises;
    size_t len = strlen(promise);
    for (const char *at = want; (at = strstr(at, promise)); at += len)
        if ((at == want || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
            return true;
    return false;
}

static int conclude(const struct options *o, const struct sim_trace *trace)
{
    const char *promise = sim_trace_promise(trace);
    bool found = o->plant != SIM_PLANT_NONE && is_found(o, promise);
    if (found && !o->verbose) {
        printf("planted bug %s: found as %s by seed %llu, schedule %llu\n",
               sim_plant_info(o->plant)->name, promise, (unsigned long long)now.seed,
               (unsigned long long)(now.seed - o->first + 1));
        return 0;
    }
    sim_trace_print(trace, stdout);
    printf("seed %llu: promise %s is broken\n", (unsigned long long)now.seed, promise);
    print_again(stdout);
    return found ? 0 : 1;
}

static int run_all(const struct options *o, struct sim_schedule *schedule, struct sim_trace *trace)
{
    uint64_t hash = 0;
    now.options = o;
    now.trace = trace;
    for (uint64_t i = 0; i < o->seeds; i++) {
        const struct sim_run run = {o->first + i, (unsigned)o->steps, o->plant};
        uint64_t first_hash;
        now.seed = run.seed;
        if (!sim_schedule_run(schedule, &run))
            return conclude(o, trace);
        first_hash = sim_trace_hash(trace);
        hash = hash * 31 + first_hash;
        if (!o->twice)
            continue;
        if (!sim_schedule_run(schedule, &run) || sim_trace_hash(trace) != first_hash) {
            printf("seed %llu: two runs of it differ\n", (unsigned long long)run.seed);
            return 1;
        }
    }
    printf("%llu schedules, every promise held; trace hash %016llx\n", (unsigned long long)o->seeds,
           (unsigned long long)hash);
    if (o->plant == SIM_PLANT_NONE)
        return 0;
    printf("planted bug %s was not found\n", sim_plant_info(o->plant)->name);
    return 1;
}

int main(int argc, char **argv)
{
    struct options o = {.seeds = 1000, .first = 1, .steps = 150};
    struct sim_trace *trace;
    struct sim_schedule *schedule;
    int code;
    if (!parse_options(argc, argv, &o))
        return 2;
    set_up();
    trace = sim_trace_create(o.verbose);
    schedule = sim_schedule_create(trace);
    code = run_all(&o, schedule, trace);
    sim_schedule_destroy(schedule);
    sim_trace_destroy(trace);
    return code;
}
