/*
 * h2_session.c - nghttp2, and what it leaves to its user.
 *
 * nghttp2 keeps streams, windows and HPACK, checks every frame, and refuses what breaks
 * the protocol.  Left to us: how large a head may be (it only announces that), how much
 * a client may send that serves nothing, and to say ENHANCE_YOUR_CALM then; and what it
 * lets pass because it forgets closed streams and reads no priorities.
 *
 * A glitch is a PING, SETTINGS, RST_STREAM or PRIORITY, an empty DATA, a frame that is
 * refused; and a WINDOW_UPDATE that no DATA frame has paid for.  One pays for two, its
 * stream's and the connection's, unless it is small because the windows are.
 */
#include "h2_session.h"

#include <assert.h>
#include <stdlib.h>

#include <nghttp2/nghttp2.h>

#include "clock.h"
#include "glitches.h"
#include "h2_past.h"
#include "h2_walk.h"
#include "mem.h"
#include "metrics.h"

#define HEAD_MAX 8           /* times max_header: whoever sends so much means harm */
#define FIELDS_MAX 48        /* of an answer */
#define CONTINUATIONS_MAX 16 /* frames that one head may come in, besides its first */
#define OUTBOUND_ACK_MAX 1000
#define CONNECTION_WINDOW 16 /* times a stream's */
#define SMALL_DATA 64        /* shorter DATA pays for nothing, unless it is all there was */
#define UPDATES_MAX 1000000
#define REFUSED_COST 4 /* in glitches, of a frame that is refused */

static const uint8_t drain_ping[8] = {'s', 'l', 'u', 'i', 'c', 'e', 0, 0};

struct h2_session {
    nghttp2_session *ng;
    const struct h2_session_ops *ops;
    void *arg;
    struct h2_session_limits limits;
    struct glitches glitches;
    struct h2_past past;
    struct h2_walk walk;
    size_t head;         /* bytes of the head that is being received */
    enum h2_error fault; /* what to say when receiving fails */
    bool dead;           /* nothing more is understood */
    bool busy;           /* ops may run */
    bool left;           /* the client has said GOAWAY */
    bool draining, pinged;
    bool full_offer;  /* the frame being sent is all that there was */
    uint32_t updates; /* WINDOW_UPDATEs that are paid for */
};

static struct slice slice_at(const uint8_t *p, size_t len)
{
    return (struct slice){(const char *)p, len};
}

static void *h2_session_stream(struct h2_session *s, int32_t id)
{
    return nghttp2_session_get_stream_user_data(s->ng, id);
}

/* --- glitches --------------------------------------------------------------------- */

/* Receiving ends; the client learns why. */
static int h2_session_fail(struct h2_session *s, enum h2_error error)
{
    s->fault = error;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int glitch(struct h2_session *s, uint64_t cost)
{
    if (glitches_take(&s->glitches, cost, clock_mono_ms()))
        return 0;
    return h2_session_fail(s, H2_ENHANCE_YOUR_CALM);
}

static bool serves_nothing(struct h2_session *s, const nghttp2_frame_hd *hd)
{
    switch (hd->type) {
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
        return (hd->flags & NGHTTP2_FLAG_ACK) == 0;
    case NGHTTP2_DATA:
        return hd->length == 0 && (hd->flags & NGHTTP2_FLAG_END_STREAM) == 0;
    case NGHTTP2_RST_STREAM:
        metric_add(M_H2_RESETS, 1);
        return true;
    case NGHTTP2_PRIORITY:
        return true;
    case NGHTTP2_WINDOW_UPDATE:
        if (s->updates == 0)
            return true;
        s->updates--;
        return false;
    default:
        return false;
    }
}

/* --- what nghttp2 lets pass ------------------------------------------------------- */

/* A frame that is refused, with the whole connection. */
static int refuse(struct h2_session *s, enum h2_error error)
{
    metric_add(M_HTTP_BAD, 1);
    return h2_session_fail(s, error);
}

/* HEADERS or DATA on a stream that nghttp2 has forgotten, or never heard of. */
static int check_gone(struct h2_session *s, const struct h2_frame *f)
{
    if (f->stream % 2 == 0) /* ours: a promise, if it is anything */
        return f->stream != 0 && f->stream < nghttp2_session_get_next_stream_id(s->ng)
                   ? refuse(s, H2_STREAM_CLOSED)
                   : 0;
    switch (h2_past_of(&s->past, f->stream)) {
    case H2_PAST_SKIPPED:
        return refuse(s, f->type == NGHTTP2_DATA ? H2_STREAM_CLOSED : H2_PROTOCOL_ERROR);
    case H2_PAST_ENDED:
        return refuse(s, H2_STREAM_CLOSED);
    default: /* to come, or reset by us: the client may not know yet */
        return 0;
    }
}

static int check_frame(struct h2_session *s, const struct h2_frame *f)
{
    bool carries = f->type == NGHTTP2_HEADERS || f->type == NGHTTP2_DATA;
    int rc = 0;

    if (f->type == NGHTTP2_PRIORITY && (f->stream == 0 || f->stream == f->dependency))
        return refuse(s, H2_PROTOCOL_ERROR);
    if (carries && nghttp2_session_find_stream(s->ng, (int32_t)f->stream) == NULL)
        rc = check_gone(s, f);
    if (f->type == NGHTTP2_HEADERS)
        h2_past_begin(&s->past, f->stream);
    if (f->type == NGHTTP2_RST_STREAM || (carries && (f->flags & NGHTTP2_FLAG_END_STREAM) != 0))
        h2_past_end(&s->past, f->stream);
    return rc;
}

static int h2_session_on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *arg)
{
    (void)ng;
    return serves_nothing(arg, hd) ? glitch(arg, 1) : 0;
}

static int h2_session_on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error,
                                       void *arg)
{
    (void)ng;
    (void)frame;
    (void)error;
    metric_add(M_HTTP_BAD, 1);
    return glitch(arg, REFUSED_COST);
}

/* --- requests --------------------------------------------------------------------- */

static int h2_session_on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    void *stream;

    s->head = 0;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers, which nobody asks for */
    stream = s->ops->begin(s->arg, frame->hd.stream_id);
    if (stream != NULL)
        (void)nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, stream);
    else
        h2_session_reset(s, frame->hd.stream_id, H2_REFUSED_STREAM);
    return 0;
}

static int h2_session_on_header(nghttp2_session *ng, const nghttp2_frame *frame,
                                const uint8_t *name, size_t name_len, const uint8_t *value,
                                size_t value_len, uint8_t flags, void *arg)
{
    struct h2_session *s = arg;
    void *stream = h2_session_stream(s, frame->hd.stream_id);

    (void)ng;
    (void)flags;
    s->head += name_len + value_len + 32; /* as RFC 9113, 6.5.2 counts */
    if (s->head > HEAD_MAX * s->limits.max_header)
        return h2_session_fail(s, H2_ENHANCE_YOUR_CALM);
    if (stream != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST &&
        s->head <= s->limits.max_header)
        s->ops->field(stream, slice_at(name, name_len), slice_at(value, value_len));
    return 0;
}

/* What nghttp2 would pass over in silence is an error, as in HTTP/1.1. */
static int h2_session_on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame,
                                        const uint8_t *name, size_t name_len, const uint8_t *value,
                                        size_t value_len, uint8_t flags, void *arg)
{
    (void)ng;
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)arg;
    metric_add(M_HTTP_BAD, 1);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void h2_session_on_pong(struct h2_session *s, const nghttp2_ping *ping)
{
    if (s->pinged && (ping->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
        memcmp(ping->opaque_data, drain_ping, sizeof drain_ping) == 0)
        h2_session_drain_now(s);
}

static int h2_session_on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    void *stream = h2_session_stream(s, frame->hd.stream_id);
    bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    (void)ng;
    if (frame->hd.type == NGHTTP2_PING)
        h2_session_on_pong(s, &frame->ping);
    s->left = s->left || frame->hd.type == NGHTTP2_GOAWAY;
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST &&
        !s->ops->head(stream, ended, s->head > s->limits.max_header)) {
        metric_add(M_HTTP_BAD, 1);
        h2_session_reset(s, frame->hd.stream_id, H2_PROTOCOL_ERROR);
        return glitch(s, REFUSED_COST);
    }
    if (ended)
        s->ops->end(stream);
    return 0;
}

static int h2_session_on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p,
                              size_t len, void *arg)
{
    struct h2_session *s = arg;
    void *stream = h2_session_stream(s, id);

    (void)ng;
    (void)flags;
    if (stream != NULL)
        s->ops->data(stream, slice_at(p, len));
    else
        h2_session_discard(s, len);
    return 0;
}

static int h2_session_on_close(nghttp2_session *ng, int32_t id, uint32_t error, void *arg)
{
    struct h2_session *s = arg;
    void *stream = h2_session_stream(s, id);

    (void)error;
    (void)nghttp2_session_set_stream_user_data(ng, id, NULL);
    if (stream != NULL)
        s->ops->closed(stream);
    return 0;
}

/* --- answers ---------------------------------------------------------------------- */

static ssize_t h2_session_on_write(nghttp2_session *ng, const uint8_t *p, size_t len, int flags,
                                   void *arg)
{
    struct h2_session *s = arg;

    (void)ng;
    (void)flags;
    s->ops->write(s->arg, slice_at(p, len));
    return (ssize_t)len;
}

static ssize_t h2_session_on_offer(nghttp2_session *ng, int32_t id, uint8_t *to, size_t max,
                                   uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct h2_session *s = arg;
    bool last = false;
    size_t n;

    (void)ng;
    (void)id;
    (void)to;
    n = s->ops->offer(source->ptr, max, &last);
    assert(n <= max);
    if (n == 0 && !last)
        return NGHTTP2_ERR_DEFERRED;
    s->full_offer = n < max;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY | (last ? NGHTTP2_DATA_FLAG_EOF : 0u);
    return (ssize_t)n;
}

static int h2_session_on_put(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head,
                             size_t len, nghttp2_data_source *source, void *arg)
{
    struct h2_session *s = arg;

    (void)ng;
    (void)frame;
    s->ops->write(s->arg, slice_at(head, 9));
    if (len > 0)
        s->ops->put(source->ptr, len);
    if ((s->full_offer || len >= SMALL_DATA) && s->updates < UPDATES_MAX)
        s->updates += 2;
    return 0;
}

/* The answer to a PING behind it says that the client has heard the notice. */
static void goaway_sent(struct h2_session *s, uint32_t error)
{
    if (error != NGHTTP2_NO_ERROR)
        metric_add(M_H2_ERRORS, 1);
    else if (s->draining && !s->pinged)
        (void)nghttp2_submit_ping(s->ng, NGHTTP2_FLAG_NONE, drain_ping);
    s->pinged = s->draining;
}

static int h2_session_on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    void *stream;
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        goaway_sent(s, frame->goaway.error_code);
    if (!ends || nghttp2_session_get_stream_remote_close(ng, frame->hd.stream_id) != 0)
        return 0;
    stream = h2_session_stream(s, frame->hd.stream_id);
    if (stream != NULL)
        s->ops->early(stream);
    return 0;
}

/* --- life ------------------------------------------------------------------------- */

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *c;

    if (nghttp2_session_callbacks_new(&c) != 0)
        abort();
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, h2_session_on_begin_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, h2_session_on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, h2_session_on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, h2_session_on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(c, h2_session_on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, h2_session_on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, h2_session_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, h2_session_on_close);
    nghttp2_session_callbacks_set_send_callback(c, h2_session_on_write);
    nghttp2_session_callbacks_set_send_data_callback(c, h2_session_on_put);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, h2_session_on_frame_sent);
    return c;
}

/* Resets are glitches: nghttp2's own limit on them, which says INTERNAL_ERROR, lies
 * above ours. */
static nghttp2_option *make_options(const struct h2_session_limits *l)
{
    nghttp2_option *o;

    if (nghttp2_option_new(&o) != 0)
        abort();
    nghttp2_option_set_no_recv_client_magic(o, 1);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_outbound_ack(o, OUTBOUND_ACK_MAX);
    nghttp2_option_set_max_continuations(o, CONTINUATIONS_MAX);
    nghttp2_option_set_stream_reset_rate_limit(o, 2 * l->glitches + 1, 2 * l->glitch_rate + 1);
    return o;
}

static void say_settings(struct h2_session *s)
{
    const struct h2_session_limits *l = &s->limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)l->max_header},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    int rc = nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));

    assert(rc == 0);
    rc = nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
                                               (int32_t)(l->window * CONNECTION_WINDOW));
    assert(rc == 0);
    (void)rc;
}

struct h2_session *h2_session_new(const struct h2_session_limits *l,
                                  const struct h2_session_ops *ops, void *arg)
{
    struct h2_session *s = mem_zalloc(sizeof *s);
    nghttp2_session_callbacks *callbacks = make_callbacks();
    nghttp2_option *options = make_options(l);

    s->ops = ops;
    s->arg = arg;
    s->limits = *l;
    glitches_init(&s->glitches, l->glitches, l->glitch_rate, clock_mono_ms());
    if (nghttp2_session_server_new2(&s->ng, callbacks, s, options) != 0)
        abort(); /* out of memory, see mem.h */
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    say_settings(s);
    return s;
}

void h2_session_free(struct h2_session *s)
{
    assert(!s->busy);
    nghttp2_session_del(s->ng);
    free(s);
}

static enum h2_error error_of(int rc)
{
    switch (rc) {
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
        return H2_ENHANCE_YOUR_CALM;
    default:
        return H2_INTERNAL_ERROR;
    }
}

static int feed(struct h2_session *s, struct slice bytes)
{
    ssize_t n;

    if (bytes.len == 0)
        return 0;
    n = nghttp2_session_mem_recv(s->ng, (const uint8_t *)bytes.p, bytes.len);
    return n < 0 ? (int)n : 0;
}

/* Each frame is looked at when nghttp2 has seen all before it, but not its header whole. */
static int feed_frames(struct h2_session *s, struct slice bytes)
{
    size_t fed = 0, at = 0;
    struct h2_frame f;
    int rc = 0;

    while (rc == 0 && h2_walk(&s->walk, bytes, &at, &f)) {
        rc = feed(s, (struct slice){bytes.p + fed, at - 1 - fed});
        if (rc == 0)
            rc = check_frame(s, &f);
        fed = at - 1;
    }
    return rc == 0 ? feed(s, (struct slice){bytes.p + fed, bytes.len - fed}) : rc;
}

bool h2_session_receive(struct h2_session *s, struct slice bytes)
{
    int rc;

    assert(!s->busy);
    if (s->dead)
        return false;
    s->busy = true;
    rc = feed_frames(s, bytes);
    s->busy = false;
    if (rc == 0)
        return true;
    s->dead = true;
    if (s->fault == H2_NO_ERROR)
        s->fault = error_of(rc);
    if (s->fault == H2_ENHANCE_YOUR_CALM)
        metric_add(M_H2_CALMED, 1);
    h2_session_terminate(s, s->fault);
    return false;
}

void h2_session_send(struct h2_session *s)
{
    assert(!s->busy);
    s->busy = true;
    /* It fails when it is out of memory, or a callback is, and none is. */
    if (nghttp2_session_send(s->ng) != 0)
        s->dead = true;
    s->busy = false;
}

bool h2_session_over(const struct h2_session *s)
{
    return nghttp2_session_want_write(s->ng) == 0 &&
           (s->dead || nghttp2_session_want_read(s->ng) == 0);
}

size_t h2_session_queued(const struct h2_session *s)
{
    return nghttp2_session_get_outbound_queue_size(s->ng);
}

/* --- what is to be said ----------------------------------------------------------- */

/* All streams get their turns: by default nghttp2 would serve the oldest first. */
static void share_turns(struct h2_session *s, int32_t stream)
{
    const nghttp2_extpri incremental = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

    (void)nghttp2_session_change_extpri_stream_priority(s->ng, stream, &incremental, 1);
}

static void take_fields(nghttp2_nv *nv, const struct h2_field *fields, size_t count)
{
    assert(count <= FIELDS_MAX);
    for (size_t i = 0; i < count; i++)
        nv[i] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)fields[i].name.p,
                             .namelen = fields[i].name.len,
                             .value = (uint8_t *)(uintptr_t)fields[i].value.p,
                             .valuelen = fields[i].value.len};
}

void h2_session_respond(struct h2_session *s, int32_t id, const struct h2_field *fields,
                        size_t count, bool body)
{
    nghttp2_data_provider provider = {.source.ptr = h2_session_stream(s, id),
                                      .read_callback = h2_session_on_offer};
    nghttp2_nv nv[FIELDS_MAX];

    take_fields(nv, fields, count);
    share_turns(s, id);
    (void)nghttp2_submit_response(s->ng, id, nv, count, body ? &provider : NULL);
}

/* The stream is there at once, and closed when the promise cannot be sent after all: its
 * parent is over by then, or the client has said GOAWAY, or wants no promises any more. */
int32_t h2_session_promise(struct h2_session *s, int32_t parent, const struct h2_field *fields,
                           size_t count, void *stream)
{
    nghttp2_nv nv[FIELDS_MAX];
    int32_t id;

    take_fields(nv, fields, count);
    id = nghttp2_submit_push_promise(s->ng, NGHTTP2_FLAG_NONE, parent, nv, count, stream);
    return id > 0 ? id : 0;
}

size_t h2_session_promises_max(const struct h2_session *s)
{
    if (s->left || nghttp2_session_get_remote_settings(s->ng, NGHTTP2_SETTINGS_ENABLE_PUSH) == 0)
        return 0;
    return nghttp2_session_get_remote_settings(s->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void h2_session_continue(struct h2_session *s, int32_t stream)
{
    static const nghttp2_nv nv = {(uint8_t *)(uintptr_t) ":status", (uint8_t *)(uintptr_t) "100", 7,
                                  3, NGHTTP2_NV_FLAG_NONE};

    (void)nghttp2_submit_headers(s->ng, NGHTTP2_FLAG_NONE, stream, NULL, &nv, 1, NULL);
}

/* Refused when it has not stopped: its windows are closed, or it is being sent. */
void h2_session_more(struct h2_session *s, int32_t stream)
{
    (void)nghttp2_session_resume_data(s->ng, stream);
}

void h2_session_reset(struct h2_session *s, int32_t stream, enum h2_error error)
{
    (void)nghttp2_submit_rst_stream(s->ng, NGHTTP2_FLAG_NONE, stream, error);
}

void h2_session_consume(struct h2_session *s, int32_t stream, size_t bytes)
{
    (void)nghttp2_session_consume(s->ng, stream, bytes);
}

void h2_session_discard(struct h2_session *s, size_t bytes)
{
    (void)nghttp2_session_consume_connection(s->ng, bytes);
}

void h2_session_drain(struct h2_session *s)
{
    if (s->draining)
        return;
    s->draining = true;
    (void)nghttp2_submit_shutdown_notice(s->ng);
}

void h2_session_drain_now(struct h2_session *s)
{
    (void)nghttp2_submit_goaway(s->ng, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(s->ng), H2_NO_ERROR, NULL,
                                0);
}

void h2_session_terminate(struct h2_session *s, enum h2_error error)
{
    (void)nghttp2_session_terminate_session(s->ng, error);
}
