/*
 * conn_write.c - what goes out over a connection, and what its rest costs.
 *
 * Happy path of a stream: conn_write_run hands the shared iovecs to the socket, the
 * socket takes all, nothing else happens.  When it takes less, the rest of the event
 * that is half out becomes the tail, the uv_poll asks for POLLOUT, and writable() runs
 * when tail and control bytes are out.  With TLS a record stands between: its rest is
 * `unsent`, and goes first.
 *
 * How it fails: a write error marks the connection LOST and swallows what follows; the
 * poll reports the broken socket in the next turn, and gone() runs there, so that no
 * callback ever runs inside a write.  The same goes for the client that is cut off
 * because what is held is over its limit: it is shut down here and gone() comes from
 * the poll.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "conn_internal.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"

/* --- the tail, and what it costs ------------------------------------------------ */

static void tail_clear(struct conn *c)
{
    c->tail = (struct slice){NULL, 0};
    pin_clear(&c->pin);
    held_set_body(&c->conns->held, &c->held, NULL);
}

void conn_unsent_count(struct conn *c)
{
    size_t now = tls_unsent(c->tls);

    if (now == c->held.bytes)
        return;
    held_set(&c->conns->held, &c->held, now);
    conn_poll_update(c);
}

void conn_let_go(struct conn *c)
{
    tail_clear(c);
    if (c->tls == NULL)
        return;
    tls_abandon(c->tls);
    conn_unsent_count(c);
}

static void conn_lose(struct conn *c)
{
    c->state = CONN_LOST;
    conn_let_go(c);
    buf_free(&c->out);
    c->out_at = 0;
    c->wanted = false;
    conn_poll_update(c);
}

/* The client resumes by ID when it comes back; gone() runs from the poll. */
static void conn_shut(struct conn *c)
{
    metric_add(M_STALLED_CLOSED, 1);
    log_info("a stalled client is closed: too many half-written bytes in memory",
             LOG_U("bytes", c->tail.len + c->held.bytes), LOG_U("pinned", c->conns->held.bytes));
    (void)shutdown(c->fd, SHUT_RDWR);
    if (c->state == CONN_OPEN)
        conn_lose(c);
    else
        conn_let_go(c);
}

void conn_cut_off(struct held *h)
{
    conn_shut(CONTAINER_OF(h, struct conn, held));
}

/* The tail lies in s.  Whoever is cut off for it, it may be c itself. */
static void conn_hold(struct conn *c, struct shared *s)
{
    assert(c->held.body == NULL && c->tail.len > 0);
    held_set_body(&c->conns->held, &c->held, s);
    held_relieve(&c->conns->held);
}

/* The same for a tail that had to be copied; takes the copy. */
static void conn_hold_bytes(struct conn *c, struct buf *copy)
{
    struct shared *s = shared_of(copy);

    c->tail = buf_slice(&s->bytes);
    conn_hold(c, s);
    shared_unref(s);
}

static void conn_hold_copy(struct conn *c, struct slice first, struct slice rest)
{
    struct buf copy = {0};

    buf_put_slice(&copy, first);
    buf_put_slice(&copy, rest);
    conn_hold_bytes(c, &copy);
}

/* Its owner lets go of it: keep a copy of what this client has yet to get. */
static void conn_on_tail_evicted(struct pin *p)
{
    struct conn *c = CONTAINER_OF(p, struct conn, pin);

    conn_hold_copy(c, c->tail, (struct slice){NULL, 0});
}

/* --- writing ---------------------------------------------------------------------- */

static void conn_wrote(struct conn *c, size_t n)
{
    c->conns->sent += n;
    c->wrote_tick = c->conns->wheel->tick;
}

/* A record that is half out counts as taken, so it is never 0. */
static ssize_t conn_record_write(struct conn *c, const struct iovec *iov, int iovcnt)
{
    ssize_t n = tls_write(c->tls, iov, iovcnt);

    conn_unsent_count(c);
    held_relieve(&c->conns->held);
    if (n < 0 || tls_state(c->tls) == TLS_LOST)
        return -1; /* lost, or cut off for what it holds itself */
    conn_wrote(c, (size_t)n);
    return n;
}

/* Bytes taken, 0 when the socket is full, -1 when the peer is lost. */
static ssize_t conn_socket_write(struct conn *c, const struct iovec *iov, int iovcnt)
{
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)iovcnt};
    ssize_t n;

    if (c->tls != NULL)
        return conn_record_write(c, iov, iovcnt);
    do
        n = iovcnt == 1 ? send(c->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
                        : sendmsg(c->fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
    conn_wrote(c, (size_t)n);
    return n;
}

bool conn_pending(const struct conn *c)
{
    return c->tail.len > 0 || c->out.len > 0 || c->held.bytes > 0;
}

static void conn_write_bytes(struct conn *c, const char *p, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)p, len};
    ssize_t n = 0;

    if (c->state == CONN_LOST || len == 0)
        return;
    if (!conn_pending(c))
        n = conn_socket_write(c, &iov, 1);
    if (n < 0) {
        conn_lose(c);
    } else if ((size_t)n < len) {
        buf_put(&c->out, p + n, len - (size_t)n);
        conn_poll_update(c);
    }
}

/* A client that lets so many control bytes pile up is not there any more. */
void conn_write(struct conn *c, const void *p, size_t len)
{
    assert(c->state == CONN_OPEN || c->state == CONN_LOST);
    if (c->state == CONN_OPEN && conn_pending(c) && c->out.len + len > CONN_OUT_MAX)
        conn_shut(c);
    else
        conn_write_bytes(c, p, len);
}

void conn_write_shared(struct conn *c, struct slice head, struct shared *body)
{
    struct slice rest = buf_slice(&body->bytes);
    struct iovec iov[2] = {{(void *)(uintptr_t)head.p, head.len}, {body->bytes.p, rest.len}};
    ssize_t n;

    assert(head.len > 0 && rest.len > 0);
    if (c->state != CONN_OPEN || conn_pending(c)) {
        conn_write_bytes(c, head.p, head.len);
        conn_write_bytes(c, rest.p, rest.len);
        return;
    }
    n = conn_socket_write(c, iov, 2);
    if (n < 0) {
        conn_lose(c);
    } else if ((size_t)n < head.len) {
        conn_hold_copy(c, (struct slice){head.p + n, head.len - (size_t)n}, rest);
        conn_poll_update(c);
    } else if ((size_t)n < head.len + rest.len) {
        n -= (ssize_t)head.len;
        c->tail = (struct slice){rest.p + n, rest.len - (size_t)n};
        conn_hold(c, body);
        conn_poll_update(c);
    }
}

/* The rest of an event that is half out stays where it is as long as its owner has it. */
static void keep_tail(struct conn *c, struct slice rest, struct pins *pins)
{
    c->tail = rest;
    c->pin.evicted = conn_on_tail_evicted;
    if (pins->evicted)
        conn_on_tail_evicted(&c->pin);
    else
        pin_set(&c->pin, pins);
}

/* How many events end at or before `bytes`. */
static size_t run_whole(const struct conn_run *r, size_t bytes)
{
    size_t low = 0, high = r->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->ends[middle] <= bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* n bytes are out: how many events that is, the one begun counted. */
static size_t keep_rest_of_run(struct conn *c, const struct conn_run *r, size_t n)
{
    size_t whole = run_whole(r, n);
    size_t begun = n - (whole > 0 ? r->ends[whole - 1] : 0);
    struct slice bytes;
    struct pins *pins;

    if (begun == 0)
        return whole;
    bytes = r->event(r->data, whole, &pins);
    assert(begun < bytes.len);
    keep_tail(c, (struct slice){bytes.p + begun, bytes.len - begun}, pins);
    return whole + 1;
}

bool conn_accepts(struct conn *c, size_t count, size_t *taken)
{
    *taken = count;
    if (c->state != CONN_OPEN)
        return false;
    if (!conn_pending(c))
        return true;
    c->wanted = true;
    *taken = 0;
    return false;
}

size_t conn_write_run(struct conn *c, const struct conn_run *r)
{
    ssize_t n = conn_socket_write(c, r->iov, r->iovcnt);
    size_t taken;

    if ((size_t)n == r->bytes)
        return r->count;
    if (n < 0) {
        conn_lose(c);
        return r->count;
    }
    taken = keep_rest_of_run(c, r, (size_t)n);
    c->wanted = true;
    if (c->state == CONN_OPEN)
        conn_poll_update(c);
    return taken;
}

static struct slice iovec_skip(struct slice s, size_t n)
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

    buf_put_slice(&c->out, iovec_skip(p->rest, begun - head - shared));
    if (head < p->head.len)
        conn_hold_copy(c, iovec_skip(p->head, head), p->shared);
    else if (shared < p->shared.len)
        keep_tail(c, iovec_skip(p->shared, shared), p->pins);
}

static int piece_gather(struct iovec *iov, const struct conn_piece *pieces, size_t count)
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
    size_t taken;
    ssize_t n;

    assert(count > 0 && count <= CONN_PIECES_MAX);
    if (!conn_accepts(c, count, &taken))
        return taken;
    taken = 0;
    n = conn_socket_write(c, iov, piece_gather(iov, pieces, count));
    if (n < 0) {
        conn_lose(c);
        return count;
    }
    for (; taken < count && (size_t)n >= piece_size(&pieces[taken]); taken++)
        n -= (ssize_t)piece_size(&pieces[taken]);
    if (taken == count)
        return count;
    if (n > 0)
        keep_rest_of_piece(c, &pieces[taken++], (size_t)n);
    c->wanted = true;
    if (c->state == CONN_OPEN)
        conn_poll_update(c);
    return taken;
}

/* All but the first `taken` bytes. */
static void hold_rest(struct conn *c, const struct iovec *iov, int count, size_t taken)
{
    struct buf copy = {0};

    for (int i = 0; i < count; i++) {
        size_t skipped = taken < iov[i].iov_len ? taken : iov[i].iov_len;

        taken -= skipped;
        buf_put(&copy, (const char *)iov[i].iov_base + skipped, iov[i].iov_len - skipped);
    }
    conn_hold_bytes(c, &copy);
}

static size_t iovec_size(const struct iovec *iov, int count)
{
    size_t n = 0;

    for (int i = 0; i < count; i++)
        n += iov[i].iov_len;
    return n;
}

void conn_write_whole(struct conn *c, const struct iovec *iov, int count)
{
    ssize_t n = 0;
    int some;

    assert(count > 0 && (c->state != CONN_OPEN || !conn_pending(c)));
    while (c->state == CONN_OPEN && count > 0) {
        some = count < IOV_MAX ? count : IOV_MAX;
        n = conn_pending(c) ? 0 : conn_socket_write(c, iov, some); /* TLS: its record may be */
        if (n < 0) {
            conn_lose(c);
        } else if ((size_t)n < iovec_size(iov, some)) {
            hold_rest(c, iov, count, (size_t)n);
            conn_poll_update(c);
            return;
        }
        iov += some;
        count -= some;
    }
}

static bool conn_flush_unsent(struct conn *c)
{
    size_t before = c->held.bytes;
    bool alive;

    if (before == 0)
        return true;
    alive = tls_flush(c->tls);
    conn_unsent_count(c);
    if (c->held.bytes < before) {
        c->wrote_tick = c->conns->wheel->tick;
        held_moved(&c->conns->held, &c->held);
    }
    return alive;
}

static bool conn_flush_tail(struct conn *c)
{
    struct iovec iov = {(void *)(uintptr_t)c->tail.p, c->tail.len};
    ssize_t n;

    if (c->held.bytes > 0 || c->tail.len == 0)
        return true;
    n = conn_socket_write(c, &iov, 1);
    if (n < 0)
        return false;
    c->tail.p += n;
    c->tail.len -= (size_t)n;
    if (c->tail.len == 0)
        tail_clear(c);
    else if (n > 0)
        held_moved(&c->conns->held, &c->held);
    return true;
}

static bool conn_flush_out(struct conn *c)
{
    struct iovec iov = {c->out.p + c->out_at, c->out.len - c->out_at};
    ssize_t n;

    if (c->held.bytes > 0 || c->tail.len > 0 || c->out.len == 0)
        return true;
    n = conn_socket_write(c, &iov, 1);
    if (n < 0)
        return false;
    c->out_at += (size_t)n;
    if (c->out_at == c->out.len) {
        buf_free(&c->out);
        c->out_at = 0;
    }
    return true;
}

bool conn_flush(struct conn *c)
{
    return conn_flush_unsent(c) && conn_flush_tail(c) && conn_flush_out(c);
}
