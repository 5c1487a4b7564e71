/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Measures what one fdatasync costs on the device under a directory: write one block, fdatasync,
 * again.
 *
 * Two modes, because they cost differently on a journalling file system: `overwrite` writes into a
 * file whose blocks are all written and synced before the clock starts, so that only data is
 * written; `append` grows the file, so that every fdatasync also has to commit the new size and the
 * new block (fdatasync(2)).
 */

#include "fail.h"
#include "histogram.h"
#include "instant.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
#define FILE_BLOCKS \
    4096 /* 16 MiB: both modes start over at this size, so that the disk stays unfilled */
#define ITERATIONS_MAX 100000000
#define SECONDS_MAX    3600
#define SECONDS        5

struct options {
    const char *dir;
    uint64_t iterations; /* 0 for no limit */
    uint64_t seconds;    /* 0 for no limit */
    bool is_append;
    bool json;
    bool help;
};

static const char help[] =
    "usage: sync_cost --dir DIR [--seconds S | --iterations N] [--mode overwrite|append] [--json]\n"
    "Writes 4 KiB and calls fdatasync, again and again, in a file of at most 16 MiB in DIR that "
    "is\n"
    "gone afterwards. Prints how long one write with its fdatasync takes, in microseconds.\n"
    "  --seconds S      1..3600, default 5 unless --iterations is given\n"
    "  --iterations N   1..100000000\n"
    "  --mode M         overwrite (default): the blocks exist; append: every write grows the "
    "file\n";

static bool read_number(const char *name, uint64_t max, uint64_t *out, struct fail *f)
{
    char *end = NULL;
    errno = 0;
    *out = optarg[0] >= '0' && optarg[0] <= '9' ? strtoull(optarg, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || *out < 1 || *out > max)
        return fail_set(f, "--%s '%s' is not a whole number from 1 to %" PRIu64, name, optarg, max);
    return true;
}

static bool take_option(struct options *o, int code, struct fail *f)
{
    switch (code) {
    case 'd':
        o->dir = optarg;
        return true;
    case 'i':
        return read_number("iterations", ITERATIONS_MAX, &o->iterations, f);
    case 's':
        return read_number("seconds", SECONDS_MAX, &o->seconds, f);
    case 'm':
        o->is_append = strcmp(optarg, "append") == 0;
        if (!o->is_append && strcmp(optarg, "overwrite") != 0)
            return fail_set(f, "--mode '%s' is neither overwrite nor append", optarg);
        return true;
    case 'j':
        o->json = true;
        return true;
    case 'h':
        o->help = true;
        return true;
    default:
        return fail_set(f, "unknown option or missing value; see --help");
    }
}

static bool read_options(struct options *o, int argc, char *const *argv, struct fail *f)
{
    static const struct option long_options[] = {
        {"dir", required_argument, NULL, 'd'},
        {"iterations", required_argument, NULL, 'i'},
        {"seconds", required_argument, NULL, 's'},
        {"mode", required_argument, NULL, 'm'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int code = 0;
    opterr = 0;
    while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        if (!take_option(o, code, f))
            return false;
    if (o->help)
        return true;
    if (optind < argc || o->dir == NULL)
        return fail_set(f, "--dir is required and there are no other arguments; see --help");
    if (o->seconds == 0 && o->iterations == 0)
        o->seconds = SECONDS;
    return true;
}

/* A file without a name: nothing stays behind, however the program ends. */
static bool open_file(const char *dir, int *fd, struct fail *f)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/sync_cost.XXXXXX", dir);
    if (len < 0 || (size_t)len >= sizeof path)
        return fail_set(f, "the path of the directory is too long");
    *fd = mkostemp(path, O_CLOEXEC);
    if (*fd < 0)
        return fail_set_errno(f, errno, "cannot create %s", path);
    if (unlink(path) != 0)
        return fail_set_errno(f, errno, "cannot unlink %s", path);
    return true;
}

static bool write_block(int fd, uint64_t i, struct fail *f)
{
    static unsigned char block[BLOCK_BYTES];
    memset(block, (int)(i % 251), sizeof block);
    off_t offset = (off_t)(i % FILE_BLOCKS) * BLOCK_BYTES;
    ssize_t n = pwrite(fd, block, sizeof block, offset);
    if (n != (ssize_t)sizeof block)
        return fail_set_errno(f, n < 0 ? errno : ENOSPC, "cannot write a block");
    return true;
}

static bool prepare(int fd, struct fail *f)
{
    for (uint64_t i = 0; i < FILE_BLOCKS; i++)
        if (!write_block(fd, i, f))
            return false;
    if (fsync(fd) != 0)
        return fail_set_errno(f, errno, "fsync failed");
    return true;
}

static bool start_over(int fd, struct fail *f)
{
    if (ftruncate(fd, 0) != 0 || fsync(fd) != 0)
        return fail_set_errno(f, errno, "cannot empty the file");
    return true;
}

static bool measure(const struct options *o, int fd, struct histogram *h, struct fail *f)
{
    struct mono start = instant_mono();
    int64_t limit_us = (int64_t)o->seconds * 1000000;
    for (uint64_t i = 0; o->iterations == 0 || i < o->iterations; i++) {
        if (o->is_append && i > 0 && i % FILE_BLOCKS == 0 && !start_over(fd, f))
            return false;
        struct mono before = instant_mono();
        if (o->seconds > 0 && instant_us(start, before) >= limit_us)
            break;
        if (!write_block(fd, i, f))
            return false;
        if (fdatasync(fd) != 0)
            return fail_set_errno(f, errno, "fdatasync failed");
        histogram_add(h, instant_us(before, instant_mono()));
    }
    return true;
}

static bool print(const struct options *o, const struct histogram *h, struct fail *f)
{
    const char *mode = o->is_append ? "append" : "overwrite";
    uint64_t count = histogram_count(h);
    int64_t min_us = histogram_min_us(h);
    int64_t p50_us = histogram_percentile_us(h, 500000);
    int64_t p99_us = histogram_percentile_us(h, 990000);
    int64_t max_us = histogram_max_us(h);
    double mean_us = histogram_mean_us(h);
    if (o->json)
        printf("{\"mode\":\"%s\",\"block_bytes\":%d,\"count\":%" PRIu64
               ",\"sync_us\":{\"min\":%" PRId64 ",\"mean\":%.1f,\"p50\":%" PRId64
               ",\"p99\":%" PRId64 ",\"max\":%" PRId64 "}}\n",
               mode, BLOCK_BYTES, count, min_us, mean_us, p50_us, p99_us, max_us);
    else
        printf("mode %s, block %d bytes, %" PRIu64 " syncs; us: min %" PRId64
               ", mean %.1f, p50 %" PRId64 ", p99 %" PRId64 ", max %" PRId64 "\n",
               mode, BLOCK_BYTES, count, min_us, mean_us, p50_us, p99_us, max_us);
    if (fflush(stdout) != 0)
        return fail_set_errno(f, errno, "cannot write the result");
    return true;
}

static bool run(const struct options *o, struct fail *f)
{
    bool ok = false;
    int fd = -1;
    struct histogram *h = histogram_create();
    if (h == NULL)
        return fail_set(f, "no memory for the histogram");
    if (!open_file(o->dir, &fd, f))
        goto out;
    if (!o->is_append && !prepare(fd, f))
        goto out;
    ok = measure(o, fd, h, f) && print(o, h, f);
out:
    if (fd >= 0)
        close(fd);
    histogram_destroy(h);
    return ok;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct fail f = {""};
    if (!read_options(&o, argc, argv, &f)) {
        fprintf(stderr, "sync_cost: %s\n", f.text);
        return 2;
    }
    if (o.help)
        return fputs(help, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    if (!run(&o, &f)) {
        fprintf(stderr, "sync_cost: %s\n", f.text);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
