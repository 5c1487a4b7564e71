/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_API_ADMIN_REPLAYS_H
#define RELAY_API_ADMIN_REPLAYS_H

/*
 * Replays: starting, counting beforehand, looking, pausing, ending. What changes something is a job
 * of the committer, answered after COMMIT; the forwarder is then told to look.
 *
 * A dry run counts over a bounded number of rows and says where to go on, so that no request keeps
 * the listener's thread or the WAL for long.
 *
 * Threads: admin http; the job's functions on the committer's.
 */

struct admin_call;

void admin_replays_start(struct admin_call *call);
void admin_replays_list(struct admin_call *call);
void admin_replays_show(struct admin_call *call);
void admin_replays_pause(struct admin_call *call);
void admin_replays_resume(struct admin_call *call);
void admin_replays_cancel(struct admin_call *call);

#endif
