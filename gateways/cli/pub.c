/*
 * pub.c - sluice pub: the options of an event, and the events themselves, which
 * sender.h brings to the broker; or post.h, where a gateway or who asks was named.
 *
 * The headers that options say are written once and left open; each event copies
 * them and adds its producer's number.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "clock.h"
#include "json.h"
#include "mem.h"
#include "post.h"
#include "sender.h"

#define JSON_LINE_FACTOR 6u /* bytes of JSON for one of a payload, at worst */

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

struct pub {
    const struct invocation *in;
    struct slice topic;
    struct buf headers;       /* from options; open */
    struct producer producer; /* id empty: none */
    bool json;
};

/* --- events --------------------------------------------------------------- */

static bool pub_make_plain(void *arg, struct slice line, uint64_t number, struct publication *w,
                           struct buf *error)
{
    struct pub *p = arg;

    (void)error;
    *w = (struct publication){.repeatable = p->producer.id.len != 0};
    buf_put_slice(&w->topic, p->topic);
    buf_put_slice(&w->payload, line);
    buf_put(&w->headers, p->headers.p, p->headers.len);
    if (w->repeatable) {
        p->producer.seq = number;
        publication_producer(&w->headers, &p->producer);
    }
    publication_end(&w->headers);
    return true;
}

static bool pub_make_json(void *arg, struct slice line, uint64_t number, struct publication *w,
                          struct buf *error)
{
    const struct pub *p = arg;

    (void)number;
    return publication_from_json(w, line, p->topic, error);
}

/* --- options -------------------------------------------------------------- */

/* The first address of sluice-zmq as an endpoint; one of all interfaces means this machine. */
static void endpoint_put(const struct config *c, struct buf *out)
{
    static const char *const any[] = {"*:", "0.0.0.0:", ":"};
    struct slice rest = slice_of(config_address(c, CFG_ZMQ_LISTEN)), first = {"", 0};

    (void)config_list_next(&rest, &first);
    if (slice_starts(first, SLICE("tcp://")))
        first = (struct slice){first.p + 6, first.len - 6};
    buf_puts(out, first.len > 0 && !slice_starts(first, SLICE("ipc://")) ? "tcp://" : "");
    for (size_t i = 0; i < ARRAY_LEN(any); i++) {
        size_t len = strlen(any[i]);

        if (!slice_starts(first, slice_of(any[i])))
            continue;
        buf_puts(out, "127.0.0.1:");
        first = (struct slice){first.p + len, first.len - len};
        break;
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
    publication_text(&p->headers, member, slice_of(text));
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
        publication_raw(&p->headers, "properties", (struct slice){(char *)list.p, list.len});
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
        publication_raw(&p->headers, "expiry", (struct slice){(char *)digits.p, digits.len});
        buf_free(&digits);
    }
    if (arguments_get(a, PUB_RETAIN) != NULL)
        publication_raw(&p->headers, "retain", SLICE("true"));
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
    p->producer.id = slice_of(producer);
    publication_begin(&p->headers);
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

/* ZMTP's NULL, which is what we speak there, is served, and lets strangers in. */
static bool zeromq_takes_strangers(const struct config *c)
{
    struct slice rest = slice_of(config_text(c, CFG_ZMQ_MECHANISM)), one;
    bool served = rest.len == 0;

    while (config_list_next(&rest, &one))
        served = served || slice_eq_nocase(one, SLICE("null"));
    return served && (!config_auth(c) || config_text(c, CFG_AUTH_ANONYMOUS)[0] != '\0');
}

static bool over_http(const struct invocation *in, const struct buf *endpoint)
{
    return login_given(in->login) || endpoint->len == 1 || !zeromq_takes_strangers(in->config);
}

static int publish(struct pub *p, const struct buf *endpoint)
{
    const char *message = p->in->operand_count > 1 ? p->in->operands[1] : NULL;
    const struct sender_options o = {
        .endpoint = (char *)endpoint->p,
        .login = p->in->login,
        .timeout_ms = config_num(p->in->config, CFG_PUBLISH_TIMEOUT),
        .line_max = line_max(p),
        .print_ids = arguments_get(p->in->args, PUB_VERBOSE) != NULL,
        .make = p->json ? pub_make_json : pub_make_plain,
        .arg = p,
    };

    return over_http(p->in, endpoint) ? post_run(&o, p->in, message) : sender_run(&o, message);
}

static int pub_run(const struct invocation *in)
{
    struct pub p = {.in = in, .topic = slice_of(in->operands[0])};
    struct buf endpoint = {0};
    int rc = CLI_USAGE;

    endpoint_put(in->config, &endpoint);
    if (read_options(&p))
        rc = publish(&p, &endpoint);
    buf_free(&p.headers);
    buf_free(&endpoint);
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
               "not stored yet.\n"
               "\n"
               "It goes over ZeroMQ to sluice-zmq; over HTTP, in batches, once --url, a token, a\n"
               "user or a certificate is given.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .min_operands = 1,
    .max_operands = 2,
    .run = pub_run,
    .asks = true,
};
