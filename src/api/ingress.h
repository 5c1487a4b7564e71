/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_INGRESS_H
#define RELAY_API_INGRESS_H

/*
 * The intake listener's handler: POST on a source's path becomes a journaled event, GET /healthz
 * and /readyz say how the process and the journal are.
 *
 * The way of a delivery: on_head finds the source, checks method and credentials before a body byte
 * is kept; on_request reads the envelope, suspends the request and hands a job to the committer;
 * the job's done(), after COMMIT, answers (promise P1).
 *
 *   200 {"status":"stored","seq":"12"}        committed
 *   200 {"status":"duplicate","seq":"7"}      the same id and bytes are in the window under seq 7
 *   200 {"status":"quarantined","seq":"12"}   committed, but unreadable: waits for a person
 *   200 {"status":"ping","seq":"12"}          Gladly's test delivery, committed
 *   401 {"error":"unauthorized"}              429 once one address sent too many
 *   404 {"error":"not_found"}
 *   405 {"error":"method_not_allowed"}
 *   503 {"error":"unavailable"}               the journal cannot take it now; Retry-After
 *
 * Of a source with ack = kafka the answer waits for Kafka, too, at most ack_timeout_ms; each of its
 * 200 has "acknowledged":"kafka" or, when it left on the commit alone, "acknowledged":"journal".
 *
 * Framing (400), size (413, 431) and time (408 is never sent: a slow client is cut) are the
 * server's, see http_server.h.
 *
 * Owns: the table of sources. Threads: handler callbacks on http threads, done() on the committer's
 * and those that relay/acks.h names, the rest on main.
 */

#include "api/auth.h"
#include "base/metric.h"
#include "relay/intake.h"

struct ingress;

struct ingress_opts {
    const struct conf *conf;
    struct journal *journal; /* for digests, and source numbers at creation */
    struct committer *committer;
    const struct clock *clock;
    size_t record_max;      /* bytes of body that fit into one Kafka record */
    struct acks *acks;      /* NULL: ack = kafka of a source is not heeded */
    int64_t ack_timeout_ms; /* from a complete request to the fallback */
    struct metrics *metrics;
};

/* Registers every source in the journal, and where its dead letters go. The journal's writer must
 * be done before the ingress goes. ST_BAD_INPUT: a topic is not legal; the text names it. */
MUST_CHECK enum status ingress_create(struct ingress **out, const struct ingress_opts *opts,
                                      struct err *e);
/* No request may be under way. NULL is a no-op. */
void ingress_destroy(struct ingress *in);

/* The handler to give to the server, and how much memory each request needs of it. */
struct http_handler ingress_handler(struct ingress *in);
size_t ingress_user_bytes(void);

/* Takes over secrets and limits of a new configuration with the same sources. */
void ingress_reload(struct ingress *in, const struct conf *conf);

/* From now on /readyz says 503: the first step of a shutdown, so that a load balancer looks
 * elsewhere. */
void ingress_set_draining(struct ingress *in);

#endif
