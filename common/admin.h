/*
 * admin.h - /healthz, /readyz and /metrics on a listener of their own, and commands.
 *
 * A minimal HTTP/1.1 server: one request a connection, 64
 * connections at once, 5 s each.  /readyz answers 503 until ready() says so.
 */
#ifndef COMMON_ADMIN_H
#define COMMON_ADMIN_H

#include <uv.h>

#include "bytes.h"

struct admin;
struct admin_ops {
    bool (*ready)(void *arg);
    /* Sets gauges just before they are rendered; may be NULL. */
    void (*refresh)(void *arg);
    /* What /readyz says besides, ready or not, or NULL; may be NULL. */
    const char *(*note)(void *arg);
    /* A POST to that path, without a body: what was done, a line, or NULL when there is no
     * such command; may be NULL. */
    const char *(*command)(void *arg, struct slice path);
    /* A GET of another path: its text into *out, or false; may be NULL. */
    bool (*page)(void *arg, struct slice path, struct buf *out);
};
/* listen: "address:port", not empty; hosts: [http] hosts, see http_gate.h; both outlive it.  NULL
 * on failure, already logged; the loop must still be run to let go of what was begun.  who: see
 * metrics.h */
struct admin *admin_start(uv_loop_t *loop, const char *listen, const char *hosts, char who,
                          const struct admin_ops *ops, void *arg) MUST_CHECK;
/* Ends open connections too, then calls closed.  When a is NULL, at once. */
void admin_close(struct admin *a, void (*closed)(void *arg), void *arg);

#endif
