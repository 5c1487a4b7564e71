/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_BODIES_H
#define RELAY_BENCH_BODIES_H

/*
 * Gladly-shaped webhook events: the data set of the load generator.
 *
 * Owns the random state, the size mix and the counter of every key. Does not own the buffers that
 * it writes into. A key stands for one conversation: its conversation, customer, task and agent ids
 * are functions of the key and the seed. The same seed and the same calls give the same events,
 * apart from the timestamp.
 *
 * Invariants: no two events of one run have the same id; the counter of a key grows by one with
 * every event of the key and starts at 1; a body is never longer than the size that the mix drew
 * for it, and at most BODIES_SHORT_BY_MAX bytes shorter.
 *
 * Threads: none of its own; one thread at a time.
 */

#include "fail.h"
#include "instant.h"

#include <stddef.h>
#include <stdint.h>

#define BODIES_MIX_DEFAULT "400:40,600:30,1024:15,2048:10,8192:5"

/* The longest family without padding and without an assignee fits into 400 bytes. */
#define BODIES_SIZE_MIN 400
/* Far above a real event; enough to meet any limit of the server. */
#define BODIES_SIZE_MAX 1048576
/* A gap too small for ,"padding":"x" stays open. */
#define BODIES_SHORT_BY_MAX 13
#define BODIES_KEYS_MAX     10000000

#define BODIES_ID_LEN 22 /* 16 bytes in base64url without padding (RFC 4648, section 5) */

struct bodies_event {
    char id[BODIES_ID_LEN + 1];
    char key[BODIES_ID_LEN + 1]; /* the conversation id of the key, also for families without one */
    uint64_t n;                  /* the counter of the key: content.loadgenSeq */
};

struct bodies;

/*
 * mix is "SIZE:WEIGHT,..." with 1 to 16 parts, sizes BODIES_SIZE_MIN..BODIES_SIZE_MAX bytes and
 * weights 1..1000000; key_count is 1..BODIES_KEYS_MAX. Returns NULL and fills *f when mix is
 * malformed or memory ends.
 */
struct bodies *bodies_create(const char *mix, uint32_t key_count, uint64_t seed, struct fail *f);
void bodies_destroy(struct bodies *b);

/* The largest size of the mix, in bytes: what a buffer for bodies_render must hold. */
size_t bodies_size_max(const struct bodies *b);

/*
 * A random key among first, first + step, first + 2 * step, ... below key_count. first is below
 * key_count and step at least 1: (0, 1) draws from all keys.
 */
uint32_t bodies_draw_key(struct bodies *b, uint32_t first, uint32_t step);

/*
 * Makes the next event of `key` (below key_count), with `now` as its timestamp, into out, which
 * holds bodies_size_max bytes. Tells its identity in *event. Returns its length in bytes; writes no
 * final NUL.
 */
size_t bodies_render(struct bodies *b, uint32_t key, struct wall now, char *out,
                     struct bodies_event *event);

#endif
