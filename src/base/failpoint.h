/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_BASE_FAILPOINT_H
#define RELAY_BASE_FAILPOINT_H

/*
 * Named places at which a test ends the process as a crash would: FAILPOINT("settle.applied");
 *
 * Only a build with RELAY_FAILPOINTS has them (the program gladly-relay-failpoints, for tests); in
 * every other the macro is nothing, and no name of a place stands in the program. The environment
 * arms one: RELAY_FAILPOINT=NAME:N kills the process by SIGKILL when it passes that place for the
 * N-th time.
 *
 * Owns: one count of passes. Threads: all.
 */

/*
 * Passes the place. Without RELAY_FAILPOINT, or with another name in it, nothing happens; a count
 * that is no number from 1 up ends the process by abort(), because such a test would prove nothing.
 */
void failpoint_pass(const char *name);

#ifdef RELAY_FAILPOINTS
#define FAILPOINT(name) failpoint_pass(name)
#else
#define FAILPOINT(name) ((void)0)
#endif

#endif
