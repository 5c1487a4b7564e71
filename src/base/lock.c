/* SPDX-License-Identifier: Apache-2.0 */
#include "base/lock.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"

struct lock {
    pthread_mutex_t mutex;
};

struct lock *lock_create(void)
{
    struct lock *l = calloc(1, sizeof *l);
    CHECK(l);
    pthread_mutex_init(&l->mutex, NULL);
    return l;
}

void lock_destroy(struct lock *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->mutex);
    free(l);
}

void lock_take(struct lock *l)
{
    int rc = pthread_mutex_lock(&l->mutex);
    CHECK(rc == 0);
}

void lock_give(struct lock *l)
{
    int rc = pthread_mutex_unlock(&l->mutex);
    CHECK(rc == 0);
}
