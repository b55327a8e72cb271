/*
 * admin.c - the small HTTP server for probes and scrapes.
 *
 * A connection lives through: read one request head, write the answer, shut
 * down our side, read on until the peer closes too.  One timer covers all of
 * it; a peer that takes longer is closed.  With CONNECTIONS_MAX of them, or few
 * descriptors left, one that says nothing makes room: it keeps no probe out.
 *
 * It has the gate of http_gate.h: a page that a browser shows cannot read it.  The answer
 * to a bad head is 400 (or what proto/http1 calls for), to another
 * method 405 (501 when HTTP has none of that name), to another path 404.
 */
#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <utlist.h>

#include "address.h"
#include "admin.h"
#include "http1.h"
#include "http_gate.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "process.h"

#define CONNECTIONS_MAX 64
#define TIMEOUT_MS 5000
#define SLOW_MS 200           /* who has not said all by then may make room */
#define RESERVED_FOR_PROBES 6 /* of the reserved descriptors */
#define HEAD_MAX 8192

struct admin {
    struct admin_ops ops;
    void *arg;
    char who;
    struct http_gate gate;
    uv_tcp_t listener;
    struct connection *connections; /* all open ones */
    unsigned count;
    bool closing, listener_closed;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct connection {
    struct admin *admin;
    struct connection *prev, *next;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    uv_shutdown_t shutdown;
    unsigned handles;
    uint64_t opened_at; /* of the loop's clock */
    bool closing, answered;
    struct buf answer;
    size_t len;
    char head[HEAD_MAX];
};

/* --- the end of a connection --------------------------------------------------- */

static void admin_maybe_finish_close(struct admin *a)
{
    if (!a->closing || !a->listener_closed || a->connections != NULL)
        return;
    if (a->closed != NULL)
        a->closed(a->closed_arg);
    free(a);
}

static void unlink_connection(struct connection *c)
{
    struct admin *a = c->admin;

    DL_DELETE(a->connections, c);
    a->count--;
}

static void admin_on_connection_closed(uv_handle_t *h)
{
    struct connection *c = h->data;
    struct admin *a = c->admin;

    if (--c->handles > 0)
        return;
    unlink_connection(c);
    buf_free(&c->answer);
    free(c);
    admin_maybe_finish_close(a);
}

static void close_connection(struct connection *c)
{
    if (c->closing)
        return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->tcp, admin_on_connection_closed);
    uv_close((uv_handle_t *)&c->timer, admin_on_connection_closed);
}

/* --- the answer ---------------------------------------------------------------- */

static void admin_on_shutdown(uv_shutdown_t *req, int status)
{
    struct connection *c = CONTAINER_OF(req, struct connection, shutdown);

    if (status != 0)
        close_connection(c);
}

static void admin_on_written(uv_write_t *req, int status)
{
    struct connection *c = CONTAINER_OF(req, struct connection, write);

    if (status != 0 || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, admin_on_shutdown) != 0)
        close_connection(c);
}

static void admin_answer(struct connection *c, const char *status, const char *type,
                         struct slice body, bool head_only)
{
    uv_buf_t out;

    c->answered = true;
    buf_printf(&c->answer,
               "HTTP/1.1 %s\r\n"
               "Content-Type: %s\r\n"
               "Content-Length: %zu\r\n"
               "Cache-Control: no-store\r\n"
               "Connection: close\r\n"
               "%s\r\n",
               status, type, body.len,
               strncmp(status, "405", 3) == 0 ? "Allow: GET, HEAD\r\n" : "");
    if (!head_only)
        buf_put_slice(&c->answer, body);
    out = uv_buf_init((char *)c->answer.p, (unsigned)c->answer.len);
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &out, 1, admin_on_written) != 0)
        close_connection(c);
}

static void admin_answer_text(struct connection *c, const char *status, const char *text,
                              bool head_only)
{
    admin_answer(c, status, "text/plain; charset=utf-8", slice_of(text), head_only);
}

/* What the allocator has handed out, of all its arenas. */
static uint64_t admin_memory(void)
{
#ifdef __GLIBC__
    struct mallinfo2 m = mallinfo2();

    return (uint64_t)m.uordblks + (uint64_t)m.hblkhd;
#else
    return 0;
#endif
}

static void admin_answer_metrics(struct connection *c, bool head_only)
{
    struct admin *a = c->admin;
    struct buf body = {0};

    if (a->ops.refresh != NULL)
        a->ops.refresh(a->arg);
    metric_set(M_READY, a->ops.ready(a->arg));
    metric_set(M_MEMORY, admin_memory());
    metrics_render(&body, a->who);
    admin_answer(c, "200 OK", "text/plain; version=0.0.4; charset=utf-8", buf_slice(&body),
                 head_only);
    buf_free(&body);
}

static void admin_answer_ready(struct connection *c, bool head_only)
{
    const struct admin *a = c->admin;
    const char *note = a->ops.note != NULL ? a->ops.note(a->arg) : NULL;
    bool ready = a->ops.ready(a->arg);
    char text[256];

    snprintf(text, sizeof text, "%s%s%s\n", ready ? "ready" : "not ready",
             note == NULL ? ""
             : ready      ? ", but "
                          : ": ",
             note != NULL ? note : "");
    admin_answer_text(c, ready ? "200 OK" : "503 Service Unavailable", text, head_only);
}

static void admin_answer_forbidden(struct connection *c, enum http_gate_verdict v, bool head_only)
{
    struct buf text = {0};

    metric_add(M_HTTP_FORBIDDEN, 1);
    buf_printf(&text, "%s: %s\n", http_gate_field(v), http_gate_text(v));
    admin_answer(c, "403 Forbidden", "text/plain; charset=utf-8", buf_slice(&text), head_only);
    buf_free(&text);
}

/* One that is no method of HTTP's is not known here; the others are known and not allowed. */
static void admin_answer_method(struct connection *c, struct slice method)
{
    static const char *const others[] = {"PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE"};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (slice_eq(method, slice_of(others[i]))) {
            admin_answer_text(c, "405 Method Not Allowed", "method not allowed\n", false);
            return;
        }
    admin_answer_text(c, "501 Not Implemented", "there is no such method\n", false);
}

static void admin_answer_command(struct connection *c, struct slice path)
{
    const struct admin *a = c->admin;
    const char *done = a->ops.command != NULL ? a->ops.command(a->arg, path) : NULL;

    if (done != NULL)
        admin_answer_text(c, "200 OK", done, false);
    else
        admin_answer_text(c, "405 Method Not Allowed", "method not allowed\n", false);
}

static void admin_answer_page(struct connection *c, struct slice path, bool head_only)
{
    const struct admin *a = c->admin;
    struct buf text = {0};

    if (a->ops.page != NULL && a->ops.page(a->arg, path, &text))
        admin_answer(c, "200 OK", "text/plain; charset=utf-8", buf_slice(&text), head_only);
    else
        admin_answer_text(c, "404 Not Found", "not found\n", head_only);
    buf_free(&text);
}

static void admin_answer_request(struct connection *c, const struct http_request *r)
{
    bool head_only = slice_eq(r->method, SLICE("HEAD"));
    enum http_gate_verdict v = http_gate_check(&c->admin->gate, r, false);

    if (v != HTTP_GATE_PASSES)
        admin_answer_forbidden(c, v, head_only);
    else if (slice_eq(r->method, SLICE("POST")))
        admin_answer_command(c, r->path);
    else if (!head_only && !slice_eq(r->method, SLICE("GET")))
        admin_answer_method(c, r->method);
    else if (slice_eq(r->path, SLICE("/healthz")))
        admin_answer_text(c, "200 OK", "ok\n", head_only);
    else if (slice_eq(r->path, SLICE("/readyz")))
        admin_answer_ready(c, head_only);
    else if (slice_eq(r->path, SLICE("/metrics")))
        admin_answer_metrics(c, head_only);
    else
        admin_answer_page(c, r->path, head_only);
}

static void admin_answer_error(struct connection *c, int error)
{
    switch (error) {
    case HTTP1_HEAD_TOO_LARGE:
        admin_answer_text(c, "431 Request Header Fields Too Large", "too large\n", false);
        break;
    case HTTP1_URI_TOO_LONG:
        admin_answer_text(c, "414 URI Too Long", "too long\n", false);
        break;
    case HTTP1_VERSION:
        admin_answer_text(c, "505 HTTP Version Not Supported", "version\n", false);
        break;
    default:
        admin_answer_text(c, "400 Bad Request", "bad request\n", false);
    }
}

/* --- the request --------------------------------------------------------------- */

static void admin_parse_head(struct connection *c)
{
    static const struct http1_limits limits = {.head_max = HEAD_MAX, .target_max = 1024};
    struct http_request r;
    int rc = http1_request_parse(&r, c->head, c->len, &limits);

    if (rc > 0)
        admin_answer_request(c, &r);
    else if (rc < 0)
        admin_answer_error(c, rc);
    else if (c->len == HEAD_MAX)
        admin_answer_error(c, HTTP1_HEAD_TOO_LARGE);
}

/* After the answer what still comes is read into the same place and dropped. */
static void admin_on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = h->data;
    size_t at = c->answered ? 0 : c->len;

    (void)suggested;
    *buf = uv_buf_init(c->head + at, (unsigned)(HEAD_MAX - at));
}

static void admin_on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct connection *c = s->data;

    (void)buf;
    if (n < 0) {
        close_connection(c);
    } else if (n > 0 && !c->answered) {
        c->len += (size_t)n;
        admin_parse_head(c);
    }
}

static void admin_on_timeout(uv_timer_t *t)
{
    close_connection(t->data);
}

/* Nothing has come of it, nor waits to be read. */
static bool is_silent(const struct connection *c)
{
    uv_os_fd_t fd = 0;
    int unread = 0;

    return c->len == 0 && uv_fileno((const uv_handle_t *)&c->tcp, &fd) == 0 &&
           ioctl(fd, FIONREAD, &unread) == 0 && unread == 0;
}

static bool is_old(const struct connection *c)
{
    return uv_now(c->tcp.loop) - c->opened_at >= SLOW_MS;
}

/* The longest here of those that say nothing; else of those that take their time; else
 * the newest, for the others are being answered. */
static struct connection *admin_victim(struct admin *a, struct connection *newest)
{
    struct connection *c;

    for (c = a->connections->prev; c != newest; c = c->prev)
        if (!c->closing && is_silent(c))
            return c;
    for (c = a->connections->prev; c != newest; c = c->prev)
        if (!c->closing && is_old(c))
            return c;
    return newest;
}

static void admin_make_room(struct admin *a, struct connection *newest)
{
    uv_os_fd_t fd = 0;
    bool scarce = uv_fileno((const uv_handle_t *)&newest->tcp, &fd) == 0 &&
                  process_is_short(fd, process_reserved_from() + RESERVED_FOR_PROBES);

    if (a->count > CONNECTIONS_MAX || scarce)
        close_connection(admin_victim(a, newest));
}

static struct connection *new_connection(struct admin *a)
{
    struct connection *c = mem_zalloc(sizeof *c);

    c->admin = a;
    DL_PREPEND(a->connections, c);
    a->count++;
    (void)uv_tcp_init(a->listener.loop, &c->tcp);
    (void)uv_timer_init(a->listener.loop, &c->timer);
    c->tcp.data = c;
    c->timer.data = c;
    c->handles = 2;
    c->opened_at = uv_now(a->listener.loop);
    return c;
}

static void admin_on_connect(uv_stream_t *s, int status)
{
    struct admin *a = CONTAINER_OF(s, struct admin, listener);
    struct connection *c;

    if (status != 0)
        return;
    c = new_connection(a);
    if (uv_accept(s, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, admin_on_alloc, admin_on_read) != 0) {
        close_connection(c);
        return;
    }
    (void)uv_timer_start(&c->timer, admin_on_timeout, TIMEOUT_MS, 0);
    admin_make_room(a, c);
}

/* --- life ---------------------------------------------------------------------- */

static void admin_on_listener_closed(uv_handle_t *h)
{
    struct admin *a = CONTAINER_OF(h, struct admin, listener);

    a->listener_closed = true;
    admin_maybe_finish_close(a);
}

static int admin_listen(struct admin *a, const char *text)
{
    struct sockaddr_storage address;
    socklen_t len;
    int rc = address_parse(text, &address, &len);

    if (rc == 0)
        rc = uv_tcp_bind(&a->listener, (const struct sockaddr *)&address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&a->listener, CONNECTIONS_MAX, admin_on_connect);
    return rc;
}

struct admin *admin_start(uv_loop_t *loop, const char *listen, const char *hosts, char who,
                          const struct admin_ops *ops, void *arg)
{
    struct admin *a = mem_zalloc(sizeof *a);
    int rc;

    a->ops = *ops;
    a->arg = arg;
    a->who = who;
    a->gate.hosts = slice_of(hosts);
    a->gate.listen[0] = slice_of(listen);
    (void)uv_tcp_init(loop, &a->listener);
    rc = admin_listen(a, listen);
    if (rc == 0)
        return a;
    log_error("cannot listen for /healthz and /metrics", LOG_S("admin_listen", listen),
              LOG_S("error", uv_strerror(rc)));
    admin_close(a, NULL, NULL);
    return NULL;
}

void admin_close(struct admin *a, void (*closed)(void *arg), void *arg)
{
    struct connection *c;

    if (a == NULL) {
        if (closed != NULL)
            closed(arg);
        return;
    }
    assert(!a->closing);
    a->closing = true;
    a->closed = closed;
    a->closed_arg = arg;
    DL_FOREACH (a->connections, c)
        close_connection(c);
    uv_close((uv_handle_t *)&a->listener, admin_on_listener_closed);
}
