/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHADOW_SHADOW_FILE_H
#define SHADOW_SHADOW_FILE_H

/*
 * The files below SHADOW_SRC that this process has opened, by descriptor and by inode.
 *
 * Owns: the table of files, what is unsynced in each, the descriptors of their state files.
 *
 * Does not own: the program's descriptors, names (shadow_names).
 *
 * Threads: any. Order of locks: names, table, sync of a file, dirt of a file.
 *
 * Invariant: a write is noted after it happened and a sync takes what was noted before it began, so
 * that the copy never holds more than the disk must.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct shadow_file;

/* inode is durable as it is now: nothing of it is unsynced. */
void shadow_file_seen(dev_t device, ino_t inode);

/* What an open did to the file behind the new descriptor. */
enum shadow_opened {
    SHADOW_EXISTED,
    SHADOW_CREATED,
    SHADOW_EMPTIED, /* existed; O_TRUNC */
};

/* fd is new. Does nothing unless it is a regular file of ours. */
void shadow_file_opened(int fd, enum shadow_opened how);
/* Before the real close. */
void shadow_file_closing(int fd);

/*
 * The file of fd, NULL when it is not ours. Lock-free for what is not ours. A descriptor that was
 * closed and reused behind our back is found out.
 */
struct shadow_file *shadow_file_of(int fd);

/* Notes a finished change of the bytes [begin, end); end may be SHADOW_TO_END. */
void shadow_file_wrote(struct shadow_file *f, int64_t begin, int64_t end);
/* Notes a finished change of the size. */
void shadow_file_resized(struct shadow_file *f, int64_t size);
/* A real write at the descriptor's own position, with the note. */
ssize_t shadow_file_write(struct shadow_file *f, int fd, const void *bytes, size_t len);

/*
 * Calls real_sync(fd), unless error is not 0, which is then the errno of the failure; updates the
 * copy when it succeeded. As real_sync.
 */
int shadow_file_sync(struct shadow_file *f, int fd, int (*real_sync)(int), int error);

/* The last name of inode is gone. The lock of names is held. */
void shadow_file_gone(ino_t inode);

#endif
