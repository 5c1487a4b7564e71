/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow/shadow_file.h"

#include "shadow/shadow.h"
#include "shadow/shadow_dirty.h"
#include "shadow/shadow_names.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Inodes below SHADOW_SRC at a time; a data directory has a handful. */
#define FILES_MAX 4096
/* Higher than any descriptor limit that a test runs with. */
#define FDS_MAX 65536

struct shadow_file {
    bool used;
    bool gone; /* has no name any more: its slot is free once no descriptor is left */
    dev_t device;
    ino_t inode;
    unsigned n_fds;
    pthread_mutex_t sync_lock; /* for state_fd, read_fd and the order of syncs */
    pthread_mutex_t lock;      /* for dirty */
    struct shadow_dirty dirty;
    int state_fd; /* -1 when there is no copy */
    int read_fd;  /* -1 until a write-only descriptor is synced; closing it earlier would drop POSIX
                     locks */
};

/* What a sync covers, taken before it begins. */
struct image {
    struct shadow_dirty dirty;
    unsigned char *bytes; /* of the ranges, one behind the other */
    int64_t size;
};

static struct shadow_file files[FILES_MAX];
static size_t n_files; /* slots that were ever used */
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct shadow_file *) by_fd[FDS_MAX];

static struct shadow_file *find(ino_t inode)
{
    for (size_t i = 0; i < n_files; i++) {
        if (files[i].used && !files[i].gone && files[i].inode == inode)
            return &files[i];
    }
    return NULL;
}

static struct shadow_file *new_slot(void)
{
    for (size_t i = 0; i < n_files; i++) {
        if (!files[i].used)
            return &files[i];
    }
    if (n_files == FILES_MAX) {
        errno = ENFILE;
        shadow_die("too many files below", "SHADOW_SRC");
    }
    struct shadow_file *f = &files[n_files++];
    pthread_mutex_init(&f->sync_lock, NULL);
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

/* In the table, with nothing unsynced. */
static struct shadow_file *add(dev_t device, ino_t inode)
{
    struct shadow_file *f = new_slot();
    f->used = true;
    f->gone = false;
    f->device = device;
    f->inode = inode;
    f->n_fds = 0;
    f->state_fd = -1;
    f->read_fd = -1;
    shadow_dirty_init(&f->dirty);
    return f;
}

static void close_own(int *fd)
{
    if (*fd >= 0)
        shadow_real.close(*fd);
    *fd = -1;
}

static void free_slot(struct shadow_file *f)
{
    close_own(&f->state_fd);
    close_own(&f->read_fd);
    shadow_dirty_fini(&f->dirty);
    f->used = false;
}

/* The table is locked. */
static void mark_gone(struct shadow_file *f)
{
    pthread_mutex_lock(&f->sync_lock);
    f->gone = true;
    close_own(&f->state_fd);
    pthread_mutex_unlock(&f->sync_lock);
    if (f->n_fds == 0)
        free_slot(f);
}

void shadow_file_seen(dev_t device, ino_t inode)
{
    pthread_mutex_lock(&table);
    add(device, inode);
    pthread_mutex_unlock(&table);
}

void shadow_file_gone(ino_t inode)
{
    pthread_mutex_lock(&table);
    struct shadow_file *f = find(inode);
    if (f)
        mark_gone(f);
    if (shadow_names_is_copying())
        shadow_names_drop_state(inode);
    pthread_mutex_unlock(&table);
}

static void open_state(struct shadow_file *f, enum shadow_opened how, bool is_new)
{
    if (!shadow_names_is_copying() || f->state_fd >= 0)
        return;
    if (how != SHADOW_CREATED)
        f->state_fd = shadow_names_open_state(f->inode, false);
    if (f->state_fd < 0)
        f->state_fd = shadow_names_open_state(f->inode, true);
    /* Written before this process looked: how much of it is synced nobody knows. */
    if (is_new && how != SHADOW_CREATED)
        shadow_dirty_add(&f->dirty, 0, SHADOW_TO_END);
}

void shadow_file_opened(int fd, enum shadow_opened how)
{
    struct stat st;
    int saved = errno;
    if (!shadow_names_is_ours_fd(fd, false) || fstat(fd, &st) != 0)
        return;
    if (fd >= FDS_MAX) {
        errno = EMFILE;
        shadow_die("descriptor too high for", "SHADOW_SRC");
    }
    pthread_mutex_lock(&table);
    struct shadow_file *f = find(st.st_ino);
    /*
     * The earlier file of this inode was removed unseen. Not so when the file has descriptors: then
     * another thread has opened the new file before this one came here.
     */
    if (f && how == SHADOW_CREATED && f->n_fds == 0) {
        mark_gone(f);
        f = NULL;
    }
    bool is_new = !f;
    if (is_new)
        f = add(st.st_dev, st.st_ino);
    open_state(f, how, is_new);
    if (how == SHADOW_EMPTIED) {
        pthread_mutex_lock(&f->lock);
        shadow_dirty_shrink(&f->dirty, 0);
        pthread_mutex_unlock(&f->lock);
    }
    f->n_fds++;
    struct shadow_file *stale = atomic_exchange(&by_fd[fd], f);
    if (stale && --stale->n_fds == 0 && stale->gone)
        free_slot(stale);
    pthread_mutex_unlock(&table);
    errno = saved;
}

void shadow_file_closing(int fd)
{
    if (fd < 0 || fd >= FDS_MAX || !atomic_load(&by_fd[fd]))
        return;
    pthread_mutex_lock(&table);
    struct shadow_file *f = atomic_exchange(&by_fd[fd], NULL);
    if (f && --f->n_fds == 0 && f->gone)
        free_slot(f);
    pthread_mutex_unlock(&table);
}

struct shadow_file *shadow_file_of(int fd)
{
    struct stat st;
    struct shadow_file *f = fd >= 0 && fd < FDS_MAX ? atomic_load(&by_fd[fd]) : NULL;
    if (!f)
        return NULL;
    int saved = errno;
    if (fstat(fd, &st) != 0 || st.st_ino != f->inode || st.st_dev != f->device) {
        shadow_file_closing(fd);
        f = NULL;
    }
    errno = saved;
    return f;
}

void shadow_file_wrote(struct shadow_file *f, int64_t begin, int64_t end)
{
    pthread_mutex_lock(&f->lock);
    shadow_dirty_add(&f->dirty, begin, end);
    pthread_mutex_unlock(&f->lock);
}

void shadow_file_resized(struct shadow_file *f, int64_t size)
{
    pthread_mutex_lock(&f->lock);
    shadow_dirty_shrink(&f->dirty, size);
    pthread_mutex_unlock(&f->lock);
}

ssize_t shadow_file_write(struct shadow_file *f, int fd, const void *bytes, size_t len)
{
    pthread_mutex_lock(&f->lock);
    ssize_t written = shadow_real.write(fd, bytes, len);
    int saved = errno;
    if (written > 0) {
        int64_t end = lseek(fd, 0, SEEK_CUR);
        shadow_dirty_add(&f->dirty, end - written, end);
    }
    pthread_mutex_unlock(&f->lock);
    errno = saved;
    return written;
}

static int readable_fd(struct shadow_file *f, int fd)
{
    char link[40];
    if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY)
        return fd;
    if (f->read_fd >= 0)
        return f->read_fd;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    f->read_fd = shadow_real.openat64(AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (f->read_fd < 0)
        shadow_die("open for reading", link);
    return f->read_fd;
}

static void read_all(int fd, unsigned char *out, struct shadow_range *r)
{
    int64_t at = r->begin;
    while (at < r->end) {
        ssize_t len = pread(fd, out + (at - r->begin), (size_t)(r->end - at), at);
        if (len < 0)
            shadow_die("read", "a file below SHADOW_SRC");
        if (len == 0)
            break; /* became shorter meanwhile */
        at += len;
    }
    r->end = at;
}

/* Takes over what is dirty and its bytes as they are before the sync begins. */
static struct image take_image(struct shadow_file *f, int fd)
{
    struct image image = {.bytes = NULL};
    struct stat st;
    pthread_mutex_lock(&f->lock);
    image.dirty = f->dirty;
    shadow_dirty_init(&f->dirty);
    pthread_mutex_unlock(&f->lock);
    if (fstat(fd, &st) != 0)
        shadow_die("stat", "a file below SHADOW_SRC");
    image.size = st.st_size;
    size_t total = 0;
    for (size_t i = 0; i < image.dirty.n; i++) {
        struct shadow_range *r = &image.dirty.ranges[i];
        r->begin = r->begin < image.size ? r->begin : image.size;
        r->end = r->end < image.size ? r->end : image.size;
        total += (size_t)(r->end - r->begin);
    }
    image.bytes = malloc(total + 1);
    if (!image.bytes)
        shadow_die("no memory for", "the bytes of a sync");
    int in = total > 0 ? readable_fd(f, fd) : -1;
    unsigned char *at = image.bytes;
    for (size_t i = 0; i < image.dirty.n; i++) {
        struct shadow_range *r = &image.dirty.ranges[i];
        read_all(in, at, r);
        at += r->end - r->begin;
    }
    return image;
}

static void publish(int state_fd, const struct image *image)
{
    struct stat st;
    const unsigned char *at = image->bytes;
    if (fstat(state_fd, &st) != 0)
        shadow_die("stat", "a state file");
    if (image->dirty.shrunk_to < st.st_size &&
        shadow_real.ftruncate64(state_fd, image->dirty.shrunk_to) != 0)
        shadow_die("truncate", "a state file");
    for (size_t i = 0; i < image->dirty.n; i++) {
        const struct shadow_range *r = &image->dirty.ranges[i];
        for (int64_t offset = r->begin; offset < r->end;) {
            ssize_t len = shadow_real.pwrite64(state_fd, at, (size_t)(r->end - offset), offset);
            if (len <= 0)
                shadow_die("write", "a state file");
            at += len;
            offset += len;
        }
    }
    if (shadow_real.ftruncate64(state_fd, image->size) != 0)
        shadow_die("truncate", "a state file");
}

int shadow_file_sync(struct shadow_file *f, int fd, int (*real_sync)(int), int error)
{
    pthread_mutex_lock(&f->sync_lock);
    bool copied = f->state_fd >= 0;
    struct image image = {.bytes = NULL};
    if (copied)
        image = take_image(f, fd);
    int result = error == 0 ? real_sync(fd) : -1;
    int saved = error == 0 ? errno : error;
    if (copied && result == 0)
        publish(f->state_fd, &image);
    else if (copied)
        /* The bytes are given up, but the size goes with the next sync. */
        shadow_file_resized(f, image.dirty.shrunk_to);
    free(image.bytes);
    shadow_dirty_fini(&image.dirty);
    pthread_mutex_unlock(&f->sync_lock);
    errno = saved;
    return result;
}
