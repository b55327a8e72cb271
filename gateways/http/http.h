/*
 * http.h - an HTTP/1.1 server on conns: requests in, exchanges to handlers.
 *
 * One request of a connection is in hand at a time; what a client sends ahead
 * waits, so answers leave in order.  Bodies are collected before the handler
 * runs.  After malformed bytes the connection is answered and closed.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "listener.h"
#include "site.h"

struct http;

struct http *http_new(struct site *site);
void http_free(struct http *h); /* after the last connection */
struct listener_options http_listener(struct http *h);

#endif
