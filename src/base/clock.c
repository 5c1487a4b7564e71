/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static struct mono system_mono(void *ctx)
{
    struct timespec ts;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct mono){(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec};
}

static struct wall system_wall(void *ctx)
{
    struct timespec ts;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (struct wall){(int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000};
}

const struct clock *clock_system(void)
{
    static const struct clock c = {system_mono, system_wall, NULL};
    return &c;
}

int mono_until_ms(struct mono now, struct mono t, int max_ms)
{
    int64_t ns = t.ns - now.ns;
    if (ns <= 0)
        return 0;
    if (ns / 1000000 >= max_ms)
        return max_ms;
    return (int)((ns + 999999) / 1000000);
}

/*
 * Days from civil and back: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"
 * (howardhinnant.github.io/date_algorithms.html). timegm() would do, but not for a malformed date.
 */
static int64_t days_from_civil(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

/* Writes v with exactly n digits, its last ones when it has more. */
static char *put_digits(char *at, int64_t v, int n)
{
    for (int i = n; i-- > 0; v /= 10)
        at[i] = (char)('0' + v % 10);
    return at + n;
}

static char *put_char(char *at, char c)
{
    *at = c;
    return at + 1;
}

/* By hand: each published record carries two times, and gmtime_r() takes a lock. */
size_t wall_format(struct wall t, char out[WALL_TEXT_MAX])
{
    const int64_t us_per_day = 86400000000;
    /* What four digits can say: 0000-01-01 to the end of 9999. */
    const int64_t first = -719528 * us_per_day, last = 2932897 * us_per_day - 1;
    int64_t us = t.us < first ? first : t.us > last ? last : t.us;
    int64_t days = us / us_per_day - (us % us_per_day < 0);
    int64_t rest = us - days * us_per_day;
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    char *at = put_digits(out, yoe + era * 400 + (month <= 2), 4);
    at = put_digits(put_char(at, '-'), month, 2);
    at = put_digits(put_char(at, '-'), doy - (153 * mp + 2) / 5 + 1, 2);
    at = put_digits(put_char(at, 'T'), rest / 3600000000, 2);
    at = put_digits(put_char(at, ':'), rest / 60000000 % 60, 2);
    at = put_digits(put_char(at, ':'), rest / 1000000 % 60, 2);
    at = put_digits(put_char(at, '.'), rest / 1000 % 1000, 3);
    at = put_char(at, 'Z');
    *at = 0;
    return (size_t)(at - out);
}

struct cursor {
    const char *at;
    const char *end;
};

/* Reads exactly n digits. Returns -1 when they are not there. */
static int digits(struct cursor *c, int n)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9')
            return -1;
        v = v * 10 + (*c->at++ - '0');
    }
    return v;
}

static bool literal(struct cursor *c, char want)
{
    if (c->at == c->end || (*c->at != want && *c->at != (want | 0x20)))
        return false;
    c->at++;
    return true;
}

static bool fraction_us(struct cursor *c, int64_t *us)
{
    int n = 0;
    *us = 0;
    if (c->at == c->end || *c->at != '.')
        return true;
    c->at++;
    for (; c->at != c->end && *c->at >= '0' && *c->at <= '9'; c->at++, n++)
        if (n < 6)
            *us = *us * 10 + (*c->at - '0');
    if (n < 1 || n > 9)
        return false;
    for (; n < 6; n++)
        *us *= 10;
    return true;
}

static bool offset_s(struct cursor *c, int64_t *s)
{
    *s = 0;
    if (literal(c, 'Z'))
        return true;
    if (c->at == c->end || (*c->at != '+' && *c->at != '-'))
        return false;
    int sign = *c->at++ == '-' ? -1 : 1;
    int h = digits(c, 2);
    if (h < 0 || h > 23 || !literal(c, ':'))
        return false;
    int m = digits(c, 2);
    if (m < 0 || m > 59)
        return false;
    *s = sign * (h * 3600 + m * 60);
    return true;
}

static int days_in_month(int y, int m)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && leap ? 29 : days[m - 1];
}

bool wall_parse(const char *text, size_t len, struct wall *out)
{
    struct cursor c = {text, len ? text + len : text};
    int64_t us, offset;
    int year = digits(&c, 4);
    if (year < 0 || !literal(&c, '-'))
        return false;
    int month = digits(&c, 2);
    if (month < 1 || month > 12 || !literal(&c, '-'))
        return false;
    int day = digits(&c, 2);
    if (day < 1 || day > days_in_month(year, month) || !literal(&c, 'T'))
        return false;
    int hour = digits(&c, 2);
    if (hour < 0 || hour > 23 || !literal(&c, ':'))
        return false;
    int minute = digits(&c, 2);
    if (minute < 0 || minute > 59 || !literal(&c, ':'))
        return false;
    int second = digits(&c, 2);
    if (second < 0 || second > 60 || !fraction_us(&c, &us) || !offset_s(&c, &offset) ||
        c.at != c.end)
        return false;
    int64_t days = days_from_civil(year, month, day);
    out->us = ((days * 24 + hour) * 60 + minute) * 60000000 + (second - offset) * 1000000 + us;
    return true;
}
