/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_CHANGE_H
#define RELAY_API_ADMIN_CHANGE_H

/*
 * What every change by an operator shares: reading the body of its request, and answering it late,
 * after the committer. Internal to the admin_ files.
 *
 * Threads: reading on admin http; answering on any.
 */

#include "api/admin_call.h"
#include "base/buf.h"
#include "json/json_value.h"

/* The body as a JSON object with no members but those of known ("who,why,scope"). *body is the
 * caller's to destroy, also after a failure. ST_BAD_INPUT, ST_TOO_BIG, ST_NO_MEM. */
MUST_CHECK enum status admin_change_body(struct admin_call *call, const char *known,
                                         struct json_value **body, struct err *e);

/* An array as a buf that is full at its size. */
struct buf admin_change_field(char *bytes, size_t size);
/* A text member without control characters, which would forge lines where it is shown; "" when it
 * is absent and not needed. out is a field; the text in it ends with a NUL. ST_BAD_INPUT. */
MUST_CHECK enum status admin_change_text(const struct json_value *body, const char *name,
                                         bool is_needed, struct buf out, struct err *e);

/* Answers a suspended request; root is destroyed. */
void admin_change_answer(struct http_req *req, int status, struct json_value *root);
/* {"error":word,"reason":reason}; reason may be NULL. */
struct json_value *admin_change_refusal(const char *word, const char *reason);

#endif
