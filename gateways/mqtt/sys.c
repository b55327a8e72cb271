/*
 * sys.c - the table of $SYS/ topics, and who wants to know.
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
#include "sys.h"

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

struct retained_sys {
    struct sys_topic *topics;
    struct sys_listener *listeners;
};

static struct retained_sys *table(struct mqttd *m)
{
    if (m->sys == NULL)
        m->sys = mem_zalloc(sizeof *m->sys);
    return m->sys;
}

static struct slice name_of(const struct sys_topic *t)
{
    return (struct slice){t->name, t->len};
}

static struct slice value_of(const struct sys_topic *t)
{
    return (struct slice){(char *)t->value.p, t->value.len};
}

static void tell(struct sub *sub, const struct sys_topic *t, bool retain)
{
    struct slice filter = {sub->filter, sub->filter_len};

    if (filter_match(filter, name_of(t)))
        deliver_message(sub->session, sub, name_of(t), value_of(t), retain);
}

/* It does not read what it is sent. */
static bool is_behind(const struct sub *sub)
{
    const struct conn *c = sub->session->client->transport.conn;

    return c == NULL || conn_pending(c);
}

/* --- from the broker ------------------------------------------------------------------ */

/* NULL: the table is full. */
static struct sys_topic *topic_get(struct retained_sys *sys, struct slice name)
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

static void set(struct retained_sys *sys, struct slice name, struct slice value)
{
    struct sys_topic *t = topic_get(sys, name);
    struct sys_listener *l, *next;

    if (t == NULL || (t->value.p != NULL && slice_eq(value_of(t), value)))
        return;
    buf_clear(&t->value);
    buf_put_slice(&t->value, value);
    HASH_ITER (hh, sys->listeners, l, next)
        if (!is_behind(l->sub))
            tell(l->sub, t, false);
}

void sys_update(struct mqttd *m, struct reader body)
{
    struct slice name, value;

    while (wire_sys_get(&body, &name, &value))
        set(table(m), name, value);
    if (body.bad)
        log_error("what the broker tells of $SYS is malformed");
}

/* --- for sessions ----------------------------------------------------------------------- */

static struct sys_listener *listener_of(const struct retained_sys *sys, const struct sub *sub)
{
    struct sys_listener *l;

    HASH_FIND_PTR(sys->listeners, &sub, l);
    return l;
}

void sys_joined(struct sub *sub)
{
    struct retained_sys *sys = table(sub->session->mqtt);
    struct sys_listener *l;

    if (listener_of(sys, sub) != NULL)
        return;
    l = mem_zalloc(sizeof *l);
    l->sub = sub;
    HASH_ADD_PTR(sys->listeners, sub, l);
}

void sys_retained(struct sub *sub)
{
    struct sys_topic *t, *next;

    HASH_ITER (hh, table(sub->session->mqtt)->topics, t, next)
        tell(sub, t, true);
}

void sys_left(struct sub *sub)
{
    struct retained_sys *sys = table(sub->session->mqtt);
    struct sys_listener *l = listener_of(sys, sub);

    if (l == NULL)
        return;
    HASH_DEL(sys->listeners, l);
    free(l);
}

void sys_free(struct mqttd *m)
{
    struct sys_topic *t, *t_next;
    struct sys_listener *l, *l_next;

    if (m->sys == NULL)
        return;
    HASH_ITER (hh, m->sys->topics, t, t_next) {
        HASH_DEL(m->sys->topics, t);
        buf_free(&t->value);
        free(t);
    }
    HASH_ITER (hh, m->sys->listeners, l, l_next) {
        HASH_DEL(m->sys->listeners, l);
        free(l);
    }
    free(m->sys);
    m->sys = NULL;
}
