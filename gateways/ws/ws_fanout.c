/*
 * ws_fanout.c - events to the socket of one client.
 *
 * One subscription, by the address alone: the run goes out in a form that all
 * such clients share, in one system call.  Any other subscription of sluice.json
 * has refs of its own to say, and so has an event that several subscriptions of
 * the connection share.  Then each event is three pieces, of which only the
 * middle one is long, and shared:
 *
 *   frame header │ {"op":"event",…,"subs":[ │ "r1","r2"]}
 *
 * Compressed, the middle ends on a byte (deflate.h), so that the refs can follow
 * it as they are.
 *
 * A client that asked for a small window gets compressed only what fits into it;
 * so what it is sent is chosen event by event, from the same shared bytes.
 */
#include <string.h>

#include "mem.h"
#include "ws_forms.h"
#include "ws_session.h"

#define OWN_MAX (256u * 1024) /* of the scratch buffer, kept from run to run */

static bool has_small_window(const struct ws_session *s)
{
    return s->deflate.on && s->deflate.bits_asked && s->deflate.server_bits < WS_WINDOW_BITS_MAX;
}

static bool may_pack(const struct ws_session *s, size_t message)
{
    return !has_small_window(s) || message <= (size_t)1 << s->deflate.server_bits;
}

/* --- pieces ----------------------------------------------------------------------- */

/* A whole frame, as it is shared.  A frame is longer than its message. */
static void whole_piece(const struct ws_session *s, size_t i, struct entry *e, enum ws_form form)
{
    struct slice frame = ws_form_of(e, form);

    if (may_pack(s, frame.len))
        frame = ws_form_of(e, form + 1);
    s->ws->pieces[i] = (struct conn_piece){.shared = frame, .pins = &e->block->pins};
}

/* The refs, behind what is shared: as they are, or as a stored block. */
static void put_rest(struct ws_gateway *ws, const struct slice *refs, size_t count, bool packed)
{
    struct buf *plain = &ws->rest;

    if (!packed) {
        ws_json_put_subs(&ws->own, refs, count);
        return;
    }
    buf_clear(plain);
    ws_json_put_subs(plain, refs, count);
    deflate_put_rest(buf_slice(plain), &ws->own);
    if (plain->cap > OWN_MAX)
        buf_free(plain);
}

static size_t rest_size(const struct slice *refs, size_t count)
{
    size_t n = count + 1; /* commas and ]} */

    for (size_t i = 0; i < count; i++)
        n += refs[i].len;
    return n;
}

/* The shared part for this client; *packed says which it is. */
static struct slice open_form(const struct ws_session *s, struct entry *e, const struct slice *refs,
                              size_t count, bool *packed)
{
    struct slice form = {NULL, 0};

    *packed = false;
    if (s->deflate.on && (!has_small_window(s) ||
                          may_pack(s, ws_form_of(e, WS_FORM_OPEN).len + rest_size(refs, count))))
        form = ws_form_of(e, WS_FORM_OPEN_PACKED);
    *packed = form.len > 0;
    return *packed ? form : ws_form_of(e, WS_FORM_OPEN);
}

/* Until the buffer has grown to the end, places in it are offsets.  The header's
 * length follows from the rest's, so it is put before it afterwards. */
static void open_piece(const struct ws_session *s, size_t i, struct entry *e,
                       const struct slice *refs, size_t count)
{
    struct buf *own = &s->ws->own;
    struct conn_piece *p = &s->ws->pieces[i];
    uint8_t head[WS_HEADER_MAX];
    size_t start = own->len;
    bool packed;

    *p = (struct conn_piece){.pins = &e->block->pins};
    p->shared = open_form(s, e, refs, count, &packed);
    (void)buf_reserve(own, sizeof head);
    own->len += sizeof head;
    put_rest(s->ws, refs, count, packed);
    p->rest.len = own->len - start - sizeof head;
    p->head.len = ws_header_put(head, WS_TEXT, packed, p->shared.len + p->rest.len);
    memcpy(own->p + start + sizeof head - p->head.len, head, p->head.len);
    s->ws->own_at[i] = start + sizeof head;
}

static size_t write_pieces(struct ws_session *s, size_t count)
{
    struct ws_gateway *ws = s->ws;
    size_t taken;

    for (size_t i = 0; i < count && ws->own.len > 0; i++) {
        const char *rest = (const char *)ws->own.p + ws->own_at[i];

        ws->pieces[i].head.p = rest - ws->pieces[i].head.len;
        ws->pieces[i].rest.p = rest;
    }
    taken = channel_pieces(&s->channel, ws->pieces, count);
    buf_clear(&ws->own);
    if (ws->own.cap > OWN_MAX)
        buf_free(&ws->own);
    return taken;
}

/* --- runs ------------------------------------------------------------------------- */

/* The pieces of a run, some at a time, made by make(). */
struct ws_pieces {
    struct ws_session *session;
    struct run *run;
    void (*make)(const struct ws_pieces *p, size_t i, size_t entry);
    const struct ws_subscription *sub; /* make's own, as all below */
    const struct bundle_run *shared;
    enum ws_form form;
};

static size_t pieces_write(const struct ws_pieces *p)
{
    size_t done = 0, n, taken;

    while (done < p->run->count) {
        n = p->run->count - done;
        n = n < CONN_PIECES_MAX ? n : CONN_PIECES_MAX;
        for (size_t i = 0; i < n; i++)
            p->make(p, i, done + i);
        taken = write_pieces(p->session, n);
        done += taken;
        if (taken < n)
            break;
    }
    return done;
}

static void make_whole(const struct ws_pieces *p, size_t i, size_t entry)
{
    whole_piece(p->session, i, p->run->entries[entry], p->form);
}

static void make_own_ref(const struct ws_pieces *p, size_t i, size_t entry)
{
    struct slice ref = {p->sub->ref, p->sub->ref_len};

    open_piece(p->session, i, p->run->entries[entry], &ref, 1);
}

static void make_shared(const struct ws_pieces *p, size_t i, size_t entry)
{
    const struct bundle_run *r = p->shared;
    struct slice *refs = p->session->ws->refs;
    size_t count = 0;

    for (size_t k = entry > 0 ? r->ends[entry - 1] : 0; k < r->ends[entry]; k++) {
        const struct ws_subscription *sub = r->shares[k]->data;
        refs[count++] = (struct slice){sub->ref, sub->ref_len};
    }
    open_piece(p->session, i, p->run->entries[entry], refs, count);
}

size_t ws_fanout_events(struct subscription *subscription, struct run *r)
{
    const struct ws_subscription *sub = subscription->data;
    struct ws_session *s = sub->session;
    enum ws_form form = s->raw ? WS_FORM_RAW : WS_FORM_PATH;
    struct ws_pieces p = {.session = s, .run = r, .sub = sub, .form = form};

    ws_session_flush(s);
    if (sub->path && !has_small_window(s)) {
        form += s->deflate.on;
        return channel_run(&s->channel, r, form, ws_form_encoders[form]);
    }
    p.make = sub->path ? make_whole : make_own_ref;
    return pieces_write(&p);
}

size_t ws_fanout_shared(struct bundle *b, struct bundle_run *r)
{
    struct ws_session *s = CONTAINER_OF(b, struct ws_session, bundle);
    struct ws_pieces p = {.session = s, .run = r->run, .make = make_shared, .shared = r};

    ws_session_flush(s);
    return pieces_write(&p);
}
