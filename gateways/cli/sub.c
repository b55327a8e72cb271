/*
 * sub.c - sluice sub: a stream of events on standard output, without end.
 *
 * Speaks SSE to the gateway.  Every message is printed before the reader's last
 * ID moves on with it, and a new connection asks for what comes after that ID:
 * so a lost connection costs neither an event nor prints one twice.
 *
 * A first connection that fails is the caller's to know: exit 1.  Once a stream
 * was open, it is opened again until it works, waiting as long as the server's
 * `retry:` says and doubling from there; only a refusal (4xx) ends it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "backoff.h"
#include "cli.h"
#include "document.h"
#include "event.h"
#include "fetch.h"
#include "json.h"
#include "mem.h"
#include "show.h"
#include "sse_reader.h"
#include "url.h"

#define RETRY_MS 1000u /* until the server says */
#define RETRY_MIN_MS 50u
#define RETRY_MAX_MS 30000u
#define ESCAPED_MAX 6 /* bytes of JSON for one of a string */

enum { SUB_AFTER, SUB_SINCE, SUB_LAST, SUB_FORMAT, SUB_COUNT, SUB_VERBOSE };
static const struct option_spec options[] = {
    [SUB_AFTER] = {"after", '\0', "ID", "strictly after this event; 0: all that is kept"},
    [SUB_SINCE] = {"since", '\0', "TIME", "from RFC 3339 time, or a duration ago: 10m"},
    [SUB_LAST] = {"last", '\0', "N", "the newest N events first"},
    [SUB_FORMAT] = {"format", '\0', "FORM", "raw, json or ndjson"},
    [SUB_COUNT] = {"count", 'n', "N", "stop after N events"},
    [SUB_VERBOSE] = {"verbose", 'v', NULL, "raw: print each event's ID before it"},
};

enum format { FORMAT_RAW, FORMAT_JSON, FORMAT_NDJSON };

/* LOST, REFUSED and ENDED leave why in the fetch's error.  ENDED: who asks has run out, or may
 * not any more. */
enum outcome { GO_ON, LOST, ENDED, REFUSED, DONE };

struct sub {
    const struct invocation *in;
    enum format format;
    bool verbose;
    uint64_t left; /* events still wanted */
    bool opened;   /* a stream was open once */
    bool progress; /* something came on the last connection */
    bool expired;  /* the stream said that it ends, and why */
    int code;      /* exit code of what was refused */
    struct sse_reader reader;
    struct buf address;
    struct buf payload;
};

/* --- printing ------------------------------------------------------------- */

static void print_id(const struct sub *s)
{
    if (s->verbose && s->reader.last_id.len != 0)
        printf("%.*s\t", (int)s->reader.last_id.len, (char *)s->reader.last_id.p);
}

static void print_raw(struct sub *s, const struct sse_message *m)
{
    struct slice payload = m->data;

    if (slice_eq(m->type, SLICE("sluice.json")) && json_check(m->data) == JSON_OBJECT) {
        buf_clear(&s->payload); /* SSE cannot carry these bytes as they are */
        document_payload(m->data, &s->payload);
        payload = buf_slice(&s->payload);
    }
    print_id(s);
    show_text(payload);
    putchar('\n');
}

static void print_gap(const struct sub *s, struct slice gap)
{
    if (s->format == FORMAT_NDJSON)
        printf("{\"gap\":%.*s}\n", (int)gap.len, gap.p);
    document_tell_gap(gap);
}

static void print_message(struct sub *s, const struct sse_message *m)
{
    if (slice_eq(m->type, SLICE("sluice.gap"))) {
        print_gap(s, m->data);
        return;
    }
    if (slice_eq(m->type, SLICE("sluice.expired"))) {
        s->expired = true;
        return;
    }
    if (slice_eq(m->type, SLICE("sluice.start")) || slice_eq(m->type, SLICE("sluice.position")))
        return; /* the reader keeps their ID */
    if (s->format == FORMAT_RAW) {
        print_raw(s, m);
    } else {
        show_text(m->data);
        putchar('\n');
    }
    s->left--;
}

/* --- one connection ------------------------------------------------------- */

static void target_put(const struct sub *s, struct buf *target)
{
    const struct arguments *a = s->in->args;

    buf_puts(target, "/events/");
    url_encode(slice_of(s->in->operands[0]), target);
    for (int i = 1; i < s->in->operand_count; i++)
        ask_query(target, "topic", s->in->operands[i]);
    ask_query(target, "format", s->format == FORMAT_RAW ? "raw" : "json");
    if (s->reader.last_id.len == 0) {
        ask_query(target, "after", arguments_get(a, SUB_AFTER));
        ask_query(target, "since", arguments_get(a, SUB_SINCE));
        ask_query(target, "last", arguments_get(a, SUB_LAST));
    }
    buf_u8(target, '\0');
}

/* A stream that says nothing for three keep-alives is dead. */
static unsigned patience_ms(const struct config *c)
{
    uint64_t ms = config_num(c, CFG_SSE_KEEPALIVE) * 3;

    return ms < ASK_TIMEOUT_MS ? ASK_TIMEOUT_MS : ms > 3600000 ? 3600000 : (unsigned)ms;
}

static enum outcome sub_refused(struct sub *s, struct fetch *f)
{
    struct buf body = {0}, text = {0};
    unsigned status = f->status;

    (void)fetch_read_all(f, &body, ASK_ANSWER_MAX); /* what came of it is enough */
    s->code = ask_refused(f, buf_slice(&body), &text);
    (void)snprintf(f->error, sizeof f->error, "%.*s", (int)text.len, (char *)text.p);
    buf_free(&body);
    buf_free(&text);
    return status >= 500 || status == 429 ? LOST : REFUSED;
}

/* Bytes of the stream: printed, and flushed before more is waited for. */
static enum outcome print_stream(struct sub *s, struct fetch *f, struct slice data)
{
    while (data.len != 0 && s->left != 0) {
        struct sse_message m;
        bool got;
        ptrdiff_t n = sse_reader_feed(&s->reader, data.p, data.len, &m, &got);

        if (n < 0) {
            (void)snprintf(f->error, sizeof f->error, "an event is larger than max_payload");
            return REFUSED; /* it would come again */
        }
        if (got)
            print_message(s, &m);
        data.p += n;
        data.len -= (size_t)n;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)snprintf(f->error, sizeof f->error, "standard output: %s", strerror(errno));
        return REFUSED;
    }
    return s->left == 0 ? DONE : GO_ON;
}

static enum outcome follow(struct sub *s, struct fetch *f)
{
    enum outcome o = GO_ON;
    struct slice data;
    int rc = 1;

    s->opened = true;
    s->expired = false;
    sse_reader_restart(&s->reader);
    while (o == GO_ON && (rc = fetch_read(f, &data)) > 0) {
        s->progress = true;
        o = print_stream(s, f, data);
    }
    if (rc > 0)
        return o;
    if (rc == 0)
        (void)snprintf(f->error, sizeof f->error, "the server ended the stream%s",
                       s->expired ? ": whoever asked has run out, or may not any more" : "");
    return s->expired ? ENDED : LOST;
}

static enum outcome answered(struct sub *s, struct fetch *f)
{
    if (f->status != 200)
        return sub_refused(s, f);
    if (slice_starts(f->content_type, SLICE("text/event-stream")))
        return follow(s, f);
    (void)snprintf(f->error, sizeof f->error, "%s does not answer with a stream",
                   (char *)s->address.p);
    return REFUSED;
}

static enum outcome connect_once(struct sub *s, struct fetch *f)
{
    struct fetch_request r;
    struct buf target = {0};
    enum outcome o = LOST;

    s->progress = false;
    target_put(s, &target);
    r = ask_request(s->in, (char *)target.p);
    r.address = (char *)s->address.p;
    r.accept = "text/event-stream";
    r.last_event_id = buf_slice(&s->reader.last_id);
    r.timeout_ms = patience_ms(s->in->config);
    if (fetch_open(f, &r) == 0)
        o = answered(s, f);
    fetch_close(f);
    buf_free(&target);
    return o;
}

/* --- as long as it takes -------------------------------------------------- */

/* As the server says, but never without a pause. */
static unsigned retry_ms(const struct sub *s)
{
    unsigned ms = s->reader.has_retry ? s->reader.retry_ms : RETRY_MS;

    return ms < RETRY_MIN_MS ? RETRY_MIN_MS : ms;
}

static int stream(struct sub *s)
{
    unsigned wait = 0;

    for (;;) {
        struct fetch f;
        enum outcome o = connect_once(s, &f);

        if (o == DONE)
            return CLI_OK;
        if (o == REFUSED || !s->opened)
            return cli_fail(s->code, "%s", f.error);
        if (!login_renew(s->in->login))
            return CLI_REFUSED;
        if (s->progress)
            wait = 0;
        if (wait == 0)
            (void)cli_fail(CLI_FAILED, "%s; connecting again", f.error);
        wait = backoff_next(wait, retry_ms(s), RETRY_MAX_MS);
        (void)poll(NULL, 0, (int)wait);
    }
}

/* As the gateway has it: raw for one exact topic, else events need their topic. */
static enum format format_default(const struct invocation *in)
{
    bool exact = in->operand_count == 1 && filter_is_exact(slice_of(in->operands[0]));

    return exact ? FORMAT_RAW : FORMAT_JSON;
}

static bool format_parse(const struct invocation *in, enum format *out)
{
    static const char *const names[] = {"raw", "json", "ndjson"};
    const char *text = arguments_get(in->args, SUB_FORMAT);

    *out = format_default(in);
    if (text == NULL)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        *out = (enum format)i;
        if (strcmp(text, names[i]) == 0)
            return true;
    }
    (void)cli_fail(CLI_USAGE, "--format is raw, json or ndjson, not %s", text);
    return false;
}

static int sub_run(const struct invocation *in)
{
    struct sub s = {
        .in = in, .code = CLI_FAILED, .verbose = arguments_get(in->args, SUB_VERBOSE) != NULL};
    int rc;

    if (!format_parse(in, &s.format) ||
        !arguments_number(in->args, options, SUB_COUNT, UINT64_MAX, UINT64_MAX, &s.left))
        return CLI_USAGE;
    if (s.left == 0)
        return CLI_OK;
    s.reader.max = ESCAPED_MAX * (config_num(in->config, CFG_MAX_PAYLOAD) + EVENT_PROPS_MAX);
    ask_address(in->config, "sse", &s.address);
    rc = stream(&s);
    sse_reader_close(&s.reader);
    buf_free(&s.address);
    buf_free(&s.payload);
    return rc;
}

const struct command command_sub = {
    .name = "sub",
    .operands = "TOPIC...",
    .summary = "print events as they come",
    .details =
        "TOPIC is a name or a filter: + stands for one level, # for the rest.  Without a\n"
        "start it prints what comes from now on.  A lost connection is made again and goes\n"
        "on after the last event printed.\n"
        "\n"
        "raw prints payloads, a line each (the default for one exact topic); json prints\n"
        "events in JSON form, a line each; ndjson also prints gaps, as {\"gap\":...} lines.\n"
        "Gaps are told on standard error in every form.\n"
        "\n"
        "A token file is read again for each new connection: put the next token there before\n"
        "the last one runs out, and nothing is missing.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .min_operands = 1,
    .max_operands = -1,
    .run = sub_run,
    .asks = true,
};
