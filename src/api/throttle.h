/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_THROTTLE_H
#define RELAY_API_THROTTLE_H

/*
 * Counts failed authentications per address and minute.
 *
 * Behind a proxy every client may share one address, and Gladly's own deliveries must never be
 * refused for somebody else's guesses (promise P5): so only the answers to failed requests change,
 * from 401 to 429 with the connection closed. Secrets of 16 random characters are not guessed at
 * that pace.
 *
 * Bounds: THROTTLE_SLOTS addresses; one that hashes onto another's place replaces it once a minute
 * has passed, and else shares its count. Threads: every http thread.
 */

#include "base/clock.h"
#include "base/err.h"

#define THROTTLE_SLOTS 4096

struct throttle;

/* failures_max per address and minute; 0: never. NULL when out of memory. */
struct throttle *throttle_create(uint32_t failures_max);
void throttle_destroy(struct throttle *t);
void throttle_set_max(struct throttle *t, uint32_t failures_max);
/* Counts one failure of address; true when it is over the limit. */
bool throttle_failure(struct throttle *t, const char *address, struct mono now);

#endif
