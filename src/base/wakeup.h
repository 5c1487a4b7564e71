/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_WAKEUP_H
#define RELAY_BASE_WAKEUP_H

/*
 * An eventfd that ends somebody's poll. Many signals before the clear are one wake-up.
 * Threads: signal from every thread; clear from the one that polls.
 */

#include "base/err.h"

struct wakeup {
    int fd; /* poll this for reading */
};

MUST_CHECK enum status wakeup_init(struct wakeup *w, struct err *e);
void wakeup_fini(struct wakeup *w);
void wakeup_signal(const struct wakeup *w);
void wakeup_clear(const struct wakeup *w);

#endif
