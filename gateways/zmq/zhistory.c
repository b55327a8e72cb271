/*
 * zhistory.c - see zhistory.h.
 *
 *   since, last: the broker is asked where that begins ──▶ page ──▶ page … ──▶ document
 *
 * A document ends at its limit, at the log's end or `until`, at a megabyte, or after five
 * seconds of search; the next request goes on from there, in the same direction.  Downwards
 * there is no `next` at the beginning.
 */
#include "zhistory.h"

#include <stdlib.h>

#include "clock.h"
#include "event_json.h"
#include "mem.h"
#include "page_json.h"
#include "zwords.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define DOCUMENT_BYTES (1024u * 1024) /* then it ends with its page */
#define DOCUMENT_MS 5000
/* What one may take: its bytes, a last event, and what the broker's page lies in. */
#define DOCUMENT_PRICE (3u * 1024 * 1024)
#define DOCUMENTS_MAX (48u * 1024 * 1024) /* of all together */

struct zhistory {
    struct zpeer *peer;
    struct link_read read;
    struct wheel_timer timer;
    struct subscribe words;
    struct wire_filter *filters;
    bool starting, quiet, ended, delimited;
    uint64_t cursor, told, limit, rows, give_up_at;
    struct zhistory_range {
        bool descending;
        uint64_t until_id, until_ms; /* 0: none */
    } range;
    uint64_t lowest; /* downwards: nothing matches at or below it */
    struct gap gap;
    struct buf body;
    size_t ref_len;
    char ref[];
};

/* --- the end ------------------------------------------------------------------------ */

static void zhistory_free(struct zhistory *h)
{
    struct zpeer *p = h->peer;

    wheel_stop(&h->timer);
    p->history = NULL;
    subscribe_free(&h->words);
    free(h->filters);
    buf_free(&h->body);
    free(h);
}

/* Not answered: what was set aside for it is free again. */
static void pay_back(struct zpeer *p)
{
    p->d->documents -= p->document;
    p->document = 0;
}

void zhistory_cancel(struct zpeer *p)
{
    if (p->history == NULL)
        return;
    link_read_cancel(p->d->gateway->link, &p->history->read);
    zhistory_free(p->history);
}

static struct zanswer zhistory_to(const struct zhistory *h)
{
    return (struct zanswer){{h->ref, h->ref_len}, h->delimited};
}

static void zhistory_fail(struct zhistory *h, const struct problem *why)
{
    struct zanswer to = zhistory_to(h);
    struct zpeer *p = h->peer;

    zanswer_problem(p, &to, why);
    pay_back(p);
    zhistory_free(h);
    zpeer_continue(p);
}

static void zhistory_fail_with(struct zhistory *h, enum sluice_error error, const char *text)
{
    struct problem why = {0};

    (void)problem_set(&why, error, NULL, text);
    zhistory_fail(h, &why);
}

/* The budget counts what is there from now on, until it is written; only then is the peer
 * read again. */
static void zhistory_answer(struct zhistory *h)
{
    struct zanswer to = zhistory_to(h);
    struct zpeer *p = h->peer;

    page_json_end(&h->body, !h->range.descending || !h->ended, h->cursor, &h->gap);
    pay_back(p);
    p->document = h->body.len;
    p->d->documents += p->document;
    zanswer_ok(p, &to, buf_slice(&h->body));
    zhistory_free(h);
}

/* The broker is not waited for any more. */
void zhistory_review(struct zpeer *p)
{
    struct zhistory *h = p->history;
    struct problem why = {0};

    for (size_t i = 0; h != NULL && i < h->words.filter_count; i++) {
        if (zwords_permitted(p, AUTH_SUBSCRIBE, h->words.filters[i], &why))
            continue;
        link_read_cancel(p->d->gateway->link, &h->read);
        zhistory_fail(h, &why);
        return;
    }
}

/* --- the broker --------------------------------------------------------------------- */

static void zhistory_on_timeout(struct wheel_timer *t)
{
    struct zhistory *h = CONTAINER_OF(t, struct zhistory, timer);

    link_read_cancel(h->peer->d->gateway->link, &h->read);
    gateway_wake(h->peer->d->gateway); /* a timer's turn has no end of its own */
    zhistory_fail_with(h, ERR_UNAVAILABLE, "The broker does not answer");
}

static void zhistory_send(struct zhistory *h)
{
    struct gateway *g = h->peer->d->gateway;

    wheel_start(&g->wheel, &h->timer, config_num(g->config, CFG_PUBLISH_TIMEOUT),
                zhistory_on_timeout);
    link_read(g->link, &h->read);
}

static void ask_page(struct zhistory *h)
{
    uint64_t left = h->limit - h->rows;
    struct wire_page_req m = {.after = h->cursor,
                              .until = h->range.descending ? 0 : h->range.until_id,
                              .descending = h->range.descending,
                              .limit = left < WIRE_PAGE_ROWS ? (uint32_t)left : WIRE_PAGE_ROWS,
                              .filter_count = (uint16_t)h->words.filter_count,
                              .filters = h->filters};

    wire_page_req_put(&h->read.frame, &m);
    zhistory_send(h);
}

static void ask_start(struct zhistory *h)
{
    struct wire_start_req m = {.mode = h->words.start.kind == START_SINCE ? WIRE_SINCE : WIRE_LAST,
                               .arg = h->words.start.arg,
                               .filter_count = (uint16_t)h->words.filter_count,
                               .filters = h->filters};

    h->starting = true;
    wire_start_req_put(&h->read.frame, &m);
    zhistory_send(h);
}

static void take_start(struct zhistory *h, struct zmsg *reply)
{
    uint64_t lowest = UINT64_MAX;
    struct wire_start s;
    struct reader froms;

    if (!wire_start_get(zmsg_data(reply), zmsg_size(reply), &s) ||
        s.count != h->words.filter_count) {
        zhistory_fail_with(h, ERR_INTERNAL, "");
        return;
    }
    froms = reader_of(s.froms.p, s.froms.len);
    for (size_t i = 0; i < h->words.filter_count; i++) {
        h->filters[i].from = reader_u64(&froms);
        if (h->filters[i].from < lowest)
            lowest = h->filters[i].from;
    }
    h->starting = false;
    h->lowest = lowest;
    if (!h->range.descending)
        h->cursor = lowest;
    ask_page(h);
}

/* As in a stream: up to the first event that is there, or to all that is gone.  A second
 * gap in the same document continues the first.  True: there is one to tell. */
static bool take_gap(struct zhistory *h, const struct wire_page *page)
{
    struct reader r = reader_of(page->records.p, page->records.len);
    uint64_t before = page->removed_to;
    uint64_t requested = h->gap.reason != GAP_NONE ? h->gap.requested : h->cursor;
    bool quiet = h->quiet;
    struct event first;

    h->quiet = false;
    if (page->reason == GAP_FUTURE) {
        h->gap = (struct gap){requested, page->head, 0, GAP_FUTURE};
        return true;
    }
    if (h->range.descending || page->removed_to <= h->cursor || page->removed_to <= h->told)
        return false;
    h->told = page->removed_to;
    if (page->count > 0 && event_record_get(&r, &first) && first.id - 1 < before)
        before = first.id - 1;
    if (before < h->cursor)
        before = h->cursor;
    if (!quiet)
        h->gap = (struct gap){requested, before, page->removed_to, page->reason};
    return !quiet;
}

/* Times rise with the IDs: upwards the first one too late is the end, downwards those too
 * late come first. */
static bool too_late(struct zhistory *h, const struct event *e)
{
    if (h->range.until_ms == 0 || e->time <= h->range.until_ms)
        return false;
    if (!h->range.descending) {
        h->ended = true;
        h->cursor = e->id - 1;
    }
    return true;
}

static void advance(struct zhistory *h, const struct wire_page *page)
{
    uint64_t until = h->range.until_id;

    if (h->ended)
        return;
    h->cursor = page->upto;
    if (h->range.descending)
        h->ended = page->upto <= h->lowest + 1;
    else
        h->ended = page->upto >= page->head || (until != 0 && page->upto >= until);
}

static void put_events(struct zhistory *h, struct slice records)
{
    struct reader r = reader_of(records.p, records.len);
    struct event e;

    while (!h->ended && r.left > 0 && event_record_get(&r, &e)) {
        if (too_late(h, &e))
            continue;
        page_json_comma(&h->body, h->rows++);
        event_json_put(&h->body, &e);
    }
}

static void take_page(struct zhistory *h, struct zmsg *reply)
{
    struct wire_page page;

    if (!wire_page_get(zmsg_data(reply), zmsg_size(reply), &page)) {
        zhistory_fail_with(h, ERR_INTERNAL, "");
        return;
    }
    if (take_gap(h, &page) && h->words.on_gap_fail) {
        zhistory_fail_with(h, ERR_GONE, "");
        return;
    }
    put_events(h, page.records);
    advance(h, &page);
    if (h->ended || h->rows >= h->limit || h->body.len >= DOCUMENT_BYTES ||
        clock_mono_ms() >= h->give_up_at)
        zhistory_answer(h);
    else
        ask_page(h);
}

static void zhistory_on_reply(struct link_read *r, enum sluice_error error, struct slice text,
                              struct zmsg *reply)
{
    struct zhistory *h = r->data;
    struct problem why = {0};

    wheel_stop(&h->timer);
    if (error != ERR_NONE) {
        (void)problem_setf(&why, error, NULL, "%.*s", (int)text.len, text.p);
        zhistory_fail(h, &why);
    } else if (h->starting) {
        take_start(h, reply);
    } else {
        take_page(h, reply);
    }
}

/* --- the request -------------------------------------------------------------------- */

static bool take_until(void *arg, struct slice value, struct problem *why)
{
    struct zhistory_range *range = arg;
    uint64_t n;

    if (!slice_u64(value, &n))
        return subscribe_since(value, "until", clock_ms(), &range->until_ms, why);
    return subscribe_cursor(value, "until", &range->until_id, why);
}

static bool take_order(void *arg, struct slice value, struct problem *why)
{
    struct zhistory_range *range = arg;

    range->descending = slice_eq(value, SLICE("desc"));
    return range->descending || slice_eq(value, SLICE("asc")) ||
           problem_set(why, ERR_BAD_REQUEST, "order", "order must be asc or desc");
}

/* The cursor of the first page. */
static void range_begin(struct zhistory *h)
{
    uint64_t until = h->range.until_id;

    if (h->words.start.kind == START_AFTER)
        h->cursor = h->words.start.arg;
    if (h->range.descending && until != 0 && (h->cursor == 0 || until < h->cursor))
        h->cursor = until + 1;
}

static void zhistory_begin(struct zpeer *p, const struct zanswer *to, struct subscribe *words,
                           const struct zhistory_range *range, uint64_t limit)
{
    struct zhistory *h = mem_zalloc(sizeof *h + to->ref.len);

    h->peer = p;
    h->words = *words;
    h->range = *range;
    h->limit = limit;
    h->delimited = to->delimited;
    h->ref_len = to->ref.len;
    if (to->ref.len > 0)
        memcpy(h->ref, to->ref.p, to->ref.len);
    h->filters = mem_array(words->filter_count, sizeof *h->filters);
    for (size_t i = 0; i < words->filter_count; i++)
        h->filters[i].filter = words->filters[i];
    h->give_up_at = clock_mono_ms() + DOCUMENT_MS;
    h->read.cb = zhistory_on_reply;
    h->read.asker = &h->peer->quota;
    h->read.data = h;
    page_json_begin(&h->body);
    p->history = h;
    p->document = DOCUMENT_PRICE;
    p->d->documents += p->document;
    h->quiet = words->start.kind != START_AFTER || words->start.arg == 0;
    range_begin(h);
    if (words->start.kind == START_SINCE || words->start.kind == START_LAST)
        ask_start(h);
    else
        ask_page(h);
}

void zhistory_ask(struct zpeer *p, const struct zanswer *to, struct slice filters,
                  struct slice options)
{
    struct zhistory_range range = {0};
    struct zword own[] = {
        {.name = "limit", .value = LIMIT_DEFAULT, .min = 1, .max = LIMIT_MAX},
        {.name = "until", .take = take_until, .arg = &range},
        {.name = "order", .take = take_order, .arg = &range},
    };
    struct problem why = {0};
    struct subscribe words;

    if (!zwords_read(p, filters, options, own, ARRAY_LEN(own), &words, &why)) {
        zanswer_problem(p, to, &why);
    } else if (p->d->documents + DOCUMENT_PRICE > DOCUMENTS_MAX) {
        zanswer_error(p, to, ERR_BUSY, "Too many histories are being read");
    } else {
        zhistory_begin(p, to, &words, &range, own[0].value);
        return;
    }
    subscribe_free(&words);
}
