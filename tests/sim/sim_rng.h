/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_RNG_H
#define SIM_SIM_RNG_H

/*
 * The one source of chance of a schedule: splitmix64 (Steele, Lea, Flood, "Fast splittable
 * pseudorandom number generators", OOPSLA 2014). Equal seeds give equal schedules.
 *
 * Threads: an rng belongs to one thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct sim_rng {
    uint64_t state;
};

static inline uint64_t sim_rng_next(struct sim_rng *r)
{
    uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to n - 1; n >= 1. */
static inline unsigned sim_rng_below(struct sim_rng *r, unsigned n)
{
    return (unsigned)(sim_rng_next(r) % n);
}

static inline bool sim_rng_chance(struct sim_rng *r, unsigned percent)
{
    return sim_rng_below(r, 100) < percent;
}

#endif
