/*
 * http_date.c - a second's worth of text.
 */
#include "http_date.h"

#include "clock.h"

struct slice http_date_now(struct http_date *d)
{
    time_t now = (time_t)(clock_ms() / 1000);
    struct tm tm;

    if (now != d->second || d->text[0] == '\0') {
        d->second = now;
        (void)gmtime_r(&now, &tm);
        (void)strftime(d->text, sizeof d->text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    }
    return slice_of(d->text);
}
