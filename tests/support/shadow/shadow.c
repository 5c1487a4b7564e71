/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/shadow.h"

#include "shadow/shadow_dirty.h"
#include "shadow/shadow_fault.h"
#include "shadow/shadow_file.h"
#include "shadow/shadow_names.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Marks what replaces a function of the C library; everything else in the library is hidden. */
#define REPLACES __attribute__((visibility("default")))

/* Entry points of a fortified build, which the C library declares only there. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir_fd, const char *path, int flags);
int __openat64_2(int dir_fd, const char *path, int flags);

struct shadow_real shadow_real;

/* Set at the end of the constructor: until then every call goes straight through. */
static bool active;
static pthread_once_t loaded = PTHREAD_ONCE_INIT;

_Noreturn void shadow_refuse(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("shadow: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    _exit(2);
}

_Noreturn void shadow_die(const char *what, const char *path)
{
    fprintf(stderr, "shadow: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

/* ISO C converts no object pointer to a function pointer; POSIX (dlsym) lets the bytes be used. */
static void find_real(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    if (!symbol)
        shadow_refuse("the C library has no %s", name);
    memcpy(function, &symbol, sizeof symbol);
}

static void load(void)
{
    find_real(&shadow_real.openat64, "openat64");
    find_real(&shadow_real.close, "close");
    find_real(&shadow_real.write, "write");
    find_real(&shadow_real.pwrite64, "pwrite64");
    find_real(&shadow_real.ftruncate64, "ftruncate64");
    find_real(&shadow_real.fallocate64, "fallocate64");
    find_real(&shadow_real.posix_fallocate64, "posix_fallocate64");
    find_real(&shadow_real.fdatasync, "fdatasync");
    find_real(&shadow_real.fsync, "fsync");
    find_real(&shadow_real.unlinkat, "unlinkat");
    find_real(&shadow_real.renameat2, "renameat2");
}

void shadow_load(void)
{
    pthread_once(&loaded, load);
}

__attribute__((constructor)) static void start(void)
{
    shadow_load();
    shadow_fault_start(getenv("SHADOW_FAIL"));
    shadow_names_start(getenv("SHADOW_SRC"), getenv("SHADOW_DST"), shadow_file_seen);
    active = true;
}

/* Whether the call goes on; false with errno set when it was asked to fail. */
static bool may_go_on(enum shadow_op op)
{
    int error = shadow_fault_take(op);
    if (error != 0)
        errno = error;
    return error == 0;
}

static int open_new(int dir_fd, const char *path, int flags, mode_t mode)
{
    struct stat st;
    shadow_names_lock();
    bool existed = fstatat(dir_fd, path, &st, 0) == 0;
    int fd = shadow_real.openat64(dir_fd, path, flags, mode);
    if (fd >= 0 && !existed)
        shadow_file_opened(fd, SHADOW_CREATED);
    else if (fd >= 0)
        shadow_file_opened(fd, flags & O_TRUNC ? SHADOW_EMPTIED : SHADOW_EXISTED);
    shadow_names_unlock();
    return fd;
}

static int open_any(int dir_fd, const char *path, int flags, mode_t mode)
{
    shadow_load();
    bool is_plain = !(flags & O_PATH) && (flags & O_TMPFILE) != O_TMPFILE;
    if (!active || !is_plain)
        return shadow_real.openat64(dir_fd, path, flags, mode);
    bool creates = flags & O_CREAT;
    bool ours =
        (creates || shadow_fault_is_planned(SHADOW_OPEN)) && shadow_names_is_ours(dir_fd, path);
    if (ours && !may_go_on(SHADOW_OPEN))
        return -1;
    if (ours && creates)
        return open_new(dir_fd, path, flags, mode);
    int fd = shadow_real.openat64(dir_fd, path, flags, mode);
    if (fd >= 0)
        shadow_file_opened(fd, flags & O_TRUNC ? SHADOW_EMPTIED : SHADOW_EXISTED);
    return fd;
}

/* The mode is there only when the flags can create a file, as in the C library itself. */
#define MODE_ARGUMENT(mode, flags)                             \
    mode_t mode = 0;                                           \
    if ((flags)&O_CREAT || ((flags)&O_TMPFILE) == O_TMPFILE) { \
        va_list ap;                                            \
        va_start(ap, flags);                                   \
        mode = (mode_t)va_arg(ap, int);                        \
        va_end(ap);                                            \
    }

REPLACES int open(const char *path, int flags, ...)
{
    MODE_ARGUMENT(mode, flags)
    return open_any(AT_FDCWD, path, flags, mode);
}

REPLACES int open64(const char *path, int flags, ...)
{
    MODE_ARGUMENT(mode, flags)
    return open_any(AT_FDCWD, path, flags, mode);
}

REPLACES int openat(int dir_fd, const char *path, int flags, ...)
{
    MODE_ARGUMENT(mode, flags)
    return open_any(dir_fd, path, flags, mode);
}

REPLACES int openat64(int dir_fd, const char *path, int flags, ...)
{
    MODE_ARGUMENT(mode, flags)
    return open_any(dir_fd, path, flags, mode);
}

REPLACES int creat(const char *path, mode_t mode)
{
    return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

REPLACES int creat64(const char *path, mode_t mode)
{
    return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

REPLACES int __open_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}

REPLACES int __open64_2(const char *path, int flags)
{
    return open_any(AT_FDCWD, path, flags, 0);
}

REPLACES int __openat_2(int dir_fd, const char *path, int flags)
{
    return open_any(dir_fd, path, flags, 0);
}

REPLACES int __openat64_2(int dir_fd, const char *path, int flags)
{
    return open_any(dir_fd, path, flags, 0);
}

REPLACES int close(int fd)
{
    shadow_load();
    shadow_file_closing(fd);
    return shadow_real.close(fd);
}

REPLACES ssize_t write(int fd, const void *bytes, size_t len)
{
    shadow_load();
    struct shadow_file *f = shadow_file_of(fd);
    if (!f)
        return shadow_real.write(fd, bytes, len);
    return may_go_on(SHADOW_WRITE) ? shadow_file_write(f, fd, bytes, len) : -1;
}

REPLACES ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
    shadow_load();
    struct shadow_file *f = shadow_file_of(fd);
    if (f && !may_go_on(SHADOW_PWRITE))
        return -1;
    ssize_t written = shadow_real.pwrite64(fd, bytes, len, offset);
    if (f && written > 0)
        shadow_file_wrote(f, offset, offset + written);
    return written;
}

REPLACES ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    return pwrite64(fd, bytes, len, offset);
}

REPLACES int ftruncate64(int fd, off64_t size)
{
    shadow_load();
    struct shadow_file *f = shadow_file_of(fd);
    if (f && !may_go_on(SHADOW_FTRUNCATE))
        return -1;
    int result = shadow_real.ftruncate64(fd, size);
    if (f && result == 0)
        shadow_file_resized(f, size);
    return result;
}

REPLACES int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

REPLACES int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    shadow_load();
    struct shadow_file *f = shadow_file_of(fd);
    if (f && !may_go_on(SHADOW_FALLOCATE))
        return -1;
    int result = shadow_real.fallocate64(fd, mode, offset, len);
    /* Growing alone changes no byte; punching, zeroing and shifting do. */
    if (f && result == 0 && mode & ~FALLOC_FL_KEEP_SIZE)
        shadow_file_wrote(f, offset, SHADOW_TO_END);
    return result;
}

REPLACES int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return fallocate64(fd, mode, offset, len);
}

/* Returns the error instead of setting errno. */
REPLACES int posix_fallocate64(int fd, off64_t offset, off64_t len)
{
    shadow_load();
    int error = shadow_file_of(fd) ? shadow_fault_take(SHADOW_FALLOCATE) : 0;
    return error != 0 ? error : shadow_real.posix_fallocate64(fd, offset, len);
}

REPLACES int posix_fallocate(int fd, off_t offset, off_t len)
{
    return posix_fallocate64(fd, offset, len);
}

static int sync_any(int fd, enum shadow_op op, int (*real_sync)(int))
{
    if (!active)
        return real_sync(fd);
    struct shadow_file *f = shadow_file_of(fd);
    if (!f && shadow_names_is_ours_fd(fd, false)) {
        /* Opened behind our back, by stdio for example: all of it may be new. */
        shadow_file_opened(fd, SHADOW_EXISTED);
        f = shadow_file_of(fd);
        if (f)
            shadow_file_wrote(f, 0, SHADOW_TO_END);
    }
    if (f)
        return shadow_file_sync(f, fd, real_sync, shadow_fault_take(op));
    if (!shadow_names_is_ours_fd(fd, true))
        return real_sync(fd);
    if (!may_go_on(op))
        return -1;
    return shadow_names_is_copying() ? shadow_names_sync(fd, real_sync) : real_sync(fd);
}

REPLACES int fdatasync(int fd)
{
    shadow_load();
    return sync_any(fd, SHADOW_FDATASYNC, shadow_real.fdatasync);
}

REPLACES int fsync(int fd)
{
    shadow_load();
    return sync_any(fd, SHADOW_FSYNC, shadow_real.fsync);
}

/* The inode whose last name this is, 0 when there is none. */
static ino_t last_link(int dir_fd, const char *path)
{
    struct stat st;
    if (fstatat(dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return 0;
    return st.st_nlink == 1 ? st.st_ino : 0;
}

REPLACES int unlinkat(int dir_fd, const char *path, int flags)
{
    shadow_load();
    if (!active || flags & AT_REMOVEDIR || !shadow_names_is_ours(dir_fd, path))
        return shadow_real.unlinkat(dir_fd, path, flags);
    if (!may_go_on(SHADOW_UNLINK))
        return -1;
    shadow_names_lock();
    ino_t inode = last_link(dir_fd, path);
    int result = shadow_real.unlinkat(dir_fd, path, flags);
    int saved = errno;
    if (result == 0 && inode != 0)
        shadow_file_gone(inode);
    shadow_names_unlock();
    errno = saved;
    return result;
}

REPLACES int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

REPLACES int renameat2(int old_dir, const char *old_path, int new_dir, const char *new_path,
                       unsigned flags)
{
    shadow_load();
    if (!active ||
        (!shadow_names_is_ours(old_dir, old_path) && !shadow_names_is_ours(new_dir, new_path)))
        return shadow_real.renameat2(old_dir, old_path, new_dir, new_path, flags);
    if (!may_go_on(SHADOW_RENAME))
        return -1;
    shadow_names_lock();
    ino_t replaced = flags & RENAME_EXCHANGE ? 0 : last_link(new_dir, new_path);
    ino_t moved = last_link(old_dir, old_path);
    int result = shadow_real.renameat2(old_dir, old_path, new_dir, new_path, flags);
    int saved = errno;
    if (result == 0 && replaced != 0 && replaced != moved)
        shadow_file_gone(replaced);
    shadow_names_unlock();
    errno = saved;
    return result;
}

REPLACES int renameat(int old_dir, const char *old_path, int new_dir, const char *new_path)
{
    return renameat2(old_dir, old_path, new_dir, new_path, 0);
}

REPLACES int rename(const char *old_path, const char *new_path)
{
    return renameat2(AT_FDCWD, old_path, AT_FDCWD, new_path, 0);
}
