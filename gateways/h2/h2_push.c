/*
 * h2_push.c - events as promised resources (RFC 9113, 8.4).
 *
 *   PUSH_PROMISE GET /history?id=ID ──▶ the event's line on the stream itself
 *                                  └──▶ HEADERS and DATA on the promised stream
 *
 * Happy path: an event is promised, its line is sent, and its JSON, which lies in its
 * block for all, goes on a stream of its own, at the pace of that stream's window.
 *
 * A client that lets fewer promised streams be open than there are events waits for its
 * own: an event is not taken until one of them is over.  A client that wants no more
 * promises, or a process that has no stream to spare, goes on with the lines alone: they
 * say where the events are to be had.
 */
#include "forms.h"
#include "h2.h"
#include "mem.h"
#include "metrics.h"
#include "sse.h"

#define PROMISES_MAX 100 /* open at once, whatever the client allows */

static size_t promises_max(const struct h2_conn *h)
{
    size_t max = h2_session_promises_max(h->session);

    return max < PROMISES_MAX ? max : PROMISES_MAX;
}

bool h2_push_wanted(const struct h2_stream *st)
{
    return st->authority.len > 0 && promises_max(st->conn) > 0;
}

static int32_t promise(struct h2_stream *parent, struct h2_stream *st, uint64_t event)
{
    const char *scheme = parent->conn->conn.tls != NULL ? "https" : "http";
    struct h2_field fields[] = {
        {.name = SLICE(":method"), .value = SLICE("GET")},
        {.name = SLICE(":scheme"), .value = slice_of(scheme)},
        {.name = SLICE(":authority")},
        {.name = SLICE(":path")},
    };
    struct buf path = {0};
    int32_t id;

    buf_puts(&path, "/history?id=");
    buf_dec(&path, event);
    fields[2].value = buf_slice(&parent->authority);
    fields[3].value = buf_slice(&path);
    id = h2_session_promise(parent->conn->session, parent->id, fields, ARRAY_LEN(fields), st);
    buf_free(&path);
    return id;
}

/* The resource lies in its block. */
static void put_resource(struct h2_stream *st, struct entry *e)
{
    const struct answer a = {.status = 200, .content_type = "application/json"};
    struct slice body = block_encoded(e, FORM_NDJSON, ndjson_put_event);

    st->state = H2_ANSWERED;
    st->last = true;
    st->moved = h2_stream_tick(st);
    h2_head_respond(st, &a, body.len, true);
    h2_send_watch(st);
    h2_send_shared(st, body, e->block);
}

/* Once the session has taken the promise it is the one that ends the stream, also when
 * the promise cannot be sent in the end: the line alone is sent then. */
static void push(struct h2_stream *parent, struct entry *e)
{
    struct h2_stream *st = h2_stream_new(parent->conn, 0);

    st->promised = true;
    parent->conn->promised++;
    st->id = promise(parent, st, e->e.id);
    if (st->id == 0) {
        h2_stream_over(st);
        return;
    }
    metric_add(M_H2_PUSHED, 1);
    put_resource(st, e);
}

/* False: it has to wait for a promise, and the event with it. */
static bool promised(struct h2_stream *parent, struct entry *e)
{
    struct h2_conn *h = parent->conn;
    size_t max = promises_max(h);

    if (e->e.id <= parent->promised_to || max == 0 || h->h2->streams >= h->h2->streams_max)
        return true;
    if (h->promised >= max) {
        parent->wants_promise = true;
        return false;
    }
    parent->promised_to = e->e.id; /* whether its line can go now or not */
    push(parent, e);
    return true;
}

size_t h2_push_run(struct h2_stream *st, struct run *r, unsigned form, form_encode encode)
{
    size_t taken = 0;

    while (taken < r->count && !conn_pending(&st->conn->conn)) {
        struct entry *e = r->entries[taken];
        struct conn_piece line = {.shared = block_encoded(e, form, encode),
                                  .pins = &e->block->pins};

        if (!promised(st, e) || st->state != H2_STREAM || h2_send_pieces(st, &line, 1) == 0)
            break;
        taken++;
    }
    if (st->state != H2_STREAM)
        return r->count; /* it has ended meanwhile */
    st->wanted = taken < r->count;
    if (st->wanted && conn_pending(&st->conn->conn))
        h2_send_wait(st);
    return taken;
}
