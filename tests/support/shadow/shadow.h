/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHADOW_SHADOW_H
#define SHADOW_SHADOW_H

/*
 * libshadow.so: the worst legal disk under an unchanged program, by LD_PRELOAD.
 *
 * SHADOW_SRC=<dir>
 *     The program's data directory, which exists and is all on one file system. Required.
 *
 * SHADOW_DST=<dir>
 *     Kept as the copy of SHADOW_SRC that a power cut would leave. Outside SHADOW_SRC; absent or
 *     empty at the first start. <dir>.state beside it belongs to the library. Without SHADOW_DST
 *     nothing is copied and only faults work.
 *
 * SHADOW_FAIL=<op>:<n>:<ERRNO>[:sticky][,...]
 *     The nth call of <op> on a file below SHADOW_SRC, from 1 since the process started, fails with
 *     that errno and does nothing; with sticky all later ones fail as well. Ops: open write pwrite
 *     ftruncate fallocate fdatasync fsync unlink rename. The two syncs are matched by the function
 *     that was called, on files and on directories; posix_fallocate counts as fallocate.
 *
 * After the program was killed, SHADOW_DST is a data directory to restart on. A bad setting ends
 * the process at its start with status 2 and one line on stderr; when the copy itself fails, the
 * process is aborted.
 *
 * What is durable:
 *  - Bytes that were in the file when a sync of the file began that then succeeded. The library
 *    takes them before the real fsync or fdatasync and publishes them after it.
 *  - A name, its change or its removal, when a later sync of its directory succeeded. A sync of the
 *    file alone does not save the name of a new file: POSIX asks for the directory's sync, although
 *    ext4 and xfs save the name with the file. SQLite syncs the directory at the first sync of each
 *    new rollback journal and WAL, which covers the name of the database too.
 *  - What was in SHADOW_SRC at the first start. A later start with the same pair continues: what
 * was durable stays so, and all else counts as unsynced.
 *  - Bytes whose sync failed, injected or real, are given up: no later sync of the process makes
 *    them durable unless they are written again (Linux marks the pages clean; Rebello and others,
 *    "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
 *
 * Threads: any. Calls on files outside SHADOW_SRC take no lock; names are changed one at a time;
 * syncs of one file come one after the other, as in the kernel.
 *
 * Not seen: mmap; stdio, except that fsync(fileno(f)) counts the whole file as written; writev;
 * dup'ed descriptors; truncate() and remove() by path; pwrite with O_APPEND; O_SYNC; sync() and
 * syncfs(). Files whose name ends in "-shm" are left out. A file renamed or linked into SHADOW_SRC
 * from outside counts as never synced. Renaming a sub-directory is not followed.
 *
 * The library closes no descriptor of a file below SHADOW_SRC while the file has a name: that would
 * drop SQLite's POSIX locks on it (sqlite.org, "How To Corrupt An SQLite Database File").
 */

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The C library's own functions; valid after shadow_load. */
struct shadow_real {
    int (*openat64)(int dir_fd, const char *path, int flags, ...);
    int (*close)(int fd);
    ssize_t (*write)(int fd, const void *bytes, size_t len);
    ssize_t (*pwrite64)(int fd, const void *bytes, size_t len, off64_t offset);
    int (*ftruncate64)(int fd, off64_t size);
    int (*fallocate64)(int fd, int mode, off64_t offset, off64_t len);
    int (*posix_fallocate64)(int fd, off64_t offset, off64_t len);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*unlinkat)(int dir_fd, const char *path, int flags);
    int (*renameat2)(int old_dir, const char *old_path, int new_dir, const char *new_path,
                     unsigned flags);
};

extern struct shadow_real shadow_real;

/* Finds the real functions; any thread, any number of times, also before constructors have run. */
void shadow_load(void);

/* One line on stderr, then _exit(2): for settings. */
_Noreturn void shadow_refuse(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One line with errno on stderr, then abort: a copy that is not right must not go on as one. */
_Noreturn void shadow_die(const char *what, const char *path);

#endif
