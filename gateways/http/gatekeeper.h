/*
 * gatekeeper.h - who a request comes from, for every HTTP carrier, and what is answered to
 * one that is not believed.
 *
 *   request ──▶ gatekeeper_check ─┬─▶ ADMITS   *who acts as the principal
 *                                 ├─▶ REFUSES  a problem: 401, 429, 503
 *                                 └─▶ ASKS ──done()──▶ gatekeeper_check, the same request again
 *
 * A connection has a pass: what it showed last, and who that was.  The same bytes again are
 * the same principal, with nothing hashed and nothing allocated.
 */
#ifndef HTTP_GATEKEEPER_H
#define HTTP_GATEKEEPER_H

#include "caller.h"
#include "config.h"
#include "conn.h"
#include "shown.h"

/* A site's. */
struct gatekeeper {
    struct authority *authority; /* NULL: everybody may do everything */
    struct slice cookie;         /* [auth] cookie */
    bool open;                   /* no [auth]: what is shown is not looked at */
    bool basic;                  /* a name and a password may be believed */
    bool cookies_across;         /* [...] allow_credentials: of pages of other origins too */
};
void gatekeeper_init(struct gatekeeper *g, struct authority *a, const struct config *c,
                     bool allow_credentials);

/* A connection's; zero-initialised: it has shown nothing yet. */
struct gatekeeper_pass {
    struct caller caller; /* counts among the principal's connections */
    struct buf shown;     /* enum shown_way u8 and what was sent; empty: nothing was */
};
void gatekeeper_pass_end(struct gatekeeper_pass *p);
/* No other request comes on it: what was shown is not kept.  It goes on counting. */
void gatekeeper_pass_last(struct gatekeeper_pass *p);

/* Where a request comes from; borrowed for the call. */
struct gatekeeper_origin {
    const struct conn *conn; /* its address, its certificate, whether it is over TLS */
    const char *door;        /* site.h's */
    /* ROUTE_TUNNEL: somebody who has shown nothing may come as nobody, and say it later. */
    bool later;
};

enum gatekeeper_verdict { GATEKEEPER_ADMITS, GATEKEEPER_REFUSES, GATEKEEPER_ASKS };

/* A request's, embedded in its carrier; zero-initialised. */
struct gatekeeper_ask {
    struct auth_ask *ask;
    struct auth_answer answer; /* to what was asked, when there is one */
    bool answered;
    void (*done)(struct gatekeeper_ask *q);
};

/* The request may come in as far as its origin goes (route_admits).  GATEKEEPER_REFUSES: *p says
 * why.  GATEKEEPER_ASKS: done runs, never from within this call; then this is called again,
 * with the same request, and decides. */
MUST_CHECK enum gatekeeper_verdict
gatekeeper_check(const struct gatekeeper *g, struct gatekeeper_pass *pass, struct gatekeeper_ask *q,
                 const struct http_request *r, const struct gatekeeper_origin *from,
                 struct caller *who, struct problem *p);
/* The client is gone, or the request is answered otherwise: done does not run. */
void gatekeeper_forget(struct gatekeeper_ask *q);

/* The problem of an outcome that is not AUTH_KNOWN: its text and its challenge. */
void gatekeeper_problem(const struct gatekeeper *g, const struct auth_answer *answer, bool token,
                        struct problem *p);
/* Why somebody who came in may not go on: "expired" or "revoked". */
const char *gatekeeper_reason(const struct caller *who);
/* The problem of somebody who came in and is not believed any more (caller_stands). */
void gatekeeper_ended(const struct gatekeeper *g, const struct caller *who, struct problem *p);

#endif
