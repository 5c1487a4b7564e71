/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/ident.h"

/*
 * Version 1. Numbers in columns (origin, flags, states) are those of event.h and journal.h: append
 * only. Times are microseconds since 1970. An event's lane 0 means "never published": a PING, a
 * quarantined body, a type that the configuration keeps out of Kafka.
 *
 * events.lane is indexed by itself: SQLite appends the rowid, so the index is (lane, seq), and the
 * lanes of a paused source cost nothing to those that go on. There is no index on event ids: random
 * keys dirty one page each and cut the rate to a third (design, measured); the window table holds
 * what deduplication needs, one row a commit.
 */
static const char version_1[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE sources(id INTEGER PRIMARY KEY, org TEXT NOT NULL, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE lanes("
    " id INTEGER PRIMARY KEY,"
    " source INTEGER NOT NULL REFERENCES sources(id),"
    " topic TEXT NOT NULL,"
    " cursor INTEGER NOT NULL DEFAULT 0," /* every event of the lane up to it is published or parked
                                           */
    " mark INTEGER NOT NULL DEFAULT 0,"   /* nothing beyond it was ever handed to Kafka */
    " UNIQUE(source, topic));"
    "CREATE TABLE events("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT," /* never reused, even when the table is empty */
    " lane INTEGER NOT NULL,"
    " prev INTEGER NOT NULL," /* the seq before it in its lane, 0 for the first */
    " source INTEGER NOT NULL,"
    " received_us INTEGER NOT NULL,"
    " event_us INTEGER,"
    " flags INTEGER NOT NULL,"
    " origin INTEGER NOT NULL,"
    " parent INTEGER,"            /* of a requeue, or a dead letter: the parked seq */
    " checksum INTEGER NOT NULL," /* CRC-32C over all the other columns */
    " type TEXT, id TEXT, key TEXT,"
    " trace TEXT,"   /* traceparent, newline, tracestate */
    " headers TEXT," /* quarantined: the content headers; a dead letter: the reason, too */
    " body BLOB NOT NULL);"
    "CREATE INDEX events_lane ON events(lane);"
    "CREATE TABLE window("
    " first_seq INTEGER PRIMARY KEY,"
    " received_us INTEGER NOT NULL,"
    " ids BLOB NOT NULL);" /* see window.c */
    "CREATE TABLE parked("
    " seq INTEGER PRIMARY KEY REFERENCES events(seq),"
    " lane INTEGER NOT NULL,"
    " state INTEGER NOT NULL DEFAULT 0," /* 0 waits, 1 requeued, 2 discarded */
    " parked_us INTEGER NOT NULL,"
    " reason TEXT NOT NULL,"
    " settled_us INTEGER, settled_by TEXT, settled_why TEXT, successor INTEGER);"
    "CREATE TABLE pauses("
    " scope TEXT PRIMARY KEY," /* all, source:NAME, lane:ID */
    " since_us INTEGER NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE replays("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " state INTEGER NOT NULL,"
    " selection TEXT NOT NULL,"
    " position INTEGER NOT NULL, last INTEGER NOT NULL, mark INTEGER NOT NULL,"
    " published INTEGER NOT NULL,"
    " created_us INTEGER NOT NULL, changed_us INTEGER NOT NULL,"
    " who TEXT NOT NULL, why TEXT NOT NULL);"
    "CREATE TABLE actions(" /* what operators did */
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " at_us INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,"
    " why TEXT NOT NULL);"
    "CREATE TABLE snapshots("
    " seq INTEGER PRIMARY KEY REFERENCES events(seq),"
    " fetched_us INTEGER NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL);";

/* steps[v] leads from version v to v + 1. */
static const char *const steps[] = {version_1};
_Static_assert(sizeof steps / sizeof steps[0] == SCHEMA_VERSION, "one step a version");

static enum status set_meta(sqlite3 *db, const char *name, const char *value, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum status st = db_prepare(db, &stmt, "INSERT INTO meta(name, value) VALUES(?1, ?2)", e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, value, -1, SQLITE_STATIC);
    st = db_run(db, stmt, e);
    sqlite3_finalize(stmt);
    return st;
}

/* What a new journal is born with: who it is, the key of its dedupe digests, and whether it is a
 * toy. */
static enum status stamp_new(sqlite3 *db, bool demo, struct err *e)
{
    char text[IDENT_TEXT_MAX];
    struct ident id = ident_random();
    struct ident key = ident_random();
    enum status st;
    ident_format(&id, text);
    st = set_meta(db, "journal_id", text, e);
    ident_format(&key, text);
    if (st == ST_OK)
        st = set_meta(db, "window_key", text, e);
    if (st == ST_OK)
        st = set_meta(db, "demo", demo ? "1" : "0", e);
    return st;
}

/* One step, its stamp and its version number commit together or not at all. */
static enum status apply_step(sqlite3 *db, int64_t version, bool demo, struct err *e)
{
    char sql[128];
    enum status st = db_exec(db, "BEGIN IMMEDIATE", e);
    if (st != ST_OK)
        return st;
    st = db_exec(db, steps[version], e);
    if (st == ST_OK && version == 0)
        st = stamp_new(db, demo, e);
    snprintf(sql, sizeof sql, "PRAGMA application_id=%d;PRAGMA user_version=%" PRId64,
             SCHEMA_APPLICATION_ID, version + 1);
    if (st == ST_OK)
        st = db_exec(db, sql, e);
    if (st == ST_OK)
        st = db_exec(db, "COMMIT", e);
    if (st != ST_OK && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

/* A copy of the whole file before it changes shape; an older copy of the same version is replaced.
 */
static enum status keep_copy(sqlite3 *db, const char *path, struct err *e)
{
    sqlite3_stmt *stmt = NULL;
    enum status st;
    unlink(path);
    st = db_prepare(db, &stmt, "VACUUM INTO ?1", e);
    if (st != ST_OK)
        return st;
    sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
    st = db_run(db, stmt, e);
    sqlite3_finalize(stmt);
    return st;
}

static enum status check_identity(sqlite3 *db, int64_t version, struct err *e)
{
    int64_t application = 0, tables = 0;
    enum status st = db_int(db, "PRAGMA application_id", &application, e);
    if (st == ST_OK)
        st = db_int(db, "SELECT count(*) FROM sqlite_schema", &tables, e);
    if (st != ST_OK)
        return st;
    if (application != SCHEMA_APPLICATION_ID && (application != 0 || tables != 0))
        return err_set(e, ST_BAD_INPUT, "this SQLite file is not a gladly-relay journal");
    if (version > SCHEMA_VERSION)
        return err_set(e, ST_DENIED,
                       "journal version %" PRId64 " is newer than this program knows (%d): "
                       "run the newer gladly-relay",
                       version, SCHEMA_VERSION);
    return ST_OK;
}

static enum status check_demo(sqlite3 *db, bool demo, struct err *e)
{
    char is_demo[8];
    enum status st =
        db_text(db, "SELECT value FROM meta WHERE name = ?1", "demo", is_demo, sizeof is_demo, e);
    if (st != ST_OK)
        return st;
    if (demo && is_demo[0] != '1')
        return err_set(e, ST_DENIED, "this is a real journal; --demo needs one of its own");
    if (!demo && is_demo[0] == '1')
        return err_set(e, ST_DENIED, "this is a demo journal; use it with --demo or name another");
    return ST_OK;
}

enum status schema_prepare(sqlite3 *db, const struct schema_stamp *stamp, struct err *e)
{
    int64_t version = 0;
    enum status st = db_int(db, "PRAGMA user_version", &version, e);
    if (st == ST_OK)
        st = check_identity(db, version, e);
    if (st == ST_OK && version > 0 && version < SCHEMA_VERSION && stamp->backup)
        st = keep_copy(db, stamp->backup, e);
    for (; st == ST_OK && version < SCHEMA_VERSION; version++)
        st = apply_step(db, version, stamp->demo, e);
    if (st == ST_OK)
        st = check_demo(db, stamp->demo, e);
    return st;
}
