/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger.h"

#include "pen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* About 500 lines: a loop turn of the load generator rarely makes more, and then one more write
 * does it. */
#define BUFFER_BYTES 65536
/* Two ids of 22, two times of 16, seq and n of up to 20 digits, a status and the separators. */
#define LINE_MAX_BYTES 256

struct ledger {
    int fd;
    int write_errno; /* the first failure; 0 for none */
    size_t len;
    char buffer[BUFFER_BYTES];
};

struct ledger *ledger_open(const char *path, struct fail *f)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (l == NULL) {
        fail_set(f, "no memory for the ledger");
        return NULL;
    }
    l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (l->fd < 0) {
        fail_set_errno(f, errno, "cannot open the ledger %s", path);
        free(l);
        return NULL;
    }
    return l;
}

void ledger_close(struct ledger *l)
{
    if (l == NULL)
        return;
    close(l->fd);
    free(l);
}

static void write_out(struct ledger *l)
{
    size_t done = 0;
    while (done < l->len && l->write_errno == 0) {
        ssize_t n = write(l->fd, l->buffer + done, l->len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            l->write_errno = n == 0 ? EIO : errno;
    }
    l->len = 0;
}

void ledger_add(struct ledger *l, const struct ledger_line *line)
{
    if (BUFFER_BYTES - l->len < LINE_MAX_BYTES)
        write_out(l);
    struct pen p = {l->buffer + l->len, l->buffer + BUFFER_BYTES};
    pen_text(&p, line->id);
    PEN_LITERAL(&p, " ");
    if (line->status == LEDGER_UNANSWERED)
        PEN_LITERAL(&p, "unanswered");
    else
        pen_u64(&p, (uint64_t)line->status);
    PEN_LITERAL(&p, " ");
    pen_text(&p, line->seq[0] == '\0' ? "-" : line->seq);
    PEN_LITERAL(&p, " ");
    pen_text(&p, line->key);
    PEN_LITERAL(&p, " ");
    pen_u64(&p, line->n);
    PEN_LITERAL(&p, " ");
    pen_u64(&p, (uint64_t)line->sent.us);
    PEN_LITERAL(&p, " ");
    pen_u64(&p, line->status == LEDGER_UNANSWERED ? 0 : (uint64_t)line->answered.us);
    PEN_LITERAL(&p, "\n");
    l->len = (size_t)(p.at - l->buffer);
}

bool ledger_flush(struct ledger *l, struct fail *f)
{
    if (l->len > 0)
        write_out(l);
    if (l->write_errno != 0)
        return fail_set_errno(f, l->write_errno, "cannot write the ledger");
    return true;
}
