/*
 * session_load.c - what a start finds: the sessions that were attached when the
 * broker ended, how far their gateways had got, and the shared groups.
 *
 * Their gateways may still live, with their clients: each has GRACE_START_MS to come
 * and say what it holds.  The doors open when all is read, so nothing is asked of the
 * sessions before.  A row that cannot be read is logged and passed over: that session
 * begins anew when it is attached, that group without its event or member.
 */
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "session_impl.h"
#include "wall.h"

#define LOAD_PAGE 1000u

static void load_done(struct sessions *all, bool ok)
{
    buf_free(&all->load.found);
    buf_free(&all->load_page);
    all->started = all->epoch;
    if (ok) {
        log_info("sessions loaded", LOG_U("stored", all->stored), LOG_U("held", all->held));
        sessions_start_clock(all);
    }
    all->loaded(all->loaded_arg, ok);
}

/* --- heads ------------------------------------------------------------------------ */

static void load_held(struct sessions *all, struct slice client, const struct session_head *head)
{
    struct session *s = session_of(all, client);
    struct session_peer *p = session_peer_of(all, &head->held_by);

    if (s == NULL)
        return;
    session_hold(s, p, head, true);
    p->deadline = clock_mono_ms() + GRACE_START_MS;
}

static void load_head(struct sessions *all, const struct store_entry *e)
{
    struct session_head head;

    if (!slice_eq(e->key, KEY_HEAD))
        return;
    if (!session_head_get(e->value, &head)) {
        log_error("a session is damaged", LOG_SLICE("client", e->owner));
        return;
    }
    all->stored++;
    if (head.epoch > all->epoch)
        all->epoch = head.epoch;
    if (session_head_held(&head))
        load_held(all, e->owner, &head);
}

/* --- positions ---------------------------------------------------------------------- */

/* One that holds nothing has ended in order, or was given up. */
static void load_position(struct sessions *all, const struct store_entry *e)
{
    struct reader value = reader_of(e->value.p, e->value.len);
    struct session_peer *p = NULL;

    HASH_FIND(hh, all->peers, e->owner.p, e->owner.len, p);
    if (p != NULL)
        p->position = reader_u64(&value);
    else
        session_peer_forget_position(all, e->owner);
}

static void load_group(struct sessions *all, const struct store_entry *e)
{
    groups_load(all->groups, e);
}

/* --- page by page ---------------------------------------------------------------------- */

static const struct {
    uint8_t space;
    void (*load)(struct sessions *all, const struct store_entry *e);
} spaces[] = {
    {SPACE_HEAD, load_head},
    {SPACE_GATEWAY, load_position},
    {SPACE_GROUP, load_group},
};

static void load_next(struct sessions *all, struct slice owner, struct slice key);

static void load_on_page(struct store_request *r)
{
    struct sessions *all = r->data;
    struct reader rest = reader_of(r->found.p, r->found.len);
    struct store_entry e = {.owner = SLICE(""), .key = SLICE("")};
    bool ok = r->result.error == ERR_NONE && !all->stopping;

    while (ok && store_entry_get(&rest, &e))
        spaces[all->load_at].load(all, &e);
    if (!ok || (!r->more && all->load_at + 1 == ARRAY_LEN(spaces))) {
        load_done(all, ok);
        return;
    }
    if (!r->more) {
        all->load_at++;
        e = (struct store_entry){.owner = SLICE(""), .key = SLICE("")};
    }
    load_next(all, e.owner, e.key);
}

/* owner and key may point into what was found: it is kept until the answer. */
static void load_next(struct sessions *all, struct slice owner, struct slice key)
{
    struct buf before = all->load_page;

    all->load_page = all->load.found;
    buf_free(&before);
    all->load = (struct store_request){
        .kind = STORE_SCAN,
        .space = spaces[all->load_at].space,
        .limit = LOAD_PAGE,
        .owner = owner,
        .key = key,
        .cb = load_on_page,
        .data = all,
    };
    store_submit(all->store, &all->load);
}

void sessions_load(struct sessions *all, void (*done)(void *arg, bool ok), void *arg)
{
    all->loaded = done;
    all->loaded_arg = arg;
    all->epoch = wall_ms() << 20;
    load_next(all, SLICE(""), SLICE(""));
}
