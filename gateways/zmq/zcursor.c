/*
 * zcursor.c - see zcursor.h.
 *
 * How it fails: words that make no sense, a ref that is taken, one subscription too many, a
 * filter that the broker refuses, a gap under on_gap=fail: an error that names the ref, and
 * the connection lives on.
 */
#include "zcursor.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "mem.h"
#include "zevents.h"
#include "zwords.h"

#define CREDIT_NONE UINT64_MAX /* it is not counted */

struct zcursor {
    struct reaped reaped; /* first */
    struct subscription subscription;
    struct zpeer *peer;
    struct zcursor *prev, *next; /* those resumed first come last */
    uint64_t credit;
    bool on_gap_fail, delimited;
    uint16_t ref_len, head_len;
    char bytes[]; /* the ref; the frames before each event */
};

static struct zanswer zcursor_to(const struct zcursor *z)
{
    return (struct zanswer){{z->bytes, z->ref_len}, z->delimited};
}

static void zcursor_end(struct zcursor *z)
{
    struct zpeer *p = z->peer;

    subscription_close(&z->subscription);
    DL_DELETE(p->cursors, z);
    p->cursor_count--;
    account_unsubscribe(p->caller.principal->account, 1);
    reaper_take(&p->d->gateway->reaper, &z->reaped);
}

void zcursors_end(struct zpeer *p)
{
    while (p->cursors != NULL)
        zcursor_end(p->cursors);
}

static struct zcursor *zcursor_find(const struct zpeer *p, struct slice ref)
{
    struct zcursor *z;

    DL_FOREACH (p->cursors, z)
        if (slice_eq((struct slice){z->bytes, z->ref_len}, ref))
            return z;
    return NULL;
}

/* --- what the hub says -------------------------------------------------------------- */

static void say_position(struct zpeer *p, const struct zanswer *to, uint64_t cursor)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)cursor);

    zanswer_ok(p, to, (struct slice){text, (size_t)len});
}

static void zcursor_on_gap(struct subscription *s, const struct gap *gap)
{
    struct zcursor *z = s->data;
    struct zanswer to = zcursor_to(z);

    if (!z->on_gap_fail) {
        zanswer_gap(z->peer, &to, gap);
        return;
    }
    zanswer_error(z->peer, &to, ERR_GONE, "");
    zcursor_end(z);
}

static void zcursor_on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    struct zcursor *z = s->data;
    struct zanswer to = zcursor_to(z);

    if (gap == NULL || !z->on_gap_fail)
        say_position(z->peer, &to, cursor);
    if (gap != NULL)
        zcursor_on_gap(s, gap);
}

static size_t zcursor_on_events(struct subscription *s, struct run *r)
{
    struct zcursor *z = s->data;
    size_t max = z->credit < r->count ? (size_t)z->credit : r->count, taken;
    struct zevents events = {
        .form = ZEVENTS_APPLICATION, .head = {z->bytes + z->ref_len, z->head_len}, .max = max};

    if (max == 0)
        return 0;
    taken = zevents_write(z->peer, r, &events);
    if (z->credit != CREDIT_NONE)
        z->credit -= taken < z->credit ? taken : z->credit;
    return taken;
}

static void zcursor_on_failed(struct subscription *s, enum sluice_error error, struct slice text)
{
    struct zcursor *z = s->data;
    struct zanswer to = zcursor_to(z);
    struct problem why = {0};

    (void)problem_setf(&why, error, NULL, "%.*s", (int)text.len, text.p);
    zanswer_problem(z->peer, &to, &why);
    zcursor_end(z);
}

static const struct subscription_ops zcursor_ops = {.started = zcursor_on_started,
                                                    .events = zcursor_on_events,
                                                    .gap = zcursor_on_gap,
                                                    .failed = zcursor_on_failed};

/* --- what the peer says ------------------------------------------------------------- */

static struct zcursor *zcursor_new(struct zpeer *p, const struct zanswer *to)
{
    struct buf head = {0};
    struct zcursor *z;

    if (to->delimited)
        zmtp_frame_put(&head, ZMTP_MORE, SLICE(""));
    zmtp_frame_put(&head, ZMTP_MORE, SLICE("event"));
    zmtp_frame_put(&head, ZMTP_MORE, to->ref);
    z = mem_zalloc(sizeof *z + to->ref.len + head.len);
    z->peer = p;
    z->delimited = to->delimited;
    z->ref_len = (uint16_t)to->ref.len;
    z->head_len = (uint16_t)head.len;
    if (to->ref.len > 0)
        memcpy(z->bytes, to->ref.p, to->ref.len);
    memcpy(z->bytes + to->ref.len, head.p, head.len);
    buf_free(&head);
    return z;
}

static bool zcursor_may(const struct zpeer *p, const struct zanswer *to, struct problem *why)
{
    size_t max = p->d->settings.max_subscriptions;

    if (p->type != ZMTP_DEALER)
        return problem_set(why, ERR_BAD_REQUEST, NULL,
                           "Only a DEALER can subscribe here: a REQ takes one answer a request");
    if (zcursor_find(p, to->ref) != NULL)
        return problem_set(why, ERR_BAD_REQUEST, "ref",
                           "A subscription of this connection has this ref already");
    return p->cursor_count < max ||
           problem_setf(why, ERR_TOO_MANY, NULL, "A connection may have %zu subscriptions at most",
                        max);
}

/* The last thing that is asked: it counts. */
static bool zcursor_counts(struct zpeer *p, struct problem *why)
{
    return account_subscribe(p->caller.principal->account, 1) ||
           problem_set(why, ERR_TOO_MANY, NULL, "You have as many subscriptions as you may");
}

void zcursor_subscribe(struct zpeer *p, const struct zanswer *to, struct slice filters,
                       struct slice options)
{
    struct zword credit = {.name = "credit", .value = CREDIT_NONE, .max = EVENT_ID_MAX};
    struct problem why = {0};
    struct subscribe words = {0};
    struct zcursor *z;

    if (!zcursor_may(p, to, &why) || !zwords_read(p, filters, options, &credit, 1, &words, &why)) {
        zanswer_problem(p, to, &why);
    } else if (!subscribe_fits(&words, p->d->gateway->hub, &p->quota, &why) ||
               !zcursor_counts(p, &why)) {
        zanswer_problem(p, to, &why);
    } else {
        z = zcursor_new(p, to);
        z->credit = credit.value;
        z->on_gap_fail = words.on_gap_fail;
        DL_APPEND(p->cursors, z);
        p->cursor_count++;
        subscription_open(&z->subscription, p->d->gateway->hub, words.filters, words.filter_count,
                          words.start, &zcursor_ops, z);
        quota_charge(&p->quota, &z->subscription);
    }
    subscribe_free(&words);
}

static struct zcursor *zcursor_named(struct zpeer *p, const struct zanswer *to)
{
    struct zcursor *z = zcursor_find(p, to->ref);

    if (z == NULL)
        zanswer_error(p, to, ERR_NOT_FOUND, "ref: No subscription of this connection has this ref");
    return z;
}

void zcursor_unsubscribe(struct zpeer *p, const struct zanswer *to)
{
    struct zcursor *z = zcursor_named(p, to);

    if (z == NULL)
        return;
    say_position(p, to, subscription_cursor(&z->subscription));
    zcursor_end(z);
}

void zcursor_credit(struct zpeer *p, const struct zanswer *to, struct slice more)
{
    struct zcursor *z = zcursor_named(p, to);
    uint64_t n;

    if (z == NULL)
        return;
    if (z->credit == CREDIT_NONE) {
        zanswer_error(p, to, ERR_BAD_REQUEST, "The subscription was opened without credit");
        return;
    }
    if (!slice_u64(more, &n) || n > EVENT_ID_MAX) {
        zanswer_error(p, to, ERR_BAD_REQUEST, "credit: It is a number of events");
        return;
    }
    z->credit = z->credit + n < EVENT_ID_MAX ? z->credit + n : EVENT_ID_MAX;
    if (z->credit > 0)
        subscription_resume(&z->subscription);
}

/* In turn, so that none that always has more to send keeps the others waiting. */
void zcursors_resume(struct zpeer *p)
{
    struct zcursor *z, *first = p->cursors;

    if (first == NULL)
        return;
    DL_DELETE(p->cursors, first);
    DL_APPEND(p->cursors, first);
    DL_FOREACH (p->cursors, z)
        if (z->credit > 0)
            subscription_resume(&z->subscription);
}

/* --- what it may -------------------------------------------------------------------- */

static void zcursor_tell(struct zcursor *z)
{
    struct zanswer to = zcursor_to(z);

    say_position(z->peer, &to, subscription_cursor(&z->subscription));
}

void zcursors_tell(struct zpeer *p)
{
    struct zcursor *z;

    DL_FOREACH (p->cursors, z)
        zcursor_tell(z);
}

static void zcursor_review(struct zcursor *z)
{
    struct zanswer to = zcursor_to(z);
    struct zpeer *p = z->peer;
    struct problem why = {0};
    struct slice filter;
    size_t i = 0;

    while (subscription_filter(&z->subscription, i++, &filter)) {
        if (zwords_permitted(p, AUTH_SUBSCRIBE, filter, &why))
            continue;
        zcursor_tell(z);
        zanswer_problem(p, &to, &why);
        zcursor_end(z);
        return;
    }
}

void zcursors_review(struct zpeer *p)
{
    struct zcursor *z, *next;

    DL_FOREACH_SAFE (p->cursors, z, next)
        zcursor_review(z);
}
