/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_random.h"

#include <sodium.h>

#include "base/err.h"
#include "sim/sim_rng.h"

static struct sim_rng rng;

static const char *name(void)
{
    return "sim";
}

static uint32_t word(void)
{
    return (uint32_t)sim_rng_next(&rng);
}

static void bytes(void *const out, const size_t len)
{
    unsigned char *at = out;
    for (size_t i = 0; i < len; i++)
        at[i] = (unsigned char)sim_rng_next(&rng);
}

static randombytes_implementation implementation = {
    .implementation_name = name, .random = word, .buf = bytes};

void sim_random_install(void)
{
    CHECK(randombytes_set_implementation(&implementation) == 0);
}

void sim_random_seed(uint64_t seed)
{
    rng.state = seed ^ UINT64_C(0x5851f42d4c957f2d);
}
