/*
 * ws_subscribe.c - the subscriptions of one connection.
 *
 * Each is a cursor of its own with a ref of its own.  As soon as there are two,
 * all are in the session's bundle, so that what is handed to those at the head
 * comes as one event that names them all; alone, the remaining one leaves it.
 *
 * How it fails: words that make no sense, a ref that is taken, a filter that the
 * broker refuses: an error that names the ref, and the connection lives on.  What
 * is gone under subscribe_on_gap=fail closes the connection with 4410, for only that is seen
 * by every client; an error before it names the ref.  The same words in the
 * address are refused as HTTP, before there is a connection.
 */
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "mem.h"
#include "ws_session.h"

/* In turn, so that none that always has more to send keeps the others waiting. */
void ws_subscribe_resume(struct ws_session *s)
{
    struct ws_subscription *sub, *first = s->subscriptions;

    if (first == NULL)
        return;
    DL_DELETE(s->subscriptions, first);
    DL_APPEND(s->subscriptions, first);
    DL_FOREACH (s->subscriptions, sub)
        subscription_resume(&sub->subscription);
}

/* --- what the hub says ------------------------------------------------------------ */

static void fail_on_gap(struct ws_subscription *sub)
{
    struct ws_session *s = sub->session;
    struct ws_refusal why = {.error = ERR_GONE};

    if (!s->raw)
        ws_session_error(s, ws_subscription_ref(sub), &why);
    ws_session_close(s, WS_CLOSE_GAP, "events after the cursor are gone");
}

static void ws_subscribe_on_gap(struct subscription *subscription, const struct gap *gap)
{
    struct ws_subscription *sub = subscription->data;
    struct ws_session *s = sub->session;
    size_t start;

    if (sub->on_gap_fail) {
        fail_on_gap(sub);
        return;
    }
    start = ws_session_message_begin(s);
    ws_json_put_gap(&s->out, ws_subscription_ref(sub), gap);
    ws_session_message_end(s, start);
}

static void ws_subscribe_on_started(struct subscription *subscription, uint64_t cursor,
                                    const struct gap *gap)
{
    struct ws_subscription *sub = subscription->data;
    struct ws_session *s = sub->session;
    const struct ws_opening *opening = s->opening;
    size_t start;

    if (opening != NULL)
        opening->accepted(s);
    if (!s->raw && (gap == NULL || !sub->on_gap_fail)) {
        start = ws_session_message_begin(s);
        ws_json_put_subscribed(&s->out, ws_subscription_ref(sub), cursor);
        ws_session_message_end(s, start);
    }
    if (gap != NULL)
        ws_subscribe_on_gap(subscription, gap);
    if (opening != NULL)
        opening->begun(s);
}

static void ws_subscribe_on_failed(struct subscription *subscription, enum sluice_error error,
                                   struct slice text)
{
    struct ws_subscription *sub = subscription->data;
    struct ws_session *s = sub->session;
    struct problem p = {0};

    (void)problem_setf(&p, error, NULL, "%.*s", (int)text.len, text.p);
    if (s->opening != NULL) {
        s->opening->refused(s, &p);
    } else if (s->raw) {
        ws_session_close(s, WS_CLOSE_INTERNAL, "the broker refused the subscription");
    } else {
        ws_session_refuse(s, ws_subscription_ref(sub), &p);
        ws_subscription_end(sub);
    }
}

static const struct subscription_ops subscription_ops = {.started = ws_subscribe_on_started,
                                                         .events = ws_fanout_events,
                                                         .gap = ws_subscribe_on_gap,
                                                         .failed = ws_subscribe_on_failed};

/* --- their beginning -------------------------------------------------------------- */

/* It is counted for its principal already. */
static void ws_subscribe_begin(struct ws_session *s, const struct subscribe *words,
                               struct slice ref, bool path)
{
    struct ws_subscription *sub = mem_zalloc(sizeof *sub + ref.len), *each;

    sub->session = s;
    sub->path = path;
    sub->filters = (uint16_t)words->filter_count;
    s->filter_count += words->filter_count;
    sub->on_gap_fail = words->on_gap_fail || s->raw;
    sub->ref_len = (uint16_t)ref.len;
    memcpy(sub->ref, ref.p, ref.len);
    DL_APPEND(s->subscriptions, sub);
    s->subscription_count++;
    s->bundle.events = ws_fanout_shared;
    subscription_open(&sub->subscription, s->ws->site->use.hub, words->filters, words->filter_count,
                      words->start, &subscription_ops, sub);
    quota_charge(s->quota, &sub->subscription);
    if (s->subscription_count == 2)
        DL_FOREACH (s->subscriptions, each)
            bundle_join(&s->bundle, &each->subscription);
    else if (s->subscription_count > 2)
        bundle_join(&s->bundle, &sub->subscription);
}

void ws_subscribe_path(struct ws_session *s, const struct subscribe *words)
{
    ws_subscribe_begin(s, words, SLICE(WS_PATH_REF), true);
}

static struct ws_subscription *find_ref(const struct ws_session *s, struct slice ref)
{
    struct ws_subscription *sub;

    DL_FOREACH (s->subscriptions, sub)
        if (slice_eq(ws_subscription_ref(sub), ref))
            return sub;
    return NULL;
}

static bool take_words(const struct ws_session *s, struct subscribe *words, struct problem *p)
{
    const struct ws_request *r = &s->ws->request;
    struct subscribe_limits limits = site_subscribe_limits(s->ws->site);
    size_t room = 1;

    for (size_t i = 0; i < r->word_count; i++)
        room += r->words[i].value.len;
    subscribe_init(words, room);
    for (size_t i = 0; i < r->word_count; i++)
        if (subscribe_set(words, &limits, slice_of(r->words[i].name), r->words[i].value, p) ==
            SUBSCRIBE_BAD)
            return false;
    return subscribe_permitted(words, &s->caller, p) &&
           subscribe_fits(words, s->ws->site->use.hub, s->quota, p);
}

static bool may_begin(const struct ws_session *s, struct problem *p)
{
    if (find_ref(s, s->ws->request.ref) != NULL)
        return problem_set(p, ERR_BAD_REQUEST, "ref",
                           "A subscription of this connection has this ref already");
    if (s->subscription_count >= s->ws->max_subscriptions)
        return problem_setf(p, ERR_TOO_MANY, NULL,
                            "A connection may have %zu subscriptions at most",
                            s->ws->max_subscriptions);
    return true;
}

void ws_subscribe(struct ws_session *s)
{
    struct slice ref = s->ws->request.ref;
    struct problem p = {0};
    struct subscribe words;

    if (!may_begin(s, &p)) {
        ws_session_refuse(s, ref, &p);
        return;
    }
    if (take_words(s, &words, &p) && subscribe_charge(&words, &s->caller, &p))
        ws_subscribe_begin(s, &words, ref, false);
    else
        ws_session_refuse(s, ref, &p);
    subscribe_free(&words);
}

void ws_unsubscribe(struct ws_session *s)
{
    struct slice ref = s->ws->request.ref;
    struct ws_subscription *sub = find_ref(s, ref);
    struct problem p = {0};
    size_t start;

    if (sub == NULL) {
        (void)problem_set(&p, ERR_NOT_FOUND, "ref",
                          "No subscription of this connection has this ref");
        ws_session_refuse(s, ref, &p);
        return;
    }
    ws_subscription_end(sub);
    start = ws_session_message_begin(s);
    ws_json_put_ack(&s->out, ref);
    ws_session_message_end(s, start);
}
