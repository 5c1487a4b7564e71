/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tls_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ident.h"

static enum status read_file(const char *option, const char *path, char **out, struct err *e)
{
    enum status st = ST_OK;
    FILE *f = fopen(path, "re");
    char *text = calloc(1, TLS_FILE_MAX + 1);
    size_t n = 0;
    if (!f)
        st = err_set_errno(e, ST_NOT_FOUND, errno, "[http] %s: %s", option, path);
    else if (!text)
        st = err_set(e, ST_NO_MEM, "[http] %s: out of memory", option);
    else
        n = fread(text, 1, TLS_FILE_MAX, f);
    if (st == ST_OK && (n == 0 || n == TLS_FILE_MAX))
        st = err_set(e, ST_BAD_INPUT, "[http] %s: %s is empty, unreadable or over 256 KiB", option,
                     path);
    if (f)
        fclose(f);
    if (st == ST_OK)
        *out = text;
    else
        free(text);
    return st;
}

enum status tls_files_read(struct tls_files *files, const struct conf_http *conf, struct err *e)
{
    enum status st;
    *files = (struct tls_files){0};
    if (!conf->tls_cert_file[0])
        return ST_OK;
    st = read_file("tls_cert_file", conf->tls_cert_file, &files->cert_pem, e);
    if (st == ST_OK)
        st = read_file("tls_key_file", conf->tls_key_file, &files->key_pem, e);
    if (st != ST_OK)
        tls_files_free(files);
    return st;
}

void tls_files_free(struct tls_files *files)
{
    if (files->key_pem)
        secret_wipe(files->key_pem, strlen(files->key_pem));
    free(files->cert_pem);
    free(files->key_pem);
    *files = (struct tls_files){0};
}
