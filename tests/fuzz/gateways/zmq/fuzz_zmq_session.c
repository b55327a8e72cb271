/*
 * fuzz_zmq_session.c - a ZeroMQ peer from its greeting to its end, with the real session,
 * subscriptions and hub, but no socket and no broker: both are played here.  Whatever comes,
 * what goes out is a greeting and whole frames, and messages of the shapes that the peer's
 * type gets.
 *
 * Who the peer is says an authority that is played too: at once or later, and less than
 * before, or that it is nobody any more.
 *
 * Input: how the gateway is configured and how the peer begins (a byte: its type, its
 * mechanism, frames of SUB, strangers are refused, raw), then steps, each a byte and what it
 * needs: bytes of the peer, whole messages of its, acknowledgements, events, pages, a full
 * socket, time, the authority's answers.
 */
#include <assert.h>
#include <stdlib.h>

#include "audit.h"
#include "authority_impl.h"
#include "clock.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "no_crypto.h"
#include "played_link.h"
#include "run_write.h"
#include "zpeer.h"
#include "zprefix.h"
#include "zpublish.h"
#include "zrequest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define TOPICS 4
static const char *const topics[TOPICS] = {"a", "a/b", "ab/c", "c"};

static struct world {
    struct gateway gateway;
    struct zmqd zmqd;
    struct zpeer *peer;
    struct buf in, written;
    bool ended, full, offering, curve, strict;
    uint64_t head, now;
} w;

/* --- the connection ------------------------------------------------------------------ */

bool conn_pending(const struct conn *c)
{
    (void)c;
    return w.full;
}

void conn_write(struct conn *c, const void *p, size_t len)
{
    (void)c;
    assert(!w.ended);
    buf_put(&w.written, p, len);
}

bool conn_accepts(struct conn *c, size_t count, size_t *taken)
{
    (void)c;
    assert(!w.ended);
    *taken = w.full ? 0 : count;
    return !w.full;
}

size_t run_write(struct conn *c, struct run *r, unsigned form, form_encode encode)
{
    size_t n = w.full ? 0 : r->count;

    for (size_t i = 0; i < n; i++) {
        struct slice bytes = block_encoded(r->entries[i], form, encode);

        conn_write(c, bytes.p, bytes.len);
    }
    return n;
}

size_t conn_write_pieces(struct conn *c, const struct conn_piece *pieces, size_t count)
{
    size_t n = w.full ? 0 : count;

    assert(count > 0 && count <= CONN_PIECES_MAX);
    for (size_t i = 0; i < n; i++) {
        conn_write(c, pieces[i].head.p, pieces[i].head.len);
        conn_write(c, pieces[i].shared.p, pieces[i].shared.len);
        conn_write(c, pieces[i].rest.p, pieces[i].rest.len);
    }
    return n;
}

void conn_write_whole(struct conn *c, const struct iovec *iov, int count)
{
    assert(!w.full);
    for (int i = 0; i < count; i++)
        conn_write(c, iov[i].iov_base, iov[i].iov_len);
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

void conn_pump(struct conn *c)
{
    size_t used;

    if (w.ended || w.offering || w.in.len == 0)
        return;
    w.offering = true;
    used = zpeer_conn_ops.input(c, buf_slice(&w.in));
    w.offering = false;
    assert(used <= w.in.len);
    buf_consume(&w.in, used);
}

void conn_timer(struct conn *c, uint64_t ms, void (*fire)(struct wheel_timer *t))
{
    assert(!w.ended);
    if (ms == 0)
        wheel_stop(&c->timer);
    else
        wheel_start(&w.gateway.wheel, &c->timer, ms, fire);
}

struct slice conn_peer_address(const struct conn *c, char text[CONN_ADDRESS_MAX])
{
    (void)c, (void)text;
    return SLICE("192.0.2.1");
}

struct conn *conn_of_timer(struct wheel_timer *t)
{
    return CONTAINER_OF(t, struct conn, timer);
}

void gateway_wake(struct gateway *g)
{
    (void)g;
}

/* --- the broker ---------------------------------------------------------------------- */

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

/* A page, one that tells of a gap, or the broker's error; the answer to where it begins. */
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
    hub_live(w.gateway.hub, after, w.head, &z, reader_of(zmsg_data(&z), zmsg_size(&z)));
    zmsg_close(&z);
}

/* --- who it is ------------------------------------------------------------------------- */

struct auth_ask {
    auth_done done;
    void *arg;
};

static struct account_limits account_limits = {
    .connections = 1, .subscriptions = 2, .events = 2, .bytes = 300};
static struct account account = {.limits = &account_limits};
static struct principal somebody = {.name = (char *)(uintptr_t) "user:me",
                                    .kind = PRINCIPAL_USER,
                                    .account = &account,
                                    .references = 1};
static struct auth_ask asked;

static void answer_of(enum auth_outcome outcome, struct auth_answer *a)
{
    *a = (struct auth_answer){.outcome = outcome, .retry_ms = 10};
    if (outcome != AUTH_KNOWN)
        return;
    principal_ref(&somebody);
    a->principal = &somebody;
}

/* A name that begins with 'l' takes its time, one with 'w' is wrong. */
struct auth_ask *authority_ask(struct authority *a, const struct credentials *c,
                               struct auth_answer *now, auth_done done, void *arg)
{
    char first = c->kind == CREDENTIALS_KEY ? 'l' : c->user.len > 0 ? c->user.p[0] : 'k';

    (void)a;
    assert(asked.done == NULL);
    if (c->kind == CREDENTIALS_NONE && !w.strict) {
        *now = (struct auth_answer){.outcome = AUTH_KNOWN, .principal = principal_everybody()};
    } else if (c->kind == CREDENTIALS_NONE) {
        answer_of(AUTH_MISSING, now);
    } else if (first == 'l') {
        asked = (struct auth_ask){done, arg};
        return &asked;
    } else {
        answer_of(first == 'w' ? AUTH_WRONG : AUTH_KNOWN, now);
    }
    return NULL;
}

void authority_forget(struct auth_ask *q)
{
    assert(q == &asked && asked.done != NULL);
    asked.done = NULL;
}

const char *auth_outcome_text(enum auth_outcome o)
{
    return o == AUTH_KNOWN ? "Known" : "Unknown";
}

const char *auth_answer_reason(const struct auth_answer *a)
{
    return auth_outcome_text(a->outcome);
}

/* somebody is of no authority: its file is not linked. */
void directory_on_used(struct principal *p)
{
    (void)p;
    abort();
}

void directory_on_unused(struct principal *p)
{
    (void)p;
    abort();
}

static void authority_answers(uint8_t how)
{
    struct auth_ask q = asked;
    struct auth_answer answer;

    if (q.done == NULL)
        return;
    asked.done = NULL;
    answer_of((enum auth_outcome)(how % (AUTH_UNAVAILABLE + 1)), &answer);
    q.done(q.arg, &answer);
}

static void grant(bool much)
{
    grants_free(&somebody.grants);
    for (enum auth_verb v = 0; v < AUTH_VERBS; v++)
        (void)grants_add(&somebody.grants, v, much ? SLICE("#") : SLICE("a/#"), SLICE("me"));
}

static void authority_changes(uint8_t how)
{
    struct caller *c = somebody.callers;

    if (how % 4 < 2)
        grant(how % 4 == 1);
    else
        somebody.state = how % 4 == 2 ? PRINCIPAL_EXPIRED : PRINCIPAL_REVOKED;
    if (c != NULL)
        c->changed(c);
}

/* --- the peer ------------------------------------------------------------------------ */

static void receive(struct slice bytes)
{
    if (w.ended || w.peer->conn.eof_seen)
        return;
    buf_put_slice(&w.in, bytes);
    conn_pump(&w.peer->conn);
}

/* Parts separated by a zero byte, as one message. */
static void receive_message(struct slice text)
{
    struct buf b = {0};

    while (text.len > 0) {
        const char *end = memchr(text.p, 0, text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.p);

        zmtp_frame_put(&b, end == NULL ? 0 : ZMTP_MORE, (struct slice){text.p, len});
        len += end != NULL;
        text = (struct slice){text.p + len, text.len - len};
        if (end != NULL && text.len == 0)
            zmtp_frame_put(&b, 0, SLICE(""));
    }
    receive(buf_slice(&b));
    buf_free(&b);
}

static void greet(uint8_t how, enum zmtp_mechanism m)
{
    static const char *const types[] = {"DEALER", "REQ", "SUB", "XSUB", "PUSH", "PUB", "PULL"};
    uint8_t greeting[ZMTP_GREETING_SIZE];
    struct buf b = {0}, metadata = {0};

    zmtp_greeting_put(greeting, zmtp_mechanism_name(m), false);
    receive((struct slice){(char *)greeting, sizeof greeting});
    zmtp_property_put(&metadata, "Socket-Type", slice_of(types[how % ARRAY_LEN(types)]));
    if (m == ZMTP_PLAIN) {
        zmtp_command_put(&b, "HELLO", SLICE("\2lo\0"));
        zmtp_command_put(&b, "INITIATE", buf_slice(&metadata));
    } else if (m == ZMTP_NULL) {
        zmtp_command_put(&b, "READY", buf_slice(&metadata));
    }
    if (b.len > 0)
        receive(buf_slice(&b));
    buf_free(&b);
    buf_free(&metadata);
}

static void pass_time(uint64_t ms)
{
    w.now += ms;
    wheel_turn(&w.gateway.wheel);
}

static void writable(void)
{
    w.full = false;
    if (!w.ended)
        zpeer_conn_ops.writable(&w.peer->conn);
}

static void turn(void)
{
    (void)hub_turn(w.gateway.hub);
    zpeers_turn(&w.zmqd);
    (void)zprefixes_turn(&w.zmqd);
}

static void end_of_input(void)
{
    if (w.ended || w.peer->conn.eof_seen)
        return;
    w.peer->conn.eof_seen = true;
    zpeer_conn_ops.eof(&w.peer->conn);
}

/* --- what went out ------------------------------------------------------------------- */

static bool is_one_of(struct slice verb, const char *const *list)
{
    for (; *list != NULL; list++)
        if (slice_eq(verb, slice_of(*list)))
            return true;
    return false;
}

/* Each part that is to be JSON, is. */
static void check_application(const struct slice *parts, size_t count)
{
    static const char *const verbs[] = {"ok", "error", "event", "gap", "pong", NULL};

    if (parts[0].len == 0) {
        parts++;
        count--;
    }
    assert(count >= 2 && is_one_of(parts[0], verbs));
    if (slice_eq(parts[0], SLICE("event")))
        assert(count == 6 && json_check(parts[4]) == JSON_OBJECT);
    else if (slice_eq(parts[0], SLICE("gap")))
        assert(count == 3 && json_check(parts[2]) == JSON_OBJECT);
    else if (slice_eq(parts[0], SLICE("error")))
        assert(count == 4 && utf8_valid(parts[3].p, parts[3].len));
    else
        assert(count == (slice_eq(parts[0], SLICE("ok")) ? 3 : 2));
}

static void check_unit(const struct zmtp_unit *u, uint8_t type)
{
    struct zmtp_command c;

    if (u->kind == ZMTP_COMMAND)
        assert(zmtp_command_get(&c, u->command));
    if (u->kind != ZMTP_MESSAGE)
        return;
    if (w.curve)
        assert(u->count == 1 && slice_starts(u->parts[0], SLICE("\7MESSAGE")));
    else if (type == ZMTP_DEALER || type == ZMTP_REQ)
        check_application(u->parts, u->count);
    else if (type == ZMTP_SUB || type == ZMTP_XSUB)
        assert(u->count == (w.zmqd.settings.sub_frames_4 ? 4 : 2));
    else
        assert(type == ZMTP_PUB && u->count == 1 && slice_eq(u->parts[0], SLICE("\1")));
}

static void check_written(uint8_t type)
{
    static struct zmtp_unit u;
    struct zmtp_decoder d = {.command_max = 1 << 20, .message_max = 1 << 20};
    size_t at = ZMTP_GREETING_SIZE;
    int n;

    assert(memcmp(w.written.p, "\xff\0\0\0\0\0\0\0\1\x7f\3\1", 12) == 0);
    assert(w.written.len >= at || w.written.len == 12);
    w.curve = w.written.len >= at && memcmp(w.written.p + 12, "CURVE", 5) == 0;
    while (at < w.written.len) {
        n = zmtp_decode(&d, w.written.p + at, w.written.len - at, &u);
        assert(n > 0 && u.kind != ZMTP_NOTHING);
        at += (size_t)n;
        check_unit(&u, type);
    }
    zmtp_decoder_free(&d);
}

/* --- one input ----------------------------------------------------------------------- */

static uint64_t fake_clock(void *arg)
{
    (void)arg;
    return w.now;
}

static void start_process(void)
{
    static const char *const argv[] = {"fuzz", "--log-audit", "off"};
    static uv_loop_t loop;

    if (config_load(&w.gateway.config, "zmq", ARRAY_LEN(argv), (char **)(uintptr_t)argv) !=
        CONFIG_GO)
        abort();
    log_set_level((enum log_level)(LOG_ERROR + 1));
    audit_configure(w.gateway.config);
    clock_replace(fake_clock, NULL);
    w.now = 1000000;
    (void)uv_loop_init(&loop);
    wheel_init(&w.gateway.wheel, &loop);
    reaper_init(&w.gateway.reaper, &w.gateway.wheel);
    w.zmqd = (struct zmqd){.gateway = &w.gateway,
                           .settings = {.handshake_ms = 1000,
                                        .ping_ms = 1000,
                                        .ping_timeout_ms = 1000,
                                        .message_timeout_ms = 3000,
                                        .max_payload = 256,
                                        .max_message = 1024,
                                        .publish_window = 3000,
                                        .max_subscriptions = 3,
                                        .max_prefixes = 5,
                                        .max_filters = 3,
                                        .max_last = 100,
                                        .held_max = 900}};
    w.zmqd.roles[ZMTP_DEALER] = w.zmqd.roles[ZMTP_REQ] = &zrequest_role;
    w.zmqd.roles[ZMTP_SUB] = w.zmqd.roles[ZMTP_XSUB] = &zprefix_role;
    w.zmqd.roles[ZMTP_PUSH] = &zpublish_push_role;
    w.zmqd.roles[ZMTP_PUB] = &zpublish_pub_role;
}

static void begin(uint8_t how)
{
    static const struct hub_limits limits = {.ring = 4000, .page_cache = 2000, .turn = 1 << 20};
    struct wire_hello_ok hello = {.version = WIRE_VERSION, .head = 1000};

    enum zmtp_mechanism m = (enum zmtp_mechanism)((how >> 3 & 3) % ZMTP_MECHANISMS);
    bool all = (how & 0x98) != 0;

    w.head = 1000;
    w.strict = (how & 0x40) != 0;
    w.zmqd.settings.sub_frames_4 = (how & 0x20) != 0;
    w.zmqd.served[ZMTP_NULL] = true;
    w.zmqd.served[ZMTP_PLAIN] = w.zmqd.served[ZMTP_CURVE] = all;
    w.zmqd.only_null = !all;
    w.zmqd.curve = (struct zmtp_curve_server){.crypto = &no_crypto};
    somebody.state = PRINCIPAL_STANDS;
    grant(false);
    account.events = account.bytes = (struct account_bucket){0};
    w.gateway.hub = hub_new(&played_hub_link, &limits);
    hub_up(w.gateway.hub, &hello);
    w.peer = mem_zalloc(sizeof *w.peer);
    w.peer->conn.data = &w.zmqd;
    zpeer_conn_ops.opened(&w.peer->conn);
    if ((how & 0x80) == 0)
        greet(how & 7, m);
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
    case 2:
    case 3:
        receive_message(reader_bytes(r, bytes.len));
        break;
    case 4:
        end_of_input();
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
        played_filters_live(w.gateway.hub, w.head);
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
        pass_time((uint64_t)arg * 20);
        break;
    case 13:
        played.full = !played.full;
        break;
    case 14:
        turn();
        break;
    default:
        if (arg < 64)
            authority_answers(arg);
        else if (arg < 128)
            authority_changes(arg);
        else if (!w.ended && arg == 128)
            zpeer_conn_ops.drain(&w.peer->conn);
    }
}

/* Everything that is still open closes, and nothing is left. */
static void end(void)
{
    uint8_t type;

    turn();
    type = w.peer->type;
    check_written(type);
    if (!w.ended)
        zpeer_conn_ops.gone(&w.peer->conn);
    wheel_stop(&w.peer->conn.timer);
    zpeer_conn_ops.over(&w.peer->conn);
    assert(asked.done == NULL && somebody.callers == NULL && somebody.references == 1);
    assert(account.connections == 0 && account.subscriptions == 0);
    w.ended = true;
    while (played.publishes != NULL)
        acknowledge(ERR_UNAVAILABLE);
    hub_free(w.gateway.hub);
    assert(w.zmqd.held == 0 && w.zmqd.documents == 0 && w.zmqd.publishing == 0);
    assert(w.zmqd.speaking == NULL && w.zmqd.dirty == NULL && w.zmqd.patient == NULL);
    reaper_close(&w.gateway.reaper);
    free(w.peer);
    buf_free(&w.in);
    buf_free(&w.written);
    played_end();
    w.ended = w.full = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct reader r = reader_of(p, len);

    if (w.gateway.config == NULL)
        start_process();
    begin(reader_u8(&r));
    while (r.left > 0) {
        step(&r);
        turn();
    }
    end();
    return 0;
}
