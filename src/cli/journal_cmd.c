/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "journal/copy.h"
#include "journal/journal_reader.h"
#include "journal/verify.h"

static enum cli_exit failed(const struct err *e)
{
    fprintf(stderr, "gladly-relay journal: %s\n", e->text);
    return CLI_FAILED;
}

/* ---- verify ---- */

static void on_finding(void *ctx, enum verify_finding finding, int64_t seq, const char *detail)
{
    (void)ctx;
    printf("%s seq=%" PRId64 " %s\n", verify_finding_name(finding), seq, detail);
}

static void on_progress(void *ctx, int64_t rows, int64_t of_rows)
{
    (void)ctx;
    fprintf(stderr, "\r%" PRId64 " of %" PRId64 " events", rows, of_rows);
}

static enum cli_exit verify(const char *path)
{
    const struct verify_opts opts = {.path = path,
                                     .on_finding = on_finding,
                                     .on_progress = isatty(STDERR_FILENO) ? on_progress : NULL};
    struct verify_result result;
    struct err e;
    if (verify_run(&opts, &result, &e) != ST_OK)
        return failed(&e);
    if (opts.on_progress)
        fputs("\r", stderr);
    printf("%" PRId64 " events checked, %" PRId64 " findings\n", result.rows, result.findings);
    return result.findings ? CLI_FAILED : CLI_OK;
}

/* ---- stats ---- */

static void on_lane(void *arg, const struct journal_lane *lane)
{
    (void)arg;
    printf("lane %" PRId64 " source=%s topic=%s cursor=%" PRId64 "\n", lane->id, lane->source_name,
           lane->topic, lane->cursor);
}

enum cli_exit cli_journal_stats(const char *path)
{
    struct journal_reader *r = NULL;
    struct journal_counts counts;
    char id[64];
    struct err e;
    enum status st = journal_reader_open(&r, path, NULL, &e);
    if (st == ST_OK)
        st = journal_read_meta(r, "journal_id", id, sizeof id, &e);
    if (st == ST_OK)
        st = journal_count(r, &counts, &e);
    if (st == ST_OK) {
        printf("journal %s\nevents %" PRId64 "\nfirst_seq %" PRId64 "\nlast_seq %" PRId64
               "\nunpublished %" PRId64 "\nparked %" PRId64 "\nquarantined %" PRId64 "\n",
               id, counts.events, counts.first_seq, counts.last_seq, counts.unpublished,
               counts.parked, counts.quarantined);
        st = journal_reader_lanes(r, 0, on_lane, NULL, &e);
    }
    journal_reader_close(r);
    return st == ST_OK ? CLI_OK : failed(&e);
}

/* ---- backup, compact ---- */

static void on_copied(void *ctx, uint64_t bytes, uint64_t of_bytes)
{
    (void)ctx;
    fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " MiB", bytes >> 20, of_bytes >> 20);
}

/* NULL unless a person looks. */
static const struct copy_progress *progress(void)
{
    static const struct copy_progress shown = {.on_progress = on_copied};
    return isatty(STDERR_FILENO) ? &shown : NULL;
}

static void end_progress(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r", stderr);
}

static enum cli_exit backup(const char *path, const char *target)
{
    struct err e;
    if (copy_backup(path, target, progress(), &e) != ST_OK)
        return failed(&e);
    end_progress();
    printf("%s: written and synced\n", target);
    return CLI_OK;
}

static enum cli_exit compact(const char *path)
{
    struct copy_compacted done;
    struct err e;
    if (copy_compact(path, progress(), &done, &e) != ST_OK)
        return failed(&e);
    end_progress();
    printf("%" PRIu64 " bytes before, %" PRIu64 " after\n", done.before_bytes, done.after_bytes);
    return CLI_OK;
}

static enum cli_exit run(const struct cli_args *args, const struct conf *conf)
{
    const char *path = conf->journal.path;
    const char *what = args->count ? args->values[0] : "";
    if (strcmp(what, "verify") == 0 && args->count == 1)
        return verify(path);
    if (strcmp(what, "stats") == 0 && args->count == 1)
        return cli_journal_stats(path);
    if (strcmp(what, "backup") == 0 && args->count == 2)
        return backup(path, args->values[1]);
    if (strcmp(what, "compact") == 0 && args->count == 1)
        return compact(path);
    if (strcmp(what, "rebind") == 0 && args->count == 1)
        return cli_journal_bind(args, conf, false);
    if (strcmp(what, "renew") == 0 && args->count == 1)
        return cli_journal_bind(args, conf, true);
    fputs(
        "usage: gladly-relay journal verify | stats | backup FILE | compact | rebind --why TEXT | "
        "renew --why TEXT -c FILE\n",
        stderr);
    return CLI_USAGE;
}

enum cli_exit cli_journal(const struct cli_args *args)
{
    struct conf *conf = cli_load_conf(args);
    enum cli_exit code;
    if (!conf)
        return CLI_FAILED;
    code = run(args, conf);
    conf_destroy(conf);
    return code;
}
