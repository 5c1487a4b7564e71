/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_LAZY_H
#define SIM_SIM_LAZY_H

/*
 * A planted bug: a VFS over another one whose sync of a WAL says OK and does nothing, as
 * synchronous=NORMAL does at a commit.
 *
 * Threads: one.
 */

struct sim_lazy;

/* Registers `name` over the VFS `below`, which must outlive it. */
struct sim_lazy *sim_lazy_create(const char *name, const char *below);
/* No file may be open. NULL is a no-op. */
void sim_lazy_destroy(struct sim_lazy *l);

#endif
