/*
 * pub.c - sluice pub: events from the command line or standard input, over the
 * broker's apps socket.
 *
 *   source ──line──▶ window ──▶ broker
 *                      ▲ ok, error │
 *                      └───────────┘
 *
 * Each line is sent as it comes; up to WINDOW_COUNT of them (or WINDOW_BYTES) are
 * on their way at once, in order, and leave the window acknowledged, in order.  A
 * full window stops reading, so the writer of our input waits.
 *
 * How it fails, always with a sentence and exit 1:
 *   refused      the first refusal ends it; later lines may have been stored
 *   no broker    a line waits for [limits] publish_timeout, then it is "not stored"
 *   no answer    after the same time: it may be stored or not
 *   lost link    lines without an answer go again when each names a producer
 *                (--producer), for then the broker knows them; else their outcome
 *                is unknown and it ends.  A new socket each time: an old one would
 *                bring what it still holds before what must come first.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "clock.h"
#include "json.h"
#include "mem.h"
#include "publication.h"
#include "source.h"
#include "zsock.h"

#define WINDOW_COUNT 1024u
#define WINDOW_BYTES (4u * 1024 * 1024)
#define TICK_MS 50u
#define HEARTBEAT_MS 1000u
#define ANSWER_MAX (64u * 1024)
#define JSON_LINE_FACTOR 6u /* a payload's bytes in JSON, at worst */

enum {
    PUB_TYPE,
    PUB_CONTENT_TYPE,
    PUB_RETAIN,
    PUB_EXPIRY,
    PUB_PROPERTY,
    PUB_PRODUCER,
    PUB_EPOCH,
    PUB_JSON,
    PUB_VERBOSE
};
static const struct option_spec options[] = {
    [PUB_TYPE] = {"type", '\0', "TYPE", "the event's type (SSE's event:)"},
    [PUB_CONTENT_TYPE] = {"content-type", '\0', "TYPE", "such as application/json"},
    [PUB_RETAIN] = {"retain", '\0', NULL, "keep as the topic's retained message"},
    [PUB_EXPIRY] = {"expiry", '\0', "SECONDS", "worthless after that"},
    [PUB_PROPERTY] = {"property", '\0', "NAME=VALUE", "a user property; may repeat"},
    [PUB_PRODUCER] = {"producer", '\0', "ID", "number the events, so that none is stored twice"},
    [PUB_EPOCH] = {"epoch", '\0', "N", "the producer's epoch (the time of the start, ms)"},
    [PUB_JSON] = {"json", '\0', NULL, "lines are events in JSON form"},
    [PUB_VERBOSE] = {"verbose", 'v', NULL, "print the ID of each event stored"},
};

struct item {
    struct publication what;
    uint64_t line;     /* of standard input, from 1; 0: the argument */
    uint64_t deadline; /* clock_mono_ms */
    bool sent, done;
    char id[24];
};

struct pub {
    const struct invocation *in;
    struct slice topic;
    struct buf headers;       /* from options; open, without a producer */
    struct producer producer; /* id empty: none */
    bool json, verbose;
    uint64_t timeout_ms;

    uv_loop_t loop;
    uv_timer_t tick;
    struct source source;
    bool has_source;
    struct zsock *sock;
    struct buf endpoint;
    bool connected;

    struct item items[WINDOW_COUNT]; /* by number, modulo */
    uint64_t first, next;            /* numbers in the window: [first, next) */
    uint64_t unsent;                 /* first <= unsent <= next */
    size_t bytes;
    uint64_t lines; /* read */
    bool ended;     /* no more input */
    bool closing;
    int code;
};

static struct item *item_at(struct pub *p, uint64_t number)
{
    return &p->items[number % WINDOW_COUNT];
}

static size_t item_bytes(const struct item *i)
{
    return i->what.topic.len + i->what.headers.len + i->what.payload.len;
}

/* --- the end ----------------------------------------------------------------------------- */

static void on_source_closed(struct source *s)
{
    (void)s;
}

static void on_sock_closed(void *arg)
{
    (void)arg;
}

static void finish(struct pub *p, int code)
{
    if (p->closing)
        return;
    p->closing = true;
    p->code = code;
    if (p->has_source)
        source_close(&p->source, on_source_closed);
    uv_close((uv_handle_t *)&p->tick, NULL);
    zsock_close(p->sock, 0, on_sock_closed);
}

/* Says why, and which line. */
static void give_up(struct pub *p, const struct item *i, const char *why)
{
    if (i->line != 0)
        (void)cli_fail(CLI_FAILED, "line %" PRIu64 ": %s", i->line, why);
    else
        (void)cli_fail(CLI_FAILED, "%s", why);
    finish(p, CLI_FAILED);
}

static void give_up_line(struct pub *p, const char *why)
{
    const struct item i = {.line = p->lines};

    give_up(p, &i, why);
}

/* --- sending ------------------------------------------------------------------------------- */

static bool item_send(struct pub *p, struct item *i, uint64_t number)
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
    rc = zsock_send_parts(p->sock, (struct slice){NULL, 0}, parts, ARRAY_LEN(parts));
    for (size_t k = 0; k < ARRAY_LEN(parts); k++)
        zmsg_close(&parts[k]);
    i->sent = i->sent || rc == 0;
    return rc == 0;
}

/* What the socket does not take now goes with the next tick. */
static void send_all(struct pub *p)
{
    while (p->connected && !p->closing && p->unsent < p->next) {
        if (!item_send(p, item_at(p, p->unsent), p->unsent))
            return;
        p->unsent++;
    }
}

/* --- the window ------------------------------------------------------------------------------ */

static bool window_full(const struct pub *p)
{
    return p->next - p->first == WINDOW_COUNT || p->bytes >= WINDOW_BYTES;
}

/* Takes what w holds. */
static void window_push(struct pub *p, const struct publication *w)
{
    struct item *i = item_at(p, p->next);

    assert(!window_full(p));
    *i = (struct item){.what = *w, .line = p->lines, .deadline = clock_mono_ms() + p->timeout_ms};
    p->bytes += item_bytes(i);
    p->next++;
}

static void window_pop(struct pub *p)
{
    struct item *i = item_at(p, p->first);

    if (p->verbose)
        printf("%s\n", i->id);
    p->bytes -= item_bytes(i);
    publication_free(&i->what);
    p->first++;
}

/* --- input ----------------------------------------------------------------------------------- */

static void item_make(struct pub *p, struct slice payload, struct publication *w)
{
    *w = (struct publication){.repeatable = p->producer.id.len != 0};
    buf_put_slice(&w->topic, p->topic);
    buf_put_slice(&w->payload, payload);
    buf_put(&w->headers, p->headers.p, p->headers.len);
    if (w->repeatable) {
        p->producer.seq = p->next; /* numbers start at 0, as sequences do */
        headers_producer(&w->headers, &p->producer);
    }
    headers_end(&w->headers);
}

static bool line_make(struct pub *p, struct slice line, struct publication *w)
{
    struct buf error = {0};
    bool ok = true;

    if (!p->json) {
        item_make(p, line, w);
        return true;
    }
    if (!publication_from_json(w, line, p->topic, &error)) {
        buf_u8(&error, '\0');
        give_up_line(p, (char *)error.p);
        ok = false;
    }
    buf_free(&error);
    return ok;
}

static void line_take(struct pub *p, struct slice line)
{
    struct publication w;

    p->lines++;
    if (line_make(p, line, &w))
        window_push(p, &w);
}

static void input_failed(struct pub *p, enum source_result r)
{
    p->lines++;
    if (r == SOURCE_TOO_LONG)
        give_up_line(p, "longer than [limits] max_payload allows");
    else
        give_up_line(p, uv_strerror(p->source.error));
}

static void maybe_done(struct pub *p)
{
    if (p->ended && p->first == p->next)
        finish(p, CLI_OK);
}

/* Fills the window from the lines that are there. */
static void pull(struct pub *p)
{
    enum source_result r = SOURCE_WAIT;
    struct slice line;

    while (p->has_source && !p->ended && !p->closing && !window_full(p)) {
        r = source_next(&p->source, &line);
        if (r != SOURCE_LINE)
            break;
        line_take(p, line);
    }
    if (r == SOURCE_TOO_LONG || r == SOURCE_ERROR)
        input_failed(p, r);
    if (r == SOURCE_END)
        p->ended = true;
    if (p->has_source && !p->closing)
        source_read(&p->source, !p->ended && !window_full(p));
    send_all(p);
    maybe_done(p);
}

static void on_readable(struct source *s)
{
    pull(CONTAINER_OF(s, struct pub, source));
}

/* --- answers ------------------------------------------------------------------------------------
 */

static struct slice part_of(const struct zmsg *m)
{
    return (struct slice){zmsg_data(m), zmsg_size(m)};
}

static void on_ok(struct item *i, struct slice id)
{
    i->done = true;
    if (id.len == 0) /* a repeat of long ago */
        id = SLICE("-");
    (void)snprintf(i->id, sizeof i->id, "%.*s", (int)id.len, id.p);
}

static void on_error(struct pub *p, const struct item *i, const struct zmsg *parts, size_t count)
{
    struct buf why = {0};
    struct slice code = part_of(&parts[2]);

    buf_put_slice(&why, code);
    if (count > 3) {
        buf_puts(&why, ": ");
        buf_put_slice(&why, part_of(&parts[3]));
    }
    buf_u8(&why, '\0');
    give_up(p, i, (char *)why.p);
    buf_free(&why);
}

/* ["ok", ref, id] or ["error", ref, code, text]; anything else is none of ours. */
static void on_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    struct pub *p = arg;
    uint64_t number;
    struct item *i;

    (void)peer;
    if (p->closing || count < 3 || !slice_u64(part_of(&parts[1]), &number))
        return;
    if (number < p->first || number >= p->unsent)
        return;
    i = item_at(p, number);
    if (slice_eq(part_of(&parts[0]), SLICE("ok")))
        on_ok(i, part_of(&parts[2]));
    else
        on_error(p, i, parts, count);
}

static void on_drained(void *arg)
{
    struct pub *p = arg;

    if (p->closing)
        return;
    while (p->first < p->next && item_at(p, p->first)->done)
        window_pop(p);
    (void)fflush(stdout);
    pull(p);
}

/* --- the connection
 * ------------------------------------------------------------------------------- */

static void on_connected(void *arg)
{
    struct pub *p = arg;

    p->connected = true;
    send_all(p);
}

/* Everything sent and not answered may be sent again. */
static bool all_repeatable(struct pub *p)
{
    for (uint64_t n = p->first; n < p->unsent; n++)
        if (!item_at(p, n)->done && !item_at(p, n)->what.repeatable)
            return false;
    return true;
}

static void sock_open(struct pub *p);

static void on_disconnected(void *arg)
{
    struct pub *p = arg;

    p->connected = false;
    if (p->closing)
        return;
    if (!all_repeatable(p)) {
        give_up(p, item_at(p, p->first),
                "the connection was lost before an answer: it may be stored or not (a "
                "--producer makes repeating safe)");
        return;
    }
    zsock_close(p->sock, 0, on_sock_closed);
    p->unsent = p->first;
    sock_open(p);
}

static void sock_open(struct pub *p)
{
    static const struct zsock_ops ops = {on_message, on_drained, on_connected, on_disconnected};
    const struct zsock_options o = {
        .send_hwm = 2 * WINDOW_COUNT,
        .heartbeat_ms = HEARTBEAT_MS,
        .max_message = ANSWER_MAX,
        .monitor = true,
    };
    int rc;

    p->sock = zsock_new(&p->loop, ZSOCK_DEALER, &o, &ops, p);
    assert(p->sock != NULL);
    rc = zsock_connect(p->sock, (char *)p->endpoint.p);
    if (rc == 0)
        return;
    (void)cli_fail(CLI_FAILED, "cannot connect to %s: %s", (char *)p->endpoint.p, uv_strerror(rc));
    finish(p, CLI_FAILED);
}

/* Time passes: what a full socket refused goes again; the oldest may be due. */
static void on_tick(uv_timer_t *h)
{
    struct pub *p = CONTAINER_OF(h, struct pub, tick);
    const struct item *i = item_at(p, p->first);
    char why[256];

    send_all(p);
    if (p->first == p->next || clock_mono_ms() < i->deadline)
        return;
    if (i->sent)
        (void)snprintf(why, sizeof why, "no answer from the broker: it may be stored or not");
    else
        (void)snprintf(why, sizeof why, "the broker is away (%s): not stored",
                       (char *)p->endpoint.p);
    give_up(p, i, why);
}

/* --- the beginning
 * ----------------------------------------------------------------------------------- */

/* The first endpoint for applications; one of all interfaces means this machine. */
static void endpoint_put(const struct config *c, struct buf *out)
{
    static const char *const any[] = {"tcp://*:", "tcp://0.0.0.0:"};
    struct slice rest = slice_of(config_apps(c)), first = {"", 0};

    (void)config_list_next(&rest, &first);
    for (size_t i = 0; i < ARRAY_LEN(any); i++) {
        struct slice prefix = slice_of(any[i]);

        if (!slice_starts(first, prefix))
            continue;
        buf_puts(out, "tcp://127.0.0.1:");
        first.p += prefix.len;
        first.len -= prefix.len;
    }
    buf_put_slice(out, first);
    buf_u8(out, '\0');
}

static bool text_option(struct pub *p, size_t option, const char *member)
{
    const char *text = arguments_get(p->in->args, option);

    if (text == NULL)
        return true;
    if (!utf8_valid(text, strlen(text))) {
        (void)cli_fail(CLI_USAGE, "--%s is not UTF-8", options[option].name);
        return false;
    }
    headers_text(&p->headers, member, slice_of(text));
    return true;
}

static bool property_put(struct buf *list, const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || !utf8_valid(text, strlen(text))) {
        (void)cli_fail(CLI_USAGE, "--property is NAME=VALUE in UTF-8, not %s", text);
        return false;
    }
    buf_puts(list, list->len == 1 ? "[" : ",[");
    json_put_string(list, (struct slice){text, (size_t)(equals - text)});
    buf_u8(list, ',');
    json_put_string(list, slice_of(equals + 1));
    buf_u8(list, ']');
    return true;
}

static bool property_options(struct pub *p)
{
    struct buf list = {0};
    const char *text;
    size_t at = 0;
    bool ok = true;

    buf_u8(&list, '[');
    while (ok && (text = arguments_next(p->in->args, PUB_PROPERTY, &at)) != NULL)
        ok = property_put(&list, text);
    buf_u8(&list, ']');
    if (ok && list.len > 2)
        headers_raw(&p->headers, "properties", (struct slice){(char *)list.p, list.len});
    buf_free(&list);
    return ok;
}

static bool number_options(struct pub *p)
{
    const struct arguments *a = p->in->args;
    struct buf digits = {0};
    uint64_t expiry;

    if (!arguments_number(a, options, PUB_EPOCH, clock_ms(), EVENT_ID_MAX, &p->producer.epoch) ||
        !arguments_number(a, options, PUB_EXPIRY, 0, UINT32_MAX, &expiry))
        return false;
    if (arguments_get(a, PUB_EXPIRY) != NULL) {
        buf_dec(&digits, expiry);
        headers_raw(&p->headers, "expiry", (struct slice){(char *)digits.p, digits.len});
        buf_free(&digits);
    }
    if (arguments_get(a, PUB_RETAIN) != NULL)
        headers_raw(&p->headers, "retain", SLICE("true"));
    return true;
}

/* A line in JSON form says all this itself; --producer numbers one topic's events. */
static bool json_alone(const struct pub *p)
{
    for (size_t i = 0; i < PUB_JSON; i++)
        if (p->json && arguments_get(p->in->args, i) != NULL) {
            (void)cli_fail(CLI_USAGE, "with --json each line says its own %s", options[i].name);
            return false;
        }
    if (p->json && p->in->operand_count > 1) {
        (void)cli_fail(CLI_USAGE, "--json reads standard input; give no MESSAGE");
        return false;
    }
    return true;
}

static bool read_options(struct pub *p)
{
    const char *producer = arguments_get(p->in->args, PUB_PRODUCER);

    p->json = arguments_get(p->in->args, PUB_JSON) != NULL;
    p->verbose = arguments_get(p->in->args, PUB_VERBOSE) != NULL;
    p->producer.id = slice_of(producer);
    headers_begin(&p->headers);
    if (!utf8_valid(p->producer.id.p, p->producer.id.len)) {
        (void)cli_fail(CLI_USAGE, "--producer is not UTF-8");
        return false;
    }
    return json_alone(p) && text_option(p, PUB_TYPE, "type") &&
           text_option(p, PUB_CONTENT_TYPE, "content_type") && number_options(p) &&
           property_options(p);
}

static size_t line_max(const struct pub *p)
{
    uint64_t payload = config_num(p->in->config, CFG_MAX_PAYLOAD);

    return p->json ? JSON_LINE_FACTOR * (payload + EVENT_PROPS_MAX) : payload;
}

static void begin(struct pub *p)
{
    const char *message = p->in->operand_count > 1 ? p->in->operands[1] : NULL;
    struct publication w;

    sock_open(p);
    if (p->closing)
        return;
    p->has_source = message == NULL;
    p->ended = message != NULL;
    if (p->has_source) {
        source_init(&p->source, &p->loop, line_max(p), on_readable);
        source_read(&p->source, true);
    } else {
        item_make(p, slice_of(message), &w);
        window_push(p, &w);
    }
}

static int publish_all(struct pub *p)
{
    int rc = uv_loop_init(&p->loop);

    assert(rc == 0);
    (void)uv_timer_init(&p->loop, &p->tick);
    (void)uv_timer_start(&p->tick, on_tick, TICK_MS, TICK_MS);
    begin(p);
    (void)uv_run(&p->loop, UV_RUN_DEFAULT);
    rc = uv_loop_close(&p->loop);
    assert(rc == 0);
    (void)rc;
    zsock_shutdown();
    return p->code;
}

static int run(const struct invocation *in)
{
    struct pub *p = mem_zalloc(sizeof *p);
    int rc = CLI_USAGE;

    p->in = in;
    p->topic = slice_of(in->operands[0]);
    p->timeout_ms = config_num(in->config, CFG_PUBLISH_TIMEOUT);
    endpoint_put(in->config, &p->endpoint);
    if (read_options(p))
        rc = publish_all(p);
    for (; p->first < p->next; p->first++)
        publication_free(&item_at(p, p->first)->what);
    buf_free(&p->headers);
    buf_free(&p->endpoint);
    free(p);
    return rc;
}

const struct command command_pub = {
    .name = "pub",
    .operands = "TOPIC [MESSAGE]",
    .summary = "publish MESSAGE, or each line of standard input as it comes",
    .details = "Ends when every event is stored.  A refusal ends it with exit code 1; lines that\n"
               "follow the refused one may have been stored.  While the broker is away it waits\n"
               "for [limits] publish_timeout.\n"
               "\n"
               "With --producer ID a lost connection costs no event and stores none twice.  The\n"
               "same ID and --epoch again publish only those lines of the same input that are\n"
               "not stored yet.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .min_operands = 1,
    .max_operands = 2,
    .run = run,
};
