/*
 * conn.c - reading, writing and ending of one client connection.
 *
 *   OPEN ──conn_finish──▶ FLUSHING ──all written──▶ LINGERING ──eof, 1 s──▶ CLOSED
 *     └───────────────────────── conn_close, peer lost ────────────────────▶
 *
 * Happy path of a stream: conn_write_run hands the shared iovecs to the socket,
 * the socket takes all, nothing else happens.  When it takes less, the rest of
 * the event that is half out becomes the tail, the uv_poll asks for POLLOUT, and
 * writable() runs when tail and control bytes are out.
 *
 * How it fails: a write error marks the connection LOST and swallows what
 * follows; the poll reports the broken socket in the next turn, and gone() runs
 * there, so that no callback ever runs inside a write.  The same goes for the
 * client that is cut off because what is held is over its limit: it is shut
 * down here and gone() comes from the poll.
 */
#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address_count.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"

#define LINGER_MS 1000
#define LINGER_BYTES (4u * 1024 * 1024)
#define FLUSH_MS 30000 /* a finished connection may stand still so long */

enum conn_state { OPEN, LOST, FLUSHING, LINGERING, CLOSED };

static void conn_free(struct conn *c);
static void on_poll(uv_poll_t *poll, int status, int events);

/* --- polling ------------------------------------------------------------------- */

/* Asks the loop for what matters now; a system call only when that changes. */
static void poll_update(struct conn *c)
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

/* --- the tail, and what it costs ------------------------------------------------ */

static void stalled_remove(struct conn *c)
{
    struct conns *cs = c->conns;

    if (c->stalled_prev != NULL)
        c->stalled_prev->stalled_next = c->stalled_next;
    else
        cs->stalled_first = c->stalled_next;
    if (c->stalled_next != NULL)
        c->stalled_next->stalled_prev = c->stalled_prev;
    else
        cs->stalled_last = c->stalled_prev;
    c->stalled_prev = c->stalled_next = NULL;
}

static void stalled_append(struct conn *c)
{
    struct conns *cs = c->conns;

    c->stalled_prev = cs->stalled_last;
    c->stalled_next = NULL;
    if (cs->stalled_last != NULL)
        cs->stalled_last->stalled_next = c;
    else
        cs->stalled_first = c;
    cs->stalled_last = c;
}

static void tail_clear(struct conn *c)
{
    struct shared *held = c->held;

    c->tail = (struct slice){NULL, 0};
    pin_clear(&c->pin);
    if (held == NULL)
        return;
    c->held = NULL;
    stalled_remove(c);
    if (--held->holders == 0)
        c->conns->pinned -= held->bytes.len;
    shared_unref(held);
}

static void lose(struct conn *c)
{
    c->state = LOST;
    tail_clear(c);
    buf_free(&c->out);
    c->out_at = 0;
    c->wanted = false;
    poll_update(c);
}

/* The client resumes by ID when it comes back; gone() runs from the poll. */
static void cut_off(struct conn *c)
{
    metric_add(M_STALLED_CLOSED, 1);
    log_info("a stalled client is closed: too many half-written bytes in memory",
             LOG_U("bytes", c->tail.len), LOG_U("pinned", c->conns->pinned));
    (void)shutdown(c->fd, SHUT_RDWR);
    if (c->state == OPEN)
        lose(c);
    else
        tail_clear(c);
}

/* The tail lies in s.  Over the limit the clients stalled longest go, until enough
 * is let go of; c itself may be among them. */
static void hold(struct conn *c, struct shared *s)
{
    struct conns *cs = c->conns;

    assert(c->held == NULL && c->tail.len > 0);
    shared_ref(s);
    c->held = s;
    if (s->holders++ == 0)
        cs->pinned += s->bytes.len;
    stalled_append(c);
    while (cs->pinned > cs->pinned_max)
        cut_off(cs->stalled_first);
}

/* The same for a tail that has to be copied. */
static void hold_copy(struct conn *c, struct slice first, struct slice rest)
{
    struct buf copy = {0};
    struct shared *s;

    buf_put_slice(&copy, first);
    buf_put_slice(&copy, rest);
    s = shared_of(&copy);
    c->tail = (struct slice){(char *)s->bytes.p, s->bytes.len};
    hold(c, s);
    shared_unref(s);
}

/* The block leaves memory: keep a copy of what this client has yet to get. */
static void tail_evicted(struct pin *p)
{
    struct conn *c = CONTAINER_OF(p, struct conn, pin);

    hold_copy(c, c->tail, (struct slice){NULL, 0});
}

/* --- writing ---------------------------------------------------------------------- */

/* Bytes taken, 0 when the socket is full, -1 when the peer is lost. */
static ssize_t socket_write(struct conn *c, const struct iovec *iov, int iovcnt)
{
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt};
    ssize_t n;

    do
        n = iovcnt == 1 ? send(c->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                        : sendmsg(c->fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
    c->conns->sent += (size_t)n;
    c->wrote_tick = c->conns->wheel->tick;
    return n;
}

bool conn_pending(const struct conn *c)
{
    return c->tail.len > 0 || c->out.len > 0;
}

static void write_bytes(struct conn *c, const char *p, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)p, len};
    ssize_t n = 0;

    if (c->state == LOST || len == 0)
        return;
    if (!conn_pending(c))
        n = socket_write(c, &iov, 1);
    if (n < 0) {
        lose(c);
    } else if ((size_t)n < len) {
        buf_put(&c->out, p + n, len - (size_t)n);
        poll_update(c);
    }
}

/* A client that lets so many control bytes pile up is not there any more. */
void conn_write(struct conn *c, const void *p, size_t len)
{
    assert(c->state == OPEN || c->state == LOST);
    if (c->state == OPEN && conn_pending(c) && c->out.len + len > CONN_OUT_MAX)
        cut_off(c);
    else
        write_bytes(c, p, len);
}

void conn_write_shared(struct conn *c, struct slice head, struct shared *body)
{
    struct slice rest = {(char *)body->bytes.p, body->bytes.len};
    struct iovec iov[2] = {{(void *)(uintptr_t)head.p, head.len}, {body->bytes.p, rest.len}};
    ssize_t n;

    assert(head.len > 0 && rest.len > 0);
    if (c->state != OPEN || conn_pending(c)) {
        write_bytes(c, head.p, head.len);
        write_bytes(c, rest.p, rest.len);
        return;
    }
    n = socket_write(c, iov, 2);
    if (n < 0) {
        lose(c);
    } else if ((size_t)n < head.len) {
        hold_copy(c, (struct slice){head.p + n, head.len - (size_t)n}, rest);
        poll_update(c);
    } else if ((size_t)n < head.len + rest.len) {
        n -= (ssize_t)head.len;
        c->tail = (struct slice){rest.p + n, rest.len - (size_t)n};
        hold(c, body);
        poll_update(c);
    }
}

/* The rest of an event that is half out stays in its block as long as that stays. */
static void keep_tail(struct conn *c, struct slice rest, struct block *b)
{
    c->tail = rest;
    if (b->evicted) {
        c->pin.block = NULL;
        tail_evicted(&c->pin);
    } else {
        c->pin.evicted = tail_evicted;
        pin_set(&c->pin, b);
    }
}

/* n bytes are out: how many events that is, the one begun counted. */
static size_t keep_rest_of_run(struct conn *c, struct run *r, const struct run_form *f, size_t n,
                               unsigned form, form_encode encode)
{
    size_t whole = run_form_whole(r, f, n);
    size_t begun = n - (whole > 0 ? f->ends[whole - 1] : 0);
    struct slice bytes;

    if (begun == 0)
        return whole;
    bytes = entry_encoded(r->entries[whole], form, encode);
    assert(begun < bytes.len);
    keep_tail(c, (struct slice){bytes.p + begun, bytes.len - begun}, r->entries[whole]->block);
    return whole + 1;
}

size_t conn_write_run(struct conn *c, struct run *r, unsigned form, form_encode encode)
{
    const struct run_form *f;
    ssize_t n;
    size_t taken;

    if (c->state != OPEN)
        return r->count;
    if (conn_pending(c)) {
        c->wanted = true;
        return 0;
    }
    f = run_form_get(r, form, encode);
    n = socket_write(c, f->iov, f->iovcnt);
    if ((size_t)n == f->bytes)
        return r->count;
    if (n < 0) {
        lose(c);
        return r->count;
    }
    taken = keep_rest_of_run(c, r, f, (size_t)n, form, encode);
    c->wanted = true;
    if (c->state == OPEN)
        poll_update(c);
    return taken;
}

static struct slice skip(struct slice s, size_t n)
{
    n = n < s.len ? n : s.len;
    return (struct slice){s.p + n, s.len - n};
}

static size_t piece_size(const struct conn_piece *p)
{
    return p->head.len + p->shared.len + p->rest.len;
}

/* So many of its bytes are out, at least one and not all.  Only what is shared can
 * be the tail, so a head that is cut is copied with what follows. */
static void keep_rest_of_piece(struct conn *c, const struct conn_piece *p, size_t begun)
{
    size_t head = begun < p->head.len ? begun : p->head.len;
    size_t shared = begun - head < p->shared.len ? begun - head : p->shared.len;

    buf_put_slice(&c->out, skip(p->rest, begun - head - shared));
    if (head < p->head.len)
        hold_copy(c, skip(p->head, head), p->shared);
    else if (shared < p->shared.len)
        keep_tail(c, skip(p->shared, shared), p->block);
}

static int gather(struct iovec *iov, const struct conn_piece *pieces, size_t count)
{
    int n = 0;

    for (size_t i = 0; i < count; i++) {
        const struct slice parts[] = {pieces[i].head, pieces[i].shared, pieces[i].rest};

        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
            if (parts[k].len > 0)
                iov[n++] = (struct iovec){(void *)(uintptr_t)parts[k].p, parts[k].len};
    }
    return n;
}

size_t conn_write_pieces(struct conn *c, const struct conn_piece *pieces, size_t count)
{
    struct iovec iov[3 * CONN_PIECES_MAX];
    size_t taken = 0;
    ssize_t n;

    assert(count > 0 && count <= CONN_PIECES_MAX);
    if (c->state != OPEN)
        return count;
    if (conn_pending(c)) {
        c->wanted = true;
        return 0;
    }
    n = socket_write(c, iov, gather(iov, pieces, count));
    if (n < 0) {
        lose(c);
        return count;
    }
    for (; taken < count && (size_t)n >= piece_size(&pieces[taken]); taken++)
        n -= (ssize_t)piece_size(&pieces[taken]);
    if (taken == count)
        return count;
    if (n > 0)
        keep_rest_of_piece(c, &pieces[taken++], (size_t)n);
    c->wanted = true;
    if (c->state == OPEN)
        poll_update(c);
    return taken;
}

static bool flush_tail(struct conn *c)
{
    struct iovec iov = {(void *)(uintptr_t)c->tail.p, c->tail.len};
    ssize_t n;

    if (c->tail.len == 0)
        return true;
    n = socket_write(c, &iov, 1);
    if (n < 0)
        return false;
    c->tail.p += n;
    c->tail.len -= (size_t)n;
    if (c->tail.len == 0) {
        tail_clear(c);
    } else if (n > 0 && c->held != NULL) {
        stalled_remove(c); /* it moves: no longer the one stalled longest */
        stalled_append(c);
    }
    return true;
}

static bool flush_out(struct conn *c)
{
    struct iovec iov = {c->out.p + c->out_at, c->out.len - c->out_at};
    ssize_t n;

    if (c->tail.len > 0 || c->out.len == 0)
        return true;
    n = socket_write(c, &iov, 1);
    if (n < 0)
        return false;
    c->out_at += (size_t)n;
    if (c->out_at == c->out.len) {
        buf_free(&c->out);
        c->out_at = 0;
    }
    return true;
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
    tail_clear(c);
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
    poll_update(c);
}

void conn_finish(struct conn *c)
{
    assert(c->state == OPEN || c->state == LOST);
    c->wanted = false;
    if (!c->offering)
        buf_free(&c->in);
    if (c->state == LOST) {
        conn_close(c);
    } else if (conn_pending(c)) {
        c->state = FLUSHING;
        c->paused = true; /* what it sends now is of no interest */
        conn_timer(c, FLUSH_MS, on_flush_end);
        poll_update(c);
    } else {
        linger(c);
    }
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
    poll_update(c);
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
    poll_update(c);
    c->ops->eof(c);
}

static void discard(struct conn *c, size_t n)
{
    c->discarded += (uint32_t)n;
    if (c->discarded > LINGER_BYTES)
        conn_close(c);
}

static void on_readable(struct conn *c)
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

static void on_writable(struct conn *c)
{
    if (!flush_tail(c) || !flush_out(c)) {
        gone(c);
        return;
    }
    if (conn_pending(c))
        return;
    if (c->state == FLUSHING) {
        linger(c);
        return;
    }
    c->wanted = false;
    poll_update(c);
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

struct conn *conn_new(struct conns *cs, int fd, size_t size, const struct conn_ops *ops, void *data,
                      struct address_count *address)
{
    struct conn *c;

    assert(size >= sizeof *c);
    c = mem_zalloc(size);
    if (uv_poll_init(cs->loop, &c->poll, fd) != 0) {
        (void)close(fd);
        free(c);
        return NULL;
    }
    c->ops = ops;
    c->data = data;
    c->conns = cs;
    c->fd = fd;
    c->address = address;
    c->wrote_tick = cs->wheel->tick;
    c->next = cs->first;
    if (cs->first != NULL)
        cs->first->prev = c;
    cs->first = c;
    cs->count++;
    metric_add(M_ACCEPTED, 1);
    metric_add(M_CONNECTIONS, 1);
    poll_update(c);
    ops->opened(c);
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
    cs->pinned_max = SIZE_MAX;
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
    metric_set(M_PINNED_BYTES, cs->pinned);
}
