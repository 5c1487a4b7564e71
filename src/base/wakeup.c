/* SPDX-License-Identifier: Apache-2.0 */
#include "base/wakeup.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum status wakeup_init(struct wakeup *w, struct err *e)
{
    w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->fd < 0)
        return err_set_errno(e, ST_IO, errno, "eventfd");
    return ST_OK;
}

void wakeup_fini(struct wakeup *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

void wakeup_signal(const struct wakeup *w)
{
    /* It can only fail when the counter is full, and then it is readable anyway. */
    uint64_t one = 1;
    ssize_t n = write(w->fd, &one, sizeof one);
    (void)n;
}

void wakeup_clear(const struct wakeup *w)
{
    uint64_t count;
    ssize_t n = read(w->fd, &count, sizeof count);
    (void)n;
}
