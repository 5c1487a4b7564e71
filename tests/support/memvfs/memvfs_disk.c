/* SPDX-License-Identifier: Apache-2.0 */
#include "memvfs/memvfs_disk.h"

#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not a SQLite code: the gate's word for "the ordered cut happens in this call". */
#define CUT_NOW (-1)

void memvfs_disk_init(struct memvfs_disk *d, uint64_t seed)
{
    memset(d, 0, sizeof *d);
    d->capacity_bytes = MEMVFS_UNLIMITED;
    d->rng = seed;
}

void memvfs_disk_fini(struct memvfs_disk *d)
{
    if (d->n_handles > 0) {
        fprintf(stderr, "memvfs: destroyed with %u open files\n", d->n_handles);
        abort();
    }
    while (d->nodes) {
        struct memvfs_node *n = d->nodes;
        d->nodes = n->next;
        memvfs_node_destroy(n);
    }
}

struct memvfs_node *memvfs_disk_find(const struct memvfs_disk *d, const char *name)
{
    for (struct memvfs_node *n = d->nodes; n; n = n->next) {
        if (n->linked && strcmp(n->name, name) == 0)
            return n;
    }
    return NULL;
}

struct memvfs_node *memvfs_disk_add(struct memvfs_disk *d, const char *name)
{
    struct memvfs_node *n = memvfs_node_create(name);
    n->linked = name != NULL;
    n->next = d->nodes;
    d->nodes = n;
    return n;
}

static bool is_needed(const struct memvfs_node *n)
{
    return n->linked || n->durable_linked || n->n_open > 0;
}

static void sweep(struct memvfs_disk *d)
{
    struct memvfs_node **at = &d->nodes;
    while (*at) {
        struct memvfs_node *n = *at;
        if (is_needed(n)) {
            at = &n->next;
        } else {
            *at = n->next;
            memvfs_node_destroy(n);
        }
    }
}

void memvfs_disk_unlink(struct memvfs_disk *d, struct memvfs_node *n)
{
    n->linked = false;
    sweep(d);
}

void memvfs_disk_release(struct memvfs_disk *d, struct memvfs_node *n)
{
    n->n_open--;
    if (!is_needed(n))
        sweep(d);
}

void memvfs_disk_sync_dir(struct memvfs_disk *d)
{
    for (struct memvfs_node *n = d->nodes; n; n = n->next)
        n->durable_linked = n->linked;
    sweep(d);
}

uint64_t memvfs_disk_used(const struct memvfs_disk *d)
{
    uint64_t used = 0;
    for (const struct memvfs_node *n = d->nodes; n; n = n->next) {
        if (n->linked || n->n_open > 0)
            used += n->now_bytes;
    }
    return used;
}

static bool ends_with(const char *name, const char *suffix)
{
    if (!suffix)
        return true;
    size_t name_len = name ? strlen(name) : 0;
    size_t len = strlen(suffix);
    return name_len >= len && memcmp(name + name_len - len, suffix, len) == 0;
}

static bool concerns(const struct memvfs_fault *f, enum memvfs_op op, const char *name, bool change)
{
    bool op_fits = f->op == op || f->op == MEMVFS_ANY || (f->op == MEMVFS_CHANGE && change);
    return op_fits && ends_with(name, f->suffix);
}

/* All plans count this call, also after one of them has decided to fail it. */
static int due_fault(struct memvfs_disk *d, enum memvfs_op op, const char *name, bool change)
{
    int code = SQLITE_OK;
    size_t kept = 0;
    for (size_t i = 0; i < d->n_faults; i++) {
        struct memvfs_fault f = d->faults[i];
        bool fires = false;
        if (concerns(&f, op, name, change)) {
            if (f.nth > 0)
                f.nth--;
            fires = f.nth == 0;
        }
        if (fires && code == SQLITE_OK)
            code = f.code;
        if (!fires || f.sticky)
            d->faults[kept++] = f;
    }
    d->n_faults = kept;
    return code;
}

static int check_call(struct memvfs_disk *d, enum memvfs_op op, const char *name, bool change)
{
    if (d->off)
        return SQLITE_IOERR;
    d->counts[op]++;
    d->counts[MEMVFS_ANY]++;
    if (change) {
        d->counts[MEMVFS_CHANGE]++;
        if (d->cut_in > 0 && --d->cut_in == 0)
            return CUT_NOW;
    }
    return due_fault(d, op, name, change);
}

int memvfs_disk_gate(struct memvfs_disk *d, enum memvfs_op op, const char *name, bool change)
{
    int code = check_call(d, op, name, change);
    if (code != CUT_NOW)
        return code;
    memvfs_disk_cut(d, d->cut_mode);
    return SQLITE_IOERR;
}

/* How far the file may grow now. */
static uint64_t size_limit(const struct memvfs_disk *d, const struct memvfs_node *n)
{
    uint64_t used = memvfs_disk_used(d);
    uint64_t left = used < d->capacity_bytes ? d->capacity_bytes - used : 0;
    uint64_t limit = left < MEMVFS_FILE_MAX_BYTES ? n->now_bytes + left : MEMVFS_FILE_MAX_BYTES;
    return limit < MEMVFS_FILE_MAX_BYTES ? limit : MEMVFS_FILE_MAX_BYTES;
}

int memvfs_disk_write(struct memvfs_disk *d, struct memvfs_node *n, const void *bytes, size_t len,
                      uint64_t offset)
{
    int code = check_call(d, MEMVFS_WRITE, n->name, true);
    if (d->off)
        return code;
    size_t part = len;
    if (code == CUT_NOW)
        part = (size_t)(memvfs_node_random(&d->rng) % (len + 1));
    else if (code != SQLITE_OK)
        part = len > 0 ? (size_t)(memvfs_node_random(&d->rng) % len) : 0;
    uint64_t limit = size_limit(d, n);
    if (offset + part > limit && offset + part > n->now_bytes) {
        part = offset < limit ? (size_t)(limit - offset) : 0;
        if (code == SQLITE_OK)
            code = SQLITE_FULL;
    }
    memvfs_node_write(n, bytes, part, (size_t)offset);
    if (code == CUT_NOW) {
        memvfs_disk_cut(d, d->cut_mode);
        code = SQLITE_IOERR;
    }
    return code;
}

int memvfs_disk_truncate(struct memvfs_disk *d, struct memvfs_node *n, uint64_t size)
{
    int code = memvfs_disk_gate(d, MEMVFS_TRUNCATE, n->name, true);
    if (code != SQLITE_OK)
        return code;
    if (size > n->now_bytes && size > size_limit(d, n))
        return SQLITE_FULL;
    memvfs_node_truncate(n, (size_t)size);
    return SQLITE_OK;
}

/* One draw a name: the file that was removed and the one that took its name share their fate. */
static bool name_change_survives(const char *name, uint64_t draw)
{
    uint64_t state = draw;
    for (const char *c = name; *c; c++)
        state = memvfs_node_random(&state) ^ (unsigned char)*c;
    return memvfs_node_random(&state) & 1;
}

static void cut_power(struct memvfs_disk *d, enum memvfs_mode mode)
{
    uint64_t draw = mode == MEMVFS_RANDOM ? memvfs_node_random(&d->rng) : 0;
    for (struct memvfs_node *n = d->nodes; n; n = n->next) {
        bool keep_now = mode == MEMVFS_RANDOM && n->name && name_change_survives(n->name, draw);
        if (!keep_now)
            n->linked = n->durable_linked;
        n->durable_linked = n->linked;
        if (mode == MEMVFS_RANDOM)
            memvfs_node_scramble(n, &d->rng);
        else
            memvfs_node_revert(n);
    }
}

void memvfs_disk_cut(struct memvfs_disk *d, enum memvfs_mode mode)
{
    if (d->off)
        return;
    d->off = true;
    d->life++;
    d->cut_in = 0;
    if (mode != MEMVFS_KILL)
        cut_power(d, mode);
    for (struct memvfs_node *n = d->nodes; n; n = n->next) {
        n->n_open = 0;
        n->handles = NULL;
        n->shm = NULL;
    }
    sweep(d);
}
