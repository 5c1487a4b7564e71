/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/replay_place.h"

#include "base/checksum.h"
#include "base/log.h"

static uint32_t check_of(const struct replay *of)
{
    return checksum_crc32c(0, &of->created.us, sizeof of->created.us);
}

struct publisher_position replay_place(const struct replay *of, int64_t seq)
{
    return (struct publisher_position){.feed = -of->id, .seq = seq, .check = check_of(of)};
}

bool replay_place_is_of(const struct publisher_position *place, const struct replay *of)
{
    if (place->feed != -of->id)
        return false;
    if (!place->check || place->check == check_of(of))
        return true;
    log_warn("replay.begins_anew", LOG_I("replay", of->id),
             LOG_S("reason", "what Kafka has under this number is another replay's"));
    return false;
}
