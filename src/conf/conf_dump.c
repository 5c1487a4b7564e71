/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_dump.h"

#include "conf/conf_pairs.h"

/* The value as the file would have it: a "${" is written "$${". */
static enum status append_escaped(struct slice value, struct buf *out)
{
    enum status st = ST_OK;
    for (size_t i = 0; i < value.len && st == ST_OK; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c == '$' && i + 1 < value.len && value.ptr[i + 1] == '{')
            st = buf_append(out, "$", 1);
        if (st == ST_OK)
            st = buf_append(out, c < 0x20 || c == 0x7f ? "?" : value.ptr + i, 1);
    }
    return st;
}

static enum status dump_pair(void *ctx, const struct conf_pair *pair)
{
    struct buf *out = ctx;
    enum status st;
    if (!pair->is_set)
        return buf_printf(out, "; %s is not set\n", pair->key);
    st = buf_printf(out, "%s =%s", pair->key, pair->value.len ? " " : "");
    if (st == ST_OK && conf_option_is_secret(pair->row))
        st = buf_append(out, CONF_DUMP_MASK, sizeof CONF_DUMP_MASK - 1);
    else if (st == ST_OK)
        st = append_escaped(pair->value, out);
    return st == ST_OK ? buf_append(out, "\n", 1) : st;
}

enum status conf_dump(const struct conf *c, struct buf *out)
{
    enum status st = ST_OK;
    for (unsigned k = 0; k < CONF_SECTION_COUNT; k++) {
        enum conf_section_kind kind = (enum conf_section_kind)k;
        size_t count = conf_option_instances(c, kind);
        for (size_t i = 0; i < count && st == ST_OK; i++) {
            const char *name = conf_option_name(c, kind, i);
            st = buf_printf(out, "%s[%s%s%s]\n", k || i ? "\n" : "",
                            conf_option_section(kind)->word, *name ? " " : "", name);
            if (st == ST_OK)
                st = conf_pairs_each(c, kind, i, dump_pair, out);
        }
    }
    return st;
}
