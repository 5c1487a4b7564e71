/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_THREAD_H
#define RELAY_BASE_THREAD_H

/*
 * Named threads, and the question "may this thread call me?".
 *
 * Exported functions of http, journal, kafka and relay name the thread that may call them. The
 * object that is owned by one thread embeds a struct thread_owner; thread_owner_check() in the
 * first line of such a function makes the promise true: a call from a second thread aborts. The
 * check is one load and compare and stays in release builds.
 */

#include <stdatomic.h>

#include "base/err.h"

struct thread; /* a started thread */

#define THREAD_NAME_MAX 16 /* with its NUL; the kernel's limit, prctl(2) PR_SET_NAME */

/* Starts fn(arg) on a thread of this name. Signals stay blocked as the caller has them. ST_NO_MEM.
 */
MUST_CHECK enum status thread_start(struct thread **out, const char *name, void (*fn)(void *),
                                    void *arg, struct err *e);
/* Waits for its end and frees it; NULL is a no-op. */
void thread_join(struct thread *t);

/* Names the calling thread (main does it once). */
void thread_set_name(const char *name);
/* The calling thread's name, "-" when it has none. */
const char *thread_name(void);

struct thread_owner {
    atomic_ulong id; /* 0: nobody yet; the first checked call binds it */
};

/* Binds o to the calling thread on the first call; aborts when a later call comes from another
 * thread. */
void thread_owner_check(struct thread_owner *o);
/* Lets the next caller bind it: for a hand-over at start or after a join. */
void thread_owner_release(struct thread_owner *o);

#endif
