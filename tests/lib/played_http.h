/*
 * played_http.h - somebody else's HTTP server, on the test's own loop: answers every request
 * with what the test has set, and keeps what the last one said.
 */
#ifndef TESTS_PLAYED_HTTP_H
#define TESTS_PLAYED_HTTP_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bytes.h"
#include "mem.h"

struct played_http {
    uv_tcp_t tcp;
    unsigned port;
    const char *head; /* "200 OK"; NULL: never answers */
    const char *body;
    unsigned requests;
    struct buf request; /* the last one, whole */
    struct played_http_conn *conns;
};

struct played_http_conn {
    uv_tcp_t tcp;
    struct played_http *of;
    struct buf in, out;
    uv_write_t write;
    struct played_http_conn *next;
    bool closing;
};

static inline void played_http_conn_end(struct played_http_conn *c)
{
    if (!c->closing)
        uv_close((uv_handle_t *)&c->tcp, NULL); /* freed by played_http_close */
    c->closing = true;
}

static inline void played_http_on_written(uv_write_t *w, int status)
{
    (void)status;
    played_http_conn_end(w->data);
}

static inline void played_http_answer(struct played_http_conn *c)
{
    struct played_http *s = c->of;
    uv_buf_t all;

    s->requests++;
    buf_clear(&s->request);
    buf_put_slice(&s->request, buf_slice(&c->in));
    if (s->head == NULL)
        return;
    buf_printf(&c->out, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
               s->head, strlen(s->body), s->body);
    all = uv_buf_init((char *)c->out.p, (unsigned)c->out.len);
    c->write.data = c;
    ck_assert_int_eq(uv_write(&c->write, (uv_stream_t *)&c->tcp, &all, 1, played_http_on_written),
                     0);
}

/* Its head and as much body as it announces. */
static inline bool played_http_whole(struct buf *in)
{
    char *text, *end, *length;
    bool whole;

    buf_u8(in, '\0');
    in->len--;
    text = (char *)in->p;
    end = strstr(text, "\r\n\r\n");
    length = strstr(text, "Content-Length: ");
    whole = end != NULL && (length == NULL ||
                            in->len >= (size_t)(end + 4 - text) + strtoul(length + 16, NULL, 10));
    return whole;
}

static inline void played_http_alloc(uv_handle_t *h, size_t want, uv_buf_t *room)
{
    struct played_http_conn *c = h->data;

    (void)want;
    *room = uv_buf_init((char *)buf_reserve(&c->in, 65536), 65536);
}

static inline void played_http_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct played_http_conn *c = stream->data;

    (void)b;
    if (n < 0) {
        played_http_conn_end(c);
        return;
    }
    c->in.len += (size_t)n;
    if (played_http_whole(&c->in))
        played_http_answer(c);
}

static inline void played_http_on_connection(uv_stream_t *server, int status)
{
    struct played_http *s = server->data;
    struct played_http_conn *c = mem_zalloc(sizeof *c);

    ck_assert_int_eq(status, 0);
    c->of = s;
    c->next = s->conns;
    s->conns = c;
    c->tcp.data = c;
    ck_assert_int_eq(uv_tcp_init(server->loop, &c->tcp), 0);
    ck_assert_int_eq(uv_accept(server, (uv_stream_t *)&c->tcp), 0);
    ck_assert_int_eq(uv_read_start((uv_stream_t *)&c->tcp, played_http_alloc, played_http_on_read),
                     0);
}

static inline void played_http_open(struct played_http *s, uv_loop_t *on)
{
    struct sockaddr_in a;
    int len = sizeof a;

    *s = (struct played_http){.head = "200 OK", .body = ""};
    ck_assert_int_eq(uv_tcp_init(on, &s->tcp), 0);
    s->tcp.data = s;
    ck_assert_int_eq(uv_ip4_addr("127.0.0.1", 0, &a), 0);
    ck_assert_int_eq(uv_tcp_bind(&s->tcp, (struct sockaddr *)&a, 0), 0);
    ck_assert_int_eq(uv_listen((uv_stream_t *)&s->tcp, 16, played_http_on_connection), 0);
    ck_assert_int_eq(uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
}

/* Runs the loop, which the test's own handles have left. */
static inline void played_http_close(struct played_http *s, uv_loop_t *on)
{
    uv_close((uv_handle_t *)&s->tcp, NULL);
    for (struct played_http_conn *c = s->conns; c != NULL; c = c->next)
        played_http_conn_end(c);
    uv_run(on, UV_RUN_DEFAULT);
    for (struct played_http_conn *c = s->conns, *next; c != NULL; c = next) {
        next = c->next;
        buf_free(&c->in);
        buf_free(&c->out);
        free(c);
    }
    buf_free(&s->request);
}

#endif
