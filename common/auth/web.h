/*
 * web.h - one HTTP request to somebody else's server, off the loop.
 *
 *   web_start ──▶ a thread of its own, which all requests of the process share ──▶ done
 *                 └▶ web_forget: done does not run
 *
 * HTTP/1.1 by libcurl, which keeps connections for the next request.  Nothing is followed:
 * a redirection is an answer like any other.  The server's certificate is verified.
 * Whatever goes wrong is told in one sentence, in which no header and no body is.
 *
 * Loop thread; done runs there, never from inside web_start.  Until done or, after
 * web_forget, a moment later, the request keeps the loop alive.
 */
#ifndef AUTH_WEB_H
#define AUTH_WEB_H

#include <uv.h>

#include "bytes.h"

struct web_request {
    const char *url;
    const char *ca_file; /* PEM that https servers must be signed by; NULL or "": the system's */
    struct slice post;   /* JSON; p NULL: it is a GET */
    uint64_t timeout_ms; /* for all of it */
    size_t max_bytes;    /* of the answer's body; a longer one is a failure */
};

struct web;
/* status 0: no whole answer, and why.  body, why: until done returns. */
typedef void (*web_done)(void *arg, int status, struct slice body, const char *why);

/* What r points to is copied. */
struct web *web_start(uv_loop_t *loop, const struct web_request *r, web_done done,
                      void *arg) MUST_CHECK;
void web_forget(struct web *w); /* before done has run */

enum web_reach {
    WEB_BAD_URL,
    WEB_HTTPS,
    WEB_LOOPBACK, /* http, to 127.0.0.1, [::1] or localhost: nobody else can listen */
    WEB_PLAIN,    /* http, to anybody */
};
enum web_reach web_reach_of(const char *url) MUST_CHECK;

#endif
