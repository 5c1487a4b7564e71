/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMVFS_MEMVFS_H
#define MEMVFS_MEMVFS_H

/*
 * A SQLite VFS in memory with the failures of a real disk: power cut, killed process, I/O errors,
 * full disk.
 *
 * Owns: the files, what of them is durable, the locks and the shared memory of one machine.
 *
 * Does not own: the connections; every one is closed, before or after a cut, before memvfs_destroy.
 *
 * Threads: one. All calls and all connections that use the VFS stay in the thread that created it.
 *
 * Invariants, those of SQLite's unix VFS on Linux (os_unix.c of 3.40.1) read in the strictest way:
 *  - Bytes are durable when an xSync that began after they were written has returned SQLITE_OK.
 *  - A name that was created or removed is durable after a sync of the directory. As in the unix
 *    VFS that is the first xSync of a WAL or rollback journal opened with SQLITE_OPEN_CREATE, an
 *    xDelete with syncDir, or memvfs_sync_dir() for the application's own fsync of the directory.
 *    A sync of the file alone is not enough.
 *  - An xSync that fails leaves the bytes it should have covered "clean": no later xSync makes them
 *    durable unless they are written again. Readers see them until a power cut. (Rebello and
 * others, "Can Applications Recover from fsync Failures?", USENIX ATC 2020.)
 *  - The unit of tearing is MEMVFS_SECTOR_BYTES. xSectorSize (4096) and the capability
 *    SQLITE_IOCAP_POWERSAFE_OVERWRITE are what the unix VFS reports, and they hold: bytes that were
 *    not written since the last sync never change in a cut.
 *  - A truncation reaches the disk whole or not at all; growth by writes may reach it in part.
 *  - Shared memory and locks end with the process, in every mode of a cut.
 *  - Equal seeds and equal calls give equal results (see memvfs_set_default for SQLite's part).
 *
 * Not modelled: an intermediate version of a sector that was written twice between two syncs, bit
 * rot, a disk that lies about syncs, rename, sub-directories, memory-mapped files.
 *
 * Life of a machine: open, work, cut (memvfs_power_cut or memvfs_cut_at), close the dead
 * connections, memvfs_power_on, open again. A program that lives through many of them should keep
 * the heap (mallopt: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_TOP_PAD): page faults are half of the
 * time.
 */

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define MEMVFS_SECTOR_BYTES 512
#define MEMVFS_UNLIMITED    UINT64_MAX
/* One file: more than any simulation writes, and a runaway test stays off the swap. */
#define MEMVFS_FILE_MAX_BYTES (256 * 1024 * 1024)
/* Faults that wait at the same time; no test has needed more than three. */
#define MEMVFS_FAULTS_MAX 8

struct memvfs;

enum memvfs_mode {
    MEMVFS_STRICT, /* power cut: only durable bytes and names are left */
    MEMVFS_RANDOM, /* power cut: durable plus a seeded, torn subset of unsynced sectors and names */
    MEMVFS_KILL,   /* the process dies, the machine lives: all that was written is left, unsynced */
};

enum memvfs_op {
    MEMVFS_READ,
    MEMVFS_WRITE,
    MEMVFS_TRUNCATE,
    MEMVFS_SYNC,
    MEMVFS_DELETE,
    MEMVFS_OPEN,
    MEMVFS_CHANGE, /* class: write, truncate, sync, delete, and an open that creates its file */
    MEMVFS_ANY,    /* class: all of the above */
    MEMVFS_OP_COUNT,
};

struct memvfs_fault {
    enum memvfs_op op;
    uint64_t nth; /* 1 is the next matching call; 0 counts as 1 */
    int code;     /* what the call returns, for example SQLITE_IOERR_FSYNC */
    bool sticky;  /* every matching call from the nth on fails, not only that one */
    const char
        *suffix; /* only files with this end of name ("-wal"); NULL: all. Outlives the fault */
};

/*
 * Registers a new, empty disk as the SQLite VFS `name` (not as the default one). Returns NULL when
 * the name is taken. Running out of memory ends the process, here and everywhere in this module.
 */
struct memvfs *memvfs_create(const char *name, uint64_t seed);

/* Unregisters and frees everything. Ends the process with a message when a file is still open. */
void memvfs_destroy(struct memvfs *v);

/*
 * Makes v SQLite's default VFS and resets SQLite's own random generator, which then takes its seed
 * from v: WAL salts and randomblob() become a function of the seed. The reset lasts for the
 * process, not only for v.
 */
void memvfs_set_default(struct memvfs *v);

/*
 * Cuts now. From here until memvfs_power_on every call on the VFS returns SQLITE_IOERR, and calls
 * on the files that are open now do so for ever; only closing them works. No effect when already
 * cut.
 */
void memvfs_power_cut(struct memvfs *v, enum memvfs_mode mode);

/*
 * Cuts in the nth (1 is the next) call of class MEMVFS_CHANGE: a write is cut after a seeded number
 * of its bytes, any other call before it does anything. That call returns SQLITE_IOERR. n = 0 takes
 * the order back.
 */
void memvfs_cut_at(struct memvfs *v, uint64_t n, enum memvfs_mode mode);

/* From a cut until memvfs_power_on. */
bool memvfs_is_cut(const struct memvfs *v);

/*
 * Lets a new process use the disk. Close the dead connections first: SQLite deletes files by name,
 * and v cannot tell the dead process from the new one there. Faults and the capacity stay as they
 * are; counters go on.
 */
void memvfs_power_on(struct memvfs *v);

/* The application's own fsync of the directory; not counted, never fails. */
void memvfs_sync_dir(struct memvfs *v);

/*
 * Makes a coming call fail. A failed write has written a seeded part of its bytes (less than all);
 * a failed sync has made nothing durable (see the invariants); other failed calls have done
 * nothing. Faults run independently of each other; the oldest that is due wins. At most
 * MEMVFS_FAULTS_MAX wait at a time, one more ends the process.
 */
void memvfs_fail_at(struct memvfs *v, struct memvfs_fault fault);
void memvfs_clear_faults(struct memvfs *v);

/*
 * Bounds the sum of all file sizes: a write or extension beyond it writes what fits and returns
 * SQLITE_FULL. What is already there stays, also when it is more. MEMVFS_UNLIMITED (the start
 * value) is no bound.
 */
void memvfs_set_capacity(struct memvfs *v, uint64_t bytes);
uint64_t memvfs_used_bytes(const struct memvfs *v);

/* Calls since creation, failed ones included; those refused because of a cut are not. */
uint64_t memvfs_count(const struct memvfs *v, enum memvfs_op op);

/* What SQLite sees as the current time; 2026-01-01 until set. It does not move by itself. */
void memvfs_set_time(struct memvfs *v, struct wall now);

/* The current size in bytes of the file with this exact name, -1 when there is none. */
int64_t memvfs_file_size(const struct memvfs *v, const char *name);

/*
 * Gives the disk a file with this content, durable with its name: what an earlier life of the
 * machine left. There must be none of this name. Not counted, never fails.
 */
void memvfs_put_file(struct memvfs *v, const char *name, const void *bytes, size_t len);
/* Copies the content that readers see, at most len bytes; returns how many there were to copy. */
size_t memvfs_get_file(const struct memvfs *v, const char *name, void *out, size_t len);

/* Files that SQLite has open, dead ones included: 0 when every connection is closed. */
unsigned memvfs_open_files(const struct memvfs *v);

#endif
