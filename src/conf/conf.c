/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include "base/ident.h"
#include "conf/conf_build.h"
#include "conf/conf_check.h"
#include "conf/conf_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum status conf_load_text(const char *name, struct slice text, const struct conf_load_opts *opts,
                           struct conf **out, struct conf_errors *errs)
{
    static const struct conf_load_opts no_opts = {.demo = false};
    const struct conf_load_opts *o = opts ? opts : &no_opts;
    struct conf_build *build = NULL;
    struct conf *c = calloc(1, sizeof *c);
    enum status st = ST_NO_MEM;
    *out = NULL;
    conf_errors_reset(errs, name);
    if (!c)
        goto out_report;
    c->store = conf_store_create();
    if (!c->store)
        goto out_report;
    build = conf_build_create(c, o, errs);
    if (!build)
        goto out_report;
    st = conf_build_read(build, text);
    if (st != ST_OK)
        goto out_report;
    conf_check(build, c, o, errs);
    if (conf_errors_count(errs) > 0) {
        st = ST_BAD_INPUT;
        goto out_build;
    }
    *out = c;
    c = NULL;

out_report:
    if (st == ST_NO_MEM)
        conf_errors_add(errs, 0, NULL, NULL, "out of memory");
out_build:
    conf_build_destroy(build);
    conf_destroy(c);
    return st;
}

/* Reads at most size bytes; *len tells how many. */
static enum status read_all(int fd, char *bytes, size_t size, size_t *len)
{
    ssize_t n = 1;
    *len = 0;
    while (n > 0 && *len < size) {
        n = read(fd, bytes + *len, size - *len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            *len += (size_t)n;
    }
    return n < 0 ? ST_IO : ST_OK;
}

enum status conf_load(const char *path, const struct conf_load_opts *opts, struct conf **out,
                      struct conf_errors *errs)
{
    struct stat info;
    struct err e = {.code = ST_OK};
    enum status st;
    char *bytes = NULL;
    size_t len = 0;
    int fd;
    *out = NULL;
    conf_errors_reset(errs, path);
    /* O_NONBLOCK: a FIFO without a writer must not hold the start up. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        st = err_set_errno(&e, errno == ENOENT ? ST_NOT_FOUND : ST_IO, errno, "cannot open it");
        goto out_report;
    }
    st = ST_NO_MEM;
    bytes = malloc(CONF_FILE_MAX + 1);
    if (!bytes) {
        err_set(&e, st, "out of memory");
        goto out_report;
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        st = err_set(&e, ST_IO, "it is not a regular file");
        goto out_report;
    }
    st = read_all(fd, bytes, CONF_FILE_MAX + 1, &len);
    if (st != ST_OK)
        err_set_errno(&e, st, errno, "cannot read it");
    else if (len > CONF_FILE_MAX)
        st = err_set(&e, ST_BAD_INPUT, "the file is larger than %u bytes", CONF_FILE_MAX);
    else
        st = conf_load_text(path, (struct slice){bytes, len}, opts, out, errs);

out_report:
    if (e.code != ST_OK)
        conf_errors_add(errs, 0, NULL, NULL, "%s", e.text);
    if (bytes) {
        secret_wipe(bytes, CONF_FILE_MAX + 1);
        free(bytes);
    }
    if (fd >= 0)
        close(fd);
    return st;
}

void conf_destroy(struct conf *c)
{
    if (!c)
        return;
    conf_store_destroy(c->store);
    free(c);
}
