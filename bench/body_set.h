/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_BODY_SET_H
#define RELAY_BENCH_BODY_SET_H

/*
 * A block of ready-made bodies of the load generator's data set, for programs that feed the relay's
 * own parts. It keeps the generator's types out of their sight: both sides have a struct mono.
 * Threads: one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct body_set;

/* count bodies of the default mix. NULL, with the reason on stderr. */
struct body_set *body_set_create(size_t count, uint64_t seed);
void body_set_destroy(struct body_set *s);
/* Body i < count; lives as long as the set. */
const char *body_set_get(const struct body_set *s, size_t i, size_t *len);

#endif
