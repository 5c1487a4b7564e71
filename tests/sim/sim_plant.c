/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_plant.h"

#include <string.h>

static const struct sim_plant_info infos[SIM_PLANT_COUNT] = {
    [SIM_PLANT_NONE] = {"none", ""},
    [SIM_PLANT_ANSWER_BEFORE_COMMIT] = {"answer-before-commit", "P1 P11"},
    [SIM_PLANT_CURSOR_BEFORE_DELIVERY] = {"cursor-before-delivery", "P1 P2"},
    /* A WAL that is not synced before its checkpoint can also leave a damaged file. */
    [SIM_PLANT_WAL_SYNC_OFF] = {"wal-sync-off", "P1 P4 P6"},
    [SIM_PLANT_WINDOW_FORGOTTEN] = {"window-forgotten", "P9"},
    [SIM_PLANT_LOST_REWIND] = {"lost-rewind", "P1 P2"},
    [SIM_PLANT_REORDER] = {"reorder", "P3"},
    [SIM_PLANT_OK_AFTER_IO] = {"ok-after-io", "P1 P6 P9 P11"},
    [SIM_PLANT_CHANGED_BYTE] = {"changed-byte", "P7"},
    [SIM_PLANT_REFUSED_BUT_STORED] = {"refused-but-stored", "P1 P6 P11"},
    [SIM_PLANT_BROKEN_CHAIN] = {"broken-chain", "P11"},
    [SIM_PLANT_DELETED_ROW] = {"deleted-row", "P1 P4"},
    [SIM_PLANT_LOST_REPORT] = {"lost-report", "quiescence"},
    [SIM_PLANT_CHECKPOINT_OUTSIDE] = {"checkpoint-outside", "P1 P2 once"},
    [SIM_PLANT_CHECKPOINT_IGNORED] = {"checkpoint-ignored", "once"},
    [SIM_PLANT_SUCCESS_BEFORE_COMMIT] = {"success-before-commit", "P1 P2"},
    [SIM_PLANT_PARK_PASSED] = {"park-passed", "P1 P2"},
    [SIM_PLANT_ZOMBIE_NOT_FENCED] = {"zombie-not-fenced", "once"},
    [SIM_PLANT_REPLAY_BEFORE_DELIVERY] = {"replay-before-delivery", "P2"},
    [SIM_PLANT_REPLAY_PLACE_OUTSIDE] = {"replay-place-outside", "P2 once"},
    [SIM_PLANT_REPLAY_PLACE_IGNORED] = {"replay-place-ignored", "once"},
    [SIM_PLANT_REPLAY_UNLABELLED] = {"replay-unlabelled", "P9"},
    [SIM_PLANT_REQUEUE_LOST] = {"requeue-lost", "P1 P11"},
};

const struct sim_plant_info *sim_plant_info(enum sim_plant plant)
{
    return &infos[plant];
}

enum sim_plant sim_plant_find(const char *name)
{
    int i = 0;
    while (i < SIM_PLANT_COUNT && strcmp(infos[i].name, name) != 0)
        i++;
    return (enum sim_plant)i;
}
