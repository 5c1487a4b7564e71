/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_SIM_MEMORY_H
#define SIM_SIM_MEMORY_H

/*
 * SQLite's memory from free lists by size: a life opens several connections, and most of what a
 * schedule costs is their small allocations. What is freed is kept for the next; nothing goes back.
 *
 * Threads: one.
 */

/* Once, before anything else of SQLite is called. */
void sim_memory_install(void);

#endif
