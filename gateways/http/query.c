/*
 * query.c - asking the broker on behalf of one exchange.
 */
#include "query.h"

#include <assert.h>

#include "link.h"
#include "mem.h"

static void query_on_timeout(struct wheel_timer *t)
{
    struct query *q = CONTAINER_OF(t, struct query, timer);
    struct problem p = {0};

    (void)problem_set(&p, ERR_UNAVAILABLE, NULL, "The broker does not answer");
    query_fail(q, &p);
}

static void query_on_reply(struct link_read *r, enum sluice_error error, struct slice text,
                           struct zmsg *reply)
{
    struct query *q = r->data;
    struct problem p = {0};

    q->asking = false;
    wheel_stop(&q->timer);
    if (error == ERR_NONE) {
        q->reply(q, reply);
        return;
    }
    (void)problem_setf(&p, error, NULL, "%.*s", (int)text.len, text.p);
    query_fail(q, &p);
}

static void query_on_gone(struct exchange *x)
{
    (void)query_end(x->data);
}

static void query_on_changed(struct caller *who)
{
    struct exchange *x = CONTAINER_OF(who, struct exchange, caller);
    struct query *q = x->data;
    struct problem p = {0};

    if (q->changed != NULL) {
        q->changed(q);
    } else if (!caller_stands(who)) {
        gatekeeper_ended(&x->site->gatekeeper, who, &p);
        query_fail(q, &p);
    }
}

static const struct exchange_owner query_owner = {.gone = query_on_gone};

void query_init(struct query *q, struct exchange *x,
                void (*reply)(struct query *q, struct zmsg *reply), void (*freed)(struct query *q))
{
    q->x = x;
    q->reply = reply;
    q->freed = freed;
    q->read.cb = query_on_reply;
    q->read.data = q;
    x->owner = &query_owner;
    x->data = q;
    x->caller.changed = query_on_changed;
}

struct buf *query_frame(struct query *q)
{
    assert(!q->asking);
    return &q->read.frame;
}

void query_ask(struct query *q)
{
    const struct site_parts *use = &q->x->site->use;

    q->asking = true;
    q->read.asker = q->x->quota != NULL ? (const void *)q->x->quota : q; /* the connection */
    wheel_start(use->wheel, &q->timer, config_num(use->config, CFG_PUBLISH_TIMEOUT),
                query_on_timeout);
    link_read(use->link, &q->read);
}

struct exchange *query_end(struct query *q)
{
    struct exchange *x = q->x;

    wheel_stop(&q->timer);
    x->caller.changed = NULL;
    if (q->asking)
        link_read_cancel(x->site->use.link, &q->read);
    q->freed(q);
    return x;
}

void query_fail(struct query *q, const struct problem *p)
{
    bool streaming = q->streaming;
    struct exchange *x = query_end(q);

    if (streaming)
        exchange_abort(x);
    else
        exchange_problem(x, p);
}

void query_malformed(struct query *q)
{
    struct problem p = {.error = ERR_INTERNAL};

    query_fail(q, &p);
}
