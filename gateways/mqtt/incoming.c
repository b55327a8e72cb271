/*
 * incoming.c - the list behind incoming.h.
 *
 * An identifier is put by the WRITE that carries its event (inbound.c), and dropped by
 * the session's next one.  While that is under way it counts as known: a repeat of its
 * PUBLISH is answered, not published.
 */
#include "incoming.h"

#include <stdlib.h>

#include "commit.h"
#include "mem.h"

enum in_state { IN_KNOWN, IN_RELEASING, IN_WRITING };

struct in_ids {
    uint32_t count, cap;
    struct in_id {
        uint16_t id;
        uint8_t state;
    } * list;
};

static struct in_id *find(const struct session *s, uint16_t id)
{
    for (uint32_t i = 0; s->incoming != NULL && i < s->incoming->count; i++)
        if (s->incoming->list[i].id == id)
            return &s->incoming->list[i];
    return NULL;
}

static void add(struct session *s, uint16_t id)
{
    struct in_ids *in = s->incoming;

    if (in == NULL)
        in = s->incoming = mem_zalloc(sizeof *in);
    if (in->count == in->cap) {
        in->cap = in->cap > 0 ? in->cap * 2 : 4;
        in->list = mem_resize(in->list, in->cap, sizeof *in->list);
    }
    in->list[in->count++] = (struct in_id){id, IN_KNOWN};
}

/* The rest stays in order, and so do their PUBCOMPs. */
static void forget(struct session *s, struct in_id *e)
{
    struct in_ids *in = s->incoming;

    in->count--;
    memmove(e, e + 1, (size_t)(in->list + in->count - e) * sizeof *e);
    if (in->count == 0)
        incoming_free(s);
}

void incoming_free(struct session *s)
{
    if (s->incoming != NULL)
        free(s->incoming->list);
    free(s->incoming);
    s->incoming = NULL;
}

/* --- for inbound.c ----------------------------------------------------------------------- */

bool session_incoming_known(const struct session *s, uint16_t packet_id)
{
    return find(s, packet_id) != NULL;
}

static struct slice item_key(uint8_t key[3], uint16_t id)
{
    key[0] = WIRE_ITEM_IN;
    key[1] = (uint8_t)(id >> 8);
    key[2] = (uint8_t)id;
    return (struct slice){(char *)key, 3};
}

void session_incoming_add(struct session *s, uint16_t packet_id, struct buf *items)
{
    uint8_t key[3];
    struct wire_item i = {.key = item_key(key, packet_id)};

    if (find(s, packet_id) == NULL)
        add(s, packet_id);
    if (s->stored)
        wire_item_put(items, &i);
}

void session_incoming_refused(struct session *s, uint16_t packet_id)
{
    struct in_id *e = find(s, packet_id);

    if (e != NULL)
        forget(s, e);
}

void session_incoming_release(struct session *s, uint16_t packet_id)
{
    struct in_id *e = find(s, packet_id);

    if (e == NULL || e->state != IN_KNOWN)
        return;
    if (s->stored) {
        e->state = IN_RELEASING;
        commit_soon(s);
        return;
    }
    forget(s, e);
    client_released(s->client, packet_id);
}

/* --- items ---------------------------------------------------------------------------------- */

bool incoming_changed(const struct session *s)
{
    for (uint32_t i = 0; s->incoming != NULL && i < s->incoming->count; i++)
        if (s->incoming->list[i].state == IN_RELEASING)
            return true;
    return false;
}

void incoming_items_put(struct session *s, struct buf *items)
{
    uint8_t key[3];
    struct wire_item drop = {.drop = true};

    for (uint32_t i = 0; s->incoming != NULL && i < s->incoming->count; i++) {
        struct in_id *e = &s->incoming->list[i];

        if (e->state != IN_RELEASING)
            continue;
        drop.key = item_key(key, e->id);
        wire_item_put(items, &drop);
        e->state = IN_WRITING;
    }
}

bool incoming_item_get(struct session *s, const struct wire_item *i)
{
    uint16_t id;

    if (i->key.len != 3)
        return false;
    id = (uint16_t)((uint8_t)i->key.p[1] << 8 | (uint8_t)i->key.p[2]);
    if (id == 0 || find(s, id) != NULL)
        return false;
    add(s, id);
    return true;
}

void incoming_written(struct session *s, bool ok)
{
    uint32_t i = 0;

    while (s->incoming != NULL && i < s->incoming->count) {
        struct in_id *e = &s->incoming->list[i];
        uint16_t id = e->id;

        if (e->state != IN_WRITING) {
            i++;
        } else if (!ok) {
            e->state = IN_RELEASING;
        } else {
            forget(s, e);
            client_released(s->client, id);
        }
    }
}
