/*
 * time.c - RFC 3339 times to and from milliseconds since 1970, UTC.
 *
 * The calendar is the C library's (gmtime_r, timegm); here are only the form
 * and what it forbids.  Reading fails on anything that is not exactly the form
 * or names a day or an hour that does not exist.
 */
#include <time.h>

#include "event_json.h"

#define LAST_SECOND INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

static void put_digits(char *out, int count, int v)
{
    while (count-- > 0) {
        out[count] = (char)('0' + v % 10);
        v /= 10;
    }
}

void time_put_rfc3339(struct buf *b, uint64_t ms)
{
    char out[] = "0000-00-00T00:00:00.000Z";
    time_t seconds = LAST_SECOND;
    struct tm tm;
    int milli = 999;

    if (ms / 1000 <= LAST_SECOND) {
        seconds = (time_t)(ms / 1000);
        milli = (int)(ms % 1000);
    }
    (void)gmtime_r(&seconds, &tm);
    put_digits(out, 4, tm.tm_year + 1900);
    put_digits(out + 5, 2, tm.tm_mon + 1);
    put_digits(out + 8, 2, tm.tm_mday);
    put_digits(out + 11, 2, tm.tm_hour);
    put_digits(out + 14, 2, tm.tm_min);
    put_digits(out + 17, 2, tm.tm_sec);
    put_digits(out + 20, 3, milli);
    buf_put(b, out, sizeof out - 1);
}

static int get_digits(struct reader *r, int count)
{
    int v = 0;

    while (count-- > 0) {
        int digit = reader_u8(r) - '0';

        if (digit < 0 || digit > 9)
            r->bad = true;
        else
            v = v * 10 + digit;
    }
    return v;
}

static void expect(struct reader *r, char upper)
{
    uint8_t c = reader_u8(r);

    if (c != upper && !(upper == 'T' && c == 't'))
        r->bad = true;
}

/* The digits after a point: at least one, three of them kept. */
static int get_fraction(struct reader *r)
{
    int milli = get_digits(r, 1) * 100;

    for (int unit = 10; r->left > 0 && *r->p >= '0' && *r->p <= '9'; unit /= 10)
        milli += get_digits(r, 1) * unit;
    return milli;
}

/* `Z` or `+hh:mm`: seconds east of Greenwich. */
static int get_offset(struct reader *r)
{
    uint8_t sign = reader_u8(r);
    int hours, minutes;

    if (sign == 'Z' || sign == 'z')
        return 0;
    hours = get_digits(r, 2);
    expect(r, ':');
    minutes = get_digits(r, 2);
    if ((sign != '+' && sign != '-') || hours > 23 || minutes > 59)
        r->bad = true;
    return (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

static void get_calendar(struct reader *r, struct tm *tm)
{
    int year = get_digits(r, 4), month;

    expect(r, '-');
    month = get_digits(r, 2);
    expect(r, '-');
    tm->tm_mday = get_digits(r, 2);
    expect(r, 'T');
    tm->tm_hour = get_digits(r, 2);
    expect(r, ':');
    tm->tm_min = get_digits(r, 2);
    expect(r, ':');
    tm->tm_sec = get_digits(r, 2);
    if (month < 1 || month > 12 || tm->tm_mday < 1 || tm->tm_mday > days_in(year, month) ||
        tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60) /* 60: a leap second */
        r->bad = true;
    tm->tm_year = year - 1900;
    tm->tm_mon = month - 1;
}

bool time_get_rfc3339(struct slice s, uint64_t *ms)
{
    struct reader r = reader_of(s.p, s.len);
    struct tm tm = {0};
    int milli = 0;
    int64_t seconds;

    get_calendar(&r, &tm);
    if (r.left > 0 && *r.p == '.') {
        (void)reader_u8(&r);
        milli = get_fraction(&r);
    }
    seconds = -get_offset(&r);
    if (!reader_done(&r))
        return false;
    seconds += timegm(&tm);
    *ms = seconds < 0 ? 0 : (uint64_t)seconds * 1000 + (uint64_t)milli;
    return true;
}
