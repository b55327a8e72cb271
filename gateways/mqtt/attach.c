/*
 * attach.c - ATTACH, and the DETACH of a session that nobody came for.
 *
 *   attach_begin ──▶ ATTACH ──answer──▶ cb
 *                       └──the client has gone──▶ DETACH
 *
 * How it fails: the broker refuses: cb hears it.  A session given back that is another's
 * by now is not ours to give: that answer is not looked at.
 */
#include "attach.h"

#include <stdlib.h>

#include "mem.h"
#include "metrics.h"
#include "will.h"

struct attach {
    struct link_publish link;
    struct mqttd *mqtt;
    struct client *client; /* NULL: gone */
    char *id;              /* its own then */
    uint32_t expiry;
    bool will;
    attach_cb cb;
};

/* A session that nobody came for. */
struct detach {
    struct link_publish link;
};

/* --- giving a session back ---------------------------------------------------------------- */

static void attach_on_given_back(struct link_publish *lp, const struct wire_ack *a)
{
    struct detach *d = CONTAINER_OF(lp, struct detach, link);

    (void)a; /* refused: it has been taken over */
    buf_free(&d->link.records);
    free(d);
}

static void attach_detach(struct mqttd *m, const char *id, uint64_t epoch, uint32_t expiry,
                          bool will)
{
    struct detach *d = mem_zalloc(sizeof *d);
    struct wire_detach w = {.client = slice_of(id), .epoch = epoch, .will = will, .expiry = expiry};

    d->link.kind = LINK_SESSION;
    d->link.op = WIRE_DETACH;
    d->link.no_timeout = true;
    d->link.cb = attach_on_given_back;
    wire_detach_put(&d->link.records, &w);
    link_publish(m->gateway->link, &d->link);
}

void attach_give_back(const struct client *c, uint64_t epoch)
{
    attach_detach(c->mqtt, c->id, epoch, c->expiry, will_may(c));
}

/* --- asking for it -------------------------------------------------------------------------- */

static void attach_free(struct attach *a)
{
    buf_free(&a->link.records);
    free(a->id);
    free(a);
}

static void attach_on_answer(struct link_publish *lp, const struct wire_ack *ack)
{
    struct attach *a = CONTAINER_OF(lp, struct attach, link);
    struct client *c = a->client;
    bool stored = ack->error == ERR_NONE;
    struct wire_attached w;

    if (stored && !wire_attached_get(ack->data, &w)) {
        metric_add(M_BAD_FRAMES, 1);
        stored = false;
    }
    if (c != NULL) {
        c->attach = NULL;
        a->cb(c, stored ? &w : NULL, ack->error);
    } else if (stored) {
        attach_detach(a->mqtt, a->id, w.epoch, a->expiry, a->will);
    }
    attach_free(a);
}

void attach_begin(struct client *c, struct buf *body, attach_cb cb)
{
    struct attach *a = mem_zalloc(sizeof *a);

    a->mqtt = c->mqtt;
    a->client = c;
    a->expiry = c->expiry;
    a->cb = cb;
    a->link.kind = LINK_SESSION;
    a->link.op = WIRE_ATTACH;
    a->link.cb = attach_on_answer;
    a->link.records = *body;
    *body = (struct buf){0};
    c->attach = a;
    link_publish(c->mqtt->gateway->link, &a->link);
}

void attach_leave(struct client *c)
{
    struct attach *a = c->attach;

    if (a == NULL)
        return;
    c->attach = NULL;
    a->client = NULL;
    a->will = will_may(c);
    a->id = c->id;
    c->id = NULL;
}
