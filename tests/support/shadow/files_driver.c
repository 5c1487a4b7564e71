/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks libshadow.so from the inside: it runs under the library, changes files in SHADOW_SRC and
 * looks at SHADOW_DST after each step. SHADOW_SRC holds one file "old" with the bytes "old" when it
 * starts. Ends with status 0, or 1 and the line that failed.
 *
 *   shadow_files_driver names | bytes | threads | failed_sync
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MUST(cond)                                                                           \
    do {                                                                                     \
        if (!(cond)) {                                                                       \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, strerror(errno)); \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

#define THREADS 4
#define ROUNDS  200

static int src_dir;
static int dst_dir;

static int open_src(const char *name, int flags)
{
    int fd = openat(src_dir, name, flags | O_CLOEXEC, 0600);
    MUST(fd >= 0);
    return fd;
}

static void put(int fd, const char *text, off_t offset)
{
    MUST(pwrite(fd, text, strlen(text), offset) == (ssize_t)strlen(text));
}

static bool is_durable(const char *name)
{
    struct stat st;
    return fstatat(dst_dir, name, &st, 0) == 0;
}

/* The durable file is exactly these bytes from offset on. */
static bool holds_bytes(const char *name, const char *want, size_t want_len, off_t offset)
{
    char bytes[64];
    int fd = openat(dst_dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = pread(fd, bytes, sizeof bytes, offset);
    close(fd);
    return len == (ssize_t)want_len && memcmp(bytes, want, want_len) == 0;
}

static bool holds(const char *name, const char *want, off_t offset)
{
    return holds_bytes(name, want, strlen(want), offset);
}

static void check_names(void)
{
    MUST(holds("old", "old", 0));

    int fd = open_src("new", O_RDWR | O_CREAT | O_EXCL);
    put(fd, "one", 0);
    MUST(fdatasync(fd) == 0);
    MUST(!is_durable("new"));
    MUST(fdatasync(src_dir) == 0);
    MUST(holds("new", "one", 0));

    MUST(renameat(src_dir, "new", src_dir, "renamed") == 0);
    MUST(is_durable("new") && !is_durable("renamed"));
    MUST(fsync(src_dir) == 0);
    MUST(!is_durable("new") && holds("renamed", "one", 0));

    MUST(unlinkat(src_dir, "renamed", 0) == 0);
    MUST(holds("renamed", "one", 0));
    MUST(close(fd) == 0);
    fd = open_src("renamed", O_RDWR | O_CREAT);
    put(fd, "two", 0);
    MUST(fdatasync(fd) == 0);
    MUST(holds("renamed", "one", 0));
    MUST(fsync(src_dir) == 0);
    MUST(holds("renamed", "two", 0));
    MUST(close(fd) == 0);

    fd = open_src("next", O_WRONLY | O_CREAT | O_TRUNC);
    MUST(write(fd, "th", 2) == 2 && write(fd, "ree", 3) == 3);
    MUST(fsync(fd) == 0);
    MUST(renameat(src_dir, "next", src_dir, "renamed") == 0);
    MUST(holds("renamed", "two", 0));
    MUST(fsync(src_dir) == 0);
    MUST(holds("renamed", "three", 0) && !is_durable("next"));
    MUST(close(fd) == 0);

    fd = open_src("x-shm", O_RDWR | O_CREAT);
    MUST(fsync(fd) == 0 && fsync(src_dir) == 0 && close(fd) == 0);
    MUST(!is_durable("x-shm"));

    MUST(mkdirat(src_dir, "sub", 0700) == 0 && fsync(src_dir) == 0 && is_durable("sub"));
    fd = open_src("sub/file", O_RDWR | O_CREAT);
    put(fd, "deep", 0);
    MUST(fsync(fd) == 0 && fsync(src_dir) == 0 && !is_durable("sub/file"));
    int sub = open_src("sub", O_RDONLY | O_DIRECTORY);
    MUST(fsync(sub) == 0 && holds("sub/file", "deep", 0));
    MUST(close(sub) == 0 && close(fd) == 0);
}

static void check_bytes(void)
{
    int fd = open_src("old", O_RDWR);
    put(fd, "OLD", 0);
    MUST(holds("old", "old", 0));
    MUST(fsync(src_dir) == 0 && holds("old", "old", 0));
    MUST(fdatasync(fd) == 0 && holds("old", "OLD", 0));

    put(fd, "abc", 2);
    put(fd, "xyz", 40);
    MUST(ftruncate(fd, 4) == 0);
    MUST(holds("old", "OLD", 0));
    MUST(fdatasync(fd) == 0 && holds("old", "OLab", 0));

    /* Shrunk and grown again: what was behind must not show. */
    MUST(ftruncate(fd, 1) == 0 && ftruncate(fd, 3) == 0);
    MUST(holds("old", "OLab", 0));
    MUST(fdatasync(fd) == 0 && holds_bytes("old", "O\0\0", 3, 0));
    put(fd, "12", 1);
    MUST(holds_bytes("old", "O\0\0", 3, 0));
    MUST(fdatasync(fd) == 0 && holds("old", "O12", 0));

    MUST(posix_fallocate(fd, 0, 10) == 0);
    put(fd, "z", 9);
    MUST(fdatasync(fd) == 0 && holds("old", "z", 9));
    MUST(close(fd) == 0);

    fd = open_src("old", O_WRONLY | O_TRUNC);
    MUST(write(fd, "tail", 4) == 4);
    MUST(close(fd) == 0);
    MUST(holds("old", "z", 9));
    fd = open_src("old", O_WRONLY);
    MUST(fdatasync(fd) == 0 && holds("old", "tail", 0));
    MUST(close(fd) == 0);

    /* stdio opens inside the C library, where the shadow cannot look. */
    fd = openat(src_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(fd >= 0 && fchdir(fd) == 0 && close(fd) == 0);
    FILE *f = fopen("stdio", "we");
    MUST(f && fputs("buffered", f) >= 0 && fflush(f) == 0 && fsync(fileno(f)) == 0);
    MUST(fsync(src_dir) == 0 && holds("stdio", "buffered", 0));
    MUST(fclose(f) == 0);
}

static void *write_and_sync(void *arg)
{
    int number = *(const int *)arg;
    char name[32], text[16];
    snprintf(name, sizeof name, "thread%d", number);
    int own = open_src(name, O_RDWR | O_CREAT);
    int shared = open_src("shared", O_RDWR | O_CREAT);
    MUST(fsync(src_dir) == 0);
    for (int i = 0; i < ROUNDS; i++) {
        snprintf(text, sizeof text, "%d:%08d", number, i);
        put(own, text, (off_t)i * 10);
        MUST(fdatasync(own) == 0 && holds(name, text, (off_t)i * 10));
        put(shared, text, (off_t)number * 64);
        MUST(fdatasync(shared) == 0);
        char durable[11] = "";
        int fd = openat(dst_dir, "shared", O_RDONLY | O_CLOEXEC);
        MUST(fd >= 0 && pread(fd, durable, 10, (off_t)number * 64) == 10 && close(fd) == 0);
        MUST(strcmp(durable, text) == 0);
    }
    MUST(close(own) == 0 && unlinkat(src_dir, name, 0) == 0 && close(shared) == 0);
    return NULL;
}

static void check_threads(void)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        MUST(pthread_create(&threads[i], NULL, write_and_sync, &numbers[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        MUST(pthread_join(threads[i], NULL) == 0);
    MUST(fsync(src_dir) == 0 && !is_durable("thread0") && is_durable("shared"));
}

/* Runs with SHADOW_FAIL=fdatasync:1:EIO. */
static void check_failed_sync(void)
{
    int fd = open_src("old", O_RDWR);
    put(fd, "NEW", 0);
    errno = 0;
    MUST(fdatasync(fd) == -1 && errno == EIO);
    MUST(fdatasync(fd) == 0 && holds("old", "old", 0));
    put(fd, "NEW", 0);
    MUST(fdatasync(fd) == 0 && holds("old", "NEW", 0));
    MUST(close(fd) == 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } checks[] = {
        {"names", check_names},
        {"bytes", check_bytes},
        {"threads", check_threads},
        {"failed_sync", check_failed_sync},
    };
    const char *src = getenv("SHADOW_SRC");
    const char *dst = getenv("SHADOW_DST");
    MUST(argc == 2 && src && dst);
    src_dir = open(src, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dst_dir = open(dst, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MUST(src_dir >= 0 && dst_dir >= 0);
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (strcmp(argv[1], checks[i].name) == 0) {
            checks[i].run();
            return 0;
        }
    }
    fprintf(stderr, "no check %s\n", argv[1]);
    return 2;
}
