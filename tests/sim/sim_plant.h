/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_PLANT_H
#define SIM_SIM_PLANT_H

/*
 * Bugs that the simulation puts in on purpose, so that its checks are seen to fail. One at a time.
 */

#include "base/buf.h"

enum sim_plant {
    SIM_PLANT_NONE,
    SIM_PLANT_ANSWER_BEFORE_COMMIT,   /* the sender hears OK when its row is inserted */
    SIM_PLANT_CURSOR_BEFORE_DELIVERY, /* "queued" is reported as delivered */
    SIM_PLANT_WAL_SYNC_OFF,           /* a sync of the WAL says OK and does nothing */
    SIM_PLANT_WINDOW_FORGOTTEN,       /* restarts open the journal without its dedupe window */
    SIM_PLANT_LOST_REWIND,            /* "not delivered" is taken for delivered */
    SIM_PLANT_REORDER,                /* the producer swaps records of one partition */
    SIM_PLANT_OK_AFTER_IO,            /* an unknown outcome is answered OK */
    SIM_PLANT_CHANGED_BYTE,           /* one byte of one body in fifty changes on its way */
    SIM_PLANT_REFUSED_BUT_STORED,     /* a stored event is answered as refused */
    SIM_PLANT_BROKEN_CHAIN,           /* relay-prev-seq names the wrong event */
    SIM_PLANT_DELETED_ROW,            /* a restart deletes the newest unpublished row */
    SIM_PLANT_LOST_REPORT,            /* a delivery report never comes: the lane stands still */
    SIM_PLANT_CHECKPOINT_OUTSIDE,     /* the checkpoint is written when the commit is asked for */
    SIM_PLANT_CHECKPOINT_IGNORED,     /* a start goes on from the local cursors */
    SIM_PLANT_SUCCESS_BEFORE_COMMIT,  /* a commit under way is reported as done */
    SIM_PLANT_PARK_PASSED,            /* a checkpoint passes a park that the journal has not */
    SIM_PLANT_ZOMBIE_NOT_FENCED,      /* a dead process's commit counts after the next began */
    SIM_PLANT_REPLAY_BEFORE_DELIVERY, /* a replay's records are reported when they are queued */
    SIM_PLANT_REPLAY_PLACE_OUTSIDE,   /* its place is written when the commit is asked for */
    SIM_PLANT_REPLAY_PLACE_IGNORED,   /* a start goes on from its place in the journal */
    SIM_PLANT_REPLAY_UNLABELLED,      /* what a replay may repeat does not say so */
    SIM_PLANT_REQUEUE_LOST,           /* a requeue settles the parked event and makes no row */
    SIM_PLANT_COUNT,
};

struct sim_plant_info {
    const char *name;     /* of --plant */
    const char *promises; /* which failures count as finding it, blank separated */
};

const struct sim_plant_info *sim_plant_info(enum sim_plant plant);
/* SIM_PLANT_COUNT when there is none of this name. */
enum sim_plant sim_plant_find(const char *name);

#endif
