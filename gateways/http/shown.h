/*
 * shown.h - what a request shows of who it comes from; pure.
 *
 *   Authorization: Bearer TOKEN | Basic BASE64      RFC 6750, RFC 7617; scheme in any case
 *   ?access_token=TOKEN                             for EventSource, which sets no header
 *   Cookie: NAME=TOKEN                              RFC 6265, of the name that is configured
 *
 * The first of these that is there counts, well-formed or not: who says Authorization means
 * it.  shown_find is cheap enough for every request; shown_read decodes.
 */
#ifndef HTTP_SHOWN_H
#define HTTP_SHOWN_H

#include "authority.h"
#include "http_request.h"
#include "problem.h"

enum shown_way { SHOWN_NOTHING, SHOWN_AUTHORIZATION, SHOWN_ACCESS_TOKEN, SHOWN_COOKIE };

struct shown {
    enum shown_way way;
    bool repeated;    /* that way comes twice: it cannot be read */
    struct slice raw; /* as sent; into the request */
};

/* cookie: the name; empty: none counts. */
struct shown shown_find(const struct http_request *r, struct slice cookie);
/* Fills kind, token, user and password of *c, which point into the request or text; text is
 * empty at first.  False: malformed, and *p, a 401 or 400, says how, without what was shown. */
MUST_CHECK bool shown_read(const struct shown *s, struct credentials *c, struct buf *text,
                           struct problem *p);

#endif
