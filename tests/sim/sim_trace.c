/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_trace.h"

#include <stdarg.h>
#include <stdlib.h>

#define LINE_MAX_BYTES 200

struct sim_trace {
    bool verbose;
    uint64_t hash;
    uint64_t count;
    char lines[SIM_TRACE_LINES][LINE_MAX_BYTES];
    const char *promise;
    char failure[400];
};

struct sim_trace *sim_trace_create(bool verbose)
{
    struct sim_trace *t = calloc(1, sizeof *t);
    CHECK(t);
    t->verbose = verbose;
    return t;
}

void sim_trace_destroy(struct sim_trace *t)
{
    free(t);
}

void sim_trace_begin(struct sim_trace *t)
{
    t->hash = UINT64_C(0xcbf29ce484222325);
    t->count = 0;
    t->promise = NULL;
    t->failure[0] = 0;
}

/* FNV-1a. */
static void mix(struct sim_trace *t, const char *line)
{
    for (const char *c = line; *c; c++)
        t->hash = (t->hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
}

void sim_trace_note(struct sim_trace *t, const char *fmt, ...)
{
    char *line = t->lines[t->count++ % SIM_TRACE_LINES];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, LINE_MAX_BYTES, fmt, ap);
    va_end(ap);
    mix(t, line);
    if (t->verbose)
        printf("%6llu  %s\n", (unsigned long long)t->count, line);
}

void sim_trace_fail(struct sim_trace *t, const char *promise, const char *fmt, ...)
{
    va_list ap;
    if (t->promise)
        return;
    t->promise = promise;
    va_start(ap, fmt);
    vsnprintf(t->failure, sizeof t->failure, fmt, ap);
    va_end(ap);
    sim_trace_note(t, "BROKEN %s: %s", promise, t->failure);
}

const char *sim_trace_promise(const struct sim_trace *t)
{
    return t->promise;
}

uint64_t sim_trace_hash(const struct sim_trace *t)
{
    return t->hash;
}

void sim_trace_print(const struct sim_trace *t, FILE *out)
{
    uint64_t from = t->count > SIM_TRACE_LINES ? t->count - SIM_TRACE_LINES : 0;
    for (uint64_t i = from; i < t->count && !t->verbose; i++)
        fprintf(out, "%6llu  %s\n", (unsigned long long)(i + 1), t->lines[i % SIM_TRACE_LINES]);
    if (t->promise)
        fprintf(out, "broken: %s: %s\n", t->promise, t->failure);
}
