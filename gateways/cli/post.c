/*
 * post.c - lines become a batch (NDJSON), which is stored whole or not at all.
 *
 * What is there goes at once: lines are gathered only while more of them can be read without
 * waiting.  Payloads travel as base64, so that they arrive as they are.
 *
 * Ends of a batch:
 *   stored     the next one
 *   refused    the problem names the line at fault.  Those before it go once more, alone, for
 *              they have done nothing wrong; then it ends
 *   429        again when the server says, while there is time
 *   not sent   no connection: again, while there is time
 *   unknown    no answer, a lost connection, 504: the same when each event names a producer; else
 *              it ends
 */
#include "post.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "document.h"
#include "json.h"
#include "lines.h"
#include "mem.h"

#define BATCH_COUNT 500u
#define BATCH_BYTES (1024u * 1024)
#define READ_SIZE 65536
#define RETRY_MS 200u
#define WAIT_TOLD_MS 1000u

struct post {
    const struct sender_options *o;
    const struct invocation *in;
    bool lines_from_input; /* else one message of the command line */
    struct lines lines;
    bool ended;     /* no more input */
    int code;       /* what a mistake in the input has made of it */
    uint64_t first; /* number of the batch's first line */
    uint64_t next;  /* of the next line */
    struct buf batch;
    struct buf ends; /* u32 each: where in the batch each line ends */
    uint32_t count;
    bool repeatable;
    struct buf address;
};

/* --- a batch --------------------------------------------------------------------------- */

static void batch_clear(struct post *p)
{
    buf_clear(&p->batch);
    buf_clear(&p->ends);
    p->count = 0;
    p->first = p->next;
    p->repeatable = true;
}

static void batch_add(struct post *p, const struct publication *w)
{
    struct slice members = buf_slice(&w->headers);

    buf_puts(&p->batch, "{\"topic\":");
    json_put_string(&p->batch, buf_slice(&w->topic));
    buf_puts(&p->batch, ",\"data_base64\":");
    json_put_base64(&p->batch, buf_slice(&w->payload));
    if (members.len > 2) { /* "{…}": its members, and the brace behind them */
        buf_u8(&p->batch, ',');
        buf_put(&p->batch, members.p + 1, members.len - 1);
    } else {
        buf_u8(&p->batch, '}');
    }
    buf_u8(&p->batch, '\n');
    buf_u32(&p->ends, (uint32_t)p->batch.len);
    p->count++;
    p->next++;
    p->repeatable = p->repeatable && w->repeatable;
}

static bool batch_full(const struct post *p)
{
    return p->count == BATCH_COUNT || p->batch.len >= BATCH_BYTES;
}

/* The first `count` lines of it. */
static struct slice batch_head(const struct post *p, uint32_t count)
{
    struct reader r = reader_of(p->ends.p, p->ends.len);
    size_t end = 0;

    while (count-- > 0)
        end = reader_u32(&r);
    return (struct slice){(char *)p->batch.p, end};
}

/* Says which line; number counts from 0, a person from 1. */
static void complain(struct post *p, uint64_t number, int code, const char *why)
{
    if (p->lines_from_input)
        (void)cli_fail(code, "line %" PRIu64 ": %s", number + 1, why);
    else
        (void)cli_fail(code, "%s", why);
    p->code = code;
    p->ended = true;
}

/* --- input ----------------------------------------------------------------------------- */

static void line_take(struct post *p, struct slice line)
{
    struct publication w;
    struct buf error = {0};

    if (p->o->make(p->o->arg, line, p->next, &w, &error)) {
        batch_add(p, &w);
        publication_free(&w);
    } else {
        buf_u8(&error, '\0');
        complain(p, p->next, CLI_FAILED, (char *)error.p);
    }
    buf_free(&error);
}

static void take_lines(struct post *p, bool last)
{
    struct slice line;

    while (!p->ended && !batch_full(p) && lines_next(&p->lines, last, &line)) {
        if (line.len > p->o->line_max)
            complain(p, p->next, CLI_FAILED, "longer than [limits] max_payload allows");
        else
            line_take(p, line);
    }
}

/* Standard input has something to say, its end included; waits for it if `wait`. */
static bool input_ready(bool wait)
{
    struct pollfd fd = {STDIN_FILENO, POLLIN, 0};

    return poll(&fd, 1, wait ? -1 : 0) > 0;
}

/* False: that was the end. */
static bool input_read(struct post *p)
{
    char bytes[READ_SIZE];
    ssize_t n;

    do
        n = read(STDIN_FILENO, bytes, sizeof bytes);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        complain(p, p->next, CLI_FAILED, strerror(errno));
    if (n > 0)
        lines_add(&p->lines, bytes, (size_t)n);
    return n > 0;
}

/* Lines until the batch is full, or more of them would have to be waited for. */
static void gather(struct post *p)
{
    batch_clear(p);
    take_lines(p, false);
    while (!p->ended && !batch_full(p) && input_ready(p->count == 0)) {
        bool more = input_read(p);

        take_lines(p, !more);
        if (!more && !batch_full(p))
            p->ended = true;
        if (lines_waiting(&p->lines) > p->o->line_max && !batch_full(p) && !p->ended)
            complain(p, p->next, CLI_FAILED, "longer than [limits] max_payload allows");
    }
}

/* --- answers ---------------------------------------------------------------------------- */

enum verdict { STORED, AGAIN, REFUSED };

static void print_ids(struct slice answer)
{
    struct slice list, event;
    struct json_iter it;
    struct buf id = {0};

    if (json_check(answer) != JSON_OBJECT || !document_member(answer, "events", &list))
        return;
    for (it = json_iter_of(list); json_element(&it, &event);) {
        buf_clear(&id);
        document_text(event, "id", &id);
        printf("%.*s\n", id.len != 0 ? (int)id.len : 1, id.len != 0 ? (char *)id.p : "-");
    }
    (void)fflush(stdout);
    buf_free(&id);
}

/* The line at fault, from 1; 0: none. */
static uint32_t line_at_fault(struct slice answer, uint32_t count)
{
    struct slice raw;
    uint64_t line = 0;

    if (json_check(answer) == JSON_OBJECT && document_member(answer, "line", &raw))
        line = json_u64(raw, &line) ? line : 0;
    return line <= count ? (uint32_t)line : 0;
}

/* What one try has come to. */
struct attempt {
    unsigned status; /* 0: no answer */
    bool sent;
    int code;
    unsigned wait_ms;
    uint32_t line;
    struct buf why;
};

static void attempt_refused(struct attempt *t, const struct fetch *f, struct slice answer,
                            uint32_t count)
{
    t->code = ask_refused(f, answer, &t->why);
    t->wait_ms = f->retry_after_s != 0 ? f->retry_after_s * 1000 : RETRY_MS;
    t->line = line_at_fault(answer, count);
}

static void attempt_make(struct post *p, uint32_t count, struct attempt *t)
{
    struct fetch_request r = ask_request(p->in, "/events");
    struct buf answer = {0};
    struct fetch f;

    *t = (struct attempt){.code = CLI_FAILED, .wait_ms = RETRY_MS};
    r.address = (char *)p->address.p;
    r.body = batch_head(p, count);
    r.body_type = "application/x-ndjson";
    r.timeout_ms = (unsigned)p->o->timeout_ms + ASK_TIMEOUT_MS;
    if (fetch_open(&f, &r) != 0 || fetch_read_all(&f, &answer, ASK_ANSWER_MAX) != 0) {
        buf_puts(&t->why, f.error);
    } else {
        t->status = f.status;
        if (f.status != 200 && f.status != 201)
            attempt_refused(t, &f, buf_slice(&answer), count);
        else if (p->o->print_ids)
            print_ids(buf_slice(&answer));
    }
    t->sent = f.sent;
    fetch_close(&f);
    buf_free(&answer);
}

/* It may be stored or not. */
static bool attempt_unknown(const struct attempt *t)
{
    return t->status == 504 || (t->status == 0 && t->sent);
}

static enum verdict verdict_of(const struct attempt *t, bool repeatable)
{
    if (t->status == 200 || t->status == 201)
        return STORED;
    if (attempt_unknown(t))
        return repeatable ? AGAIN : REFUSED;
    return t->status == 429 || t->status == 0 ? AGAIN : REFUSED;
}

/* --- sending ----------------------------------------------------------------------------- */

static enum verdict batch_try(struct post *p, uint32_t count, struct attempt *t)
{
    uint64_t began = clock_mono_ms(), deadline = began + p->o->timeout_ms;
    enum verdict v;

    for (;;) {
        attempt_make(p, count, t);
        v = verdict_of(t, p->repeatable);
        if (v != AGAIN || clock_mono_ms() + t->wait_ms > deadline)
            return v;
        if (t->status == 0 && clock_mono_ms() - began >= WAIT_TOLD_MS)
            login_tell_waiting(p->in->login, p->in->login->url != NULL ? p->in->login->url
                                                                       : (char *)p->address.p);
        (void)poll(NULL, 0, (int)t->wait_ms);
        buf_free(&t->why);
    }
}

static void batch_failed(struct post *p, struct attempt *t)
{
    struct attempt rest = {0};

    if (t->line > 1 && batch_try(p, t->line - 1, &rest) != STORED)
        t->line = 1; /* then not even those */
    if (attempt_unknown(t))
        buf_puts(&t->why, p->repeatable ? ": it may be stored or not"
                                        : ": it may be stored or not (a --producer makes repeating "
                                          "safe)");
    else if (t->status == 0)
        buf_puts(&t->why, ": not stored");
    buf_u8(&t->why, '\0');
    complain(p, p->first + (t->line > 0 ? t->line - 1 : 0), t->code, (char *)t->why.p);
    buf_free(&rest.why);
}

static void batch_send(struct post *p)
{
    struct attempt t;

    if (p->count == 0)
        return;
    if (batch_try(p, p->count, &t) != STORED)
        batch_failed(p, &t);
    buf_free(&t.why);
}

int post_run(const struct sender_options *o, const struct invocation *in, const char *message)
{
    struct post p = {.o = o, .in = in, .lines_from_input = message == NULL, .code = CLI_OK};

    ask_address(in->config, "sse", &p.address);
    batch_clear(&p);
    if (message != NULL) {
        p.ended = true;
        line_take(&p, slice_of(message));
        batch_send(&p);
    }
    while (!p.ended) {
        gather(&p);
        batch_send(&p);
    }
    buf_free(&p.batch);
    buf_free(&p.ends);
    buf_free(&p.address);
    lines_close(&p.lines);
    return p.code;
}
