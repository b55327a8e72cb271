/*
 * sys_topics.c - the table of $SYS/ topics, and who wants to know.
 *
 * Happy path: CALL SYS brings topics and values; what differs from the table goes into
 * it and to every filter that matches.  Who subscribes later gets the table.
 *
 * Bounded: the table holds at most TOPICS_MAX topics; a value is as long as a frame lets
 * it be, and the broker's are short.  A client that has yet to take what it was sent is
 * not told, so what changes meanwhile is lost to it until the next change: these are
 * gauges, at QoS 0.
 *
 * How it fails: a malformed entry ends the frame, and is logged.
 */
#include "sys_topics.h"

#include <stdlib.h>

#include "deliver.h"
#include "log.h"
#include "mem.h"
#include "topic.h"

#define TOPICS_MAX 1024u

struct sys_topic {
    UT_hash_handle hh;
    struct buf value;
    size_t len;
    char name[];
};

struct sys_listener {
    UT_hash_handle hh; /* by sub */
    struct sub *sub;
};

struct sys_topics {
    struct sys_topic *topics;
    struct sys_listener *listeners;
};

static struct sys_topics *sys_table(struct mqttd *m)
{
    if (m->sys_topics == NULL)
        m->sys_topics = mem_zalloc(sizeof *m->sys_topics);
    return m->sys_topics;
}

static struct slice sys_name_of(const struct sys_topic *t)
{
    return (struct slice){t->name, t->len};
}

static struct slice sys_value_of(const struct sys_topic *t)
{
    return buf_slice(&t->value);
}

static void sys_tell(struct sub *sub, const struct sys_topic *t, bool retain)
{
    struct slice filter = {sub->filter, sub->filter_len};

    if (filter_match(filter, sys_name_of(t)))
        deliver_message(sub->session, sub, sys_name_of(t), sys_value_of(t), retain);
}

/* It does not read what it is sent. */
static bool sys_is_behind(const struct sub *sub)
{
    const struct conn *c = sub->session->client->transport.conn;

    return c == NULL || conn_pending(c);
}

/* --- from the broker ------------------------------------------------------------------ */

/* NULL: the table is full. */
static struct sys_topic *sys_topic_get(struct sys_topics *sys, struct slice name)
{
    struct sys_topic *t;

    HASH_FIND(hh, sys->topics, name.p, name.len, t);
    if (t != NULL || HASH_COUNT(sys->topics) >= TOPICS_MAX)
        return t;
    t = mem_zalloc(sizeof *t + name.len);
    memcpy(t->name, name.p, name.len);
    t->len = name.len;
    HASH_ADD(hh, sys->topics, name, t->len, t);
    return t;
}

static void sys_set(struct sys_topics *sys, struct slice name, struct slice value)
{
    struct sys_topic *t = sys_topic_get(sys, name);
    struct sys_listener *l, *next;

    if (t == NULL || (t->value.p != NULL && slice_eq(sys_value_of(t), value)))
        return;
    buf_clear(&t->value);
    buf_put_slice(&t->value, value);
    HASH_ITER (hh, sys->listeners, l, next)
        if (!sys_is_behind(l->sub))
            sys_tell(l->sub, t, false);
}

void sys_topics_update(struct mqttd *m, struct reader body)
{
    struct slice name, value;

    while (wire_sys_get(&body, &name, &value))
        sys_set(sys_table(m), name, value);
    if (body.bad)
        log_error("what the broker tells of $SYS is malformed");
}

/* --- for sessions ----------------------------------------------------------------------- */

static struct sys_listener *sys_listener_of(const struct sys_topics *sys, const struct sub *sub)
{
    struct sys_listener *l;

    HASH_FIND_PTR(sys->listeners, &sub, l);
    return l;
}

void sys_topics_joined(struct sub *sub)
{
    struct sys_topics *sys = sys_table(sub->session->mqtt);
    struct sys_listener *l;

    if (sys_listener_of(sys, sub) != NULL)
        return;
    l = mem_zalloc(sizeof *l);
    l->sub = sub;
    HASH_ADD_PTR(sys->listeners, sub, l);
}

void sys_topics_retained(struct sub *sub)
{
    struct sys_topic *t, *next;

    HASH_ITER (hh, sys_table(sub->session->mqtt)->topics, t, next)
        sys_tell(sub, t, true);
}

void sys_topics_left(struct sub *sub)
{
    struct sys_topics *sys = sys_table(sub->session->mqtt);
    struct sys_listener *l = sys_listener_of(sys, sub);

    if (l == NULL)
        return;
    HASH_DEL(sys->listeners, l);
    free(l);
}

void sys_topics_free(struct mqttd *m)
{
    struct sys_topic *t, *t_next;
    struct sys_listener *l, *l_next;

    if (m->sys_topics == NULL)
        return;
    HASH_ITER (hh, m->sys_topics->topics, t, t_next) {
        HASH_DEL(m->sys_topics->topics, t);
        buf_free(&t->value);
        free(t);
    }
    HASH_ITER (hh, m->sys_topics->listeners, l, l_next) {
        HASH_DEL(m->sys_topics->listeners, l);
        free(l);
    }
    free(m->sys_topics);
    m->sys_topics = NULL;
}
