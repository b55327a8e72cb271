/*
 * zprefix.c - see zprefix.h.
 *
 *   list   all that were subscribed to, sorted, each with how often
 *   tops   of these, those that begin with no other: what a topic begins with is then the
 *          last one that is not behind it
 */
#include "zprefix.h"

#include <stdlib.h>

#include <utlist.h>

#include "event_json.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "topic.h"
#include "zevents.h"
#include "zwords.h"

#define NOTICES "$SYS/sluice/"

struct zprefix {
    uint32_t count;
    uint16_t len;
    bool permitted;
    bool notices; /* it asks for those, which are no events */
    char text[];
};

/* The subscription in force. */
struct zsub {
    struct reaped reaped; /* first */
    struct subscription subscription;
    struct zpeer *peer;
};

struct zprefixes {
    struct zprefix **list;
    size_t count, cap;
    struct zprefix **tops; /* cap of them */
    size_t top_count;
    struct zsub *sub; /* NULL: nothing is subscribed to */
};

static struct slice text_of(const struct zprefix *x)
{
    return (struct slice){x->text, x->len};
}

static int compare(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* How many of the list are not behind `text`. */
static size_t not_behind(struct zprefix *const *list, size_t count, struct slice text)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(text_of(list[middle]), text) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool wanted(const void *arg, const struct event *e)
{
    const struct zprefixes *all = arg;
    size_t n = not_behind(all->tops, all->top_count, e->topic);

    return n > 0 && slice_starts(e->topic, text_of(all->tops[n - 1]));
}

/* --- notices ------------------------------------------------------------------------ */

/* Only to who has asked for it: the empty prefix brings no topic with a '$'. */
static bool hears_of(const struct zprefixes *all, struct slice topic)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i]->notices && slice_starts(topic, text_of(all->list[i])))
            return true;
    return false;
}

static void notice(struct zpeer *p, struct slice topic, struct slice json)
{
    if (!hears_of(p->prefixes, topic))
        return;
    zpeer_part(p, true, topic);
    zpeer_part(p, p->d->settings.sub_frames_4, json);
    if (!p->d->settings.sub_frames_4)
        return;
    zpeer_part(p, true, SLICE(""));
    zpeer_part(p, false, SLICE("{}"));
}

static void notice_refused(struct zpeer *p, struct slice prefix)
{
    struct buf json = {0};

    buf_puts(&json, "{\"prefix\":");
    if (utf8_valid(prefix.p, prefix.len))
        json_put_string(&json, prefix);
    else
        buf_puts(&json, "null");
    buf_puts(&json, ",\"code\":\"forbidden\"}");
    notice(p, SLICE(NOTICES "refused"), buf_slice(&json));
    buf_free(&json);
}

/* --- the subscription --------------------------------------------------------------- */

static void zsub_end(struct zprefixes *all)
{
    struct zsub *sub = all->sub;

    if (sub == NULL)
        return;
    all->sub = NULL;
    subscription_close(&sub->subscription);
    reaper_take(&sub->peer->d->gateway->reaper, &sub->reaped);
}

static void zsub_on_gap(struct subscription *s, const struct gap *gap)
{
    const struct zsub *sub = s->data;
    struct buf json = {0};

    event_json_put_gap(&json, gap);
    notice(sub->peer, SLICE(NOTICES "gap"), buf_slice(&json));
    buf_free(&json);
}

static void zsub_on_started(struct subscription *s, uint64_t cursor, const struct gap *gap)
{
    (void)cursor;
    if (gap != NULL)
        zsub_on_gap(s, gap);
}

static size_t zsub_on_events(struct subscription *s, struct run *r)
{
    struct zsub *sub = s->data;
    struct zpeer *p = sub->peer;
    const struct zevents events = {.form =
                                       p->d->settings.sub_frames_4 ? ZEVENTS_SUB_4 : ZEVENTS_SUB_2,
                                   .max = SIZE_MAX,
                                   .wanted = wanted,
                                   .arg = p->prefixes};

    return zevents_write(p, r, &events);
}

/* Its connection ends, so that it knows. */
static void zsub_on_failed(struct subscription *s, enum sluice_error error, struct slice text)
{
    struct zsub *sub = s->data;
    uint64_t skipped;

    if (log_limit_pass(&sub->peer->d->refused, &skipped))
        log_warn("a SUB is refused by the broker", LOG_S("code", error_code(error)),
                 LOG_SLICE("why", text), LOG_U("not_logged", skipped));
    zpeer_finish(sub->peer);
}

static const struct subscription_ops zsub_ops = {.started = zsub_on_started,
                                                 .events = zsub_on_events,
                                                 .gap = zsub_on_gap,
                                                 .failed = zsub_on_failed};

/* Where the new one begins: at the position of the one before, if it has one. */
static struct start zsub_start(const struct zprefixes *all)
{
    const struct zsub *sub = all->sub;

    if (sub == NULL || !sub->subscription.started)
        return (struct start){START_NOW, 0};
    return (struct start){START_AFTER, subscription_cursor(&sub->subscription)};
}

/* --- filters ------------------------------------------------------------------------ */

static void tops_find(struct zprefixes *all)
{
    all->top_count = 0;
    for (size_t i = 0; i < all->count; i++) {
        struct zprefix *x = all->list[i];

        if (!x->permitted || x->notices)
            continue;
        if (all->top_count == 0 ||
            !slice_starts(text_of(x), text_of(all->tops[all->top_count - 1])))
            all->tops[all->top_count++] = x;
    }
}

/* The filter for a prefix's topics: all below its last whole level.  False: no topic can
 * begin like that. */
static bool filter_make(struct slice prefix, char out[TOPIC_MAX + 1], struct slice *filter)
{
    const char *slash = prefix.len > 0 ? memrchr(prefix.p, '/', prefix.len) : NULL;
    size_t len = slash == NULL ? 0 : (size_t)(slash - prefix.p) + 1;

    for (size_t i = 0; i < prefix.len; i++)
        if (prefix.p[i] == '+' || prefix.p[i] == '#' || prefix.p[i] == '\0')
            return false;
    if (len >= TOPIC_MAX)
        return false;
    if (len > 0)
        memcpy(out, prefix.p, len);
    out[len] = '#';
    *filter = (struct slice){out, len + 1};
    return filter_check(*filter) == TOPIC_OK;
}

/* May it have every topic that can begin like that? */
static bool permitted(const struct zpeer *p, struct slice prefix)
{
    const char *slash = prefix.len > 0 ? memrchr(prefix.p, '/', prefix.len) : NULL;
    size_t len = slash == NULL ? 0 : (size_t)(slash - prefix.p) + 1;
    char filter[TOPIC_MAX + 4];
    struct problem why = {0};

    if (len > 0)
        memcpy(filter, prefix.p, len);
    memcpy(filter + len, "+/#", 3);
    return zwords_permitted(p, AUTH_SUBSCRIBE, (struct slice){filter, len + 3}, &why);
}

/* Sorted prefixes have equal filters one behind the other, or nested. */
static bool covered(const struct slice *filters, size_t count, struct slice filter)
{
    for (size_t i = count; i > 0; i--)
        if (filter_covers(filters[i - 1], filter))
            return true;
    return false;
}

struct filters {
    struct slice list[SUBSCRIBE_FILTERS_MAX];
    size_t count;
    struct buf text[SUBSCRIBE_FILTERS_MAX];
};

static void filters_find(const struct zprefixes *all, size_t max, struct filters *f)
{
    char made[TOPIC_MAX + 1];
    struct slice filter;

    f->count = 0;
    for (size_t i = 0; i < all->top_count; i++) {
        if (!filter_make(text_of(all->tops[i]), made, &filter) ||
            covered(f->list, f->count, filter))
            continue;
        if (f->count == max) {
            f->count = 1; /* whatever they are, this holds them */
            f->list[0] = SLICE("#");
            return;
        }
        buf_clear(&f->text[f->count]);
        buf_put_slice(&f->text[f->count], filter);
        f->list[f->count] = buf_slice(&f->text[f->count]);
        f->count++;
    }
}

static void filters_free(struct filters *f)
{
    for (size_t i = 0; i < ARRAY_LEN(f->text); i++)
        buf_free(&f->text[i]);
}

static void zprefixes_apply(struct zpeer *p)
{
    struct zprefixes *all = p->prefixes;
    struct start start = zsub_start(all);
    struct filters f = {.count = 0};
    struct zsub *sub;

    tops_find(all);
    filters_find(all, p->d->settings.max_filters, &f);
    zsub_end(all);
    if (f.count > 0) {
        sub = mem_zalloc(sizeof *sub);
        sub->peer = p;
        all->sub = sub;
        subscription_open(&sub->subscription, p->d->gateway->hub, f.list, f.count, start, &zsub_ops,
                          sub);
    }
    filters_free(&f);
}

/* --- what the peer says ------------------------------------------------------------- */

static void mark(struct zpeer *p)
{
    struct zmqd *d = p->d;

    if (p->dirty)
        return;
    p->dirty = true;
    DL_APPEND2(d->dirty, p, dirty_prev, dirty_next);
}

static void unmark(struct zpeer *p)
{
    if (!p->dirty)
        return;
    p->dirty = false;
    DL_DELETE2(p->d->dirty, p, dirty_prev, dirty_next);
}

bool zprefixes_turn(struct zmqd *d)
{
    struct zpeer *p;
    bool any = false;

    while ((p = d->dirty) != NULL) {
        unmark(p);
        zprefixes_apply(p);
        any = true;
    }
    return any;
}

static void zprefix_insert(struct zpeer *p, size_t at, struct slice text)
{
    struct zprefix *x = mem_zalloc(sizeof *x + text.len);
    struct zprefixes *all = p->prefixes;

    x->count = 1;
    x->notices = slice_starts(text, SLICE(NOTICES));
    x->permitted = x->notices || permitted(p, text);
    x->len = (uint16_t)text.len;
    if (text.len > 0)
        memcpy(x->text, text.p, text.len);
    if (all->count == all->cap) {
        all->cap = all->cap > 0 ? 2 * all->cap : 4;
        all->list = mem_resize(all->list, all->cap, sizeof *all->list);
        all->tops = mem_resize(all->tops, all->cap, sizeof(*all->tops));
    }
    memmove(all->list + at + 1, all->list + at, (all->count - at) * sizeof *all->list);
    all->list[at] = x;
    all->count++;
    if (!x->permitted)
        notice_refused(p, text);
}

/* tops point to it until the turn's end. */
static void zprefix_remove(struct zpeer *p, size_t at)
{
    struct zprefixes *all = p->prefixes;

    account_unsubscribe(p->caller.principal->account, 1);
    free(all->list[at]);
    all->count--;
    memmove(all->list + at, all->list + at + 1, (all->count - at) * sizeof *all->list);
    tops_find(all);
}

/* One more of them, if the gateway and its principal's account have room for it. */
static bool zprefix_add(struct zpeer *p, size_t at, struct slice text)
{
    if (p->prefixes->count >= p->d->settings.max_prefixes ||
        !account_subscribe(p->caller.principal->account, 1))
        return false;
    zprefix_insert(p, at, text);
    return true;
}

/* False: it would be one too many. */
static bool zprefix_change(struct zpeer *p, bool add, struct slice text)
{
    struct zprefixes *all = p->prefixes;
    size_t at = not_behind(all->list, all->count, text);
    bool there = at > 0 && slice_eq(text_of(all->list[at - 1]), text);

    if (there && add) {
        if (all->list[at - 1]->count < UINT32_MAX)
            all->list[at - 1]->count++;
        return true;
    }
    if (!there && !add)
        return true; /* cancelled what it never subscribed to */
    if (there && --all->list[at - 1]->count > 0)
        return true;
    if (there)
        zprefix_remove(p, at - 1);
    else if (!zprefix_add(p, at, text))
        return false;
    mark(p);
    return true;
}

/* A prefix longer than any topic begins none: it costs nothing and brings nothing. */
static void zprefix_on_subscribe(struct zpeer *p, bool add, struct slice prefix)
{
    uint64_t skipped;

    if (prefix.len > TOPIC_MAX)
        return;
    if (!zprefix_change(p, add, prefix)) {
        metric_add(M_ZMQ_BROKEN, 1);
        if (log_limit_pass(&p->d->refused, &skipped))
            log_warn("a SUB has too many subscriptions", LOG_U("not_logged", skipped));
        zpeer_finish(p);
    }
}

/* ZMTP 3.0 subscribes by messages. */
static void zprefix_on_message(struct zpeer *p, const struct slice *parts, size_t count)
{
    if (count == 1 && parts[0].len > 0 && (parts[0].p[0] == 0 || parts[0].p[0] == 1))
        zprefix_on_subscribe(p, parts[0].p[0] == 1,
                             (struct slice){parts[0].p + 1, parts[0].len - 1});
    else
        metric_add(M_BAD_FRAMES, 1);
}

static void zprefix_on_opened(struct zpeer *p)
{
    p->prefixes = mem_zalloc(sizeof *p->prefixes);
}

static void zprefix_on_writable(struct zpeer *p)
{
    if (p->prefixes->sub != NULL)
        subscription_resume(&p->prefixes->sub->subscription);
}

static void zprefix_stop(struct zpeer *p)
{
    unmark(p);
    zsub_end(p->prefixes);
}

static void zprefix_review(struct zpeer *p)
{
    for (size_t i = 0; i < p->prefixes->count; i++) {
        struct zprefix *x = p->prefixes->list[i];
        bool was = x->permitted;

        x->permitted = x->notices || permitted(p, text_of(x));
        if (was && !x->permitted)
            notice_refused(p, text_of(x));
        if (was != x->permitted)
            mark(p);
    }
    if (p->dirty)
        tops_find(p->prefixes); /* at once: until it is applied nothing of them comes */
}

static void zprefix_leave(struct zpeer *p)
{
    struct zprefixes *all = p->prefixes;

    account_unsubscribe(p->caller.principal->account, all->count);
    for (size_t i = 0; i < all->count; i++)
        free(all->list[i]);
    free((void *)all->list);
    free((void *)all->tops);
    free(all);
    p->prefixes = NULL;
}

const struct zpeer_role zprefix_role = {.opened = zprefix_on_opened,
                                        .message = zprefix_on_message,
                                        .subscribe = zprefix_on_subscribe,
                                        .writable = zprefix_on_writable,
                                        .stop = zprefix_stop,
                                        .review = zprefix_review,
                                        .leave = zprefix_leave};
