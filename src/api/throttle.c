/* SPDX-License-Identifier: Apache-2.0 */
#include "api/throttle.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/lock.h"

#define MINUTE_NS 60000000000ll

struct slot {
    uint32_t hash;
    uint32_t failures;
    struct mono since;
};

struct throttle {
    struct lock *lock; /* protects slots */
    _Atomic uint32_t failures_max;
    struct slot slots[THROTTLE_SLOTS];
};

struct throttle *throttle_create(uint32_t failures_max)
{
    struct throttle *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->lock = lock_create();
    t->failures_max = failures_max;
    return t;
}

void throttle_destroy(struct throttle *t)
{
    if (!t)
        return;
    lock_destroy(t->lock);
    free(t);
}

void throttle_set_max(struct throttle *t, uint32_t failures_max)
{
    t->failures_max = failures_max;
}

bool throttle_failure(struct throttle *t, const char *address, struct mono now)
{
    uint32_t hash = checksum_crc32c(0, address, strlen(address));
    struct slot *s = &t->slots[hash % THROTTLE_SLOTS];
    uint32_t failures;
    if (!t->failures_max)
        return false;
    lock_take(t->lock);
    if (!s->failures || mono_diff_ns(now, s->since) >= MINUTE_NS)
        *s = (struct slot){.hash = hash, .since = now};
    failures = ++s->failures;
    lock_give(t->lock);
    return failures > t->failures_max;
}
