/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/log.h"
#include "relay/trend.h"

/* How often the disk is looked at; a look is two system calls and three pragmas. */
#define LOOK_MS 1000
/* The room's trend is taken over twelve of these: long enough that the write-ahead log's going up
 * and down does not show. */
#define TREND_STEP_MS 30000
/* How often a round of retention begins when nothing presses. */
#define ROUND_MS 10000
/* Rows of one slice: a few milliseconds of the committer, far above the rows of one commit, so
 * deleting keeps up with intake. */
#define SLICE_ROWS 1000

enum room { ROOM_PLENTY, ROOM_TIGHT, ROOM_FULL };
static const char *const room_names[] = {"plenty", "tight", "full"};

struct keeper {
    struct keeper_opts opts;
    _Atomic int64_t retention_ms;
    _Atomic uint64_t retention_bytes;
    enum room room;
    struct mono look_due;
    struct mono round_due;
    bool pruning; /* a round is under way */
    int64_t round_deleted;
    bool ballast_there;
    uint64_t excess_bytes; /* over retention_bytes */
    struct lock *lock;     /* protects the next three */
    struct trend room_trend;
    int64_t room_bytes;
    bool has_looked;
    struct metric *free_bytes;
    struct metric *file_bytes;
    struct metric *reusable_bytes;
    struct metric *room_state;
    struct metric *pruned;
};

/* ---- disk ---- */

static bool system_free_space(const char *directory, uint64_t *bytes)
{
    struct statvfs fs;
    if (statvfs(directory, &fs) < 0)
        return false;
    *bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    return true;
}

static bool free_space(const struct keeper *k, uint64_t *bytes)
{
    if (k->opts.free_space)
        return k->opts.free_space(k->opts.ctx, bytes);
    return system_free_space(k->opts.directory, bytes);
}

/* Real blocks, not a hole: posix_fallocate. What cannot be had whole is given back. */
static void make_ballast(struct keeper *k)
{
    int fd, rc;
    if (!k->opts.ballast_path || !k->opts.ballast_bytes || k->ballast_there)
        return;
    fd = open(k->opts.ballast_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    rc = posix_fallocate(fd, 0, (off_t)k->opts.ballast_bytes);
    close(fd);
    if (rc == 0)
        k->ballast_there = true;
    else
        unlink(k->opts.ballast_path);
}

static void drop_ballast(struct keeper *k)
{
    if (!k->ballast_there)
        return;
    unlink(k->opts.ballast_path);
    k->ballast_there = false;
    log_warn("keeper.ballast_released", LOG_I("bytes", k->opts.ballast_bytes));
}

static void enter(struct keeper *k, enum room room, uint64_t room_bytes)
{
    if (room == k->room)
        return;
    if (room == ROOM_FULL)
        log_error("keeper.disk_full", LOG_I("room_bytes", room_bytes),
                  LOG_I("floor_bytes", k->opts.floor_bytes),
                  LOG_S("effect", "deliveries are answered 503 until there is room"));
    else if (room == ROOM_TIGHT)
        log_warn("keeper.disk_tight", LOG_I("room_bytes", room_bytes),
                 LOG_I("floor_bytes", k->opts.floor_bytes),
                 LOG_S("effect", "published events are deleted before their retention is over"));
    else
        log_info("keeper.disk_ok", LOG_I("room_bytes", room_bytes),
                 LOG_S("before", room_names[k->room]));
    k->room = room;
}

/*
 * Room below the floor is tight; it is full when a whole round of early deleting did not help.
 * Coming back takes an eighth more than the floor, so that the state does not flutter.
 */
static void judge_room(struct keeper *k, uint64_t disk_free, const struct journal_space *space)
{
    uint64_t room = disk_free + space->free_bytes;
    uint64_t back = k->opts.floor_bytes + k->opts.floor_bytes / 8;
    bool prunable = k->room == ROOM_TIGHT && (k->pruning || k->round_deleted > 0);
    if (!k->opts.floor_bytes)
        return;
    if (room >= back || (k->room == ROOM_PLENTY && room >= k->opts.floor_bytes)) {
        enter(k, ROOM_PLENTY, room);
        if (disk_free >= back + k->opts.ballast_bytes)
            make_ballast(k);
    } else if (k->room == ROOM_PLENTY) {
        enter(k, ROOM_TIGHT, room);
        drop_ballast(k);
        k->round_due = (struct mono){0};
    } else if (room < k->opts.floor_bytes && !prunable) {
        enter(k, ROOM_FULL, room);
    }
}

/* With the ballast, or making it and giving it back would look like a trend. */
static void note_room(struct keeper *k, uint64_t room)
{
    uint64_t all = room + (k->ballast_there ? k->opts.ballast_bytes : 0);
    lock_take(k->lock);
    trend_note(&k->room_trend, clock_mono(k->opts.clock), (int64_t)all);
    k->room_bytes = (int64_t)room;
    k->has_looked = true;
    lock_give(k->lock);
}

void keeper_find_outlook(struct keeper *k, struct keeper_outlook *out)
{
    struct trend_rate rate = {0};
    int64_t left;
    lock_take(k->lock);
    *out = (struct keeper_outlook){.is_known = k->has_looked,
                                   .room_bytes = k->room_bytes,
                                   .floor_bytes = (int64_t)k->opts.floor_bytes,
                                   .floor_in_s = -1};
    out->has_rate = trend_find(&k->room_trend, clock_mono(k->opts.clock), &rate);
    lock_give(k->lock);
    left = out->room_bytes - out->floor_bytes;
    /* Zero is written without a sign. */
    out->shrinks_bytes_per_s = rate.per_second < 0 || rate.per_second > 0 ? -rate.per_second : 0;
    if (out->floor_bytes && left <= 0)
        out->floor_in_s = 0;
    else if (out->floor_bytes && out->shrinks_bytes_per_s >= 1)
        out->floor_in_s = (int64_t)((double)left / out->shrinks_bytes_per_s);
}

static enum status look(struct keeper *k, struct journal *j, struct committer *c, struct err *e)
{
    struct journal_space space;
    uint64_t disk_free = 0, used;
    enum status st = journal_space(j, &space, e);
    if (st != ST_OK)
        return st;
    if (free_space(k, &disk_free)) {
        /* Before judging, which may make the ballast or give it back. */
        note_room(k, disk_free + space.free_bytes);
        judge_room(k, disk_free, &space);
    }
    used = space.file_bytes - space.free_bytes;
    k->excess_bytes =
        k->retention_bytes && used > k->retention_bytes ? used - k->retention_bytes : 0;
    committer_set_room(c, k->room != ROOM_FULL);
    metric_set(k->free_bytes, (int64_t)disk_free);
    metric_set(k->file_bytes, (int64_t)space.file_bytes);
    metric_set(k->reusable_bytes, (int64_t)space.free_bytes);
    metric_set(k->room_state, k->room);
    return ST_OK;
}

/* ---- retention ---- */

/* Events received before this may go. Under pressure that is every published one. */
static struct wall prune_before(const struct keeper *k)
{
    if (k->room != ROOM_PLENTY || k->excess_bytes)
        return (struct wall){INT64_MAX};
    return (struct wall){clock_wall(k->opts.clock).us - k->retention_ms * 1000};
}

static enum status prune_slice(struct keeper *k, struct journal *j, struct journal_pruned *out,
                               struct err *e)
{
    enum status st = journal_begin(j, e);
    if (st != ST_OK)
        return st;
    st = journal_prune(j, prune_before(k), SLICE_ROWS, out, e);
    if (st != ST_OK) {
        journal_rollback(j);
        return st;
    }
    return journal_commit(j, e);
}

static enum status prune(struct keeper *k, struct journal *j, bool *again, struct err *e)
{
    struct journal_pruned out = {0};
    enum status st = prune_slice(k, j, &out, e);
    /* A full disk can refuse even a delete: that is what the ballast is for, and the next look sees
     * it. */
    if (st == ST_FULL) {
        drop_ballast(k);
        k->pruning = false;
        return ST_OK;
    }
    if (st != ST_OK)
        return st;
    k->round_deleted += out.deleted;
    metric_add(k->pruned, out.deleted);
    /* Only what is over the size goes early, oldest first: look again before more is deleted. */
    if (out.round_ended || (k->excess_bytes && out.deleted)) {
        k->pruning = false;
        k->round_due = mono_add_ms(clock_mono(k->opts.clock),
                                   k->excess_bytes || k->room != ROOM_PLENTY ? LOOK_MS : ROUND_MS);
    }
    *again = k->pruning;
    return ST_OK;
}

enum status keeper_step(struct keeper *k, struct journal *j, struct committer *c, bool *again,
                        struct err *e)
{
    struct mono now = clock_mono(k->opts.clock);
    enum status st = ST_OK;
    if (now.ns >= k->look_due.ns) {
        st = look(k, j, c, e);
        k->look_due = mono_add_ms(now, LOOK_MS);
    }
    if (st == ST_OK && !k->pruning && now.ns >= k->round_due.ns) {
        k->pruning = true;
        k->round_deleted = 0;
    }
    if (st == ST_OK && k->pruning)
        st = prune(k, j, again, e);
    return st;
}

/* ---- life ---- */

static void create_metrics(struct keeper *k, struct metrics *m)
{
    k->free_bytes = metric_single(metric_family(m, METRIC_GAUGE, "relay_disk_free_bytes", "",
                                                "Free bytes of the journal's file system"));
    k->file_bytes = metric_single(metric_family(m, METRIC_GAUGE, "relay_journal_file_bytes", "",
                                                "Bytes of the journal's file"));
    k->reusable_bytes =
        metric_single(metric_family(m, METRIC_GAUGE, "relay_journal_reusable_bytes", "",
                                    "Bytes of the journal's file that new events can use"));
    k->room_state =
        metric_single(metric_family(m, METRIC_GAUGE, "relay_disk_state", "",
                                    "0 plenty, 1 tight (deleting early), 2 full (answering 503)"));
    k->pruned = metric_single(metric_family(m, METRIC_COUNTER, "relay_pruned_total", "",
                                            "Published events deleted by retention"));
}

enum status keeper_create(struct keeper **out, const struct keeper_opts *opts, struct err *e)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (!k)
        return err_set(e, ST_NO_MEM, "keeper: out of memory");
    k->opts = *opts;
    k->lock = lock_create();
    trend_init(&k->room_trend, TREND_STEP_MS);
    k->retention_ms = opts->retention_ms;
    k->retention_bytes = opts->retention_bytes;
    k->ballast_there = opts->ballast_path && access(opts->ballast_path, F_OK) == 0;
    k->look_due = clock_mono(opts->clock);
    k->round_due = mono_add_ms(k->look_due, ROUND_MS);
    create_metrics(k, opts->metrics);
    *out = k;
    return ST_OK;
}

void keeper_destroy(struct keeper *k)
{
    if (!k)
        return;
    lock_destroy(k->lock);
    free(k);
}

void keeper_set_retention(struct keeper *k, int64_t retention_ms, uint64_t retention_bytes)
{
    k->retention_ms = retention_ms;
    k->retention_bytes = retention_bytes;
}
