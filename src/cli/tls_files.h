/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELAY_CLI_TLS_FILES_H
#define RELAY_CLI_TLS_FILES_H

/* The certificate and key files of the intake, read anew at each reload. Threads: main. */

#include "conf/conf.h"

/* A chain and a key; a larger file is not one. */
#define TLS_FILE_MAX (256u << 10)

struct tls_files {
    char *cert_pem; /* both NULL: no TLS */
    char *key_pem;
};

/* ST_OK with both NULL when none is configured. ST_NOT_FOUND, ST_DENIED, ST_TOO_BIG: the text names
 * option and file. */
MUST_CHECK enum status tls_files_read(struct tls_files *files, const struct conf_http *conf,
                                      struct err *e);
/* Overwrites the key and frees both. */
void tls_files_free(struct tls_files *files);

#endif
