/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_expand.h"

#include "base/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLE_NAME_MAX 128

static bool starts_with(struct slice s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.len >= len && memcmp(s.ptr, prefix, len) == 0;
}

/* NAME as a shell takes it: letters, digits and '_', no digit first. */
static bool is_variable_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len > 0 && name.len < VARIABLE_NAME_MAX;
}

/* at begins with "${"; *used is how much of it was taken. */
static enum status append_variable(struct slice at, size_t *used, struct buf *out, struct err *e)
{
    char name[VARIABLE_NAME_MAX];
    const char *end = memchr(at.ptr, '}', at.len);
    struct slice inner;
    const char *value;
    if (!end)
        return err_set(e, ST_BAD_INPUT, "'${' has no '}'; write '$${' for a plain '${'");
    inner = (struct slice){at.ptr + 2, (size_t)(end - at.ptr) - 2};
    if (!is_variable_name(inner))
        return err_set(e, ST_BAD_INPUT,
                       "'${...}' must hold the name of a variable: letters, digits and '_'");
    memcpy(name, inner.ptr, inner.len);
    name[inner.len] = '\0';
    value = getenv(name);
    if (!value)
        return err_set(e, ST_BAD_INPUT, "the environment variable %s is not set", name);
    if (!*value)
        return err_set(e, ST_BAD_INPUT, "the environment variable %s is empty", name);
    *used = inner.len + 3;
    return buf_append(out, value, strlen(value));
}

enum status conf_expand_value(struct slice text, struct buf *out, struct err *e)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < text.len && st == ST_OK;) {
        struct slice rest = {text.ptr + i, text.len - i};
        size_t used = 1;
        if (starts_with(rest, "$${")) {
            used = 3;
            st = buf_append(out, "${", 2);
        } else if (starts_with(rest, "${")) {
            st = append_variable(rest, &used, out, e);
        } else {
            st = buf_append(out, rest.ptr, 1);
        }
        i += used;
    }
    if (st == ST_FULL)
        return err_set(e, ST_FULL, "is longer than %u bytes with its variables filled in",
                       CONF_VALUE_MAX);
    return st;
}

static enum status read_open_file(int fd, const char *path, struct buf *out, struct err *e)
{
    char bytes[CONF_SECRET_FILE_MAX + 1];
    size_t len = 0;
    ssize_t n = 1;
    enum status st = ST_OK;
    while (n > 0 && len < sizeof bytes) {
        n = read(fd, bytes + len, sizeof bytes - len);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            len += (size_t)n;
    }
    if (n < 0)
        st = err_set_errno(e, ST_BAD_INPUT, errno, "cannot read %.200s", path);
    else if (len > CONF_SECRET_FILE_MAX)
        st = err_set(e, ST_BAD_INPUT, "%.200s is larger than %d bytes", path, CONF_SECRET_FILE_MAX);
    else if (memchr(bytes, '\0', len))
        st = err_set(e, ST_BAD_INPUT, "%.200s holds a NUL byte", path);
    if (st == ST_OK && len && bytes[len - 1] == '\n') {
        len--;
        if (len && bytes[len - 1] == '\r')
            len--;
    }
    if (st == ST_OK && len == 0)
        st = err_set(e, ST_BAD_INPUT, "%.200s is empty", path);
    if (st == ST_OK)
        st = buf_append(out, bytes, len);
    secret_wipe(bytes, sizeof bytes);
    return st;
}

enum status conf_expand_secret_file(const char *path, struct buf *out, struct err *e)
{
    struct stat info;
    enum status st;
    /* O_NONBLOCK: a FIFO without a writer must not hold the start up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_set_errno(e, ST_BAD_INPUT, errno, "cannot open %.200s", path);
    if (fstat(fd, &info) != 0)
        st = err_set_errno(e, ST_BAD_INPUT, errno, "cannot look at %.200s", path);
    else if (!S_ISREG(info.st_mode))
        st = err_set(e, ST_BAD_INPUT, "%.200s is not a regular file", path);
    else if (info.st_mode & S_IRWXO)
        st = err_set(e, ST_BAD_INPUT,
                     "%.200s is open to every user (mode %04o); run chmod o-rwx on it", path,
                     (unsigned)(info.st_mode & 07777));
    else
        st = read_open_file(fd, path, out, e);
    close(fd);
    return st;
}

void conf_expand_wipe(struct buf *b)
{
    if (b->ptr)
        secret_wipe(b->ptr, b->cap);
    buf_fini(b);
}
