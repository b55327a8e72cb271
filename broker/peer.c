/*
 * peer.c - see peer.h.
 *
 * A message that the peer's connection does not take (its queue is full, it has
 * gone) loses the peer; what was gathered for it is lost with it.  The gateway asks
 * the next connection for what it has no answer to.
 */
#include "peer.h"

#include <assert.h>
#include <stdlib.h>

#include "metrics.h"

struct slice peer_id(const struct peer *p)
{
    return (struct slice){p->id, p->id_len};
}

void peer_lose(struct peer *p, enum sluice_error why)
{
    if (p->state != PEER_UP)
        return;
    p->state = PEER_LOST;
    p->lost_why = why;
    p->all->losses = true;
}

bool peer_send(struct peer *p, struct zmsg *m)
{
    int rc;

    if (p->state != PEER_UP) {
        zmsg_close(m);
        return false;
    }
    rc = zsock_send(p->all->sock, peer_id(p), m);
    zmsg_close(m);
    if (rc != 0)
        peer_lose(p, ERR_UNAVAILABLE);
    return rc == 0;
}

void peer_send_buf(struct peer *p, struct buf *b)
{
    struct zmsg m;

    zmsg_init_buf(&m, b);
    (void)peer_send(p, &m);
}

/* --- answers ---------------------------------------------------------------------- */

static bool peer_acks_begin(struct peer *p)
{
    if (p->state != PEER_UP)
        return false;
    if (p->acks.len == 0)
        wire_acks_begin(&p->acks);
    p->all->acks_waiting = true;
    return true;
}

void peer_ack_ok(struct peer *p, uint64_t seq, const uint64_t *ids, uint32_t count)
{
    if (peer_acks_begin(p))
        wire_ack_ok_put(&p->acks, seq, ids, count);
}

void peer_ack_error(struct peer *p, const struct wire_ack *a)
{
    metric_add(M_REFUSED, 1);
    if (peer_acks_begin(p))
        wire_ack_error_put(&p->acks, a);
}

void peer_ack_session(struct peer *p, const struct wire_session_ack *a)
{
    if (p->state != PEER_UP)
        return;
    if (p->session_acks.len == 0)
        wire_session_acks_begin(&p->session_acks);
    wire_session_ack_put(&p->session_acks, a);
    p->all->acks_waiting = true;
}

void peer_send_session_acks(struct peer *p)
{
    if (p->session_acks.len > 0)
        peer_send_buf(p, &p->session_acks);
}

void peer_send_acks(struct peer *p)
{
    if (p->acks.len > 0)
        peer_send_buf(p, &p->acks);
    peer_send_session_acks(p);
}

/* --- the end ------------------------------------------------------------------------ */

void peer_maybe_free(struct peer *p)
{
    if (p->state != PEER_GONE || p->frames > 0)
        return;
    buf_free(&p->acks);
    buf_free(&p->session_acks);
    free(p);
}

void peer_frame_begin(struct peer *p)
{
    p->frames++;
}

void peer_frame_end(struct peer *p)
{
    assert(p->frames > 0);
    p->frames--;
    peer_maybe_free(p);
}
