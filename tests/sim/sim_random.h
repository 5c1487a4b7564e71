/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_RANDOM_H
#define SIM_SIM_RANDOM_H

/*
 * libsodium's randomness as a function of the seed, so that journal ids and window keys are too.
 * Threads: one.
 */

#include <stdint.h>

/* Once, before ident_init(). */
void sim_random_install(void);
void sim_random_seed(uint64_t seed);

#endif
