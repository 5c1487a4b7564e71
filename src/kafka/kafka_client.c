/* SPDX-License-Identifier: Apache-2.0 */
#include "kafka/kafka_client.h"

/* One rd_kafka_poll() serves all that is queued; a few more catch what came meanwhile. */
#define POLL_ROUNDS 8

void kafka_client_watch(rd_kafka_t *client, int fd)
{
    const uint64_t one = 1;
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(client);
    rd_kafka_queue_io_event_enable(queue, fd, &one, sizeof one);
    rd_kafka_queue_destroy(queue);
}

void kafka_client_serve(rd_kafka_t *client, const struct wakeup *wake)
{
    int rounds = 0;
    while (rd_kafka_poll(client, 0) > 0)
        if (++rounds == POLL_ROUNDS) {
            /* librdkafka signals only when its queue stops being empty. */
            wakeup_signal(wake);
            break;
        }
}
