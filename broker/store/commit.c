/*
 * commit.c - see commit.h.
 */
#include "commit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "mem.h"

struct commit_copy {
    struct commit_copy *next;
    uint8_t bytes[];
};

struct commit *commit_new(void *data)
{
    struct commit *c = mem_zalloc(sizeof *c);

    c->data = data;
    c->request.kind = STORE_APPEND;
    return c;
}

void commit_free(struct commit *c)
{
    struct commit_copy *copy, *next;

    LL_FOREACH_SAFE (c->copies, copy, next)
        free(copy);
    free(c->changes);
    free(c);
}

uint8_t *commit_bytes(struct commit *c, const void *p, size_t len)
{
    struct commit_copy *copy = mem_alloc(sizeof *copy + len);

    if (len > 0)
        memcpy(copy->bytes, p, len);
    LL_PREPEND(c->copies, copy);
    return copy->bytes;
}

struct slice commit_copy(struct commit *c, const void *p, size_t len)
{
    return (struct slice){(const char *)commit_bytes(c, p, len), len};
}

static struct store_change *change_add(struct commit *c, uint8_t space, struct slice owner)
{
    struct store_change *change;

    if (c->count == c->room) {
        c->room = c->room == 0 ? 8 : c->room * 2;
        c->changes = mem_resize(c->changes, c->room, sizeof *c->changes);
    }
    change = &c->changes[c->count++];
    *change = (struct store_change){.space = space, .owner = owner};
    return change;
}

void commit_put(struct commit *c, uint8_t space, struct slice owner, struct slice key,
                struct slice value)
{
    struct store_change *change = change_add(c, space, owner);

    change->act = STORE_PUT;
    change->key = key;
    change->value = value;
}

void commit_put_if_room(struct commit *c, uint8_t space, struct slice owner, struct slice key,
                        struct slice value)
{
    commit_put(c, space, owner, key, value);
    c->changes[c->count - 1].wants_room = true;
}

void commit_drop(struct commit *c, uint8_t space, struct slice owner, struct slice key)
{
    struct store_change *change = change_add(c, space, owner);

    change->act = STORE_DROP;
    change->key = key;
}

void commit_drop_owner(struct commit *c, uint8_t space, struct slice owner)
{
    change_add(c, space, owner)->act = STORE_DROP_OWNER;
}

void commit_event(struct commit *c, const struct store_event *e)
{
    assert(c->request.count == 0);
    c->event = *e;
    c->request.events = &c->event;
    c->request.count = 1;
}

void commit_link(struct commit *c, const struct wire_uuid *link, uint64_t seq)
{
    assert(c->request.count == 1);
    c->request.link = link;
    c->request.link_seq = seq;
}

bool commit_is_empty(const struct commit *c)
{
    return c->count == 0 && c->request.count == 0;
}

static void commit_on_stored(struct store_request *r)
{
    struct commit *c = CONTAINER_OF(r, struct commit, request);

    c->error = r->result.error;
    c->text = r->result.text != NULL ? r->result.text : error_text(c->error);
    c->id = c->error == ERR_NONE && r->count == 1 ? c->event.id : 0;
    c->done(c);
    commit_free(c);
}

void commit_submit(struct commit *c, struct store *store, void (*done)(struct commit *c))
{
    c->done = done;
    c->request.changes = c->changes;
    c->request.change_count = c->count;
    c->request.cb = commit_on_stored;
    store_submit(store, &c->request);
}

bool commit_may_retry(enum sluice_error error)
{
    return error == ERR_STORE_FULL || error == ERR_STORE_FAILED;
}
