/*
 * session_unit.c - units of gateways, until they are answered.
 *
 * The frame stays where it was received until its last unit is answered.  A unit keeps
 * its gateway's struct; the link may have ended by the time it is answered, or be
 * another one: then the gateway has sent it again, and takes either answer.
 */
#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "session_impl.h"

struct session_frame *session_frame_new(struct zmsg *m)
{
    struct session_frame *f = mem_zalloc(sizeof *f);

    f->references = 1;
    zmsg_init(&f->m);
    zmsg_move(&f->m, m);
    return f;
}

void session_frame_release(struct session_frame *f)
{
    if (--f->references > 0)
        return;
    zmsg_close(&f->m);
    free(f);
}

struct session_unit session_unit_new(struct session_peer *by, struct session_frame *f,
                                     const struct wire_session_unit *w)
{
    f->references++;
    by->units++;
    by->bytes += w->body.len;
    return (struct session_unit){.by = by, .seq = w->seq, .bytes = w->body.len, .frame = f};
}

static void unit_end(struct session_unit *u, const struct wire_session_ack *a)
{
    struct session_peer *p = u->by;

    assert(p != NULL && p->units > 0);
    if (p->shared.link != NULL)
        p->all->ops->acknowledge(p->shared.link, a);
    p->units--;
    p->bytes -= u->bytes;
    session_frame_release(u->frame);
    *u = (struct session_unit){0};
}

void session_unit_answer(struct session_unit *u, struct slice answer)
{
    unit_end(u, &(struct wire_session_ack){.seq = u->seq, .data = answer});
}

void session_unit_refuse(struct session_unit *u, enum sluice_error error, const char *text)
{
    unit_end(u, &(struct wire_session_ack){u->seq, (uint16_t)error, slice_of(text)});
}
