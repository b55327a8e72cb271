/*
 * conn.c - opening, reading and ending of one client connection.
 *
 *   OPEN ──conn_finish──▶ FLUSHING ──all written──▶ LINGERING ──eof, 1 s──▶ CLOSED
 *    ▲└───────────────────────── conn_close, peer lost ────────────────────▶
 *   HANDSHAKE: TLS's handshake, before the owner knows of it
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

#include <utlist.h>

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
static void conn_handshake_over(struct conn *c);
static void conn_on_poll(uv_poll_t *poll, int status, int events);

/* --- polling ------------------------------------------------------------------- */

void conn_poll_update(struct conn *c)
{
    uint8_t events = 0;

    if (c->state == CONN_CLOSED)
        return;
    if (c->state == CONN_LOST || (!c->eof_seen && !c->paused))
        events |= UV_READABLE;
    if (conn_pending(c) || c->wanted)
        events |= UV_WRITABLE;
    if (events == c->events)
        return;
    c->events = events;
    if (events == 0)
        (void)uv_poll_stop(&c->poll);
    else
        (void)uv_poll_start(&c->poll, events, conn_on_poll);
}

/* --- the end ------------------------------------------------------------------------- */

static void conn_on_closed(uv_handle_t *h)
{
    conn_free(CONTAINER_OF((uv_poll_t *)(void *)h, struct conn, poll));
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    c->state = CONN_CLOSED;
    conn_handshake_over(c);
    wheel_stop(&c->timer);
    conn_let_go(c);
    buf_free(&c->out);
    uv_close((uv_handle_t *)&c->poll, conn_on_closed);
    (void)close(c->fd);
}

static void conn_on_linger_end(struct wheel_timer *t)
{
    conn_close(conn_of_timer(t));
}

static void conn_on_flush_end(struct wheel_timer *t)
{
    struct conn *c = conn_of_timer(t);

    if (conn_quiet_ms(c) < FLUSH_MS)
        conn_timer(c, FLUSH_MS, conn_on_flush_end);
    else
        conn_close(c);
}

static void conn_linger(struct conn *c)
{
    if (c->eof_seen) {
        conn_close(c);
        return;
    }
    c->state = CONN_LINGERING;
    c->paused = false;
    (void)shutdown(c->fd, SHUT_WR);
    conn_timer(c, LINGER_MS, conn_on_linger_end);
    conn_poll_update(c);
}

/* Finished: what is left is written, and TLS's own end behind it. */
static void conn_flush_rest(struct conn *c)
{
    if (!conn_pending(c) && c->tls != NULL) {
        tls_finish(c->tls);
        conn_unsent_count(c);
    }
    if (conn_pending(c))
        conn_poll_update(c);
    else
        conn_linger(c);
}

void conn_finish(struct conn *c)
{
    assert(c->state == CONN_OPEN || c->state == CONN_LOST);
    c->wanted = false;
    if (!c->offering)
        buf_free(&c->in);
    if (c->state == CONN_LOST) {
        conn_close(c);
        return;
    }
    c->state = CONN_FLUSHING;
    c->paused = true; /* what it sends now is of no interest */
    conn_timer(c, FLUSH_MS, conn_on_flush_end);
    conn_flush_rest(c);
}

/* The peer is lost while the connection is the owner's. */
static void conn_gone(struct conn *c)
{
    const struct conn_ops *ops = c->ops;
    bool owned = c->state == CONN_OPEN || c->state == CONN_LOST;

    conn_close(c);
    if (owned)
        ops->gone(c);
}

/* --- TLS's handshake ------------------------------------------------------------------- */

static void conn_on_handshake_timeout(struct wheel_timer *t)
{
    struct conn *c = conn_of_timer(t);

    tls_refuse(c->tls, "it took too long");
    conn_close(c);
}

void conn_count_handshake(struct conn *c, const struct sockaddr *peer)
{
    c->handshake = handshakes_add(&c->conns->handshakes, c, c->fd, peer);
}

static void conn_handshake_over(struct conn *c)
{
    handshake_over(&c->conns->handshakes, c->handshake);
    c->handshake = NULL;
}

struct conn *conns_still(const struct conns *cs, size_t share)
{
    return handshakes_victim(&cs->handshakes, share);
}

void conn_make_room(struct conn *c)
{
    tls_refuse(c->tls, "it made room for another");
    conn_close(c);
}

/* The others wait for the next turn: what they have sent stays readable. */
static bool conn_may_handshake(struct conns *cs)
{
    uint64_t now = uv_now(cs->loop);

    if (now != cs->handshakes_at)
        cs->handshakes_now = 0;
    cs->handshakes_at = now;
    return cs->handshakes_now++ < HANDSHAKES_TURN;
}

/* Lingering lets a refused client read why. */
static void conn_handshaken(struct conn *c, enum tls_state state)
{
    if (state == TLS_HANDSHAKE) {
        if (c->handshake != NULL)
            handshake_moved(&c->conns->handshakes, c->handshake);
        return;
    }
    conn_handshake_over(c);
    wheel_stop(&c->timer);
    if (state == TLS_LOST) {
        conn_linger(c);
        return;
    }
    c->state = CONN_OPEN;
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

/* IPv4 that came in over IPv6 is the same address. */
static struct slice without_mapping(struct slice text)
{
    struct slice mapped = SLICE("::ffff:");

    if (slice_starts(text, mapped) && memchr(text.p, '.', text.len) != NULL)
        text = (struct slice){text.p + mapped.len, text.len - mapped.len};
    return text;
}

struct slice conn_peer_address(const struct conn *c, char text[CONN_ADDRESS_MAX])
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;

    if (getpeername(c->fd, (struct sockaddr *)&peer, &len) != 0 ||
        uv_ip_name((struct sockaddr *)&peer, text, CONN_ADDRESS_MAX) != 0)
        return (struct slice){NULL, 0};
    return without_mapping(slice_of(text));
}

/* --- reading -------------------------------------------------------------------------- */

/* What input() leaves is kept in c->in; `kept`: that is where it lies already.
 * The owner may end the connection in there, and still look at the bytes. */
static void conn_offer(struct conn *c, struct slice bytes, bool kept)
{
    const struct conn_ops *ops = c->ops;
    size_t used;

    c->offering = true;
    used = c->ops->input(c, bytes);
    c->offering = false;
    assert(used <= bytes.len);
    if (c->state != CONN_OPEN || (kept && used == bytes.len))
        buf_free(&c->in);
    else if (kept)
        buf_consume(&c->in, used);
    else if (used < bytes.len)
        buf_put(&c->in, bytes.p + used, bytes.len - used);
    c->paused = c->state == CONN_FLUSHING || c->in.len >= CONN_IN_MAX;
    conn_poll_update(c);
    if (c->ops != ops)
        conn_pump(c); /* taken over: the rest is the new owner's */
}

void conn_pump(struct conn *c)
{
    if (c->state == CONN_OPEN && c->in.len > 0 && !c->offering)
        conn_offer(c, buf_slice(&c->in), true);
}

void conn_take_over(struct conn *c, const struct conn_ops *ops, void *data)
{
    c->ops = ops;
    c->data = data;
    wheel_stop(&c->timer);
    conn_pump(c); /* from inside input(): conn_offer does it */
}

static void conn_received(struct conn *c, const char *p, size_t n)
{
    if (c->in.len == 0) {
        conn_offer(c, (struct slice){p, n}, false);
        return;
    }
    buf_put(&c->in, p, n);
    conn_pump(c);
}

static void conn_on_eof(struct conn *c)
{
    c->eof_seen = true;
    if (c->state == CONN_LINGERING) {
        conn_close(c);
        return;
    }
    conn_poll_update(c);
    c->ops->eof(c);
}

static void conn_discard(struct conn *c, size_t n)
{
    c->discarded += (uint32_t)n;
    if (c->discarded > LINGER_BYTES)
        conn_close(c);
}

static void conn_read_plain(struct conn *c)
{
    ssize_t n;

    do
        n = recv(c->fd, c->conns->scratch, sizeof c->conns->scratch, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        conn_gone(c);
    else if (n == 0)
        conn_on_eof(c);
    else if (c->state == CONN_LINGERING)
        conn_discard(c, (size_t)n);
    else
        conn_received(c, c->conns->scratch, (size_t)n);
}

/* What came may end the client's side, or break the rules, behind bytes that count. */
static void conn_read_records(struct conn *c)
{
    static_assert(sizeof c->conns->scratch >= TLS_READ_MAX, "what is read fits");
    size_t n = tls_read(c->tls, c->conns->scratch);
    enum tls_state state = tls_state(c->tls);

    conn_unsent_count(c);
    if (c->state == CONN_HANDSHAKE)
        conn_handshaken(c, state);
    if (n > 0 && c->state == CONN_OPEN)
        conn_received(c, c->conns->scratch, n);
    if (state == TLS_EOF && c->state == CONN_OPEN)
        conn_on_eof(c);
    else if (state == TLS_LOST && c->state == CONN_OPEN)
        conn_gone(c);
}

static void conn_on_readable(struct conn *c)
{
    if (c->tls == NULL || c->state == CONN_LINGERING)
        conn_read_plain(c);
    else if (c->state != CONN_HANDSHAKE || conn_may_handshake(c->conns))
        conn_read_records(c);
}

static void conn_on_writable(struct conn *c)
{
    if (!conn_flush(c)) {
        conn_gone(c);
        return;
    }
    if (conn_pending(c) || c->state == CONN_HANDSHAKE)
        return;
    if (c->state == CONN_FLUSHING) {
        conn_flush_rest(c);
        return;
    }
    c->wanted = false;
    conn_poll_update(c);
    c->ops->writable(c);
}

static void conn_on_poll(uv_poll_t *poll, int status, int events)
{
    struct conn *c = CONTAINER_OF(poll, struct conn, poll);

    wheel_refresh(c->conns->wheel);
    if (status < 0 || c->state == CONN_LOST) {
        conn_gone(c);
        return;
    }
    if ((events & UV_WRITABLE) != 0)
        conn_on_writable(c);
    if ((events & UV_READABLE) != 0 && c->state != CONN_CLOSED && !c->eof_seen && !c->paused)
        conn_on_readable(c);
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
    DL_PREPEND(cs->first, c);
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
    c->state = tls == NULL ? CONN_OPEN : CONN_HANDSHAKE;
    conn_poll_update(c);
    if (tls == NULL)
        ops->opened(c);
    else
        conn_timer(c, tls_handshake_ms(tls), conn_on_handshake_timeout);
    return c;
}

static void conn_free(struct conn *c)
{
    struct conns *cs = c->conns;

    if (c->ops->over != NULL)
        c->ops->over(c);
    DL_DELETE(cs->first, c);
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
        if (c->state == CONN_OPEN)
            c->ops->drain(c);
        else if (c->state == CONN_HANDSHAKE)
            conn_close(c);
    }
}

void conns_close_all(struct conns *cs)
{
    for (struct conn *c = cs->first; c != NULL; c = c->next)
        if (c->state != CONN_CLOSED)
            conn_gone(c);
}

void conns_refresh(struct conns *cs)
{
    metric_add(M_SENT_BYTES, cs->sent);
    cs->sent = 0;
    metric_set(M_PINNED_BYTES, cs->held.bytes);
}
