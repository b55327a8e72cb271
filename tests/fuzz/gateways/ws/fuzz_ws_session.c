/*
 * fuzz_ws_session.c - a WebSocket connection from its first frame to its end, with
 * the real session, subscriptions and hub, but no socket and no broker: both are
 * played here.  Whatever comes, what goes out are whole and right frames, in
 * sluice.json valid JSON, none after the close frame, and no event that it may not see.
 *
 * Input: how the connection was negotiated (a byte), then steps, each a byte and what
 * it needs: bytes of the client, whole frames of its, acknowledgements, events, pages,
 * a full socket, time, who the client is and whether that still stands.
 */
#include <assert.h>
#include <stdlib.h>

#include "json.h"
#include "mem.h"
#include "played_site.h"
#include "ws_forms.h"
#include "ws_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define TOPICS 3
static const char *const topics[TOPICS] = {"a", "a/b", "c"};

static struct world {
    struct ws_gateway ws;
    struct ws_session *session;
    struct buf in, written;
    bool raw, deflate;
    bool ended, full, offering, taken_over, eof;
    uint64_t head;
} w;

/* --- the channel ------------------------------------------------------------------ */

static bool pending(const struct channel *c)
{
    (void)c;
    return w.full;
}

static size_t unread(const struct channel *c)
{
    (void)c;
    return 0;
}

static void channel_take(struct channel *c, struct slice bytes)
{
    (void)c;
    assert(!w.ended);
    buf_put_slice(&w.written, bytes);
}

static size_t take_run(struct channel *c, struct run *r, unsigned form, form_encode encode)
{
    size_t n = w.full ? 0 : r->count;

    for (size_t i = 0; i < n; i++) {
        assert(caller_may(&w.session->caller, AUTH_SUBSCRIBE, r->entries[i]->e.topic));
        channel_take(c, block_encoded(r->entries[i], form, encode));
    }
    return n;
}

static size_t take_pieces(struct channel *c, const struct conn_piece *pieces, size_t count)
{
    size_t n = w.full ? 0 : count;

    assert(count > 0 && count <= CONN_PIECES_MAX && caller_stands(&w.session->caller));
    for (size_t i = 0; i < n; i++) {
        channel_take(c, pieces[i].head);
        channel_take(c, pieces[i].shared);
        channel_take(c, pieces[i].rest);
    }
    return n;
}

static void finish(struct channel *c)
{
    (void)c;
    assert(!w.ended);
    w.ended = true;
}

static void pump(struct channel *c)
{
    size_t used;

    if (w.ended || w.offering || !w.taken_over || w.in.len == 0)
        return;
    w.offering = true;
    used = c->owner->input(c, buf_slice(&w.in));
    w.offering = false;
    assert(used <= w.in.len);
    buf_consume(&w.in, used);
}

static const struct conn *peer(const struct channel *c)
{
    static const struct conn conn = {.fd = -1};

    (void)c;
    return &conn;
}

static const struct channel_ops channel_ops = {.write = channel_take,
                                               .run = take_run,
                                               .pieces = take_pieces,
                                               .pending = pending,
                                               .unread = unread,
                                               .pump = pump,
                                               .finish = finish,
                                               .close = finish,
                                               .socket = peer};

/* --- the handshake ---------------------------------------------------------------- */

static void accepted(struct ws_session *s)
{
    s->channel.ops = &channel_ops;
    ws_input_open(s);
}

static void begun(struct ws_session *s)
{
    w.taken_over = true;
    pump(&s->channel);
}

static void refused(struct ws_session *s, const struct problem *p)
{
    assert(p->error != ERR_NONE);
    ws_session_end(s);
    w.ended = true;
}

static const struct ws_opening opening = {.accepted = accepted, .begun = begun, .refused = refused};

/* --- the broker ------------------------------------------------------------------- */

static void acknowledge(enum sluice_error error)
{
    struct link_publish *p = played.publishes;
    struct wire_ack a = {.error = (uint16_t)error, .count = 1};
    uint8_t id[8];

    if (p == NULL)
        return;
    le64_put(id, ++w.head);
    if (error == ERR_NONE)
        a.ids = (struct slice){(char *)id, sizeof id};
    else
        a.text = SLICE("no");
    DL_DELETE(played.publishes, p);
    p->cb(p, &a);
}

/* An empty page, one that tells of a gap, or the broker's error. */
static void read_answer(uint8_t how)
{
    struct link_read *r = played_next_read();
    struct wire_page page = {.head = w.head,
                             .removed_to = how % 3 == 1 ? w.head : 0,
                             .reason = how % 3 == 1 ? GAP_EXPIRED : GAP_NONE};
    struct buf b = {0};

    if (r == NULL)
        return;
    if (how % 3 != 2 && r->frame.p[0] == WIRE_PAGE) {
        wire_page_begin(&b, &page);
        wire_page_finish(&b, 0, w.head, 0);
    }
    played_answer(r, &b, ERR_BAD_FILTER);
}

static void events(uint8_t which)
{
    uint64_t after = w.head;
    struct buf b = {0};
    struct zmsg z;

    for (unsigned i = 0; i < 1u + which / 16; i++) {
        struct event e = {.id = ++w.head,
                          .time = 1,
                          .topic = slice_of(topics[(which + i) % TOPICS]),
                          .payload = which % 2 ? SLICE("text") : SLICE("\xff\x00")};
        event_record_put(&b, &e);
    }
    zmsg_init_copy(&z, b.p, b.len);
    buf_free(&b);
    hub_live(world.site.use.hub, after, w.head, &z, reader_of(zmsg_data(&z), zmsg_size(&z)));
    zmsg_close(&z);
}

/* --- the client ------------------------------------------------------------------- */

static void receive(struct slice bytes)
{
    if (w.eof)
        return;
    buf_put_slice(&w.in, bytes);
    pump(&w.session->channel);
}

/* A frame of its, with a mask that does nothing. */
static void receive_frame(uint8_t first, struct slice payload)
{
    uint8_t head[6] = {first, (uint8_t)(0x80 | payload.len)};

    if (payload.len > 125)
        payload.len = 125;
    head[1] = (uint8_t)(0x80 | payload.len);
    receive((struct slice){(char *)head, sizeof head});
    receive(payload);
}

/* It says who it is, at once or so that it is asked about. */
static void receive_auth(uint8_t arg)
{
    struct buf b = {0};

    if (arg % 3 == 0)
        buf_printf(&b, "{\"op\":\"auth\",\"user\":\"%c\",\"password\":\"%s\"}", arg % 2 ? 'a' : 'b',
                   arg % 5 == 0 ? "no" : "later");
    else
        buf_printf(&b, "{\"op\":\"auth\",\"ref\":%u,\"token\":\"%s\"}", arg, played_token(arg / 3));
    receive_frame(0x80 | WS_TEXT, buf_slice(&b));
    buf_free(&b);
}

static void receive_eof(void)
{
    struct channel *c = &w.session->channel;

    if (w.ended || w.eof || !w.taken_over)
        return;
    w.eof = true;
    c->eof_seen = true;
    c->owner->eof(c);
}

static void step_identity(uint8_t arg)
{
    if (arg == 0 && !w.ended && w.taken_over)
        w.session->channel.owner->drain(&w.session->channel);
    else if (arg == 1)
        receive_eof();
    else if (arg < 100)
        receive_auth(arg);
    else
        played_identity(arg);
}

static void writable(void)
{
    w.full = false;
    if (!w.ended && w.taken_over)
        w.session->channel.owner->writable(&w.session->channel);
}

static void turn(void)
{
    (void)hub_turn(world.site.use.hub);
    (void)ws_gateway_turn(&w.ws);
}

/* --- what went out ---------------------------------------------------------------- */

static void check_data(uint8_t first, struct slice payload, struct inflater *inflater)
{
    struct buf plain = {0};

    assert((first & 0x40) == 0 || w.deflate);
    if ((first & 0x40) != 0) {
        enum inflate_verdict v = inflater_put(inflater, payload, 1 << 20, &plain);
        assert(v == INFLATE_OK);
        payload = buf_slice(&plain);
    }
    if ((first & 15) == WS_TEXT)
        assert(utf8_valid(payload.p, payload.len));
    if (!w.raw)
        assert((first & 15) == WS_TEXT && json_check(payload) == JSON_OBJECT);
    buf_free(&plain);
}

static void check_written(void)
{
    struct inflater *inflater = inflater_new();
    struct reader r = reader_of(w.written.p, w.written.len);
    bool closed = false;

    while (r.left > 0) {
        uint8_t first = reader_u8(&r), second = reader_u8(&r);
        uint64_t size = second;

        for (unsigned n = second == 127 ? 8 : second == 126 ? 2 : 0, i = 0; i < n; i++)
            size = (i == 0 ? 0 : size << 8) | reader_u8(&r);
        assert(!closed && (first & 0xb0) == 0x80 && second < 128);
        struct slice payload = reader_bytes(&r, (size_t)size);
        assert(!r.bad);
        if ((first & 15) == WS_CLOSE)
            closed = true;
        else if ((first & 8) == 0)
            check_data(first, payload, inflater);
    }
    inflater_free(inflater);
}

/* --- one input -------------------------------------------------------------------- */

static void start_process(void)
{
    played_site_start("ws");
    w.ws = (struct ws_gateway){.site = &world.site,
                               .wake = played_wake,
                               .auth_timeout_ms = 3000,
                               .ping_ms = 1000,
                               .ping_timeout_ms = 1000,
                               .message_timeout_ms = 5000,
                               .max_subscriptions = 5,
                               .publish_window = 2000,
                               .message_max = 2048,
                               .inflate_max = 2048,
                               .message_max_raw = 256,
                               .publish = {.max_payload = 256, .max_batch = 1},
                               .held_max = 3000,
                               .forms = {.deflater = deflater_new(1)},
                               .inflater = inflater_new()};
    ws_forms_init(&w.ws.forms);
}

/* Whom it has shown to be at the upgrade. */
static void begin_known(void)
{
    struct credentials shown = {.kind = CREDENTIALS_TOKEN, .token = SLICE(".a")};
    struct auth_answer answer;
    struct auth_ask *later = authority_ask(world.site.use.authority, &shown, &answer, NULL, NULL);
    struct caller who = {0};

    assert(later == NULL && answer.outcome == AUTH_KNOWN);
    (void)later;
    caller_begin(&who, answer.principal);
    ws_auth_begin(w.session, &who);
    caller_end(&who);
}

/* It says that later; has_words: its address has a subscription, which waits. */
static void begin_unknown(bool has_words)
{
    const struct subscribe_limits limits = site_subscribe_limits(&world.site);
    struct subscribe words;
    struct problem p;
    enum subscribe_verdict v;

    subscribe_init(&words, 8);
    v = subscribe_set(&words, &limits, SLICE("topic"), SLICE("a/b"), &p);
    assert(v == SUBSCRIBE_TAKEN);
    (void)v;
    ws_auth_await(w.session, has_words ? &words : NULL);
    subscribe_free(&words);
    accepted(w.session);
    begun(w.session);
}

static void begin(uint8_t how)
{
    static const struct hub_limits limits = {.ring = 4000, .page_cache = 2000, .turn = 1 << 20};
    struct ws_deflate deflate = {(how & 2) != 0, (how & 4) != 0 ? 8 : 15, (how & 4) != 0};
    struct subscribe words;

    w.raw = (how & 1) != 0;
    w.deflate = deflate.on;
    w.head = 1000;
    played_site_begin(&limits, w.head);
    w.session = ws_session_new(&w.ws, w.raw, deflate);
    if (!w.raw && (how & 32) != 0) {
        ws_auth_begin(w.session, &(struct caller){0});
        begin_unknown((how & 8) != 0);
        return;
    }
    begin_known();
    if (w.raw)
        buf_puts(&w.session->topic, "a/b");
    if (!w.raw && (how & 8) == 0) {
        accepted(w.session);
        begun(w.session);
        return;
    }
    subscribe_init(&words, 8);
    words.filters[0] = SLICE("a/b");
    words.filter_count = 1;
    words.start = (how & 16) != 0 ? (struct start){START_AFTER, 5} : words.start;
    w.session->opening = &opening;
    if (!subscribe_charge(&words, &w.session->caller, &(struct problem){0}))
        abort();
    ws_subscribe_path(w.session, &words);
    subscribe_free(&words);
}

static void step(struct reader *r)
{
    uint8_t op = reader_u8(r), arg = reader_u8(r);
    struct slice bytes = {(const char *)r->p, arg < r->left ? arg : r->left};

    switch (op % 16) {
    case 0:
        receive(reader_bytes(r, bytes.len));
        break;
    case 1:
        receive_frame(0x80 | WS_TEXT, reader_bytes(r, bytes.len));
        break;
    case 2:
        receive_frame(0x80 | WS_BINARY, reader_bytes(r, bytes.len));
        break;
    case 3:
        receive_frame(0xc0 | WS_TEXT, reader_bytes(r, bytes.len));
        break;
    case 4:
        receive_frame(op & 0x80 ? 0x80 | WS_CONTINUATION : WS_TEXT, reader_bytes(r, bytes.len));
        break;
    case 5:
        acknowledge(ERR_NONE);
        break;
    case 6:
        acknowledge((enum sluice_error)(arg % 30));
        break;
    case 7:
        events(arg);
        break;
    case 8:
        played_filters_live(world.site.use.hub, w.head);
        break;
    case 9:
        read_answer(arg);
        break;
    case 10:
        w.full = true;
        break;
    case 11:
        writable();
        break;
    case 12:
        played_site_time((uint64_t)arg * 20);
        break;
    case 13:
        played.full = !played.full;
        break;
    case 14:
        turn();
        break;
    default:
        step_identity(arg);
    }
}

static void leave(void)
{
    if (!w.ended && w.taken_over)
        w.session->channel.owner->gone(&w.session->channel);
    else if (!w.ended)
        ws_session_end(w.session);
    w.ended = true;
}

/* Everything that is still open closes, and nothing is left. */
static void end(void)
{
    bool open = !w.ended && w.taken_over;

    turn();
    if (open && !w.ended)
        ws_session_flush(w.session);
    check_written();
    leave();
    while (played.publishes != NULL)
        acknowledge(ERR_UNAVAILABLE);
    assert(w.ws.held == 0 && w.ws.speaking == NULL && w.ws.publishing == 0);
    played_site_end();
    buf_free(&w.in);
    buf_free(&w.written);
    w.ended = w.full = w.taken_over = w.eof = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct reader r = reader_of(p, len);

    if (w.ws.inflater == NULL)
        start_process();
    begin(reader_u8(&r));
    while (r.left > 0) {
        step(&r);
        turn();
    }
    end();
    return 0;
}
