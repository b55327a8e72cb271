/*
 * http_date.h - the Date of an answer, made once a second.
 */
#ifndef HTTP_HTTP_DATE_H
#define HTTP_HTTP_DATE_H

#include <time.h>

#include "bytes.h"

/* Zero-initialised is the start. */
struct http_date {
    time_t second;
    char text[32];
};

/* "Sun, 06 Nov 1994 08:49:37 GMT"; stays until the next call. */
struct slice http_date_now(struct http_date *d);

#endif
