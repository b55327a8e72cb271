/*
 * h2_speak.c - what the connections have to say.
 *
 * Happy path: what handlers say, and what the hub hands out in this turn, gathers as
 * frames, and leaves at the end of the turn in one system call.
 *
 * While the socket is full no frames are made: what there is to say waits in its
 * streams, which are bounded, and in the session, whose queue is bounded by not reading
 * any further.
 */
#include <utlist.h>

#include "h2.h"

#define GATHERS_MAX 64 /* connections that gather at a time */

void h2_speak(struct h2_conn *h)
{
    if (h->speaking || h->over)
        return;
    h->speaking = true;
    DL_APPEND2(h->h2->speaking, h, speaking_prev, speaking_next);
    h->h2->wake(h->h2->wake_arg); /* a timer's turn has no end of its own */
}

void h2_speak_stop(struct h2_conn *h)
{
    if (h->speaking)
        DL_DELETE2(h->h2->speaking, h, speaking_prev, speaking_next);
    h->speaking = false;
}

void h2_speak_write(struct h2_conn *h)
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
        h2_speak_write(first);
        DL_DELETE2(h2->speaking, first, speaking_prev, speaking_next);
        DL_APPEND2(h2->speaking, first, speaking_prev, speaking_next);
        first = h2->speaking;
    }
}

/* One stream alone has nothing to wait for. */
void h2_speak_now(struct h2_conn *h)
{
    if (h->session == NULL || conn_pending(&h->conn))
        return;
    h2_session_send(h->session);
    h2_speak(h); /* what was gathered is written then */
    if (h->stream_count <= 1)
        h2_speak_write(h);
    else
        bound_gathers(h->h2);
}
