/* SPDX-License-Identifier: Apache-2.0 */
#include "status_file.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

bool status_file_write(const char *path, const struct status_file_line *line, struct fail *f)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof temporary, "%s.tmp", path);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return fail_set(f, "the path of the status file is too long");
    FILE *out = fopen(temporary, "we");
    if (out == NULL)
        return fail_set_errno(f, errno, "cannot create %s", temporary);
    int written = fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", line->sent,
                          line->answered_2xx, line->other, line->under_way);
    if (fclose(out) != 0 || written < 0)
        return fail_set_errno(f, errno, "cannot write %s", temporary);
    if (rename(temporary, path) != 0)
        return fail_set_errno(f, errno, "cannot rename %s to %s", temporary, path);
    return true;
}
