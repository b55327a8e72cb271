/*
 * interest.c - see interest.h.
 *
 *   filter ──▶ wanted { set of slots, counts }      the tree, changed by gateways
 *   topic number ──▶ { generation, set of slots }   the cache, filled by events
 *
 * The cache grows to the highest topic number seen, which the store bounds.
 * Nothing here fails: filters come checked and counted.
 */
#include "interest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "filter_tree.h"
#include "mem.h"

struct want {
    unsigned slot;
    unsigned count;
};

struct wanted {
    struct slots who;
    struct want *by; /* one for each slot in who */
    uint32_t by_count;
    uint32_t filter_len;
    char filter[];
};

struct cached {
    uint64_t generation; /* 0: never filled */
    struct slots who;
};

struct interest {
    struct filter_tree *tree;
    struct cached *topics;
    size_t topic_room;
    uint64_t generation;
};

struct interest *interest_new(void)
{
    struct interest *in = mem_zalloc(sizeof *in);

    in->tree = filter_tree_new();
    in->generation = 1;
    return in;
}

void interest_free(struct interest *in)
{
    assert(filter_tree_count(in->tree) == 0);
    filter_tree_free(in->tree);
    free(in->topics);
    free(in);
}

static struct slice wanted_filter(const struct wanted *w)
{
    return (struct slice){w->filter, w->filter_len};
}

static struct wanted *wanted_new(struct slice filter)
{
    struct wanted *w = mem_zalloc(sizeof *w + filter.len);

    w->filter_len = (uint32_t)filter.len;
    memcpy(w->filter, filter.p, filter.len);
    return w;
}

static struct want *wanted_by(const struct wanted *w, unsigned slot)
{
    for (uint32_t i = 0; i < w->by_count; i++) {
        if (w->by[i].slot == slot)
            return &w->by[i];
    }
    return NULL;
}

struct wanted *interest_add(struct interest *in, struct slice filter, unsigned slot)
{
    struct wanted *w = filter_tree_get(in->tree, filter);
    struct want *by;

    if (w == NULL) {
        w = wanted_new(filter);
        (void)filter_tree_put(in->tree, filter, w);
    }
    by = wanted_by(w, slot);
    if (by != NULL) {
        by->count++;
        return w;
    }
    w->by = mem_resize(w->by, w->by_count + 1, sizeof *w->by);
    w->by[w->by_count++] = (struct want){slot, 1};
    slots_add(&w->who, slot);
    in->generation++;
    return w;
}

void interest_drop(struct interest *in, struct wanted *w, unsigned slot)
{
    struct want *by = wanted_by(w, slot);

    assert(by != NULL && by->count > 0);
    if (--by->count > 0)
        return;
    *by = w->by[--w->by_count];
    slots_remove(&w->who, slot);
    in->generation++;
    if (w->by_count > 0)
        return;
    (void)filter_tree_remove(in->tree, wanted_filter(w));
    free(w->by);
    free(w);
}

static void interest_visit(void *value, void *arg)
{
    const struct wanted *w = value;

    slots_unite(arg, &w->who);
}

struct slots interest_of_name(const struct interest *in, struct slice name)
{
    struct slots who = {{0}};

    filter_tree_match(in->tree, name, interest_visit, &who);
    return who;
}

static void topics_grow(struct interest *in, uint32_t topic)
{
    size_t room = in->topic_room == 0 ? 1024 : in->topic_room;

    while (room <= topic)
        room *= 2;
    in->topics = mem_resize(in->topics, room, sizeof *in->topics);
    memset(in->topics + in->topic_room, 0, (room - in->topic_room) * sizeof *in->topics);
    in->topic_room = room;
}

const struct slots *interest_of_topic(struct interest *in, uint32_t topic,
                                      struct slice (*name)(void *arg, uint32_t topic), void *arg)
{
    struct cached *c;

    if (topic >= in->topic_room)
        topics_grow(in, topic);
    c = &in->topics[topic];
    if (c->generation != in->generation) {
        c->who = interest_of_name(in, name(arg, topic));
        c->generation = in->generation;
    }
    return &c->who;
}

void interest_forget(struct interest *in, uint32_t topic)
{
    if (topic < in->topic_room)
        in->topics[topic].generation = 0;
}
