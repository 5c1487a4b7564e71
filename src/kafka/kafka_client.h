/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_CLIENT_H
#define RELAY_KAFKA_KAFKA_CLIENT_H

/*
 * How a publisher hears from its librdkafka client: a descriptor, and the callbacks. What both
 * publishers share.
 *
 * Owns nothing. Threads: the publisher's.
 */

#include "base/wakeup.h"

#include <librdkafka/rdkafka.h>

/* Makes fd readable when something comes into the client's empty queue; -1: no longer. What came
 * before is not signalled. */
void kafka_client_watch(rd_kafka_t *client, int fd);

/* Runs the callbacks of what has come. It ends after a few rounds, whatever goes on coming; then it
 * signals wake itself. */
void kafka_client_serve(rd_kafka_t *client, const struct wakeup *wake);

#endif
