/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

#include <inttypes.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Reads leading digits; the rest is left in *rest. */
static bool leading_digits(struct slice text, uint64_t *value, struct slice *rest)
{
    size_t i;
    *value = 0;
    for (i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    if (i == 0)
        return false;
    *rest = (struct slice){text.ptr + i, text.len - i};
    return true;
}

static enum status in_range(uint64_t value, uint64_t min, uint64_t max, uint64_t *out,
                            struct err *e)
{
    if (value < min || value > max)
        return err_set(e, ST_BAD_INPUT, "must be between %" PRIu64 " and %" PRIu64, min, max);
    *out = value;
    return ST_OK;
}

enum status num_parse_u64(struct slice text, uint64_t min, uint64_t max, uint64_t *out,
                          struct err *e)
{
    struct slice rest;
    uint64_t value;
    if (!leading_digits(text, &value, &rest) || rest.len)
        return err_set(e, ST_BAD_INPUT, "must be a whole number");
    return in_range(value, min, max, out, e);
}

static const struct unit *find_unit(const struct unit *units, struct slice name)
{
    for (; units->name; units++)
        if (slice_eq(slice_of(units->name), name))
            return units;
    return NULL;
}

enum status num_parse_size(struct slice text, uint64_t min, uint64_t max, uint64_t *out,
                           struct err *e)
{
    static const struct unit units[] = {{"", 1},          {"B", 1},         {"KiB", 1 << 10},
                                        {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}};
    const struct unit *unit = NULL;
    struct slice rest;
    uint64_t value;
    if (leading_digits(text, &value, &rest))
        unit = find_unit(units, rest);
    if (!unit || value > UINT64_MAX / unit->factor)
        return err_set(e, ST_BAD_INPUT, "must be a size such as 512KiB, 16MiB or 2GiB");
    value *= unit->factor;
    if (value < min || value > max)
        return err_set(e, ST_BAD_INPUT, "must be between %" PRIu64 " and %" PRIu64 " bytes", min,
                       max);
    *out = value;
    return ST_OK;
}

enum status num_parse_duration_ms(struct slice text, uint64_t min, uint64_t max, uint64_t *out,
                                  struct err *e)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
    const struct unit *unit = NULL;
    struct slice rest;
    uint64_t value = 0;
    if (leading_digits(text, &value, &rest))
        unit = find_unit(units, rest);
    if (!unit && value == 0 && slice_eq(text, slice_of("0")))
        unit = units;
    if (!unit || value > UINT64_MAX / unit->factor)
        return err_set(e, ST_BAD_INPUT, "must be a duration such as 250ms, 10s, 5m, 48h or 4d");
    value *= unit->factor;
    if (value < min || value > max)
        return err_set(e, ST_BAD_INPUT, "must be between %" PRIu64 "ms and %" PRIu64 "ms", min,
                       max);
    *out = value;
    return ST_OK;
}

enum status num_parse_bool(struct slice text, bool *out, struct err *e)
{
    static const char *const yes[] = {"true", "yes", "on"};
    static const char *const no[] = {"false", "no", "off"};
    for (size_t i = 0; i < 3; i++) {
        if (slice_eq(text, slice_of(yes[i]))) {
            *out = true;
            return ST_OK;
        }
        if (slice_eq(text, slice_of(no[i]))) {
            *out = false;
            return ST_OK;
        }
    }
    return err_set(e, ST_BAD_INPUT, "must be true or false");
}

size_t num_format_i64(int64_t v, char out[NUM_I64_MAX])
{
    char digits[NUM_I64_MAX];
    size_t n = 0, len = 0;
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (v < 0)
        out[len++] = '-';
    while (n)
        out[len++] = digits[--n];
    out[len] = 0;
    return len;
}
