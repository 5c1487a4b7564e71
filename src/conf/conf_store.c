/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_store.h"

#include "base/ident.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct piece {
    struct piece *next;
    size_t size_bytes;
    max_align_t bytes[];
};

struct conf_store {
    struct piece *first;
    size_t used_bytes;
};

struct conf_store *conf_store_create(void)
{
    return calloc(1, sizeof(struct conf_store));
}

void conf_store_destroy(struct conf_store *s)
{
    struct piece *next;
    if (!s)
        return;
    for (struct piece *p = s->first; p; p = next) {
        next = p->next;
        secret_wipe(p->bytes, p->size_bytes);
        free(p);
    }
    free(s);
}

void *conf_store_alloc(struct conf_store *s, size_t size_bytes)
{
    struct piece *p;
    if (size_bytes > CONF_STORE_MAX - s->used_bytes)
        return NULL;
    p = calloc(1, sizeof *p + size_bytes);
    if (!p)
        return NULL;
    s->used_bytes += size_bytes;
    p->size_bytes = size_bytes;
    p->next = s->first;
    s->first = p;
    return p->bytes;
}

const char *conf_store_copy(struct conf_store *s, struct slice text)
{
    char *copy = conf_store_alloc(s, text.len + 1);
    if (copy && text.len)
        memcpy(copy, text.ptr, text.len);
    return copy;
}
