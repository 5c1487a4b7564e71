/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_KAFKA_KAFKA_PROPERTY_H
#define RELAY_KAFKA_KAFKA_PROPERTY_H

/*
 * Which librdkafka properties an operator may set.
 *
 * Owns: the list of refused properties and the reasons. Does not own: the relay's own values
 * (kafka_conf.h). Threads: any. Invariant: no code is loaded and no file is opened for a property
 * that is refused; the list is asked before librdkafka, which loads plugins while it sets them.
 */

#include "base/err.h"

#include <stddef.h>

struct kafka_property {
    const char *name;
    const char *value;
};

/*
 * Whether an operator may set the property: ST_BAD_INPUT with the reason for unknown names, values
 * that librdkafka refuses, and dangerous ones: test.mock.*, acks other than all, idempotence off,
 * finite delivery times, callbacks, code loading, and what the relay itself decides. Allowed and
 * the operator's own risk: partitioner (another one moves keys to other partitions). Any thread.
 */
MUST_CHECK enum status kafka_property_check(const char *name, const char *value, struct err *e);

#endif
