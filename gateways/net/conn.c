/*
 * conn.c - opening, reading and ending of one client connection.
 *
 *   OPEN ──conn_finish──▶ FLUSHING ──all written──▶ LINGERING ──eof, 1 s──▶ CLOSED
 *    ▲└───────────────────────── conn_close, peer lost ────────────────────▶
 *   GREETING: TLS's handshake, before the owner knows of it
 *
 * Happy path: what the socket has is read into a scratch buffer that all share and
 * shown to the owner there; only what the owner leaves is copied.
 *
 * How it fails: gone() is called from the poll alone, never inside a call of the
 * owner's; that writing has failed is told there as well.  A handshake that fails, or
 * takes too long, ends before the owner has heard of the connection.
 */
#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address_count.h"
#include "conn_internal.h"
#include "mem.h"
#include "metrics.h"

#define LINGER_MS 1000
#define LINGER_BYTES (4u * 1024 * 1024)
#define FLUSH_MS 30000 /* a finished connection may stand still so long */
/* A step of a handshake takes a good part of a millisecond: what is live waits no
 * longer than for so many of them. */
#define HANDSHAKES_TURN 16

static void conn_free(struct conn *c);
static void on_poll(uv_poll_t *poll, int status, int events);

/* --- polling ------------------------------------------------------------------- */

void conn_poll_update(struct conn *c)
{
    uint8_t events = 0;

    if (c->state == CLOSED)
        return;
    if (c->state == LOST || (!c->eof_seen && !c->paused))
        events |= UV_READABLE;
    if (conn_pending(c) || c->wanted)
        events |= UV_WRITABLE;
    if (events == c->events)
        return;
    c->events = events;
    if (events == 0)
        (void)uv_poll_stop(&c->poll);
    else
        (void)uv_poll_start(&c->poll, events, on_poll);
}

/* --- the end ------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    conn_free(CONTAINER_OF((uv_poll_t *)(void *)h, struct conn, poll));
}

void conn_close(struct conn *c)
{
    if (c->state == CLOSED)
        return;
    c->state = CLOSED;
    wheel_stop(&c->timer);
    conn_let_go(c);
    buf_free(&c->out);
    uv_close((uv_handle_t *)&c->poll, on_closed);
    (void)close(c->fd);
}

static void on_linger_end(struct wheel_timer *t)
{
    conn_close(conn_of_timer(t));
}

static void on_flush_end(struct wheel_timer *t)
{
    struct conn *c = conn_of_timer(t);

    if (conn_quiet_ms(c) < FLUSH_MS)
        conn_timer(c, FLUSH_MS, on_flush_end);
    else
        conn_close(c);
}

static void linger(struct conn *c)
{
    if (c->eof_seen) {
        conn_close(c);
        return;
    }
    c->state = LINGERING;
    c->paused = false;
    (void)shutdown(c->fd, SHUT_WR);
    conn_timer(c, LINGER_MS, on_linger_end);
    conn_poll_update(c);
}

/* Finished: what is left is written, and TLS's own end behind it. */
static void flush_out_rest(struct conn *c)
{
    if (!conn_pending(c) && c->tls != NULL) {
        tls_finish(c->tls);
        conn_unsent_count(c);
    }
    if (conn_pending(c))
        conn_poll_update(c);
    else
        linger(c);
}

void conn_finish(struct conn *c)
{
    assert(c->state == OPEN || c->state == LOST);
    c->wanted = false;
    if (!c->offering)
        buf_free(&c->in);
    if (c->state == LOST) {
        conn_close(c);
        return;
    }
    c->state = FLUSHING;
    c->paused = true; /* what it sends now is of no interest */
    conn_timer(c, FLUSH_MS, on_flush_end);
    flush_out_rest(c);
}

/* The peer is lost while the connection is the owner's. */
static void gone(struct conn *c)
{
    const struct conn_ops *ops = c->ops;
    bool owned = c->state == OPEN || c->state == LOST;

    conn_close(c);
    if (owned)
        ops->gone(c);
}

/* --- TLS's handshake ------------------------------------------------------------------- */

static void on_greeting_timeout(struct wheel_timer *t)
{
    struct conn *c = conn_of_timer(t);

    tls_refuse(c->tls, "it took too long");
    conn_close(c);
}

/* The others wait for the next turn: what they have sent stays readable. */
static bool may_greet(struct conns *cs)
{
    uint64_t now = uv_now(cs->loop);

    if (now != cs->handshakes_at)
        cs->handshakes = 0;
    cs->handshakes_at = now;
    return cs->handshakes++ < HANDSHAKES_TURN;
}

/* Lingering lets a refused client read why. */
static void greeted(struct conn *c, enum tls_state state)
{
    if (state == TLS_HANDSHAKE)
        return;
    wheel_stop(&c->timer);
    if (state == TLS_LOST) {
        linger(c);
        return;
    }
    c->state = OPEN;
    c->ops->opened(c);
}

struct slice conn_alpn(const struct conn *c)
{
    return c->tls == NULL ? (struct slice){NULL, 0} : tls_alpn(c->tls);
}

struct slice conn_peer_subject(const struct conn *c)
{
    return c->tls == NULL ? (struct slice){NULL, 0} : tls_peer_subject(c->tls);
}

/* --- reading -------------------------------------------------------------------------- */

/* What input() leaves is kept in c->in; `kept`: that is where it lies already.
 * The owner may end the connection in there, and still look at the bytes. */
static void offer(struct conn *c, struct slice bytes, bool kept)
{
    const struct conn_ops *ops = c->ops;
    size_t used;

    c->offering = true;
    used = c->ops->input(c, bytes);
    c->offering = false;
    assert(used <= bytes.len);
    if (c->state != OPEN || (kept && used == bytes.len))
        buf_free(&c->in);
    else if (kept)
        buf_consume(&c->in, used);
    else if (used < bytes.len)
        buf_put(&c->in, bytes.p + used, bytes.len - used);
    c->paused = c->state == FLUSHING || c->in.len >= CONN_IN_MAX;
    conn_poll_update(c);
    if (c->ops != ops)
        conn_pump(c); /* taken over: the rest is the new owner's */
}

void conn_pump(struct conn *c)
{
    if (c->state == OPEN && c->in.len > 0 && !c->offering)
        offer(c, (struct slice){(char *)c->in.p, c->in.len}, true);
}

void conn_take_over(struct conn *c, const struct conn_ops *ops, void *data)
{
    c->ops = ops;
    c->data = data;
    wheel_stop(&c->timer);
    conn_pump(c); /* from inside input(): offer() does it */
}

static void received(struct conn *c, const char *p, size_t n)
{
    if (c->in.len == 0) {
        offer(c, (struct slice){p, n}, false);
        return;
    }
    buf_put(&c->in, p, n);
    conn_pump(c);
}

static void on_eof(struct conn *c)
{
    c->eof_seen = true;
    if (c->state == LINGERING) {
        conn_close(c);
        return;
    }
    conn_poll_update(c);
    c->ops->eof(c);
}

static void discard(struct conn *c, size_t n)
{
    c->discarded += (uint32_t)n;
    if (c->discarded > LINGER_BYTES)
        conn_close(c);
}

static void read_plain(struct conn *c)
{
    ssize_t n;

    do
        n = recv(c->fd, c->conns->scratch, sizeof c->conns->scratch, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        gone(c);
    else if (n == 0)
        on_eof(c);
    else if (c->state == LINGERING)
        discard(c, (size_t)n);
    else
        received(c, c->conns->scratch, (size_t)n);
}

/* What came may end the client's side, or break the rules, behind bytes that count. */
static void read_records(struct conn *c)
{
    static_assert(sizeof c->conns->scratch >= TLS_READ_MAX, "what is read fits");
    size_t n = tls_read(c->tls, c->conns->scratch);
    enum tls_state state = tls_state(c->tls);

    conn_unsent_count(c);
    if (c->state == GREETING)
        greeted(c, state);
    if (n > 0 && c->state == OPEN)
        received(c, c->conns->scratch, n);
    if (state == TLS_EOF && c->state == OPEN)
        on_eof(c);
    else if (state == TLS_LOST && c->state == OPEN)
        gone(c);
}

static void on_readable(struct conn *c)
{
    if (c->tls == NULL || c->state == LINGERING)
        read_plain(c);
    else if (c->state != GREETING || may_greet(c->conns))
        read_records(c);
}

static void on_writable(struct conn *c)
{
    if (!conn_flush(c)) {
        gone(c);
        return;
    }
    if (conn_pending(c) || c->state == GREETING)
        return;
    if (c->state == FLUSHING) {
        flush_out_rest(c);
        return;
    }
    c->wanted = false;
    conn_poll_update(c);
    c->ops->writable(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = CONTAINER_OF(poll, struct conn, poll);

    wheel_refresh(c->conns->wheel);
    if (status < 0 || c->state == LOST) {
        gone(c);
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        on_writable(c);
    if ((events & UV_READABLE) != 0 && c->state != CLOSED && !c->eof_seen && !c->paused)
        on_readable(c);
}

/* --- life -------------------------------------------------------------------------------- */

void conn_timer(struct conn *c, uint64_t ms, void (*fire)(struct wheel_timer *t))
{
    if (ms == 0)
        wheel_stop(&c->timer);
    else
        wheel_start(c->conns->wheel, &c->timer, ms, fire);
}

struct conn *conn_of_timer(struct wheel_timer *t)
{
    return CONTAINER_OF(t, struct conn, timer);
}

uint64_t conn_quiet_ms(const struct conn *c)
{
    return (c->conns->wheel->tick - c->wrote_tick) * WHEEL_TICK_MS;
}

static struct conn *conn_make(struct conns *cs, int fd, size_t size)
{
    struct conn *c = mem_zalloc(size);

    if (uv_poll_init(cs->loop, &c->poll, fd) != 0) {
        free(c);
        return NULL;
    }
    c->conns = cs;
    c->fd = fd;
    c->wrote_tick = cs->wheel->tick;
    c->next = cs->first;
    if (cs->first != NULL)
        cs->first->prev = c;
    cs->first = c;
    cs->count++;
    metric_add(M_ACCEPTED, 1);
    metric_add(M_CONNECTIONS, 1);
    return c;
}

struct conn *conn_new(struct conns *cs, int fd, struct tls *tls, size_t size,
                      const struct conn_ops *ops, void *data, struct address_count *address)
{
    struct conn *c;

    assert(size >= sizeof *c);
    c = conn_make(cs, fd, size);
    if (c == NULL) {
        tls_free(tls);
        (void)close(fd);
        return NULL;
    }
    c->ops = ops;
    c->data = data;
    c->address = address;
    c->tls = tls;
    c->state = tls == NULL ? OPEN : GREETING;
    conn_poll_update(c);
    if (tls == NULL)
        ops->opened(c);
    else
        conn_timer(c, tls_handshake_ms(tls), on_greeting_timeout);
    return c;
}

static void conn_free(struct conn *c)
{
    struct conns *cs = c->conns;

    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        cs->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    cs->count--;
    metric_sub(M_CONNECTIONS, 1);
    address_count_drop(&cs->addresses, c->address);
    tls_free(c->tls);
    buf_free(&c->in);
    free(c);
    if (cs->draining && cs->count == 0 && cs->empty != NULL)
        cs->empty(cs->empty_arg);
}

void conns_init(struct conns *cs, uv_loop_t *loop, struct wheel *wheel)
{
    memset(cs, 0, offsetof(struct conns, scratch));
    cs->loop = loop;
    cs->wheel = wheel;
    cs->held.max = SIZE_MAX;
    cs->held.cut = conn_cut_off;
}

void conns_drain(struct conns *cs, void (*empty)(void *arg), void *arg)
{
    struct conn *c, *next;

    cs->draining = true;
    cs->empty = empty;
    cs->empty_arg = arg;
    if (cs->count == 0) {
        empty(arg);
        return;
    }
    for (c = cs->first; c != NULL; c = next) {
        next = c->next; /* conns are freed later, never in here */
        if (c->state == OPEN)
            c->ops->drain(c);
        else if (c->state == GREETING)
            conn_close(c);
    }
}

void conns_close_all(struct conns *cs)
{
    for (struct conn *c = cs->first; c != NULL; c = c->next)
        if (c->state != CLOSED)
            gone(c);
}

void conns_refresh(struct conns *cs)
{
    metric_add(M_SENT_BYTES, cs->sent);
    cs->sent = 0;
    metric_set(M_PINNED_BYTES, cs->held.bytes);
}
