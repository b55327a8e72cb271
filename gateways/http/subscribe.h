/*
 * subscribe.h - what a client says when it subscribes: filters, a start, a form.
 *
 * The same words at every gateway: query parameters here, members of a JSON
 * object in WebSocket.  subscribe_set takes one of them at a time;
 * subscribe_request reads a whole HTTP request.
 *
 *   topic    a filter; repeated      after   an ID        last    a number
 *   since    RFC 3339, or 10m        on_gap  notice|fail  format  raw|json|text
 */
#ifndef HTTP_SUBSCRIBE_H
#define HTTP_SUBSCRIBE_H

#include "caller.h"
#include "http_request.h"
#include "hub.h"
#include "problem.h"
#include "quota.h"

enum subscribe_format { FORMAT_DEFAULT, FORMAT_RAW, FORMAT_JSON, FORMAT_TEXT };

struct subscribe_limits {
    size_t max_filters;
    uint64_t max_last;
    uint64_t now_ms; /* UTC */
    bool text;       /* format=text is possible here */
};

/* What of a query is read by subscribe_request, for a route. */
#define SUBSCRIBE_PARAMS                                                                           \
    "topic after since last on_gap format lastEventId last-event-id Last-Event-ID"
#define SUBSCRIBE_FILTERS_MAX 256

struct subscribe {
    struct slice filters[SUBSCRIBE_FILTERS_MAX]; /* into text */
    size_t filter_count;
    struct start start;
    const char *start_field; /* the parameter that said it; NULL: none did */
    bool resumes;            /* Last-Event-ID, or a library's word for it, was given */
    uint64_t resumed_after;  /* the newest of these */
    bool on_gap_fail;
    enum subscribe_format format;
    char *text; /* owned */
};

/* SUBSCRIBE_BAD: *p says why. */
enum subscribe_verdict { SUBSCRIBE_TAKEN, SUBSCRIBE_UNKNOWN, SUBSCRIBE_BAD };

void subscribe_init(struct subscribe *s, size_t text_max); /* room for all filters together */
void subscribe_free(struct subscribe *s);
/* One parameter, decoded. */
MUST_CHECK enum subscribe_verdict subscribe_set(struct subscribe *s,
                                                const struct subscribe_limits *l, struct slice name,
                                                struct slice value, struct problem *p);
/* A filter: checked, counted, copied. */
MUST_CHECK bool subscribe_filter(struct subscribe *s, const struct subscribe_limits *l,
                                 struct slice filter, struct problem *p);
/* Path (%-encoded, may be empty when ?topic= names one), query and
 * Last-Event-ID, of which the newest wins.  Parameters that are none of these are left to
 * the route (routes.h).  Initialises *s; on failure it holds nothing. */
MUST_CHECK bool subscribe_request(struct subscribe *s, const struct subscribe_limits *l,
                                  const struct http_request *r, struct slice path,
                                  struct problem *p);

/* May it have all of these topics? */
MUST_CHECK bool subscribe_permitted(const struct subscribe *s, const struct caller *who,
                                    struct problem *p);
/* Counts its filters with the principal's subscriptions, until subscribe_release.  False: *p. */
MUST_CHECK bool subscribe_charge(const struct subscribe *s, const struct caller *who,
                                 struct problem *p);
void subscribe_release(const struct caller *who, size_t filters);
/* May one that is open go on?  False: *p says which filter it may not have. */
MUST_CHECK bool subscribe_may_go_on(const struct subscription *s, const struct caller *who,
                                    struct problem *p);
/* q: what its client holds already; NULL: nothing, it has this subscription alone. */
MUST_CHECK bool subscribe_fits(const struct subscribe *s, const struct hub *h,
                               const struct quota *q, struct problem *p);

/* One word each, for other requests that share them. */
/* 250ms 10s 5m 2h 7d; whatever is longer than max is max. */
MUST_CHECK bool subscribe_duration(struct slice value, uint64_t max, uint64_t *ms);
MUST_CHECK bool subscribe_cursor(struct slice value, const char *field, uint64_t *id,
                                 struct problem *p);
/* RFC 3339, or a duration before now. */
MUST_CHECK bool subscribe_since(struct slice value, const char *field, uint64_t now_ms,
                                uint64_t *ms, struct problem *p);

#endif
