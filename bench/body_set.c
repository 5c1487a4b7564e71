/* SPDX-License-Identifier: Apache-2.0 */
#include "body_set.h"

#include "bodies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 1000

struct body {
    char *text;
    size_t len;
};

struct body_set {
    size_t count;
    struct body bodies[];
};

struct body_set *body_set_create(size_t count, uint64_t seed)
{
    struct fail f;
    struct bodies *source = bodies_create(BODIES_MIX_DEFAULT, KEYS, seed, &f);
    struct body_set *s = calloc(1, sizeof *s + count * sizeof s->bodies[0]);
    char *scratch = source ? malloc(bodies_size_max(source)) : NULL;
    if (!source || !s || !scratch) {
        fputs("body_set: out of memory\n", stderr);
        abort();
    }
    s->count = count;
    for (size_t i = 0; i < count; i++) {
        struct bodies_event event;
        uint32_t key = bodies_draw_key(source, 0, 1);
        s->bodies[i].len = bodies_render(source, key, instant_wall(), scratch, &event);
        s->bodies[i].text = malloc(s->bodies[i].len);
        if (!s->bodies[i].text)
            abort();
        memcpy(s->bodies[i].text, scratch, s->bodies[i].len);
    }
    free(scratch);
    bodies_destroy(source);
    return s;
}

void body_set_destroy(struct body_set *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->bodies[i].text);
    free(s);
}

const char *body_set_get(const struct body_set *s, size_t i, size_t *len)
{
    *len = s->bodies[i].len;
    return s->bodies[i].text;
}
