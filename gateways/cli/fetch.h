/*
 * fetch.h - one request to a server of ours, by libcurl.
 *
 * HTTP/1.1 over TCP or TLS, HTTP/2 at a login's URL that has no other; every wait for the peer is
 * bounded.  This machine is asked directly, others through the proxies that the environment names
 * (http_proxy, https_proxy, all_proxy, no_proxy).  No redirect is followed.  Failures return -1 and
 * leave one sentence in `error`.
 *
 *     fetch_open → fetch_read … fetch_read → fetch_close
 *
 * Blocks.  Includes no libcurl: that stays in fetch.c.
 */
#ifndef CLI_FETCH_H
#define CLI_FETCH_H

#include "login.h"

struct fetch_request {
    struct login *login; /* where to and as whom; NULL: as nobody */
    const char *address; /* else "address:port"; one of all interfaces means this machine */
    /* CONFIG_LIST of PEM files.  The server must have the key of one of them, whoever
     * signed it and whatever names are in it: they are its own, from the configuration
     * that it reads, too.  NULL: plain, or of the login's URL as its authorities say. */
    const char *certificates;
    const char *method; /* NULL: GET, or POST with a body */
    struct slice body;
    const char *body_type; /* NULL: no body */
    const char *target;
    const char *accept;         /* a media type; NULL: any */
    struct slice last_event_id; /* empty: none */
    unsigned timeout_ms;        /* of every wait for the peer */
};

struct fetch {
    unsigned status;
    struct slice content_type; /* p == NULL when absent */
    unsigned retry_after_s;    /* as Retry-After says; 0: it does not */
    bool sent;                 /* some of the request: the server may have acted on it */
    char error[256];

    /* private */
    struct login *login;
    char *address, *place; /* what it is called; "http://127.0.0.1:8081" */
    unsigned timeout_ms;
    uint64_t began;
    long http_version;            /* libcurl's number */
    void *easy, *multi, *headers; /* libcurl's */
    char detail[256];             /* what libcurl says of a failure */
    struct buf in;                /* of the body */
    bool shown;                   /* and the caller has had it */
    bool answered;                /* the head is whole */
    bool ended, failed;
};

/* Connects, sends the request and reads the answer's head: 0 or -1; fetch_close in either
 * case.  The request's address must stay until then. */
int fetch_open(struct fetch *f, const struct fetch_request *r);
/* The next bytes of the body, valid until the next call: 1; its end: 0; -1, also when it
 * breaks off. */
int fetch_read(struct fetch *f, struct slice *data);
/* Appends the whole body; a longer one than max is an error. */
int fetch_read_all(struct fetch *f, struct buf *out, size_t max);
void fetch_close(struct fetch *f);

#endif
