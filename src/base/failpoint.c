/* SPDX-License-Identifier: Apache-2.0 */
#include "base/failpoint.h"

#ifdef RELAY_FAILPOINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"

static _Atomic uint64_t passes; /* of the armed place */

void failpoint_pass(const char *name)
{
    const char *armed = getenv("RELAY_FAILPOINT");
    size_t len = strlen(name);
    uint64_t nth = 0;
    if (!armed || strncmp(armed, name, len) != 0 || armed[len] != ':')
        return;
    CHECK(num_parse_u64(slice_of(armed + len + 1), 1, UINT64_MAX, &nth, NULL) == ST_OK);
    if (atomic_fetch_add(&passes, 1) + 1 == nth)
        kill(getpid(), SIGKILL);
}

#endif
