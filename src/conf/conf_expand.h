/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CONF_CONF_EXPAND_H
#define RELAY_CONF_CONF_EXPAND_H

/*
 * Values from outside the file: environment variables in a value, and secrets in files.
 *
 * Threads: conf_expand_value reads the environment, so not beside setenv(3).
 */

#include "base/buf.h"
#include "base/err.h"

#define CONF_VALUE_MAX       (64u * 1024u) /* bytes of a value with its variables filled in */
#define CONF_SECRET_FILE_MAX 4096          /* bytes; a token or private key is below */

/*
 * Appends text to out, ${NAME} replaced by the variable's value (which is not searched again) and
 * "$${" by a plain "${". ST_BAD_INPUT: a variable that is not set or empty, a malformed or
 * unfinished ${; the reason names the variable. ST_FULL: over out's bound. ST_NO_MEM.
 */
MUST_CHECK enum status conf_expand_value(struct slice text, struct buf *out, struct err *e);

/*
 * Appends the content of a secret's file to out without one line end at its end. ST_BAD_INPUT with
 * the reason: it cannot be read, is no regular file, is empty, over CONF_SECRET_FILE_MAX, holds a
 * NUL, or gives other users any right. ST_NO_MEM.
 */
MUST_CHECK enum status conf_expand_secret_file(const char *path, struct buf *out, struct err *e);

/* Overwrites the whole memory of b, then frees it as buf_fini(). */
void conf_expand_wipe(struct buf *b);

#endif
