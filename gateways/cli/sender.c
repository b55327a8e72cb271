/*
 * sender.c - standard input into a window, the window to the broker.
 *
 *   source ──line──▶ window ──▶ broker
 *                      ▲ ok, error │
 *                      └───────────┘
 *
 * Each line is sent as it comes; up to WINDOW_COUNT of them (or WINDOW_BYTES) are
 * on their way at once, in order, and leave the window acknowledged, in order.  A
 * full window stops reading, so the writer of our input waits.
 *
 * How it fails, always with a sentence:
 *   refused      the first refusal ends it; later lines may have been stored
 *   no broker    an event waits for timeout_ms, then it is "not stored"
 *   no answer    after the same time: it may be stored or not
 *   lost link    events without an answer go again when each names a producer,
 *                for then the broker knows them; else their outcome is unknown and
 *                it ends.  A new socket each time: an old one would bring what it
 *                still holds before what must come first.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "clock.h"
#include "mem.h"
#include "sender.h"
#include "source.h"
#include "zsock.h"

#define WINDOW_COUNT 1024u
#define WINDOW_BYTES (4u * 1024 * 1024)
#define TICK_MS 50u
#define WAIT_TOLD_MS 1000u
#define HEARTBEAT_MS 1000u
#define ANSWER_MAX (64u * 1024)

struct item {
    struct publication what;
    uint64_t deadline; /* clock_mono_ms */
    bool sent, done;
    char id[24];
};

struct sender {
    const struct sender_options *o;
    uv_loop_t loop;
    uv_timer_t tick;
    struct source source;
    bool has_source; /* else one message of the command line */
    struct zsock *sock;
    bool connected;

    struct item items[WINDOW_COUNT]; /* by number, modulo */
    uint64_t first, next;            /* numbers in the window: [first, next) */
    uint64_t unsent;                 /* first <= unsent <= next */
    size_t bytes;
    bool ended; /* no more input */
    bool closing;
    int code;
};

static struct item *item_at(struct sender *s, uint64_t number)
{
    return &s->items[number % WINDOW_COUNT];
}

static size_t item_bytes(const struct item *i)
{
    return i->what.topic.len + i->what.headers.len + i->what.payload.len;
}

/* --- the end -------------------------------------------------------------- */

static void sender_on_source_closed(struct source *s)
{
    (void)s;
}

static void sender_on_sock_closed(void *arg)
{
    (void)arg;
}

static void sender_finish(struct sender *s, int code)
{
    if (s->closing)
        return;
    s->closing = true;
    s->code = code;
    if (s->has_source)
        source_close(&s->source, sender_on_source_closed);
    uv_close((uv_handle_t *)&s->tick, NULL);
    zsock_close(s->sock, 0, sender_on_sock_closed);
}

/* Says which line: number counts from 0, a person from 1. */
static void complain(const struct sender *s, uint64_t number, const char *why)
{
    if (s->has_source)
        (void)cli_fail(CLI_FAILED, "line %" PRIu64 ": %s", number + 1, why);
    else
        (void)cli_fail(CLI_FAILED, "%s", why);
}

static void sender_give_up(struct sender *s, uint64_t number, const char *why)
{
    complain(s, number, why);
    sender_finish(s, CLI_FAILED);
}

/* --- sending -------------------------------------------------------------- */

static bool item_send(struct sender *s, struct item *i, uint64_t number)
{
    const struct publication *w = &i->what;
    struct zmsg parts[5];
    char ref[24];
    int len = snprintf(ref, sizeof ref, "%" PRIu64, number), rc;

    zmsg_init_copy(&parts[0], "publish", 7);
    zmsg_init_copy(&parts[1], ref, (size_t)len);
    zmsg_init_copy(&parts[2], w->topic.p, w->topic.len);
    zmsg_init_copy(&parts[3], w->headers.p, w->headers.len);
    zmsg_init_copy(&parts[4], w->payload.p, w->payload.len);
    rc = zsock_send_parts(s->sock, (struct slice){NULL, 0}, parts, ARRAY_LEN(parts));
    for (size_t k = 0; k < ARRAY_LEN(parts); k++)
        zmsg_close(&parts[k]);
    i->sent = i->sent || rc == 0;
    return rc == 0;
}

/* What the socket does not take now goes with the next tick. */
static void send_all(struct sender *s)
{
    while (s->connected && !s->closing && s->unsent < s->next) {
        if (!item_send(s, item_at(s, s->unsent), s->unsent))
            return;
        s->unsent++;
    }
}

/* --- the window ----------------------------------------------------------- */

static bool window_full(const struct sender *s)
{
    return s->next - s->first == WINDOW_COUNT || s->bytes >= WINDOW_BYTES;
}

/* Takes what w holds. */
static void window_push(struct sender *s, const struct publication *w)
{
    struct item *i = item_at(s, s->next);

    assert(!window_full(s));
    *i = (struct item){.what = *w, .deadline = clock_mono_ms() + s->o->timeout_ms};
    s->bytes += item_bytes(i);
    s->next++;
}

static void window_pop(struct sender *s)
{
    struct item *i = item_at(s, s->first);

    if (s->o->print_ids)
        printf("%s\n", i->id);
    s->bytes -= item_bytes(i);
    publication_free(&i->what);
    s->first++;
}

/* --- input ---------------------------------------------------------------- */

/* The next line cannot be an event; those before it still are sent. */
static void input_failed(struct sender *s, const char *why)
{
    complain(s, s->next, why);
    s->ended = true;
    s->code = CLI_FAILED;
}

static void line_take(struct sender *s, struct slice line)
{
    struct publication w;
    struct buf error = {0};

    if (s->o->make(s->o->arg, line, s->next, &w, &error)) {
        window_push(s, &w);
    } else {
        buf_u8(&error, '\0');
        input_failed(s, (char *)error.p);
    }
    buf_free(&error);
}

static void maybe_done(struct sender *s)
{
    if (s->ended && s->first == s->next)
        sender_finish(s, s->code);
}

/* Fills the window from the lines that are there. */
static void pull(struct sender *s)
{
    enum source_result r = SOURCE_WAIT;
    struct slice line;

    while (s->has_source && !s->ended && !s->closing && !window_full(s)) {
        r = source_next(&s->source, &line);
        if (r != SOURCE_LINE)
            break;
        line_take(s, line);
    }
    if (r == SOURCE_TOO_LONG)
        input_failed(s, "longer than [limits] max_payload allows");
    if (r == SOURCE_ERROR)
        input_failed(s, uv_strerror(s->source.error));
    if (r == SOURCE_END)
        s->ended = true;
    if (s->has_source && !s->closing)
        source_read(&s->source, !s->ended && !window_full(s));
    send_all(s);
    maybe_done(s);
}

static void sender_on_readable(struct source *source)
{
    pull(CONTAINER_OF(source, struct sender, source));
}

/* --- answers -------------------------------------------------------------- */

static struct slice part_of(const struct zmsg *m)
{
    return (struct slice){zmsg_data(m), zmsg_size(m)};
}

static void take_ok(struct item *i, struct slice id)
{
    i->done = true;
    if (id.len == 0) /* a repeat of long ago */
        id = SLICE("-");
    (void)snprintf(i->id, sizeof i->id, "%.*s", (int)id.len, id.p);
}

/* As of the same refusal over HTTP. */
static int code_of(struct slice code)
{
    if (slice_eq(code, SLICE("unauthorized")) || slice_eq(code, SLICE("forbidden")))
        return CLI_REFUSED;
    return slice_eq(code, SLICE("too_many")) ? CLI_BUSY : CLI_FAILED;
}

static void take_error(struct sender *s, uint64_t number, const struct zmsg *parts, size_t count)
{
    struct buf why = {0};
    struct slice code = part_of(&parts[2]);

    buf_put_slice(&why, code);
    if (count > 3) {
        buf_puts(&why, ": ");
        buf_put_slice(&why, part_of(&parts[3]));
    }
    buf_u8(&why, '\0');
    sender_give_up(s, number, (char *)why.p);
    s->code = code_of(code);
    buf_free(&why);
}

/* ["ok", ref, id] or ["error", ref, code, text]; anything else is none of ours. */
static void sender_on_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    struct sender *s = arg;
    uint64_t number;

    (void)peer;
    if (s->closing || count < 3 || !slice_u64(part_of(&parts[1]), &number))
        return;
    if (number < s->first || number >= s->unsent)
        return;
    if (slice_eq(part_of(&parts[0]), SLICE("ok")))
        take_ok(item_at(s, number), part_of(&parts[2]));
    else
        take_error(s, number, parts, count);
}

static void sender_on_drained(void *arg)
{
    struct sender *s = arg;

    if (s->closing)
        return;
    while (s->first < s->next && item_at(s, s->first)->done)
        window_pop(s);
    (void)fflush(stdout);
    pull(s);
}

/* --- the connection ------------------------------------------------------- */

static void sender_on_connected(void *arg)
{
    struct sender *s = arg;

    s->connected = true;
    send_all(s);
}

/* Everything sent and not answered may be sent again. */
static bool all_repeatable(struct sender *s)
{
    for (uint64_t n = s->first; n < s->unsent; n++)
        if (!item_at(s, n)->done && !item_at(s, n)->what.repeatable)
            return false;
    return true;
}

static void sock_open(struct sender *s);

static void sender_on_disconnected(void *arg)
{
    struct sender *s = arg;

    s->connected = false;
    if (s->closing)
        return;
    if (!all_repeatable(s)) {
        sender_give_up(s, s->first,
                       "the connection was lost before an answer: it may be stored or not (a "
                       "--producer makes repeating safe)");
        return;
    }
    zsock_close(s->sock, 0, sender_on_sock_closed);
    s->unsent = s->first;
    sock_open(s);
}

static void sock_open(struct sender *s)
{
    static const struct zsock_ops ops = {.message = sender_on_message,
                                         .drained = sender_on_drained,
                                         .connected = sender_on_connected,
                                         .disconnected = sender_on_disconnected};
    const struct zsock_options o = {
        .send_hwm = 2 * WINDOW_COUNT,
        .heartbeat_ms = HEARTBEAT_MS,
        .max_message = ANSWER_MAX,
        .monitor = true,
    };
    int rc;

    s->sock = zsock_new(&s->loop, ZSOCK_DEALER, &o, &ops, s);
    assert(s->sock != NULL);
    rc = zsock_connect(s->sock, s->o->endpoint);
    if (rc == 0)
        return;
    (void)cli_fail(CLI_FAILED, "cannot connect to %s: %s", s->o->endpoint, uv_strerror(rc));
    sender_finish(s, CLI_FAILED);
}

/* Time passes: what a full socket refused goes again; the oldest may be due. */
static void sender_on_tick(uv_timer_t *h)
{
    struct sender *s = CONTAINER_OF(h, struct sender, tick);
    const struct item *i = item_at(s, s->first);
    char why[256];

    send_all(s);
    if (s->first == s->next)
        return;
    if (clock_mono_ms() + s->o->timeout_ms >= i->deadline + WAIT_TOLD_MS)
        login_tell_waiting(s->o->login, s->o->endpoint);
    if (clock_mono_ms() < i->deadline)
        return;
    if (i->sent)
        (void)snprintf(why, sizeof why, "no answer from the broker: it may be stored or not");
    else
        (void)snprintf(why, sizeof why, "sluice-zmq is away (%s): not stored", s->o->endpoint);
    sender_give_up(s, s->first, why);
}

/* --- all of it ------------------------------------------------------------ */

static void sender_begin(struct sender *s, const char *message)
{
    s->has_source = message == NULL;
    s->ended = message != NULL;
    if (s->has_source)
        source_init(&s->source, &s->loop, s->o->line_max, sender_on_readable);
    sock_open(s);
    if (s->closing)
        return;
    if (s->has_source)
        source_read(&s->source, true);
    else
        line_take(s, slice_of(message));
}

int sender_run(const struct sender_options *o, const char *message)
{
    struct sender *s = mem_zalloc(sizeof *s);
    int rc = uv_loop_init(&s->loop);

    assert(rc == 0);
    s->o = o;
    (void)uv_timer_init(&s->loop, &s->tick);
    (void)uv_timer_start(&s->tick, sender_on_tick, TICK_MS, TICK_MS);
    sender_begin(s, message);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&s->loop);
    assert(rc == 0);
    zsock_shutdown();
    for (; s->first < s->next; s->first++)
        publication_free(&item_at(s, s->first)->what);
    rc = s->code;
    free(s);
    return rc;
}
