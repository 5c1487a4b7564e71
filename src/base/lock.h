/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_LOCK_H
#define RELAY_BASE_LOCK_H

/*
 * A mutex for the few places that share instead of handing over. Each owner's comment names the
 * fields that its lock protects; nothing else is locked while one is held. Threads: every one.
 */

struct lock;

/* Aborts when out of memory (start only). */
struct lock *lock_create(void);
void lock_destroy(struct lock *l);
void lock_take(struct lock *l);
void lock_give(struct lock *l);

#endif
