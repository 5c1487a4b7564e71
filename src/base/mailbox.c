/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

struct mailbox {
    pthread_mutex_t lock; /* protects all below; nothing else is locked while it is held */
    pthread_cond_t filled;
    struct mail *head;
    struct mail **tail;
    size_t depth;
    size_t capacity;
    bool closed;
    bool nudged;
    bool waiting; /* the receiver sleeps: only then is a signal worth its system call */
};

struct mailbox *mailbox_create(size_t capacity)
{
    pthread_condattr_t attr;
    struct mailbox *mb = calloc(1, sizeof *mb);
    if (!mb)
        return NULL;
    pthread_mutex_init(&mb->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&mb->filled, &attr);
    pthread_condattr_destroy(&attr);
    mb->tail = &mb->head;
    mb->capacity = capacity;
    return mb;
}

void mailbox_destroy(struct mailbox *mb)
{
    if (!mb)
        return;
    CHECK(!mb->head);
    pthread_cond_destroy(&mb->filled);
    pthread_mutex_destroy(&mb->lock);
    free(mb);
}

enum status mailbox_post(struct mailbox *mb, struct mail *m)
{
    enum status st = ST_OK;
    bool wake = false;
    pthread_mutex_lock(&mb->lock);
    if (mb->closed) {
        st = ST_DENIED;
    } else if (mb->depth == mb->capacity) {
        st = ST_FULL;
    } else {
        m->next = NULL;
        *mb->tail = m;
        mb->tail = &m->next;
        mb->depth++;
        wake = mb->waiting;
        mb->waiting = false;
    }
    pthread_mutex_unlock(&mb->lock);
    if (wake)
        pthread_cond_signal(&mb->filled);
    return st;
}

static void wait_filled(struct mailbox *mb, int timeout_ms)
{
    struct timespec until;
    int rc = 0;
    if (timeout_ms > 0) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + (int64_t)timeout_ms * 1000000;
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
    }
    while (!mb->head && !mb->closed && !mb->nudged && rc != ETIMEDOUT) {
        mb->waiting = true;
        if (timeout_ms < 0)
            pthread_cond_wait(&mb->filled, &mb->lock);
        else
            rc = pthread_cond_timedwait(&mb->filled, &mb->lock, &until);
    }
    mb->waiting = false;
}

size_t mailbox_take(struct mailbox *mb, size_t max, int timeout_ms, struct mail **first)
{
    size_t n = 0;
    struct mail **cut;
    *first = NULL;
    pthread_mutex_lock(&mb->lock);
    if (!mb->head && timeout_ms != 0)
        wait_filled(mb, timeout_ms);
    mb->nudged = false;
    for (cut = first, *first = mb->head; *cut && n < max; n++)
        cut = &(*cut)->next;
    if (n) {
        mb->head = *cut;
        *cut = NULL;
        if (!mb->head)
            mb->tail = &mb->head;
        mb->depth -= n;
    }
    pthread_mutex_unlock(&mb->lock);
    return n;
}

void mailbox_nudge(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    mb->nudged = true;
    pthread_mutex_unlock(&mb->lock);
    pthread_cond_signal(&mb->filled);
}

void mailbox_close(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    mb->closed = true;
    pthread_mutex_unlock(&mb->lock);
    pthread_cond_signal(&mb->filled);
}

bool mailbox_is_closed(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    bool closed = mb->closed;
    pthread_mutex_unlock(&mb->lock);
    return closed;
}

size_t mailbox_depth(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    size_t depth = mb->depth;
    pthread_mutex_unlock(&mb->lock);
    return depth;
}
