/*
 * http_client.c - sockets under http_response.h.
 *
 * The socket is non-blocking and every wait is a poll with the timeout, so a
 * peer that stops is noticed.  A body that ends early is an error, never an
 * end: only the last chunk, the announced length, or the close of a response
 * that has no other end, ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_client.h"
#include "process.h"
#include "tls_client.h"

#define READ_SIZE (64u * 1024)

static int fail(struct http_client *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct http_client *h, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(h->error, sizeof h->error, fmt, args);
    va_end(args);
    return -1;
}

/* --- the socket ----------------------------------------------------------- */

static int wait_for(struct http_client *h, short events)
{
    struct pollfd p = {h->fd, events, 0};
    int n;

    do
        n = poll(&p, 1, (int)h->timeout_ms);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail(h, "poll: %s", strerror(errno));
    return n == 0 ? fail(h, "no answer for %u ms", h->timeout_ms) : 0;
}

/* A server that listens on all interfaces is reached on this one. */
static void wildcard_to_loopback(struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)a;

        if (v4->sin_addr.s_addr == htonl(INADDR_ANY))
            v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (a->ss_family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

        if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
            v6->sin6_addr = in6addr_loopback;
    }
}

static int connect_finish(struct http_client *h, const char *address)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (wait_for(h, POLLOUT) != 0)
        return fail(h, "cannot connect to %s (no answer for %u ms)", address, h->timeout_ms);
    if (getsockopt(h->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    return error == 0 ? 0 : fail(h, "cannot connect to %s (%s)", address, strerror(error));
}

static int connect_to(struct http_client *h, const char *address)
{
    struct sockaddr_storage a;
    socklen_t len;

    if (address_parse(address, &a, &len) != 0)
        return fail(h, "not an address: %s", address);
    wildcard_to_loopback(&a);
    h->fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (h->fd < 0)
        return fail(h, "socket: %s", strerror(errno));
    if (connect(h->fd, (struct sockaddr *)&a, len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return fail(h, "cannot connect to %s (%s)", address, strerror(errno));
    return connect_finish(h, address);
}

/* After -1 of one of the two below: 0 when it is worth trying again, by now. */
static int wait_again(struct http_client *h, short plain)
{
    short events = h->tls != NULL ? tls_client_events(h->tls) : plain;

    if (h->tls != NULL && events == 0)
        return fail(h, "%s", tls_client_error(h->tls));
    if (h->tls == NULL && errno == EINTR)
        return 0;
    if (h->tls == NULL && errno != EAGAIN)
        return fail(h, "the connection was lost (%s)", strerror(errno));
    return wait_for(h, events);
}

static int send_all(struct http_client *h, const struct buf *b)
{
    size_t sent = 0;

    while (sent < b->len) {
        const uint8_t *p = b->p + sent;
        ssize_t n = h->tls != NULL ? tls_client_send(h->tls, p, b->len - sent)
                                   : send(h->fd, p, b->len - sent, MSG_NOSIGNAL);

        if (n >= 0)
            sent += (size_t)n;
        else if (wait_again(h, POLLOUT) != 0)
            return -1;
    }
    return 0;
}

/* Reads what is there, waiting for something: bytes read, 0 at the end, or -1. */
static ssize_t receive(struct http_client *h)
{
    ssize_t n;

    buf_consume(&h->in, h->used); /* at most the beginning of a chunk's head is left */
    h->used = 0;
    for (;;) {
        void *room = buf_reserve(&h->in, READ_SIZE);

        n = h->tls != NULL ? tls_client_recv(h->tls, room, READ_SIZE)
                           : recv(h->fd, room, READ_SIZE, 0);
        if (n >= 0)
            break;
        if (wait_again(h, POLLIN) != 0)
            return -1;
    }
    h->in.len += (size_t)n;
    return n;
}

/* --- the head ------------------------------------------------------------- */

static int request_send(struct http_client *h, const char *address, const char *target,
                        const char *headers)
{
    struct buf b = {0};
    int rc;

    buf_printf(&b, "GET %s HTTP/1.1\r\nHost: %s%s\r\nUser-Agent: sluice/%s\r\n%s\r\n", target,
               address[0] == ':' ? "localhost" : "", address, SLUICE_VERSION, headers);
    rc = send_all(h, &b);
    buf_free(&b);
    return rc;
}

/* The final response's head; interim ones (1xx) are passed over. */
static int head_read(struct http_client *h)
{
    for (;;) {
        size_t left = h->in.len - h->used;
        int n = left == 0 ? 0 : http_response_parse(&h->response, (char *)h->in.p + h->used, left);
        ssize_t got;

        if (n < 0)
            return fail(h, "the answer is not valid HTTP");
        if (n > 0) {
            h->used += (size_t)n;
            if (h->response.status >= 200)
                return 0;
            continue;
        }
        got = receive(h);
        if (got < 0)
            return -1;
        if (got == 0)
            return fail(h, "the connection ended before an answer");
    }
}

/* The receive buffer moves on; what the caller may look at stays. */
static void content_type_keep(struct http_client *h)
{
    struct slice *type = &h->response.content_type;

    buf_put_slice(&h->type, *type);
    if (type->p != NULL)
        type->p = (const char *)h->type.p;
}

int http_get(struct http_client *h, const char *address, const char *certificates,
             const char *target, const char *headers, unsigned timeout_ms)
{
    *h = (struct http_client){.fd = -1, .timeout_ms = timeout_ms};
    if (connect_to(h, address) != 0)
        return -1;
    if (certificates != NULL)
        h->tls = tls_client_new(h->fd, certificates);
    if (request_send(h, address, target, headers) != 0 || head_read(h) != 0)
        return -1;
    content_type_keep(h);
    h->left = h->response.length;
    h->ended = h->response.body == HTTP_BODY_NONE ||
               (h->response.body == HTTP_BODY_LENGTH && h->left == 0);
    return 0;
}

/* --- the body ------------------------------------------------------------- */

/* Takes body bytes out of what was received; *data may be empty. */
static int body_take(struct http_client *h, struct slice *data)
{
    const char *p = (char *)h->in.p + h->used;
    size_t len = h->in.len - h->used;
    int n;

    if (h->response.body == HTTP_BODY_CHUNKED) {
        n = http1_chunked_decode(&h->chunks, p, len, data, &h->ended);
        if (n < 0)
            return fail(h, "the answer's chunks are malformed");
        h->used += (size_t)n;
        return 0;
    }
    if (h->response.body == HTTP_BODY_LENGTH && len > h->left)
        len = (size_t)h->left;
    *data = (struct slice){p, len};
    h->used += len;
    if (h->response.body == HTTP_BODY_LENGTH) {
        h->left -= len;
        h->ended = h->left == 0;
    }
    return 0;
}

/* The next data among what was received: a chunk's head may stand before it. */
static int body_next(struct http_client *h, struct slice *data)
{
    size_t before;

    do {
        before = h->used;
        if (h->ended || h->used == h->in.len)
            return 0;
        if (body_take(h, data) != 0)
            return -1;
    } while (data->len == 0 && h->used != before);
    return 0;
}

static int body_receive(struct http_client *h)
{
    ssize_t n = receive(h);

    if (n != 0)
        return n < 0 ? -1 : 0;
    if (h->response.body != HTTP_BODY_CLOSE)
        return fail(h, "the connection ended in the middle of the answer");
    h->ended = true;
    return 0;
}

int http_read(struct http_client *h, struct slice *data)
{
    *data = (struct slice){NULL, 0};
    for (;;) {
        if (body_next(h, data) != 0)
            return -1;
        if (data->len != 0)
            return 1;
        if (h->ended)
            return 0;
        if (body_receive(h) != 0)
            return -1;
    }
}

int http_read_all(struct http_client *h, struct buf *out, size_t max)
{
    struct slice data;
    int rc;

    while ((rc = http_read(h, &data)) > 0) {
        if (data.len > max - out->len)
            return fail(h, "the answer is longer than %zu bytes", max);
        buf_put_slice(out, data);
    }
    return rc;
}

void http_close(struct http_client *h)
{
    tls_client_free(h->tls);
    h->tls = NULL;
    if (h->fd >= 0)
        (void)close(h->fd);
    h->fd = -1;
    buf_free(&h->in);
    buf_free(&h->type);
}
