/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_EVENT_PRINT_H
#define RELAY_CLI_EVENT_PRINT_H

/* One event for people. Threads: main. */

#include "json/json_value.h"

/* Each member of an answer of /v1/events/SEQ in a line of its own, then the body. */
void event_print(const struct json_value *event);

#endif
