/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/shadow_names.h"

#include "shadow/shadow.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names in one directory; a data directory has a handful. */
#define NAMES_MAX 4096
/* Sub-directories below SHADOW_SRC that the first start follows. */
#define DEPTH_MAX 8

struct entry {
    char *name;
    ino_t inode;
    bool is_dir;
};

struct listing {
    struct entry *entries;
    size_t n;
};

static char src[PATH_MAX];
static char dst[PATH_MAX];
static char state[PATH_MAX];
static dev_t src_device;
static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;

static void join(char out[PATH_MAX], const char *dir, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s%s%s", dir, *name ? "/" : "", name) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        shadow_die("path", name);
    }
}

static bool ends_in_shm(const char *name)
{
    size_t len = strlen(name);
    return len >= 4 && strcmp(name + len - 4, "-shm") == 0;
}

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && path[len] == '/';
}

static bool path_of_fd(int fd, char out[PATH_MAX])
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, out, PATH_MAX - 1);
    if (len < 0)
        return false;
    out[len] = 0;
    return true;
}

bool shadow_names_is_copying(void)
{
    return dst[0] != 0;
}

bool shadow_names_is_ours(int dir_fd, const char *path)
{
    char parent[PATH_MAX], real[PATH_MAX];
    int saved = errno;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!*name || ends_in_shm(name) || strlen(path) >= sizeof parent)
        return false;
    if (slash == path)
        snprintf(parent, sizeof parent, "/");
    else if (slash)
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    else
        snprintf(parent, sizeof parent, ".");
    int fd = shadow_real.openat64(dir_fd, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool ours = false;
    if (fd >= 0) {
        ours = path_of_fd(fd, real) && (strcmp(real, src) == 0 || is_below(real, src));
        shadow_real.close(fd);
    }
    errno = saved;
    return ours;
}

bool shadow_names_is_ours_fd(int fd, bool is_dir)
{
    char path[PATH_MAX];
    struct stat st;
    int saved = errno;
    bool ours = fstat(fd, &st) == 0 && st.st_dev == src_device && st.st_nlink > 0;
    if (ours && is_dir)
        ours = S_ISDIR(st.st_mode) && path_of_fd(fd, path) &&
               (strcmp(path, src) == 0 || is_below(path, src));
    else if (ours)
        ours = S_ISREG(st.st_mode) && path_of_fd(fd, path) && is_below(path, src) &&
               !ends_in_shm(path);
    errno = saved;
    return ours;
}

void shadow_names_lock(void)
{
    pthread_mutex_lock(&names);
}

void shadow_names_unlock(void)
{
    pthread_mutex_unlock(&names);
}

static void state_path(char out[PATH_MAX], ino_t inode)
{
    char name[32];
    snprintf(name, sizeof name, "%ju", (uintmax_t)inode);
    join(out, state, name);
}

int shadow_names_open_state(ino_t inode, bool fresh)
{
    char path[PATH_MAX];
    state_path(path, inode);
    if (fresh)
        shadow_names_drop_state(inode);
    int fd = shadow_real.openat64(AT_FDCWD, path,
                                  O_RDWR | O_CLOEXEC | (fresh ? O_CREAT | O_EXCL : 0), 0600);
    if (fd < 0 && (fresh || errno != ENOENT))
        shadow_die("open", path);
    return fd;
}

void shadow_names_drop_state(ino_t inode)
{
    char path[PATH_MAX];
    state_path(path, inode);
    if (shadow_real.unlinkat(AT_FDCWD, path, 0) != 0 && errno != ENOENT)
        shadow_die("unlink", path);
}

static void free_listing(struct listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->entries[i].name);
    free(l->entries);
    *l = (struct listing){NULL, 0};
}

static bool is_listable(const char *name, const struct stat *st)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || ends_in_shm(name))
        return false;
    return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

/* The files and sub-directories of a directory, save "-shm" files. */
static struct listing list(const char *path)
{
    struct listing l = {calloc(NAMES_MAX, sizeof *l.entries), 0};
    DIR *dir = opendir(path);
    if (!dir || !l.entries)
        shadow_die("list", path);
    for (const struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !is_listable(e->d_name, &st))
            continue;
        if (l.n == NAMES_MAX) {
            errno = E2BIG;
            shadow_die("list", path);
        }
        struct entry *new_entry = &l.entries[l.n++];
        *new_entry = (struct entry){strdup(e->d_name), st.st_ino, S_ISDIR(st.st_mode)};
        if (!new_entry->name)
            shadow_die("list", path);
    }
    closedir(dir);
    return l;
}

static const struct entry *find(const struct listing *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->entries[i].name, name) == 0)
            return &l->entries[i];
    }
    return NULL;
}

/* Makes path a name of inode's state file, at once for whoever looks. */
static void publish_name(const char *path, ino_t inode)
{
    char from[PATH_MAX], step[PATH_MAX];
    struct stat have, want;
    state_path(from, inode);
    if (stat(from, &want) != 0) {
        shadow_real.close(shadow_names_open_state(inode, true));
        if (stat(from, &want) != 0)
            shadow_die("stat", from);
    }
    if (stat(path, &have) == 0 && have.st_ino == want.st_ino)
        return;
    join(step, state, "step");
    /* A process that was killed between the two steps has left its first one. */
    if (shadow_real.unlinkat(AT_FDCWD, step, 0) != 0 && errno != ENOENT)
        shadow_die("unlink", step);
    if (link(from, step) != 0)
        shadow_die("link", step);
    if (shadow_real.renameat2(AT_FDCWD, step, AT_FDCWD, path, 0) != 0)
        shadow_die("rename to", path);
}

/* dst_dir gets the names in l, and loses all others. */
static void publish(const char *dst_dir, const struct listing *l)
{
    char path[PATH_MAX];
    if (mkdir(dst_dir, 0700) != 0 && errno != EEXIST)
        shadow_die("mkdir", dst_dir);
    for (size_t i = 0; i < l->n; i++) {
        join(path, dst_dir, l->entries[i].name);
        if (!l->entries[i].is_dir)
            publish_name(path, l->entries[i].inode);
        else if (mkdir(path, 0700) != 0 && errno != EEXIST)
            shadow_die("mkdir", path);
    }
    struct listing old = list(dst_dir);
    for (size_t i = 0; i < old.n; i++) {
        const struct entry *kept = find(l, old.entries[i].name);
        join(path, dst_dir, old.entries[i].name);
        if (kept && kept->is_dir == old.entries[i].is_dir)
            continue;
        int flags = old.entries[i].is_dir ? AT_REMOVEDIR : 0;
        if (shadow_real.unlinkat(AT_FDCWD, path, flags) != 0 && errno != ENOTEMPTY)
            shadow_die("remove", path);
    }
    free_listing(&old);
}

int shadow_names_sync(int fd, int (*real_sync)(int))
{
    char path[PATH_MAX], dst_dir[PATH_MAX];
    shadow_names_lock();
    if (!path_of_fd(fd, path))
        shadow_die("readlink", "/proc/self/fd");
    struct listing l = list(path);
    int result = real_sync(fd);
    int saved = errno;
    if (result == 0) {
        join(dst_dir, dst, path[strlen(src)] ? path + strlen(src) + 1 : "");
        publish(dst_dir, &l);
    }
    free_listing(&l);
    shadow_names_unlock();
    errno = saved;
    return result;
}

static void copy_file(const char *from, int out)
{
    char bytes[64 * 1024];
    ssize_t len;
    int in = shadow_real.openat64(AT_FDCWD, from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        shadow_die("open", from);
    while ((len = read(in, bytes, sizeof bytes)) > 0) {
        if (shadow_real.write(out, bytes, (size_t)len) != len)
            shadow_die("copy", from);
    }
    if (len < 0)
        shadow_die("read", from);
    shadow_real.close(in);
    shadow_real.close(out);
}

/* Only at the first start, before the program has opened anything. */
static void take_as_durable(const char *src_dir, const char *dst_dir, int depth,
                            void (*seen)(dev_t, ino_t))
{
    char from[PATH_MAX], to[PATH_MAX];
    if (depth > DEPTH_MAX)
        shadow_refuse("SHADOW_SRC: more than %d levels below %s", DEPTH_MAX, src);
    struct listing l = list(src_dir);
    for (size_t i = 0; i < l.n; i++) {
        if (l.entries[i].is_dir)
            continue;
        join(from, src_dir, l.entries[i].name);
        copy_file(from, shadow_names_open_state(l.entries[i].inode, true));
        seen(src_device, l.entries[i].inode);
    }
    publish(dst_dir, &l);
    for (size_t i = 0; i < l.n; i++) {
        if (!l.entries[i].is_dir)
            continue;
        join(from, src_dir, l.entries[i].name);
        join(to, dst_dir, l.entries[i].name);
        take_as_durable(from, to, depth + 1, seen);
    }
    free_listing(&l);
}

/* As realpath, but the last part need not exist. */
static void resolve_new(const char *path, char out[PATH_MAX])
{
    char copy[PATH_MAX], parent[PATH_MAX];
    if (realpath(path, out))
        return;
    if (strlen(path) >= sizeof copy)
        shadow_refuse("SHADOW_DST: path too long");
    memcpy(copy, path, strlen(path) + 1);
    char *slash = strrchr(copy, '/');
    if (slash)
        *slash = 0;
    if (!realpath(!slash ? "." : slash == copy ? "/" : copy, parent))
        shadow_refuse("SHADOW_DST: %s: %s", path, strerror(errno));
    join(out, strcmp(parent, "/") == 0 ? "" : parent, slash ? slash + 1 : copy);
}

static void remember_source(const char *path)
{
    int fd = shadow_real.openat64(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || shadow_real.write(fd, src, strlen(src)) != (ssize_t)strlen(src))
        shadow_die("write", path);
    shadow_real.close(fd);
}

static void check_source(const char *path)
{
    char known[PATH_MAX] = "";
    int fd = shadow_real.openat64(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, known, sizeof known - 1) < 0)
        shadow_refuse("SHADOW_DST: %s: %s", path, strerror(errno));
    shadow_real.close(fd);
    if (strcmp(known, src) != 0)
        shadow_refuse("SHADOW_DST: %s belongs to the source '%s'", dst, known);
}

void shadow_names_start(const char *src_setting, const char *dst_setting,
                        void (*seen)(dev_t device, ino_t inode))
{
    char source[PATH_MAX];
    struct stat st;
    if (!src_setting || !*src_setting)
        shadow_refuse("SHADOW_SRC is not set");
    if (!realpath(src_setting, src) || stat(src, &st) != 0)
        shadow_refuse("SHADOW_SRC: %s: %s", src_setting, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        shadow_refuse("SHADOW_SRC: %s is not a directory", src);
    src_device = st.st_dev;
    if (!dst_setting || !*dst_setting)
        return;
    resolve_new(dst_setting, dst);
    if (strcmp(dst, src) == 0 || is_below(dst, src) || is_below(src, dst))
        shadow_refuse("SHADOW_DST: %s and SHADOW_SRC %s overlap", dst, src);
    if (snprintf(state, sizeof state, "%s.state", dst) >= (int)sizeof state)
        shadow_refuse("SHADOW_DST: path too long");
    join(source, state, "source");
    if (mkdir(state, 0700) != 0) {
        if (errno != EEXIST)
            shadow_refuse("SHADOW_DST: %s: %s", state, strerror(errno));
        check_source(source);
        return;
    }
    remember_source(source);
    if (mkdir(dst, 0700) != 0 && errno != EEXIST)
        shadow_refuse("SHADOW_DST: %s: %s", dst, strerror(errno));
    struct listing l = list(dst);
    if (l.n > 0)
        shadow_refuse("SHADOW_DST: %s is not empty", dst);
    free_listing(&l);
    take_as_durable(src, dst, 0, seen);
}
