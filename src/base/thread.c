/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct thread {
    pthread_t handle;
    char name[THREAD_NAME_MAX];
    void (*fn)(void *);
    void *arg;
};

static _Thread_local char own_name[THREAD_NAME_MAX] = "-";

void thread_set_name(const char *name)
{
    snprintf(own_name, sizeof own_name, "%s", name);
    pthread_setname_np(pthread_self(), own_name);
}

const char *thread_name(void)
{
    return own_name;
}

static void *run(void *arg)
{
    struct thread *t = arg;
    thread_set_name(t->name);
    t->fn(t->arg);
    return NULL;
}

enum status thread_start(struct thread **out, const char *name, void (*fn)(void *), void *arg,
                         struct err *e)
{
    struct thread *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(e, ST_NO_MEM, "thread %s: out of memory", name);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->fn = fn;
    t->arg = arg;
    int rc = pthread_create(&t->handle, NULL, run, t);
    if (rc) {
        free(t);
        return err_set_errno(e, ST_NO_MEM, rc, "thread %s cannot start", name);
    }
    *out = t;
    return ST_OK;
}

void thread_join(struct thread *t)
{
    if (!t)
        return;
    int rc = pthread_join(t->handle, NULL);
    CHECK(rc == 0);
    free(t);
}

void thread_owner_check(struct thread_owner *o)
{
    unsigned long self = (unsigned long)pthread_self();
    unsigned long seen = atomic_load_explicit(&o->id, memory_order_relaxed);
    if (seen == self)
        return;
    CHECK(seen == 0 && "called by a thread that does not own the object");
    atomic_store_explicit(&o->id, self, memory_order_relaxed);
}

void thread_owner_release(struct thread_owner *o)
{
    atomic_store_explicit(&o->id, 0, memory_order_relaxed);
}
