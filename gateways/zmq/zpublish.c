/*
 * zpublish.c - see zpublish.h.
 *
 * One allocation a publish, and one for its record.  What a peer may have unacknowledged is
 * a window of bytes, which also pays for the answers that it may leave unread.
 */
#include "zpublish.h"

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "publish_parse.h"
#include "zheaders.h"
#include "zwords.h"

#define ANSWER_ROOM 512

struct zpublish {
    struct link_publish link;
    struct zpeer *peer; /* NULL: it has ended */
    struct zpublish *prev, *next;
    size_t cost;
    bool answered, delimited;
    uint16_t ref_len;
    char ref[];
};

/* --- refusals ----------------------------------------------------------------------- */

static void zpublish_drop(struct zmqd *d, const char *why)
{
    uint64_t skipped;

    metric_add(M_ZMQ_DROPPED, 1);
    if (log_limit_pass(&d->dropped, &skipped))
        log_warn("a publish without an answer is refused", LOG_S("why", why),
                 LOG_U("not_logged", skipped));
}

void zpublish_dropped(struct zpeer *p, const char *why)
{
    metric_add(M_BAD_FRAMES, 1);
    zpublish_drop(p->d, why);
}

static void zpublish_refuse(struct zpeer *p, const struct zanswer *to, const struct problem *why)
{
    if (to == NULL) {
        zpublish_drop(p->d, why->detail[0] != '\0' ? why->detail : error_text(why->error));
        return;
    }
    metric_add(M_REFUSED, 1);
    zanswer_problem(p, to, why);
}

/* --- the answer --------------------------------------------------------------------- */

/* What a refused producer has to know is in the text: the answer has no more. */
static void refusal_text(const struct wire_ack *a, struct problem *why)
{
    struct slice text = a->text.len > 0 ? a->text : slice_of(error_text(a->error));

    if (a->error == ERR_PRODUCER_GAP)
        (void)problem_setf(why, a->error, NULL, "%.*s: expected %llu, received %llu", (int)text.len,
                           text.p, (unsigned long long)a->expected_seq,
                           (unsigned long long)a->received_seq);
    else if (a->error == ERR_FENCED)
        (void)problem_setf(why, a->error, NULL, "%.*s: %llu", (int)text.len, text.p,
                           (unsigned long long)a->epoch);
    else
        (void)problem_setf(why, a->error, NULL, "%.*s", (int)text.len, text.p);
}

static void zpublish_answer(struct zpublish *pub, const struct wire_ack *a)
{
    struct zanswer to = {{pub->ref, pub->ref_len}, pub->delimited};
    struct problem why = {0};

    if (a->error != ERR_NONE) {
        refusal_text(a, &why);
        zpublish_refuse(pub->peer, pub->answered ? &to : NULL, &why);
    } else if (pub->answered) {
        zanswer_ok_id(pub->peer, &to, le64_get((const uint8_t *)a->ids.p) & ~WIRE_ACK_REPEAT);
    }
}

static void zpublish_free(struct zpublish *pub)
{
    buf_free(&pub->link.records);
    free(pub);
}

static void zpublish_remove(struct zpublish *pub)
{
    struct zpeer *p = pub->peer;

    DL_DELETE(p->publishes, pub);
    p->unacknowledged -= pub->cost;
    if (p->publishes == NULL)
        p->d->publishing--;
    pub->peer = NULL;
}

static void zpublish_on_ack(struct link_publish *lp, const struct wire_ack *a)
{
    struct zpublish *pub = CONTAINER_OF(lp, struct zpublish, link);
    struct zpeer *p = pub->peer;

    if (p != NULL) {
        zpublish_answer(pub, a);
        zpublish_remove(pub);
        zpeer_acknowledged(p);
    }
    zpublish_free(pub);
}

/* --- the publish -------------------------------------------------------------------- */

static bool within_rate(const struct zpeer *p, const struct event *e, struct problem *why)
{
    uint64_t wait = account_publish(p->caller.principal->account, 1, e->payload.len);

    return wait == 0 ||
           problem_setf(why, ERR_TOO_MANY, NULL, "You publish too fast: again in %llu ms",
                        (unsigned long long)wait);
}

static bool may_publish(const struct zpeer *p, const struct event *e, struct problem *why)
{
    const struct publish_limits limits = {
        .who = &p->caller, .max_payload = p->d->settings.max_payload, .max_batch = 1};

    if (publish_check(e, &limits, why))
        return within_rate(p, e, why);
    if (why->error == ERR_FORBIDDEN)
        (void)zwords_permitted(p, AUTH_PUBLISH, e->topic, why); /* says which, and to whom */
    return false;
}

static void zpublish_submit(struct zpeer *p, const struct zanswer *to, const struct event *e)
{
    size_t ref_len = to != NULL ? to->ref.len : 0;
    struct zpublish *pub = mem_zalloc(sizeof *pub + ref_len);

    event_record_put(&pub->link.records, e);
    pub->link.count = 1;
    pub->link.cb = zpublish_on_ack;
    pub->peer = p;
    pub->cost = pub->link.records.len + sizeof *pub + ANSWER_ROOM + 2 * ref_len;
    pub->answered = to != NULL;
    pub->delimited = to != NULL && to->delimited;
    pub->ref_len = (uint16_t)ref_len;
    if (ref_len > 0)
        memcpy(pub->ref, to->ref.p, ref_len);
    p->d->publishing += p->publishes == NULL;
    DL_APPEND(p->publishes, pub);
    p->unacknowledged += pub->cost;
    link_publish(p->d->gateway->link, &pub->link);
}

void zpublish(struct zpeer *p, const struct zanswer *to, struct slice topic, struct slice headers,
              struct slice payload)
{
    struct event e = {.topic = topic, .payload = payload};
    struct problem why = {0};
    struct buf store = {0}, owned = {0};

    if (zheaders_get(headers, &store, &e, &why) && may_publish(p, &e, &why) &&
        publish_own(&e, &p->caller, &owned, &why))
        zpublish_submit(p, to, &e);
    else
        zpublish_refuse(p, to, &why);
    buf_free(&store);
    buf_free(&owned);
}

void zpublishes_leave(struct zpeer *p)
{
    while (p->publishes != NULL)
        zpublish_remove(p->publishes);
}

/* --- PUSH and PUB ------------------------------------------------------------------- */

static void zpublish_on_message(struct zpeer *p, const struct slice *parts, size_t count)
{
    if (count == 2)
        zpublish(p, NULL, parts[0], SLICE(""), parts[1]);
    else
        zpublish_dropped(p, "the message is not [topic, payload]");
}

/* A PUB sends what it is subscribed to: everything. */
static void zpublish_on_opened(struct zpeer *p)
{
    zpeer_part(p, false, SLICE("\1"));
}

const struct zpeer_role zpublish_push_role = {
    .message = zpublish_on_message, .leave = zpublishes_leave, .unanswered = true};
const struct zpeer_role zpublish_pub_role = {.opened = zpublish_on_opened,
                                             .message = zpublish_on_message,
                                             .leave = zpublishes_leave,
                                             .unanswered = true};
