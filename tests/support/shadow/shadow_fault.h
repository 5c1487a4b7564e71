/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHADOW_SHADOW_FAULT_H
#define SHADOW_SHADOW_FAULT_H

/*
 * Calls that shall fail, as asked for in SHADOW_FAIL (syntax in shadow.h).
 *
 * Owns: the plans and their counts. Threads: any, after shadow_fault_start.
 */

#include <stdbool.h>

enum shadow_op {
    SHADOW_OPEN,
    SHADOW_WRITE,
    SHADOW_PWRITE,
    SHADOW_FTRUNCATE,
    SHADOW_FALLOCATE,
    SHADOW_FDATASYNC,
    SHADOW_FSYNC,
    SHADOW_UNLINK,
    SHADOW_RENAME,
    SHADOW_OP_COUNT,
};

/*
 * Reads the plans; NULL and "" are none. Called once. Ends the process with a message when text is
 * malformed.
 */
void shadow_fault_start(const char *text);

/* Whether any plan concerns op. */
bool shadow_fault_is_planned(enum shadow_op op);

/* Counts one call of op on a file of ours; the errno it fails with, 0 when it shall work. */
int shadow_fault_take(enum shadow_op op);

#endif
