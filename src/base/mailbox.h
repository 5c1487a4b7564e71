/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_MAILBOX_H
#define RELAY_BASE_MAILBOX_H

/*
 * A bounded queue from many threads to one. Letters are embedded in the sender's own structs:
 * posting allocates nothing, and a posted letter belongs to the receiver until it hands it back.
 *
 * Threads: post and close from every thread; take only from the receiver's.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct mailbox;

struct mail {
    struct mail *next;
};

/* A mailbox for at most capacity letters (>= 1). NULL when out of memory. */
struct mailbox *mailbox_create(size_t capacity);
/* It must be empty. NULL is a no-op. */
void mailbox_destroy(struct mailbox *mb);

/* ST_OK: the receiver owns m now. ST_FULL or ST_DENIED (closed): the caller keeps it. */
MUST_CHECK enum status mailbox_post(struct mailbox *mb, struct mail *m);

/*
 * Takes up to max letters in the order of posting; *first is a list ended by NULL. When there is
 * none it waits up to timeout_ms (0: not at all, -1: without limit). Returns how many; 0 after the
 * time, after a nudge, or when it is closed and empty.
 */
size_t mailbox_take(struct mailbox *mb, size_t max, int timeout_ms, struct mail **first);

/* Ends the wait of a running mailbox_take(), or makes the next call not wait. */
void mailbox_nudge(struct mailbox *mb);

/* Posts fail from now on; what is inside can still be taken. */
void mailbox_close(struct mailbox *mb);
bool mailbox_is_closed(struct mailbox *mb);

/* How many letters wait now: for metrics and early refusals. */
size_t mailbox_depth(struct mailbox *mb);

#endif
