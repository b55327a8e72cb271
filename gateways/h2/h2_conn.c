/*
 * h2_conn.c - the life of an HTTP/2 connection.
 *
 *   preface ──▶ frames ──GOAWAY, the last stream is over──▶ conn_finish
 *
 * Happy path: what the socket has goes to the session, which calls handlers; what they
 * say at once, and what the hub hands out in this turn, gathers as frames, and leaves at
 * the end of the turn in one system call.
 *
 * While the socket is full no frames are made: what there is to say waits in its
 * streams, which are bounded, and in the session, whose queue is bounded by not reading
 * any further.  Then those that waited go on, one after the other.
 *
 * How it fails: who speaks HTTP/1.1 is told so in its own words; who breaks HTTP/2 gets
 * the session's GOAWAY.  A connection without streams is closed after a while, by a
 * GOAWAY too.
 */
#include "h2.h"

#include <utlist.h>

#include "mem.h"
#include "metrics.h"

#define QUEUED_MAX 256 /* frames that wait for the socket; then the client is not read */
#define GATHERS_MAX 64 /* connections that gather at a time */

static const struct slice preface = {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24};

static struct h2_conn *h2_of(struct conn *c)
{
    return (struct h2_conn *)(void *)c;
}

/* --- what it says ----------------------------------------------------------------- */

void h2_conn_speak(struct h2_conn *h)
{
    struct h2 *h2 = h->h2;

    if (h->speaking || h->over)
        return;
    h->speaking = true;
    DL_APPEND2(h2->speaking, h, speaking_prev, speaking_next);
}

static void not_speaking(struct h2_conn *h)
{
    if (h->speaking)
        DL_DELETE2(h->h2->speaking, h, speaking_prev, speaking_next);
    h->speaking = false;
}

static void write_gathered(struct h2_conn *h)
{
    if (!conn_pending(&h->conn))
        gather_write(&h->gather, &h->h2->pool, &h->conn);
}

/* Many connections that gather little each would take much memory: those that began
 * first write what they have. */
static void bound_gathers(struct h2 *h2)
{
    struct h2_conn *first = h2->speaking;

    while (h2->pool.out > GATHERS_MAX && first->gather != NULL && !conn_pending(&first->conn)) {
        write_gathered(first);
        DL_DELETE2(h2->speaking, first, speaking_prev, speaking_next);
        DL_APPEND2(h2->speaking, first, speaking_prev, speaking_next);
        first = h2->speaking;
    }
}

/* One stream alone has nothing to wait for. */
void h2_conn_send(struct h2_conn *h)
{
    if (h->session == NULL || conn_pending(&h->conn))
        return;
    session_send(h->session);
    h2_conn_speak(h); /* what was gathered is written then */
    if (h->stream_count <= 1)
        write_gathered(h);
    else
        bound_gathers(h->h2);
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
    not_speaking(h);
    while (h->streams != NULL)
        h2_stream_over(h->streams);
    gather_drop(&h->gather, &h->h2->pool);
    if (h->session != NULL)
        session_free(h->session);
    h->session = NULL;
}

/* All is said that there was to say. */
static void finish(struct h2_conn *h)
{
    write_gathered(h);
    let_go(h);
    conn_finish(&h->conn);
}

/* Sends what there is; true: the connection is over. */
static bool settle(struct h2_conn *h)
{
    if (h->over || h->session == NULL)
        return h->over;
    h2_conn_send(h);
    write_gathered(h);
    if (!session_over(h->session) || h->gather != NULL)
        return false;
    finish(h);
    return true;
}

bool h2_turn(struct h2 *h2)
{
    bool again = false;
    struct h2_conn *h;

    while ((h = h2->speaking) != NULL) {
        bool over = settle(h);

        not_speaking(h);
        if (!over && h->waiting != NULL && !conn_pending(&h->conn)) {
            wake_streams(h);
            again = true;
        }
    }
    return again;
}

static void terminate(struct h2_conn *h, enum h2_error error)
{
    session_terminate(h->session, error);
    h2_conn_speak(h);
}

static void on_idle(struct wheel_timer *t)
{
    struct h2_conn *h = h2_of(conn_of_timer(t));

    if (h->session == NULL) {
        let_go(h);
        conn_finish(&h->conn); /* it never said a word */
    } else if (conn_pending(&h->conn)) {
        let_go(h);
        conn_close(&h->conn);
    } else {
        terminate(h, H2_NO_ERROR);
    }
}

void h2_conn_idle(struct h2_conn *h)
{
    if (!h->over && !h->draining)
        conn_timer(&h->conn, h->h2->idle_timeout, on_idle);
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
    h->session = session_new(&h->h2->session, &h2_session_ops, h);
    h2_conn_idle(h);
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

static void on_opened(struct conn *c)
{
    struct h2_conn *h = h2_of(c);

    h->h2 = c->data;
    conn_timer(c, h->h2->header_timeout, on_idle);
}

static bool is_blocked(const struct h2_conn *h)
{
    return conn_pending(&h->conn) && h->session != NULL && session_queued(h->session) > QUEUED_MAX;
}

static size_t on_input(struct conn *c, struct slice in)
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
    understood = session_receive(h->session, (struct slice){in.p + used, in.len - used});
    h2_conn_send(h);
    if (!understood)
        finish(h);
    else if (!conn_pending(c))
        wake_streams(h);
    return in.len;
}

static void on_writable(struct conn *c)
{
    struct h2_conn *h = h2_of(c);

    if (settle(h))
        return;
    wake_streams(h);
    conn_pump(c);
}

/* Whoever closes half of the connection is gone. */
static void on_eof(struct conn *c)
{
    struct h2_conn *h = h2_of(c);

    if (h->session != NULL)
        h2_conn_send(h);
    finish(h);
}

static void on_gone(struct conn *c)
{
    let_go(h2_of(c));
}

/* --- draining --------------------------------------------------------------------- */

/* A client that does not answer pings has been told all the same. */
#define DRAIN_MS 1000

static void on_undrained(struct wheel_timer *t)
{
    struct h2_conn *h = h2_of(conn_of_timer(t));

    session_drain_now(h->session);
    h2_conn_speak(h);
}

static void on_drain(struct conn *c)
{
    struct h2_conn *h = h2_of(c);
    struct h2_stream *st, *next;

    if (h->session == NULL) {
        finish(h);
        return;
    }
    h->draining = true;
    session_drain(h->session);
    DL_FOREACH_SAFE (h->streams, st, next)
        h2_stream_drain(st);
    conn_timer(c, DRAIN_MS, on_undrained);
    h2_conn_speak(h);
}

const struct conn_ops h2_conn_ops = {.opened = on_opened,
                                     .input = on_input,
                                     .writable = on_writable,
                                     .eof = on_eof,
                                     .drain = on_drain,
                                     .gone = on_gone};
