/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BENCH_STATUS_FILE_H
#define RELAY_BENCH_STATUS_FILE_H

/*
 * A one-line file that tells a watching test how far the run is.
 *
 * Owns nothing between two calls. The file is replaced by rename, so that a reader sees a whole
 * line or, before the first call, no file.
 *
 * Threads: one writer for each path.
 */

#include "fail.h"

#include <stdint.h>

struct status_file_line {
    uint64_t sent;
    uint64_t answered_2xx;
    uint64_t other;
    uint64_t under_way;
};

/* Writes "<sent> <answered_2xx> <other> <under_way>\n" to path. Returns false and fills *f on
 * failure. */
bool status_file_write(const char *path, const struct status_file_line *line, struct fail *f);

#endif
