/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The load generator: Gladly-shaped webhook events over keep-alive HTTP/1.1, one thread, closed or
 * open loop. What it sends, how it counts and what its figures mean stands in README.md beside this
 * file.
 */

#include "bodies.h"
#include "engine.h"
#include "fail.h"
#include "ledger.h"
#include "options.h"
#include "report.h"
#include "tally.h"
#include "target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define EXIT_USAGE 2
/* Standard streams, epoll, signalfd, ledger, status file and some room. */
#define OTHER_DESCRIPTORS 32

static bool allow_descriptors(uint32_t connections, struct fail *f)
{
    struct rlimit limit;
    rlim_t need = (rlim_t)connections + OTHER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fail_set_errno(f, errno, "cannot read the limit of open files");
    if (limit.rlim_cur >= need)
        return true;
    if (limit.rlim_max < need)
        return fail_set(f, "%u connections are more than the hard limit of open files allows",
                        connections);
    limit.rlim_cur = need;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return fail_set_errno(f, errno, "cannot raise the limit of open files");
    return true;
}

static bool is_good(const struct options *o, const struct tally *t)
{
    bool is_whole = t->connect_failed == 0 && t->broken == 0 && t->unanswered == 0;
    return (o->reconnect || is_whole) && t->bad_answers == 0 && t->answered_2xx > 0;
}

static int complain(const struct fail *f)
{
    fprintf(stderr, "loadgen: %s\n", f->text);
    return EXIT_FAILURE;
}

/* Makes the parts, in parts->..., that the command line can still be wrong about. */
static bool make_parts(struct engine_parts *parts, struct target **target, struct fail *f)
{
    const struct options *o = parts->options;
    const struct target_options to = {o->url, o->method, o->headers, o->header_count};
    *target = target_create(&to, f);
    parts->target = *target;
    parts->bodies = *target == NULL ? NULL : bodies_create(o->mix, o->keys, o->seed, f);
    return parts->bodies != NULL;
}

static int run(const struct engine_parts *parts)
{
    struct fail f = {""};
    const struct options *o = parts->options;
    int code = EXIT_FAILURE;
    struct engine *e = engine_create(parts, &f);
    if (e == NULL)
        return complain(&f);
    bool ok = engine_run(e, &f);
    if (!ok)
        complain(&f);
    bool is_told =
        o->json ? report_json(stdout, o, parts->tally) : report_text(stdout, o, parts->tally);
    if (ok && is_told && is_good(o, parts->tally))
        code = EXIT_SUCCESS;
    engine_destroy(e);
    return code;
}

int main(int argc, char **argv)
{
    struct options o;
    struct fail f = {""};
    struct target *target = NULL;
    struct engine_parts parts = {.options = &o};
    int code = EXIT_USAGE;
    if (!options_read(&o, argc, argv, &f)) {
        complain(&f);
        return EXIT_USAGE;
    }
    if (o.help)
        return fputs(options_help(), stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    if (!make_parts(&parts, &target, &f)) {
        complain(&f);
        goto out_parts;
    }
    code = EXIT_FAILURE;
    /* The default slack of 50 us would delay every wake-up of the open loop's schedule by so much.
     */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    parts.tally = tally_create(o.duration_ms + o.drain_ms, &f);
    if (parts.tally == NULL || !allow_descriptors(o.connections, &f)) {
        complain(&f);
        goto out_tally;
    }
    if (o.ledger_path != NULL && (parts.ledger = ledger_open(o.ledger_path, &f)) == NULL) {
        complain(&f);
        goto out_tally;
    }
    code = run(&parts);
    ledger_close(parts.ledger);
out_tally:
    tally_destroy(parts.tally);
out_parts:
    bodies_destroy(parts.bodies);
    target_destroy(target);
    return code;
}
