/*
 * routes.h - which handler a request is for, and who may come; for every HTTP carrier.
 */
#ifndef HTTP_ROUTES_H
#define HTTP_ROUTES_H

#include "cors.h"
#include "exchange.h"
#include "http_gate.h"

/* What follows the head, and which limit holds for it. */
enum route_body {
    ROUTE_NO_BODY,
    ROUTE_PAYLOAD,
    ROUTE_BATCH,
    /* WebSocket, where whoever comes can still say who they are: to this route somebody who
     * has shown nothing comes as nobody, also where strangers may not. */
    ROUTE_TUNNEL,
};

struct route {
    const char *method; /* "GET" serves HEAD too */
    const char *path;   /* ends in '/': everything below it; else just this */
    enum route_body body;
    void (*handle)(struct exchange *x);
    void *own;          /* its handler's, which finds it in x->own */
    const char *params; /* of the query, blanks between; NULL: there are none; "*": any */
};

struct routes {
    const struct route *list;
    size_t count;
    struct http_gate gate; /* who may come */
    struct cors_rules cors;
};

/* May the request come in (http_gate.h)?  False: *p says why not.  secure: over TLS. */
MUST_CHECK bool route_admits(const struct routes *rs, const struct http_request *r, bool secure,
                             struct problem *p);
/* NULL: *p is the problem (404, 405); with 405 *allow is filled.  *rest: the
 * path behind the route's. */
MUST_CHECK const struct route *route_find(const struct routes *rs, const struct http_request *r,
                                          struct slice *rest, struct buf *allow, struct problem *p);
/* Must it be known who asks, before anything is said?  route and allow: route_find's.  Not for
 * OPTIONS, since a preflight shows nothing, nor where nothing can be. */
bool route_is_guarded(const struct http_request *r, const struct route *route,
                      const struct buf *allow);
struct route_limits {
    size_t max_payload, max_body;
};
size_t route_body_max(const struct route *route, const struct route_limits *l);
/* What is wrong with a request before its body is read; false: *p says it. */
MUST_CHECK bool route_body_ok(const struct route *route, const struct route_limits *l,
                              const struct http_request *r, struct problem *p);
/* A path that has no handler for the method: OPTIONS, CORS's preflight, 404, 405.
 * p and allow are route_find's. */
void route_answer_none(struct exchange *x, const struct cors *c, const struct problem *p,
                       const struct buf *allow);
/* The methods of a path, as Allow lists them; false when there is no such path. */
bool route_allow(const struct routes *rs, struct slice path, struct buf *allow);

#endif
