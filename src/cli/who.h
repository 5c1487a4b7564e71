/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_WHO_H
#define RELAY_CLI_WHO_H

/*
 * Who gives a command, for the rows that operators' actions leave. Threads: re-entrant.
 */

#define WHO_MAX 64

/* $SUDO_USER, or the login name, or the user's number; always something, cut to WHO_MAX - 1 bytes.
 */
void who_am_i(char out[WHO_MAX]);

#endif
