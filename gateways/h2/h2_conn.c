/*
 * h2_conn.c - the life of an HTTP/2 connection.
 *
 *   preface ──▶ frames ──GOAWAY, the last stream is over──▶ conn_finish
 *
 * Happy path: what the socket has goes to the session, which calls handlers; what they
 * say at once leaves at the end of the turn (h2_speak.c).  Streams that the socket kept
 * waiting go on when it takes bytes again, one after the other.
 *
 * How it fails: who speaks HTTP/1.1 is told so in its own words; who breaks HTTP/2 gets
 * the session's GOAWAY.  A connection without streams is closed after a while, by a
 * GOAWAY too.
 */
#include "h2.h"

#include <utlist.h>

#include "metrics.h"

#define QUEUED_MAX 256 /* frames that wait for the socket; then the client is not read */

static const struct slice preface = {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24};

static struct h2_conn *h2_of(struct conn *c)
{
    return (struct h2_conn *)(void *)c;
}

/* Those whose window has opened, or that the socket kept waiting: each that waits now,
 * once.  What they do is only queued, or sent by the hub's turn. */
static void wake_streams(struct h2_conn *h)
{
    struct h2_stream *st;
    size_t count;

    DL_COUNT2(h->waiting, st, count, waiting_next);
    while (count-- > 0 && h->waiting != NULL)
        h2_stream_wake(h->waiting);
}

/* --- the end ---------------------------------------------------------------------- */

/* The handlers lose their streams; nothing more is understood or said. */
static void let_go(struct h2_conn *h)
{
    h->over = true;
    h2_speak_stop(h);
    while (h->streams != NULL)
        h2_stream_over(h->streams);
    gatekeeper_pass_end(&h->pass);
    gather_drop(&h->gather, &h->h2->pool);
    if (h->session != NULL)
        h2_session_free(h->session);
    h->session = NULL;
}

/* All is said that there was to say. */
static void h2_conn_finish(struct h2_conn *h)
{
    h2_speak_write(h);
    let_go(h);
    conn_finish(&h->conn);
}

static void h2_conn_on_idle(struct wheel_timer *t);

/* A connection that has no streams any more may stay so for a while. */
static void rest(struct h2_conn *h)
{
    if (h->stream_count > 0 || h->idle || h->over || h->draining)
        return;
    h->idle = true;
    conn_timer(&h->conn, h->h2->idle_timeout, h2_conn_on_idle);
}

/* Sends what there is; true: the connection is over. */
static bool h2_conn_settle(struct h2_conn *h)
{
    if (h->over || h->session == NULL)
        return h->over;
    h2_speak_now(h);
    h2_speak_write(h);
    if (h2_session_over(h->session) && h->gather == NULL)
        h2_conn_finish(h);
    else
        rest(h);
    return h->over;
}

bool h2_conn_turn(struct h2_conn *h)
{
    bool over = h2_conn_settle(h);

    h2_speak_stop(h);
    if (over || h->waiting == NULL || conn_pending(&h->conn))
        return false;
    wake_streams(h);
    return true;
}

static void h2_conn_terminate(struct h2_conn *h, enum h2_error error)
{
    h2_session_terminate(h->session, error);
    h2_speak(h);
}

static void h2_conn_on_idle(struct wheel_timer *t)
{
    struct h2_conn *h = h2_of(conn_of_timer(t));

    if (h->session == NULL) {
        let_go(h);
        conn_finish(&h->conn); /* it never said a word */
    } else if (conn_pending(&h->conn)) {
        let_go(h);
        conn_close(&h->conn);
    } else {
        h->idle = false; /* so that it is asked again, if it does not take that */
        h2_conn_terminate(h, H2_NO_ERROR);
    }
}

/* --- HTTP/1.1 --------------------------------------------------------------------- */

static void refuse_http1(struct h2_conn *h)
{
    static const char answer[] =
        "HTTP/1.1 505 HTTP Version Not Supported\r\n"
        "Content-Type: application/problem+json\r\n"
        "Connection: close\r\n\r\n"
        "{\"type\":\"about:blank\",\"title\":\"HTTP Version Not Supported\",\"status\":505,"
        "\"code\":\"http_version\",\"detail\":\"HTTP/2 is spoken here, with prior knowledge or "
        "by ALPN: curl --http2-prior-knowledge\"}\n";

    metric_add(M_HTTP_BAD, 1);
    let_go(h);
    conn_write(&h->conn, answer, sizeof answer - 1);
    conn_finish(&h->conn);
}

static void begin_session(struct h2_conn *h)
{
    h->session = h2_session_new(&h->h2->session, &h2_serve_ops, h);
    rest(h);
}

/* What HTTP/2 begins with, as far as it has come; nothing is taken until it is whole. */
static size_t take_preface(struct h2_conn *h, struct slice in)
{
    size_t n = in.len < preface.len ? in.len : preface.len;

    if (memcmp(preface.p, in.p, n) != 0) {
        refuse_http1(h);
        return in.len;
    }
    if (n < preface.len)
        return 0;
    begin_session(h);
    return n;
}

/* --- the connection --------------------------------------------------------------- */

static void h2_conn_on_opened(struct conn *c)
{
    struct h2_conn *h = h2_of(c);

    h->h2 = c->data;
    conn_timer(c, h->h2->header_timeout, h2_conn_on_idle);
}

static bool is_blocked(const struct h2_conn *h)
{
    return conn_pending(&h->conn) && h->session != NULL &&
           h2_session_queued(h->session) > QUEUED_MAX;
}

static size_t h2_conn_on_input(struct conn *c, struct slice in)
{
    struct h2_conn *h = h2_of(c);
    size_t used = 0;
    bool understood;

    if (is_blocked(h))
        return 0;
    if (h->session == NULL)
        used = take_preface(h, in);
    if (h->session == NULL)
        return used;
    understood = h2_session_receive(h->session, (struct slice){in.p + used, in.len - used});
    h2_speak_now(h);
    if (!understood) {
        h2_conn_finish(h);
        return in.len;
    }
    rest(h);
    if (!conn_pending(c))
        wake_streams(h);
    return in.len;
}

static void h2_conn_on_writable(struct conn *c)
{
    struct h2_conn *h = h2_of(c);

    if (h2_conn_settle(h))
        return;
    wake_streams(h);
    conn_pump(c);
}

/* Whoever closes half of the connection is gone. */
static void h2_conn_on_eof(struct conn *c)
{
    struct h2_conn *h = h2_of(c);

    if (h->session != NULL)
        h2_speak_now(h);
    h2_conn_finish(h);
}

static void h2_conn_on_gone(struct conn *c)
{
    let_go(h2_of(c));
}

/* --- draining --------------------------------------------------------------------- */

/* A client that does not answer pings has been told all the same. */
#define DRAIN_MS 1000

static void h2_conn_on_undrained(struct wheel_timer *t)
{
    struct h2_conn *h = h2_of(conn_of_timer(t));

    h2_session_drain_now(h->session);
    h2_speak(h);
}

static void h2_conn_on_drain(struct conn *c)
{
    struct h2_conn *h = h2_of(c);
    struct h2_stream *st, *next;

    if (h->session == NULL) {
        h2_conn_finish(h);
        return;
    }
    h->draining = true;
    h2_session_drain(h->session);
    DL_FOREACH_SAFE (h->streams, st, next)
        h2_stream_drain(st);
    conn_timer(c, DRAIN_MS, h2_conn_on_undrained);
    h2_speak(h);
}

const struct conn_ops h2_conn_ops = {.opened = h2_conn_on_opened,
                                     .input = h2_conn_on_input,
                                     .writable = h2_conn_on_writable,
                                     .eof = h2_conn_on_eof,
                                     .drain = h2_conn_on_drain,
                                     .gone = h2_conn_on_gone};
