/*
 * fuzz_h2_session.c - an HTTP/2 connection from its preface to its end, with the real
 * session, streams, handlers and hub, but no socket and no broker: both are played here.
 *
 * Whatever comes, what goes out are whole and right frames: SETTINGS first, no stream's
 * data before its head or behind its end, none beyond what the windows allow, and every
 * event of a stream byte for byte as it was published, in ID order.  At the end nothing
 * is left.
 *
 * Input: the client's initial window (a byte), then steps, each a byte and an argument:
 * bytes of the client, frames of its, acknowledgements, events, pages, a full socket,
 * time, GOAWAY, settings, who is believed and who no longer.
 */
#include <assert.h>
#include <stdlib.h>

#include "event_stream.h"
#include "h2.h"
#include "h2_gateway.h"
#include "history.h"
#include "json.h"
#include "mem.h"
#include "metrics.h"
#include "played_site.h"
#include "publish.h"
#include "sse.h"
#include "ws_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define TOPICS 3
#define STREAMS 64 /* of the client's that are looked at */
static const char *const topics[TOPICS] = {"a", "a/b", "c"};

enum frame_type { DATA, HEADERS, PRIORITY, RST, SETTINGS, PROMISE, PING, GOAWAY, WINDOW };
enum { END_STREAM = 1, END_HEADERS = 4 };

/* What the client has seen of a stream. */
struct seen {
    bool promised, head, over, whole;
    int64_t window;
    struct buf data;
};

static struct world {
    struct event_streams streams;
    struct ws_gateway *sockets;
    struct h2 h2;
    struct h2_conn *conn;
    struct buf in, written;
    bool ended, full, fills, offering;
    uint64_t head;
    uint32_t next_stream;
    int64_t initial, window; /* the client's, of streams and the connection */
    struct seen seen[STREAMS], pushed[STREAMS];
    bool tampered;        /* it has sent bytes whose meaning is not followed here */
    bool shrunk;          /* and made windows smaller, when frames may have been on their way */
    bool gone;            /* it has said GOAWAY, … */
    uint64_t pushed_then; /* … when so many events had been pushed */
} w;

/* --- the socket ------------------------------------------------------------------- */

bool conn_pending(const struct conn *c)
{
    (void)c;
    return w.full;
}

void conn_write(struct conn *c, const void *p, size_t len)
{
    (void)c;
    (void)p;
    assert(!w.ended && len > 0);
    w.tampered = true; /* an answer in HTTP/1.1 */
}

void conn_write_whole(struct conn *c, const struct iovec *iov, int count)
{
    (void)c;
    assert(!w.ended && !w.full && count > 0);
    for (int i = 0; i < count; i++)
        buf_put(&w.written, iov[i].iov_base, iov[i].iov_len);
    w.full = w.fills;
}

void conn_finish(struct conn *c)
{
    assert(!w.ended);
    wheel_stop(&c->timer);
    w.ended = true;
}

void conn_close(struct conn *c)
{
    conn_finish(c);
}

void conn_timer(struct conn *c, uint64_t ms, void (*fire)(struct wheel_timer *t))
{
    wheel_stop(&c->timer);
    if (ms > 0)
        wheel_start(&world.wheel, &c->timer, ms, fire);
}

struct conn *conn_of_timer(struct wheel_timer *t)
{
    return CONTAINER_OF(t, struct conn, timer);
}

struct slice conn_peer_subject(const struct conn *c)
{
    (void)c;
    return SLICE("");
}

/* Every channel is a stream. */
struct conn *channel_conn(const struct channel *c)
{
    (void)c;
    return NULL;
}

struct slice conn_peer_address(const struct conn *c, char text[CONN_ADDRESS_MAX])
{
    (void)c;
    (void)text;
    return SLICE("");
}

void conn_pump(struct conn *c)
{
    size_t used;

    if (w.ended || w.offering || w.in.len == 0)
        return;
    w.offering = true;
    used = h2_conn_ops.input(c, buf_slice(&w.in));
    w.offering = false;
    assert(used <= w.in.len);
    buf_consume(&w.in, used);
}

/* --- the broker ------------------------------------------------------------------- */

/* Every ID up to the head is an event, and its ID says all of it. */
static struct event event_of(uint64_t id)
{
    static char payload[4000];
    size_t len = id % 11 == 0 ? 3000 + id % 1000 : id % 50;

    for (size_t i = 0; i < len; i++)
        payload[i] = (char)('a' + (id + i) % 26);
    return (struct event){
        .id = id, .time = 1, .topic = slice_of(topics[id % TOPICS]), .payload = {payload, len}};
}

static void publish_events(uint8_t how_many)
{
    uint64_t after = w.head;
    struct buf b = {0};
    struct zmsg z;

    for (unsigned i = 0; i < 1u + how_many / 4; i++) {
        struct event e = event_of(++w.head);
        event_record_put(&b, &e);
    }
    zmsg_init_copy(&z, b.p, b.len);
    buf_free(&b);
    hub_live(world.site.use.hub, after, w.head, &z, reader_of(zmsg_data(&z), zmsg_size(&z)));
    zmsg_close(&z);
}

static bool matches(const struct wire_page_req *m, const struct event *e)
{
    for (uint16_t i = 0; i < m->filter_count; i++)
        if (e->id > m->filters[i].from && filter_match(m->filters[i].filter, e->topic))
            return true;
    return false;
}

/* What of the request's range is there, a few rows. */
static void put_page(struct buf *b, const struct wire_page_req *m, uint8_t how)
{
    struct wire_page page = {.head = w.head,
                             .removed_to = how % 8 == 7 ? w.head : 0,
                             .reason = how % 8 == 7 ? GAP_EXPIRED : GAP_NONE};
    uint64_t upto = m->after > w.head ? w.head : m->after;
    uint32_t count = 0;

    wire_page_begin(b, &page);
    while (!m->descending && page.removed_to == 0 && upto < w.head && count < 1u + how / 4) {
        struct event e = event_of(++upto);

        if (!matches(m, &e))
            continue;
        event_record_put(b, &e);
        count++;
    }
    wire_page_finish(b, 0, page.removed_to != 0 ? w.head : m->descending ? 0 : upto, count);
}

/* A page, or the broker's error. */
static void read_answer(uint8_t how)
{
    struct wire_filter filters[WIRE_FILTERS_MAX];
    struct link_read *r = played_next_read();
    struct wire_page_req m;
    struct buf b = {0};

    if (r == NULL)
        return;
    if (how % 16 != 3 && r->frame.p[0] == WIRE_PAGE &&
        wire_page_req_get(r->frame.p, r->frame.len, &m, filters, WIRE_FILTERS_MAX))
        put_page(&b, &m, how);
    played_answer(r, &b, ERR_BAD_FILTER);
}

static void acknowledge(enum sluice_error error)
{
    struct link_publish *p = played.publishes;
    struct wire_ack a = {.error = (uint16_t)error};
    struct buf ids = {0};

    if (p == NULL)
        return;
    a.count = p->count;
    for (uint32_t i = 0; i < p->count; i++)
        buf_u64(&ids, w.head + 1 + i);
    if (error == ERR_NONE)
        a.ids = buf_slice(&ids);
    else
        a.text = SLICE("no");
    DL_DELETE(played.publishes, p);
    p->cb(p, &a);
    buf_free(&ids);
}

/* --- the client ------------------------------------------------------------------- */

static void receive(const void *p, size_t len)
{
    buf_put(&w.in, p, len);
    conn_pump(&w.conn->conn);
}

static void receive_frame(enum frame_type type, uint8_t flags, uint32_t stream, struct slice body)
{
    uint8_t head[9] = {(uint8_t)(body.len >> 16),
                       (uint8_t)(body.len >> 8),
                       (uint8_t)body.len,
                       (uint8_t)type,
                       flags,
                       (uint8_t)(stream >> 24),
                       (uint8_t)(stream >> 16),
                       (uint8_t)(stream >> 8),
                       (uint8_t)stream};
    struct buf b = {0};

    buf_put(&b, head, sizeof head);
    buf_put_slice(&b, body);
    receive(b.p, b.len);
    buf_free(&b);
}

static void put_field(struct buf *b, const char *name, const char *value)
{
    buf_u8(b, 0);
    buf_u8(b, (uint8_t)strlen(name));
    buf_puts(b, name);
    buf_u8(b, (uint8_t)strlen(value));
    buf_puts(b, value);
}

/* Mostly the same, as clients do; also none, wrong ones, and such as are asked about. */
static void put_credentials(struct buf *b, uint8_t which)
{
    static const char *const shown[] = {"Bearer .a",   "Bearer .a",
                                        "Bearer .b",   "Basic YTpsYXRlcg==" /* a:later */,
                                        "Bearer .al",  "Basic YjpsYXRlcg==" /* b:later */,
                                        NULL,          "Bearer .bn",
                                        "Bearer .al2", "Bearer .a",
                                        "Bearer .a"};
    const char *one = shown[(which / 15) % ARRAY_LEN(shown)];

    if (one != NULL)
        put_field(b, "authorization", one);
}

static void receive_request(uint8_t which)
{
    static const struct {
        const char *method, *path, *accept;
    } requests[] = {
        {"GET", "/events/a", "text/event-stream"},
        {"GET", "/events/a%2Fb?after=3", "text/event-stream"},
        {"GET", "/events/%23", "application/x-ndjson"},
        {"GET", "/events/c?after=1&format=json", "*/*"},
        {"GET", "/history/%23?after=2", "application/x-ndjson"},
        {"GET", "/history/a?after=0", "*/*"},
        {"POST", "/events/a", "*/*"},
        {"HEAD", "/events/a", "*/*"},
        {"GET", "/nothing", "*/*"},
        {"OPTIONS", "*", "*/*"},
        {"CONNECT", "/events/a?after=4", "*/*"},
        {"CONNECT", "/events", "*/*"},
        {"GET", "/events/a?push=1", "*/*"},
        {"GET", "/events/%23?push=1&after=2", "application/x-ndjson"},
        {"GET", "/events/a?push=1&after=0", "*/*"},
    };
    size_t i = which % ARRAY_LEN(requests);
    bool connect = *requests[i].method == 'C';
    uint8_t flags = END_HEADERS | (*requests[i].method == 'P' || connect ? 0 : END_STREAM);
    struct buf b = {0};

    put_field(&b, ":method", requests[i].method);
    put_field(&b, ":scheme", "http");
    put_field(&b, ":path", requests[i].path);
    put_field(&b, ":authority", "x");
    if (connect) {
        put_field(&b, ":protocol", "websocket");
        put_field(&b, "sec-websocket-version", "13");
    }
    put_field(&b, "accept", requests[i].accept);
    put_credentials(&b, which);
    receive_frame(HEADERS, flags, w.next_stream, buf_slice(&b));
    w.next_stream += 2;
    buf_free(&b);
}

/* What the client has said that it gets no more. */
static void receive_goaway(uint8_t arg)
{
    static const uint8_t last[] = {0, 1, 2, 8, 255};
    uint8_t i = arg % ARRAY_LEN(last);
    char body[8] = {i == 4 ? 0x7f : 0, i == 4 ? -1 : 0, i == 4 ? -1 : 0, (char)last[i]};

    body[7] = arg % 16 == 15 ? 2 : 0;
    receive_frame(GOAWAY, 0, 0, (struct slice){body, sizeof body});
    if (w.gone || w.tampered || w.in.len > 0)
        return; /* it has been read before, or maybe not yet, or not as a frame */
    w.gone = true;
    w.pushed_then = metric_get(M_H2_PUSHED);
}

/* Each that there is but the windows (change_windows), also with what it may not be. */
static void receive_setting(uint8_t arg)
{
    static const struct {
        uint8_t id;
        uint32_t value;
    } settings[] = {
        {1, 0},          {1, 100},      {1, 4096},  {1, 1u << 16}, {2, 0},
        {2, 1},          {2, 2},        {3, 0},     {3, 1},        {3, 3},
        {3, 1000},       {4, 1u << 31}, {5, 1000},  {5, 1u << 14}, {5, (1u << 24) - 1},
        {5, UINT32_MAX}, {6, 0},        {6, 200},   {8, 0},        {8, 1},
        {9, 0},          {9, 1},        {0x55, 99},
    };
    uint32_t v = settings[arg % ARRAY_LEN(settings)].value;
    char body[6] = {0,
                    (char)settings[arg % ARRAY_LEN(settings)].id,
                    (char)(v >> 24),
                    (char)(v >> 16),
                    (char)(v >> 8),
                    (char)v};

    receive_frame(SETTINGS, 0, 0, (struct slice){body, sizeof body});
}

static struct seen *seen_of(uint32_t stream)
{
    if (stream == 0 || stream > 2 * STREAMS)
        return NULL;
    return stream % 2 == 1 ? &w.seen[stream / 2] : &w.pushed[stream / 2 - 1];
}

/* A stream that was begun, or one that may have been pushed, or the connection. */
static uint32_t pick(uint8_t arg)
{
    uint32_t begun = w.next_stream / 2;

    if (arg >= 224)
        return 2 + 2 * (arg % 8);
    return begun == 0 || arg % (begun + 1) == begun ? 0 : 2 * (arg % (begun + 1)) + 1;
}

static void open_window(uint8_t arg)
{
    static const uint32_t sizes[] = {1, 7, 100, 5000, 70000};
    uint32_t size = sizes[arg / 16 % ARRAY_LEN(sizes)], stream = pick(arg);
    char body[4] = {0, (char)(size >> 16), (char)(size >> 8), (char)size};
    struct seen *s = seen_of(stream);

    if (stream == 0)
        w.window += size;
    else if (s != NULL)
        s->window += size;
    receive_frame(WINDOW, 0, stream, (struct slice){body, sizeof body});
}

static void change_windows(uint8_t arg)
{
    uint32_t size = (uint32_t)arg * 300;
    char body[6] = {0, 4, 0, (char)(size >> 16), (char)(size >> 8), (char)size};

    w.shrunk = w.shrunk || (size < w.initial && w.next_stream > 1);
    for (size_t i = 0; i < STREAMS; i++) {
        w.seen[i].window += (int64_t)size - w.initial;
        w.pushed[i].window += (int64_t)size - w.initial;
    }
    w.initial = size;
    receive_frame(SETTINGS, 0, 0, (struct slice){body, sizeof body});
}

/* --- what went out ---------------------------------------------------------------- */

/* An event of one of the forms, at the beginning of s; its size, 0: it is none. */
static size_t event_size(struct slice s, uint64_t id)
{
    static const form_encode forms[] = {sse_put_raw, sse_put_json, ndjson_put_event};
    struct event e = event_of(id);
    size_t size = 0;

    for (size_t i = 0; i < ARRAY_LEN(forms) && size == 0; i++) {
        struct buf b = {0};

        forms[i](&b, &e);
        if (slice_starts(s, buf_slice(&b)))
            size = b.len;
        buf_free(&b);
    }
    return size;
}

static uint64_t number_behind(struct slice s, const char *prefix)
{
    size_t at = strlen(prefix);
    uint64_t n = 0;

    if (!slice_starts(s, slice_of(prefix)))
        return 0;
    for (; at < s.len && s.p[at] >= '0' && s.p[at] <= '9'; at++)
        n = n * 10 + (uint64_t)(s.p[at] - '0');
    return n;
}

static size_t line_size(struct slice s)
{
    const char *lf = memchr(s.p, '\n', s.len);

    return lf != NULL ? (size_t)(lf - s.p) + 1 : s.len;
}

/* Every event is whole, as published, and later than the one before it; a stream may
 * be cut short. */
static void check_events(struct slice s)
{
    uint64_t last = 0, id;
    size_t size;

    while (s.len > 0) {
        id = number_behind(s, "id: ");
        if (id == 0)
            id = number_behind(s, "{\"id\":\"");
        size = id != 0 && id <= w.head ? event_size(s, id) : 0;
        assert(size == 0 || id > last);
        if (size > 0)
            last = id;
        else
            size = line_size(s);
        s = (struct slice){s.p + size, s.len - size};
    }
}

/* What was cut in the middle of an event could look like anything. */
static bool is_stream(struct slice s)
{
    return slice_starts(s, SLICE("retry: ")) || slice_starts(s, SLICE("{\"upto\""));
}

static bool is_websocket(struct slice s)
{
    return slice_starts(s, SLICE("\x81"));
}

/* Whole frames, whose texts are JSON; the last may be cut. */
static void check_websocket(struct slice s)
{
    struct reader r = reader_of(s.p, s.len);

    while (r.left >= 4) {
        uint8_t first = reader_u8(&r);
        size_t size = reader_u8(&r);

        assert((first & 0xf0) == 0x80 && size < 127);
        if (size == 126) {
            size = (size_t)reader_u8(&r) << 8;
            size |= reader_u8(&r);
        }
        struct slice text = reader_bytes(&r, size);
        assert(r.bad || (first & 15) != WS_TEXT || json_check(text) == JSON_OBJECT);
    }
}

static void check_data(uint32_t stream, uint8_t flags, size_t len, struct slice body)
{
    struct seen *s = seen_of(stream);

    assert(len <= 16384);
    w.window -= (int64_t)len;
    if (s == NULL)
        return;
    s->window -= (int64_t)len;
    assert(w.tampered || (s->head && !s->over));
    assert(w.tampered || w.shrunk || len == 0 || (s->window >= 0 && w.window >= 0));
    buf_put_slice(&s->data, body);
    s->whole = (flags & END_STREAM) != 0;
    s->over = s->over || s->whole;
}

/* On a stream that is open; the promised one is new. */
static void check_promise(const struct seen *parent, struct slice body)
{
    struct seen *s = seen_of(body.len >= 4 ? (uint8_t)body.p[3] : 0);

    assert(body.len >= 4 && (w.tampered || parent == NULL || (parent->head && !parent->over)));
    if (s == NULL || body.p[2] != 0)
        return;
    assert(!s->promised);
    s->promised = true;
}

static void check_frame(struct reader *r, bool first)
{
    uint32_t len = (uint32_t)reader_u8(r) << 16;
    uint8_t type, flags;
    uint32_t stream = 0;
    struct seen *s;

    len |= (uint32_t)reader_u8(r) << 8;
    len |= reader_u8(r);
    type = reader_u8(r);
    flags = reader_u8(r);
    for (int i = 0; i < 4; i++)
        stream = stream << 8 | reader_u8(r);
    struct slice body = reader_bytes(r, len);
    assert(!r->bad && (!first || type == SETTINGS));
    s = seen_of(stream);
    if (type == DATA) {
        check_data(stream, flags, len, body);
    } else if (type == HEADERS && s != NULL) {
        assert(w.tampered || (!s->head && !s->over && s->promised == (stream % 2 == 0)));
        s->head = true;
        s->over = (flags & END_STREAM) != 0;
    } else if (type == RST && s != NULL) {
        s->over = true;
    } else if (type == PROMISE) {
        check_promise(s, body);
    }
}

/* One event, whole if its stream has ended so. */
static void check_pushed(struct seen *s)
{
    struct slice body = buf_slice(&s->data);
    uint64_t id = number_behind(body, "{\"id\":\"");

    assert(w.tampered || !s->over || body.len == 0 || !s->whole ||
           event_size(body, id) == body.len);
    buf_free(&s->data);
}

static void check_written(void)
{
    struct reader r = reader_of(w.written.p, w.written.len);
    bool first = true;

    for (; r.left > 0; first = false)
        check_frame(&r, first);
    for (size_t i = 0; i < STREAMS; i++)
        check_pushed(&w.pushed[i]);
    for (size_t i = 0; i < STREAMS; i++) {
        struct slice s = buf_slice(&w.seen[i].data);

        if (is_stream(s))
            check_events(s);
        else if (is_websocket(s))
            check_websocket(s);
        buf_free(&w.seen[i].data);
    }
}

/* --- one input -------------------------------------------------------------------- */

static void start_process(void)
{
    played_site_start("h2");
    w.sockets = ws_gateway_new(&world.site, played_wake, NULL);
    site_add(
        &world.site,
        (const struct route[]){
            {"GET", "/events/", ROUTE_NO_BODY, event_stream_open, &w.streams, EVENT_STREAM_PARAMS},
            {"POST", "/events/", ROUTE_PAYLOAD, publish_event, NULL, NULL},
            {"GET", "/history/", ROUTE_NO_BODY, history_events, NULL, HISTORY_PARAMS},
            {"CONNECT", "/events/", ROUTE_TUNNEL, ws_upgrade, w.sockets, SUBSCRIBE_PARAMS},
            {"CONNECT", "/events", ROUTE_TUNNEL, ws_upgrade, w.sockets, SUBSCRIBE_PARAMS},
        },
        5);
    w.streams.keepalive_ms = 500;
    w.streams.retry_ms = 1;
    w.h2 = (struct h2){
        .site = &world.site,
        .wake = played_wake,
        .session = {.max_streams = 20,
                    .window = 65535,
                    .max_header = 500,
                    .glitches = 50,
                    .glitch_rate = 10},
        .bodies_max = {256, 1000},
        .bodies = {.bytes_max = 6000},
        .header_timeout = 1000,
        .body_timeout = 1000,
        .idle_timeout = 3000,
        .streams_max = 15,
        .held = {.max = 5000, .cut = h2_send_held_cut},
    };
}

static void begin(uint8_t how)
{
    static const struct hub_limits limits = {.ring = 20000, .page_cache = 9000, .turn = 1 << 20};
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    w.head = 100;
    w.next_stream = 1;
    w.initial = w.window = 65535;
    for (size_t i = 0; i < STREAMS; i++)
        w.seen[i] = w.pushed[i] = (struct seen){.window = w.initial};
    played_site_begin(&limits, w.head);
    w.conn = mem_zalloc(sizeof *w.conn);
    w.conn->conn.ops = &h2_conn_ops;
    w.conn->conn.data = &w.h2;
    h2_conn_ops.opened(&w.conn->conn);
    receive(preface, sizeof preface - 1);
    change_windows(how);
}

static void turn(void)
{
    (void)hub_turn(world.site.use.hub);
    (void)ws_gateway_turn(w.sockets);
    (void)h2_turn(&w.h2);
}

static void writable(void)
{
    w.full = false;
    if (!w.ended)
        h2_conn_ops.writable(&w.conn->conn);
}

static void receive_data(uint8_t arg, struct slice body)
{
    receive_frame(DATA, arg >= 128 ? END_STREAM : 0, pick(arg), body);
}

/* A text of a WebSocket, or another frame of its, under a mask that does nothing. */
static void receive_message(uint8_t arg, struct slice text)
{
    uint8_t head[6] = {arg % 16 == 15 ? (uint8_t)text.len : 0x81, (uint8_t)(0x80 | text.len)};
    struct buf b = {0};

    buf_put(&b, head, sizeof head);
    buf_put_slice(&b, text);
    receive_frame(DATA, 0, pick(arg), buf_slice(&b));
    buf_free(&b);
}

static void step(struct reader *r)
{
    uint8_t op = reader_u8(r), arg = reader_u8(r);
    size_t some = arg < r->left ? arg : r->left;

    switch (op % 16) {
    case 0:
        w.tampered = true;
        receive(r->p, some);
        (void)reader_bytes(r, some);
        break;
    case 1:
        receive_request(arg);
        break;
    case 2:
        receive_message(arg, reader_bytes(r, some < 100 ? some : 100));
        break;
    case 3:
        receive_data(arg, reader_bytes(r, some < 20 ? some : 20));
        break;
    case 4:
        open_window(arg);
        break;
    case 5:
        receive_frame(RST, 0, pick(arg), (struct slice){"\0\0\0\x08", 4});
        break;
    case 6:
        change_windows(arg);
        break;
    case 7:
        acknowledge(arg < 128 ? ERR_NONE : (enum sluice_error)(arg % 30));
        break;
    case 8:
    case 9:
        publish_events(arg);
        break;
    case 10:
        played_filters_live(world.site.use.hub, w.head);
        break;
    case 11:
        read_answer(arg);
        break;
    case 12:
        w.fills = arg % 2 == 1; /* the next write does, too */
        w.full = w.full || arg % 4 == 3;
        break;
    case 13:
        writable();
        break;
    case 14:
        played_site_time((uint64_t)arg * 20);
        break;
    default:
        if (!w.ended && arg == 0)
            h2_conn_ops.drain(&w.conn->conn);
        else if (!w.ended && arg == 1)
            h2_conn_ops.eof(&w.conn->conn);
        else if (arg < 64)
            receive_goaway(arg);
        else if (arg >= 128)
            played_identity(arg);
        else
            receive_setting(arg);
    }
}

/* Everything that is still open closes, and nothing is left. */
static void end(void)
{
    w.fills = false;
    writable();
    turn();
    check_written();
    if (!w.ended) {
        h2_conn_ops.gone(&w.conn->conn);
        wheel_stop(&w.conn->conn.timer);
    }
    while (played.publishes != NULL)
        acknowledge(ERR_UNAVAILABLE);
    assert(w.h2.speaking == NULL && w.h2.streams == 0);
    assert(!w.gone || metric_get(M_H2_PUSHED) == w.pushed_then);
    assert(w.h2.bodies.bytes == 0 && w.h2.held.bytes == 0 && w.sockets->held == 0);
    played_site_end();
    free(w.conn);
    buf_free(&w.in);
    buf_free(&w.written);
    w.ended = w.full = w.tampered = w.shrunk = w.gone = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct reader r = reader_of(p, len);

    if (w.h2.site == NULL)
        start_process();
    begin(reader_u8(&r));
    while (r.left > 0) {
        step(&r);
        turn();
    }
    end();
    return 0;
}
