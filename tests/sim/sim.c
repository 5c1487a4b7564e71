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
#include <sys/wait.h>
#include <unistd.h>

#include "base/ident.h"
#include "base/log.h"
#include "base/num.h"
#include "sim/sim_memory.h"
#include "sim/sim_random.h"
#include "sim/sim_schedule.h"

/* Processes at once: no machine that runs this has more to give. */
#define JOBS_MAX 64

struct options {
    uint64_t seeds;
    uint64_t first;
    uint64_t steps;
    uint64_t jobs;
    enum sim_plant plant;
    enum sim_delivery delivery;
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
    fprintf(out,
            "again: sim --first %llu --seeds 1 --steps %llu --plant %s --delivery %s --verbose\n",
            (unsigned long long)now.seed, (unsigned long long)o->steps,
            sim_plant_info(o->plant)->name, sim_schedule_delivery[o->delivery]);
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

static bool parse_delivery(const char *text, enum sim_delivery *out)
{
    int i = 0;
    while (i < SIM_DELIVERIES && strcmp(text, sim_schedule_delivery[i]) != 0)
        i++;
    *out = (enum sim_delivery)i;
    return i < SIM_DELIVERIES;
}

static bool parse_option(int c, const char *text, struct options *o)
{
    switch (c) {
    case 'n':
        return parse_number(text, &o->seeds);
    case 'f':
        return parse_number(text, &o->first);
    case 'k':
        return parse_number(text, &o->steps);
    case 'j':
        return parse_number(text, &o->jobs) && o->jobs >= 1 && o->jobs <= JOBS_MAX;
    case 'p':
        o->plant = sim_plant_find(text);
        return o->plant != SIM_PLANT_COUNT;
    case 'd':
        return parse_delivery(text, &o->delivery);
    case 'v':
        o->verbose = true;
        return true;
    case 't':
        o->twice = true;
        return true;
    default:
        return false;
    }
}

static bool parse_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"first", required_argument, NULL, 'f'},
        {"steps", required_argument, NULL, 'k'},
        {"jobs", required_argument, NULL, 'j'},
        {"plant", required_argument, NULL, 'p'},
        {"delivery", required_argument, NULL, 'd'},
        {"verbose", no_argument, NULL, 'v'},
        {"twice", no_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    int c;
    bool good = true;
    while (good && (c = getopt_long(argc, argv, "", names, NULL)) != -1)
        good = parse_option(c, optarg, o);
    if (!good || optind != argc)
        fprintf(stderr, "usage: sim [--seeds N] [--first S] [--steps K] [--jobs J] [--plant BUG] "
                        "[--delivery any|at_least_once|exactly_once|changing] [--twice] "
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
    sim_memory_install();
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
        const struct sim_run run = {o->first + i, (unsigned)o->steps, o->plant, o->delivery};
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

static int run_share(const struct options *o)
{
    struct sim_trace *trace;
    struct sim_schedule *schedule;
    int code;
    set_up();
    trace = sim_trace_create(o->verbose);
    schedule = sim_schedule_create(trace);
    code = run_all(o, schedule, trace);
    sim_schedule_destroy(schedule);
    sim_trace_destroy(trace);
    return code;
}

/* The share of one of the jobs: seeds in a row. */
static struct options share_of(const struct options *o, uint64_t job)
{
    struct options share = *o;
    uint64_t begin = o->seeds * job / o->jobs, end = o->seeds * (job + 1) / o->jobs;
    share.first = o->first + begin;
    share.seeds = end - begin;
    return share;
}

/* One finding is enough: the others are ended then. */
static int run_jobs(const struct options *o)
{
    pid_t jobs[JOBS_MAX];
    int code = 0, status;
    for (uint64_t i = 0; i < o->jobs; i++) {
        const struct options share = share_of(o, i);
        jobs[i] = fork();
        CHECK(jobs[i] >= 0);
        if (jobs[i] == 0)
            exit(run_share(&share));
    }
    for (uint64_t left = o->jobs; left > 0; left--) {
        pid_t ended = wait(&status);
        CHECK(ended > 0);
        for (uint64_t i = 0; i < o->jobs; i++)
            if (jobs[i] == ended)
                jobs[i] = 0;
        if (code || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
            continue;
        code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        for (uint64_t i = 0; i < o->jobs; i++)
            if (jobs[i])
                kill(jobs[i], SIGTERM);
    }
    return code;
}

int main(int argc, char **argv)
{
    struct options o = {.seeds = 1000, .first = 1, .steps = 150, .jobs = 1};
    if (!parse_options(argc, argv, &o))
        return 2;
    return o.jobs > 1 ? run_jobs(&o) : run_share(&o);
}
