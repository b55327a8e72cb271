/*
 * http_gate.h - which HTTP requests may come in, since a browser can be made to send them.
 *
 * Any page can have its reader's browser send requests to any address that the browser
 * reaches, loopback included; and with a name of its own that it lets point there (DNS
 * rebinding) it may even read the answers.  The first is seen by Origin and
 * Sec-Fetch-Site, the second by Host.  Clients that are no browsers send none of the
 * former and what they were told as the latter.  Pure.
 */
#ifndef COMMON_HTTP_GATE_H
#define COMMON_HTTP_GATE_H

#include "http_request.h"

#define HTTP_GATE_LISTENS 4
struct http_gate {
    struct slice hosts;                     /* a CONFIG_HOSTS: names that may be asked for */
    struct slice listen[HTTP_GATE_LISTENS]; /* CONFIG_LISTs of addresses: their names, too */
    struct slice origins;                   /* a CONFIG_ORIGINS: whose pages may call */
};

enum http_gate_verdict {
    HTTP_GATE_PASSES,
    HTTP_GATE_HOST,   /* a name that is not ours: rebound, perhaps */
    HTTP_GATE_ORIGIN, /* a page of another origin */
};
/* secure: it came over TLS.  OPTIONS passes whatever its Origin: preflights ask so. */
enum http_gate_verdict http_gate_check(const struct http_gate *g, const struct http_request *r,
                                       bool secure);
/* Sent by a page of the very address that is asked, or by no page. */
bool http_gate_is_own(const struct http_request *r, bool secure);
const char *http_gate_text(enum http_gate_verdict v);  /* a sentence for a person */
const char *http_gate_field(enum http_gate_verdict v); /* the header that is at fault */

/* Does the list name the origin?  *any (may be NULL): it does so by "*". */
bool http_gate_lists(struct slice origins, struct slice origin, bool *any);

/* NULL, or what is wrong with such a list ("not ..."): for the configuration. */
const char *http_gate_origins_wrong(struct slice list);
const char *http_gate_hosts_wrong(struct slice list);

#endif
