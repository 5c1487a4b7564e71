/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_RELAY_AUDIT_TOPIC_H
#define RELAY_RELAY_AUDIT_TOPIC_H

/*
 * The audit of one topic and all lanes that go there. audit.h says what is judged and how much
 * memory it takes.
 *
 * Owns: the passes. Each reads the whole topic, and judges the records whose seq lies in the pass's
 * window of rows (audit_rows.h) or of deleted rows (audit_chain.h), so that each record is judged
 * in one pass. Windows of rows go up, those of deleted rows down from the newest one.
 *
 * Threads: one.
 */

#include "relay/audit.h"

/* Adds to *out. Calls opts->on_lane for each wanted lane of the topic, after its findings. */
MUST_CHECK enum status audit_topic_run(const char *name, const struct audit_opts *opts,
                                       struct audit_result *out, struct err *e);

#endif
