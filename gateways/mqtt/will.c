/*
 * will.c - see will.h.
 *
 * How it fails: a withdrawal that the broker refuses is logged.  It holds there all the
 * same until that broker ends, and DETACH says it again.
 */
#include "will.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "session_state.h"

struct will_withdrawal {
    struct link_publish link; /* first */
    struct mqttd *mqtt;
};

bool will_may(const struct client *c)
{
    const struct principal *p = c->caller.principal;

    if (c->will_topic == NULL)
        return true;
    return !c->will_withdrawn && p != NULL && p->state != PRINCIPAL_REVOKED &&
           grants_cover(&p->grants, AUTH_PUBLISH, slice_of(c->will_topic), c->caller.client);
}

static void will_on_withdrawn(struct link_publish *lp, const struct wire_ack *a)
{
    struct will_withdrawal *w = CONTAINER_OF(lp, struct will_withdrawal, link);

    if (a->error != ERR_NONE && a->error != ERR_FENCED && mqttd_may_log(w->mqtt))
        log_warn("a will could not be withdrawn",
                 LOG_S("error", error_code((enum sluice_error)a->error)));
    buf_free(&w->link.records);
    free(w);
}

static void will_say_withdrawn(const struct client *c)
{
    struct will_withdrawal *w = mem_zalloc(sizeof *w);

    w->mqtt = c->mqtt;
    w->link.kind = LINK_SESSION;
    w->link.op = WIRE_WITHDRAW;
    w->link.no_timeout = true;
    w->link.cb = will_on_withdrawn;
    wire_withdraw_put(&w->link.records, client_id(c), c->session->epoch);
    link_publish(c->mqtt->gateway->link, &w->link);
}

void will_withdraw(struct client *c)
{
    if (c->will_topic == NULL || c->will_withdrawn)
        return;
    c->will_withdrawn = true;
    if (c->session == NULL)
        return; /* it is not let in, and what is given back says so */
    log_info("a will was withdrawn: its client may no longer publish it",
             LOG_SLICE("client", client_id(c)), LOG_S("topic", c->will_topic));
    will_say_withdrawn(c);
}

void will_look(struct client *c)
{
    if (!will_may(c))
        will_withdraw(c);
}
