/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHADOW_SHADOW_NAMES_H
#define SHADOW_SHADOW_NAMES_H

/*
 * Which files are ours, and which of their names are durable.
 *
 * The durable bytes of the inode 7 are in <dst>.state/7. A durable name is a hard link to that file
 * below <dst>, so that bytes and names become durable apart from each other.
 *
 * Owns: the settings' paths, everything below <dst>, the lock of names.
 *
 * Does not own: the content of the state files (shadow_file).
 *
 * Threads: any, after shadow_names_start.
 *
 * Invariant: while the lock of names is held, this process creates, removes and renames no file
 * below SHADOW_SRC.
 */

#include <stdbool.h>
#include <sys/types.h>

/*
 * Reads and checks the paths; dst may be NULL. Ends the process with a message when they cannot be
 * used. Calls seen() for every file whose present state it has just taken as durable: all of
 * them at the first start.
 */
void shadow_names_start(const char *src, const char *dst, void (*seen)(dev_t device, ino_t inode));

/* Whether there is a SHADOW_DST. */
bool shadow_names_is_copying(void);

/* Whether path, which need not exist, is a name below SHADOW_SRC and does not end in "-shm". */
bool shadow_names_is_ours(int dir_fd, const char *path);
/* Whether fd is a directory (is_dir) or such a file, still with a name, in or below SHADOW_SRC. */
bool shadow_names_is_ours_fd(int fd, bool is_dir);

void shadow_names_lock(void);
void shadow_names_unlock(void);

/*
 * The state file of inode, opened for reading and writing: a new and empty one when fresh, else the
 * one that is there, or -1.
 */
int shadow_names_open_state(ino_t inode, bool fresh);
/* The inode is free for a new file; its durable name, if it has one, keeps the bytes. */
void shadow_names_drop_state(ino_t inode);

/* Calls real_sync(fd) on a directory; once it succeeds, the names in it are durable. */
int shadow_names_sync(int fd, int (*real_sync)(int));

#endif
