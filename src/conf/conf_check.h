/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_CHECK_H
#define RELAY_CONF_CONF_CHECK_H

/*
 * What no single line shows: required options, options that need each other, names that must exist
 * or must differ.
 *
 * Threads: re-entrant.
 */

#include "conf/conf_build.h"

/* Adds what is wrong with the conf that b has read to errs. */
void conf_check(const struct conf_build *b, const struct conf *c, const struct conf_load_opts *opts,
                struct conf_errors *errs);

#endif
