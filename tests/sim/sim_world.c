/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "relay/forwarder.h"
#include "relay/keeper.h"
#include "sim/sim_check.h"
#include "sim/sim_lazy.h"
#include "sim/sim_random.h"

#define DISK_NAME "sim-disk"
#define LAZY_NAME "sim-lazy-disk"
#define PATH      "relay.db"

/* The keeper's floor, and what it sees while nothing bounds the disk. */
#define FLOOR_BYTES 65536
#define MANY_BYTES  (UINT64_C(1) << 40)

/* Steps of a clean stop; what is not settled by then is read and sent again. */
#define STOP_ROUNDS 12

/* Room for each file of a journal without events. */
#define BORN_BYTES (256u << 10)

/* The files of a journal that was just made: most schedules begin with them, because making them
 * is a tenth of the time that one takes. */
struct born {
    size_t db_bytes;
    size_t wal_bytes;
    char db[BORN_BYTES];
    char wal[BORN_BYTES];
};

struct sim_world {
    struct born *born;
    struct sim_world_env env;
    struct sim_setup setup;
    struct clock clock;
    struct mono mono;
    struct wall wall;
    struct memvfs *disk;
    struct sim_lazy *lazy;
    struct metrics *metrics;
    uint64_t disk_limit;
    bool was_tight; /* rows may have gone before their retention was over */
    unsigned lives;
    /* The process. */
    bool running;
    bool committer_dead;
    struct journal *journal;
    struct keeper *keeper;
    struct committer *committer;
    struct journal_reader *reader;
    struct forwarder *forwarder;
    struct replays *replays;
    struct journal_select *select;
    struct sim_desk desk;
    struct sqlite3 *look; /* of the checks */
    int64_t source[SIM_SOURCES];
    struct wall batch_base; /* when the open batch's first id was received; 0: none yet */
};

struct job {
    struct commit_job job;
    struct sim_world *world;
    int number;
    bool answered; /* planted: before the commit */
    int64_t source;
    struct event ev;
    struct journal_digest digest;
    struct journal_appended out;
};

/* ---- clock ---- */

static struct mono read_mono(void *ctx)
{
    return ((struct sim_world *)ctx)->mono;
}

static struct wall read_wall(void *ctx)
{
    return ((struct sim_world *)ctx)->wall;
}

static void make_born(struct sim_world *w);

struct sim_world *sim_world_create(void)
{
    struct sim_world *w = calloc(1, sizeof *w);
    CHECK(w);
    w->clock = (struct clock){read_mono, read_wall, w};
    w->mono = (struct mono){INT64_C(1000000000)};
    w->wall = (struct wall){INT64_C(1767225600000000)};
    sim_random_seed(0);
    make_born(w);
    return w;
}

void sim_world_destroy(struct sim_world *w)
{
    if (w)
        free(w->born);
    free(w);
}

const struct clock *sim_world_clock(const struct sim_world *w)
{
    return &w->clock;
}

struct memvfs *sim_world_disk(struct sim_world *w)
{
    return w->disk;
}

void sim_world_advance(struct sim_world *w, int64_t ms)
{
    w->mono = mono_add_ms(w->mono, ms);
    w->wall.us += ms * 1000;
    memvfs_set_time(w->disk, w->wall);
}

/* ---- the machine ---- */

static enum status open_journal(struct sim_world *w, struct err *e);

/* Makes the journal that most schedules begin with. */
static void make_born(struct sim_world *w)
{
    struct err e;
    w->setup.window_ms = 1;
    w->setup.window_ids_max = 1000;
    w->setup.wal_max_bytes = 0;
    w->disk = memvfs_create(DISK_NAME, 1);
    CHECK(w->disk);
    memvfs_set_default(w->disk);
    CHECK(open_journal(w, &e) == ST_OK);
    journal_close(w->journal);
    w->journal = NULL;
    w->born = calloc(1, sizeof *w->born);
    CHECK(w->born);
    w->born->db_bytes = memvfs_get_file(w->disk, PATH, w->born->db, BORN_BYTES);
    w->born->wal_bytes = memvfs_get_file(w->disk, PATH "-wal", w->born->wal, BORN_BYTES);
    CHECK(w->born->db_bytes < BORN_BYTES && w->born->wal_bytes < BORN_BYTES);
    memvfs_destroy(w->disk);
    w->disk = NULL;
}

static void put_born(struct sim_world *w)
{
    memvfs_put_file(w->disk, PATH, w->born->db, w->born->db_bytes);
    if (w->born->wal_bytes)
        memvfs_put_file(w->disk, PATH "-wal", w->born->wal, w->born->wal_bytes);
}

void sim_world_begin(struct sim_world *w, const struct sim_world_env *env,
                     const struct sim_setup *setup)
{
    w->env = *env;
    w->setup = *setup;
    w->mono = (struct mono){INT64_C(1000000000)};
    w->wall = (struct wall){INT64_C(1767225600000000)};
    w->disk = memvfs_create(DISK_NAME, setup->seed);
    CHECK(w->disk);
    memvfs_set_default(w->disk);
    memvfs_set_time(w->disk, w->wall);
    if (setup->plant == SIM_PLANT_WAL_SYNC_OFF)
        w->lazy = sim_lazy_create(LAZY_NAME, DISK_NAME);
    if (setup->is_born)
        put_born(w);
    w->disk_limit = MEMVFS_UNLIMITED;
    w->was_tight = false;
    w->lives = 0;
    w->running = false;
}

void sim_world_end(struct sim_world *w)
{
    if (w->running)
        sim_world_crash(w, MEMVFS_KILL);
    sim_lazy_destroy(w->lazy);
    w->lazy = NULL;
    memvfs_destroy(w->disk);
    w->disk = NULL;
}

void sim_world_limit_disk(struct sim_world *w, uint64_t bytes)
{
    w->disk_limit = bytes;
    w->was_tight = true;
    memvfs_set_capacity(w->disk,
                        bytes == MEMVFS_UNLIMITED ? bytes : memvfs_used_bytes(w->disk) + bytes);
    if (bytes != MEMVFS_UNLIMITED)
        w->disk_limit = memvfs_used_bytes(w->disk) + bytes;
}

static bool free_space(void *ctx, uint64_t *bytes)
{
    struct sim_world *w = ctx;
    uint64_t used = memvfs_used_bytes(w->disk);
    *bytes = MANY_BYTES;
    if (w->disk_limit != MEMVFS_UNLIMITED)
        *bytes = used < w->disk_limit ? w->disk_limit - used : 0;
    return true;
}

static const char *vfs_name(const struct sim_world *w)
{
    return w->lazy ? LAZY_NAME : DISK_NAME;
}

/* ---- start ---- */

static void on_batch(void *ctx, bool stored_events)
{
    struct sim_world *w = ctx;
    w->batch_base = (struct wall){0};
    if (stored_events && w->forwarder)
        forwarder_notify(w->forwarder);
}

static enum status housekeeping(void *ctx, struct journal *j, bool *again, struct err *e)
{
    struct sim_world *w = ctx;
    return keeper_step(w->keeper, j, w->committer, again, e);
}

static enum status open_journal(struct sim_world *w, struct err *e)
{
    bool forgets = w->setup.plant == SIM_PLANT_WINDOW_FORGOTTEN && w->lives > 1;
    const struct journal_opts opts = {.path = PATH,
                                      .vfs = vfs_name(w),
                                      .clock = &w->clock,
                                      .wal_max_bytes = w->setup.wal_max_bytes,
                                      .checkpoint_pages = w->setup.checkpoint_pages,
                                      .window_ms = forgets ? 0 : w->setup.window_ms,
                                      .window_ids_max = w->setup.window_ids_max};
    enum status st = journal_open(&w->journal, &opts, e);
    for (int i = 0; i < SIM_SOURCES && st == ST_OK; i++)
        st =
            journal_source(w->journal, sim_content_org[i], sim_content_source[i], &w->source[i], e);
    return st;
}

static enum status create_keeper(struct sim_world *w, struct err *e)
{
    const struct keeper_opts opts = {.clock = &w->clock,
                                     .floor_bytes = FLOOR_BYTES,
                                     .retention_ms = w->setup.retention_ms,
                                     .free_space = free_space,
                                     .ctx = w,
                                     .metrics = w->metrics};
    return keeper_create(&w->keeper, &opts, e);
}

static enum status create_committer(struct sim_world *w, struct err *e)
{
    const struct committer_opts opts = {.journal = w->journal,
                                        .clock = &w->clock,
                                        .mailbox_max = w->setup.mailbox_max,
                                        .rows_max = w->setup.rows_max,
                                        .on_batch = on_batch,
                                        .housekeeping = housekeeping,
                                        .ctx = w};
    return committer_create(&w->committer, &opts, e);
}

/* Nobody may be told before consumers can see it. Planted bugs are left to deeper checks. */
static void on_delivered(void *arg, int64_t seq)
{
    struct sim_world *w = arg;
    const struct sim_row *row = sim_truth_row(w->env.truth, seq);
    if ((!row || !row->in_kafka) && w->setup.plant == SIM_PLANT_NONE)
        sim_trace_fail(w->env.trace, "P2", "seq %lld is told as delivered and is not in Kafka",
                       (long long)seq);
}

static enum status create_forwarder(struct sim_world *w, struct err *e)
{
    struct forwarder_opts opts = {.committer = w->committer,
                                  .clock = &w->clock,
                                  .lane_in_flight = w->setup.lane_in_flight,
                                  .read_rows_max = w->setup.read_rows_max,
                                  .read_bytes_max = 8192,
                                  .transaction_records_max = w->setup.transaction_records_max,
                                  .bind_cluster = true,
                                  .on_delivered = on_delivered,
                                  .on_delivered_arg = w};
    bool once = sim_rng_chance(w->env.rng, w->setup.once_percent);
    enum status st = journal_reader_open(&w->reader, PATH, vfs_name(w), e);
    if (st != ST_OK)
        return st;
    if (w->setup.has_replays)
        st = replays_open(&w->replays, PATH, vfs_name(w), e);
    if (st == ST_OK && w->setup.has_replays)
        st = journal_select_open(&w->select, PATH, vfs_name(w), e);
    if (st != ST_OK)
        return st;
    opts.reader = w->reader;
    opts.replays = w->replays;
    opts.select = w->select;
    opts.publisher = sim_kafka_connect(w->env.kafka, journal_id(w->journal), once);
    return forwarder_create(&w->forwarder, &opts, e);
}

static void take_down(struct sim_world *w);
static struct sim_check check_of(struct sim_world *w, bool is_final);

static void open_desk(struct sim_world *w)
{
    w->desk = (struct sim_desk){.rng = w->env.rng,
                                .trace = w->env.trace,
                                .truth = w->env.truth,
                                .replays = w->env.replays,
                                .contents = w->env.contents,
                                .disk = w->disk,
                                .plant = w->setup.plant,
                                .committer = w->committer,
                                .forwarder = w->forwarder,
                                .reader = w->reader,
                                .select = w->select,
                                .look = check_of(w, false)};
    w->desk.look.is_quiet = true;
}

struct sim_desk *sim_world_desk(struct sim_world *w)
{
    return &w->desk;
}

bool sim_world_start(struct sim_world *w, enum status *why)
{
    struct err e = {0};
    enum status st;
    CHECK(!w->running);
    if (memvfs_is_cut(w->disk))
        memvfs_power_on(w->disk);
    w->lives++;
    w->committer_dead = false;
    w->batch_base = (struct wall){0};
    w->metrics = metrics_create();
    CHECK(w->metrics);
    st = open_journal(w, &e);
    if (st == ST_OK)
        st = create_keeper(w, &e);
    if (st == ST_OK)
        st = create_committer(w, &e);
    if (st == ST_OK)
        st = create_forwarder(w, &e);
    w->running = true;
    *why = st;
    sim_trace_note(w->env.trace, "start of life %u: %s %s", w->lives, status_name(st),
                   st == ST_OK ? "" : e.text);
    if (st != ST_OK)
        take_down(w);
    else
        open_desk(w);
    return st == ST_OK;
}

bool sim_world_is_running(const struct sim_world *w)
{
    return w->running;
}

bool sim_world_is_dying(const struct sim_world *w)
{
    struct err e;
    return w->running &&
           (memvfs_is_cut(w->disk) || w->committer_dead || forwarder_is_dead(w->forwarder, &e));
}

/* ---- end ---- */

/* A window cut short by its bound on ids is a promise less. */
static void note_window(const struct sim_world *w)
{
    struct journal_figures figures;
    journal_figures(w->journal, &figures);
    if (figures.window_short)
        sim_truth_window_short(w->env.truth);
}

static void drain(struct sim_world *w)
{
    if (!w->committer)
        return;
    committer_close(w->committer);
    while (committer_step(w->committer, 0) == COMMITTER_WORKING)
        continue;
}

static void take_down(struct sim_world *w)
{
    w->running = false;
    drain(w);
    sim_check_leave(&w->look);
    forwarder_destroy(w->forwarder);
    committer_destroy(w->committer);
    journal_reader_close(w->reader);
    replays_close(w->replays);
    journal_select_close(w->select);
    keeper_destroy(w->keeper);
    if (w->journal)
        note_window(w);
    journal_close(w->journal);
    metrics_destroy(w->metrics);
    w->forwarder = NULL;
    w->committer = NULL;
    w->reader = NULL;
    w->replays = NULL;
    w->select = NULL;
    w->keeper = NULL;
    w->journal = NULL;
    w->metrics = NULL;
    sim_kafka_disconnect(w->env.kafka);
    sim_truth_relay_died(w->env.truth);
    sim_replays_relay_died(w->env.replays);
    CHECK(memvfs_open_files(w->disk) == 0);
}

void sim_world_crash(struct sim_world *w, enum memvfs_mode mode)
{
    memvfs_power_cut(w->disk, mode);
    take_down(w);
}

void sim_world_exit(struct sim_world *w)
{
    take_down(w);
}

void sim_world_stop(struct sim_world *w)
{
    /* Without time to wait it only stops producing. */
    forwarder_finish(w->forwarder, 0);
    for (int i = 0; i < STOP_ROUNDS && !sim_world_is_dying(w); i++) {
        sim_kafka_tick(w->env.kafka);
        sim_world_forward(w);
        sim_world_commit(w);
    }
    take_down(w);
}

/* ---- intake ---- */

static void tell(struct job *j, enum status status)
{
    struct sim_world *w = j->world;
    note_window(w);
    struct sim_answer answer = {status, w->wall, j->out, w->batch_base};
    sim_trace_note(w->env.trace, "answer #%d: %s seq %lld%s%s", j->number, status_name(status),
                   (long long)j->out.seq, j->out.duplicate ? " duplicate" : "",
                   j->out.conflict ? " conflict" : "");
    sim_truth_answer(w->env.truth, j->number, &answer);
}

static enum status apply(struct commit_job *job, struct journal *journal, struct err *e)
{
    struct job *j = (struct job *)job;
    struct sim_world *w = j->world;
    const struct journal_append append = {.ev = &j->ev, .digest = j->digest, .source = j->source};
    enum status st = journal_append(journal, &append, &j->out, e);
    if (st == ST_OK && !j->out.duplicate && j->digest.present && !w->batch_base.us)
        w->batch_base = j->ev.received;
    if (st == ST_OK && w->setup.plant == SIM_PLANT_ANSWER_BEFORE_COMMIT) {
        j->answered = true;
        tell(j, ST_OK);
    }
    return st;
}

static void done(struct commit_job *job, enum status outcome, const struct err *e)
{
    struct job *j = (struct job *)job;
    struct sim_world *w = j->world;
    (void)e;
    if (w->setup.plant == SIM_PLANT_OK_AFTER_IO && outcome == ST_IO)
        outcome = ST_OK;
    if (w->setup.plant == SIM_PLANT_REFUSED_BUT_STORED && outcome == ST_OK &&
        sim_rng_chance(w->env.rng, 2))
        outcome = ST_FULL;
    /* A machine that was cut tells nobody how it ended; the job then stays unanswered. */
    if (!j->answered && !(memvfs_is_cut(w->disk) && outcome != ST_OK))
        tell(j, outcome);
    free(j);
}

void sim_world_submit(struct sim_world *w, const struct sim_content *content)
{
    struct job *j = calloc(1, sizeof *j);
    enum status st;
    CHECK(j);
    j->job = (struct commit_job){.apply = apply, .done = done, .needs_room = true};
    j->world = w;
    j->number = sim_truth_submit(w->env.truth, content, w->wall);
    if (j->number < 0) {
        free(j);
        return;
    }
    j->source = w->source[content->source];
    j->ev = content->ev;
    j->ev.received = w->wall;
    j->digest = journal_digest(w->journal, slice_of(sim_content_org[content->source]), &j->ev);
    st = committer_submit(w->committer, &j->job);
    sim_trace_note(w->env.trace,
                   "submit #%d source %d topic %d key %d id %.*s kind %d flags %u: %s", j->number,
                   content->source, content->topic, content->key,
                   content->ev.id.len < 20 ? (int)content->ev.id.len : 20,
                   content->ev.id.len ? content->ev.id.ptr : "", content->kind, content->ev.flags,
                   status_name(st));
    if (st != ST_OK) {
        tell(j, st);
        free(j);
    }
}

/* ---- steps ---- */

void sim_world_commit(struct sim_world *w)
{
    enum committer_state state = committer_step(w->committer, 0);
    w->committer_dead = state == COMMITTER_DEAD;
}

bool sim_world_forward(struct sim_world *w)
{
    return forwarder_step(w->forwarder);
}

/* ---- checks ---- */

static struct sim_check check_of(struct sim_world *w, bool is_final)
{
    return (struct sim_check){.kept = &w->look,
                              .path = PATH,
                              .vfs = DISK_NAME,
                              .truth = w->env.truth,
                              .replays = w->env.replays,
                              .trace = w->env.trace,
                              .now = w->wall,
                              .retention_ms = w->was_tight ? -1 : w->setup.retention_ms,
                              .is_final = is_final};
}

const char *sim_world_unrest(struct sim_world *w)
{
    const struct sim_check c = check_of(w, false);
    if (committer_depth(w->committer) > 0)
        return "jobs wait for the committer";
    if (!sim_kafka_is_idle(w->env.kafka))
        return "records are in the air";
    if (forwarder_is_settling(w->forwarder))
        return "a settlement is due";
    if (!sim_check_is_drained(&c))
        return "events are not published";
    return NULL;
}

void sim_world_age(struct sim_world *w, int64_t seqs)
{
    const struct sim_check c = check_of(w, false);
    CHECK(!w->running && !memvfs_is_cut(w->disk));
    sim_trace_note(w->env.trace, "the journal ages by %lld events", (long long)seqs);
    sim_check_age(&c, seqs);
}

void sim_world_check(struct sim_world *w, bool is_final)
{
    const struct sim_check c = check_of(w, is_final);
    sim_check_journal(&c);
    if (w->setup.plant == SIM_PLANT_DELETED_ROW)
        sim_check_delete_unpublished(&c);
    if (is_final)
        sim_truth_check_chains(w->env.truth);
}
