/*
 * store_state.c - the map beside the log: what sessions are made of.
 *
 *   (space, owner, key) ─▶ value      one table, in the order of its key
 *
 * The writer makes a unit's changes in the unit's place in the transaction, and
 * answers scans in theirs, from what the transaction has written so far.  Both
 * fail as everything does on this connection: the error stays, the transaction
 * is undone, and every request of it is told (store_txn.c).
 *
 * What all entries count is known to the byte.  A change that wants room is refused when
 * it would make an entry more and the map holds as much as it may; asked of the whole
 * unit before any of it is done.  Nothing else is refused: what a session that is there
 * does goes on, and is bounded by what a session may do.
 *
 * What a scan finds is a run of entries, each three runs of bytes behind their
 * lengths (u32).
 */
#include "store_impl.h"

static void bind_key(struct db_stmt *st, const struct store_change *c)
{
    db_bind(st, 1, c->space);
    db_bind_blob(st, 2, c->owner);
    db_bind_blob(st, 3, c->key);
}

/* What the entry of that key counts; 0: there is none. */
static uint64_t state_size(struct store *s, const struct store_change *c)
{
    struct db_stmt *st = s->st.state_size;
    uint64_t size = 0;

    bind_key(st, c);
    if (db_step(st))
        size = db_u64(st, 0);
    db_reset(st);
    return size;
}

static uint64_t size_of(const struct store_change *c)
{
    return c->owner.len + c->key.len + c->value.len + STATE_ENTRY;
}

static int64_t state_put(struct store *s, const struct store_change *c)
{
    int64_t growth = (int64_t)size_of(c) - (int64_t)state_size(s, c);

    bind_key(s->st.put_state, c);
    db_bind_blob(s->st.put_state, 4, c->value);
    db_run(s->st.put_state);
    return growth;
}

/* Runs a statement that drops entries; returns how many. */
static uint32_t state_drop(struct db_stmt *st, int64_t *growth)
{
    uint32_t dropped = 0;

    for (; db_step(st); dropped++)
        *growth -= (int64_t)db_u64(st, 0);
    db_reset(st);
    return dropped;
}

static uint32_t state_drop_owner(struct store *s, const struct store_change *c, int64_t *growth)
{
    db_bind(s->st.drop_owner, 1, c->space);
    db_bind_blob(s->st.drop_owner, 2, c->owner);
    return 1 + state_drop(s->st.drop_owner, growth);
}

uint32_t state_change(struct store *s, const struct store_change *c, int64_t *growth)
{
    switch (c->act) {
    case STORE_PUT:
        *growth += state_put(s, c);
        return 1;
    case STORE_DROP:
        bind_key(s->st.drop_state, c);
        (void)state_drop(s->st.drop_state, growth);
        return 1;
    case STORE_DROP_OWNER:
        return state_drop_owner(s, c, growth);
    }
    return 0;
}

void state_load(struct store *s)
{
    atomic_store(&s->state_bytes,
                 db_number(s->db, "SELECT coalesce(sum(" STATE_SIZE "), 0) FROM state"));
}

bool state_has_room(struct store *s, const struct store_request *r, uint64_t bytes)
{
    uint64_t max = s->retention->max_state_bytes, wanted = 0;

    for (uint32_t i = 0; i < r->change_count; i++)
        if (r->changes[i].wants_room)
            wanted += size_of(&r->changes[i]);
    if (max == 0 || wanted == 0 || bytes + wanted <= max)
        return true;
    for (uint32_t i = 0; i < r->change_count; i++) {
        const struct store_change *c = &r->changes[i];

        if (c->wants_room && state_size(s, c) == 0)
            return false;
    }
    return true;
}

/* --- scans ------------------------------------------------------------------ */

static void run_put(struct buf *b, struct slice s)
{
    buf_u32(b, (uint32_t)s.len);
    buf_put_slice(b, s);
}

static struct slice run_get(struct reader *r)
{
    uint32_t len = reader_u32(r);

    return reader_bytes(r, len);
}

static struct db_stmt *scan_open(struct store *s, const struct store_request *r)
{
    struct db_stmt *st = r->by_owner ? s->st.get_owner : s->st.walk_state;

    db_bind(st, 1, r->space);
    db_bind_blob(st, 2, r->owner);
    if (!r->by_owner)
        db_bind_blob(st, 3, r->key);
    return st;
}

uint32_t state_scan(struct store *s, struct store_request *r)
{
    struct db_stmt *st = scan_open(s, r);
    uint32_t limit = r->by_owner ? 0 : r->limit, count = 0;

    r->found = (struct buf){0};
    r->more = false;
    while (!r->more && db_step(st)) {
        r->more = limit != 0 && count == limit;
        if (r->more)
            break;
        for (int column = 0; column < 3; column++)
            run_put(&r->found, db_slice(st, column));
        count++;
    }
    db_reset(st);
    return count;
}

bool store_entry_get(struct reader *r, struct store_entry *out)
{
    if (r->left == 0)
        return false;
    out->owner = run_get(r);
    out->key = run_get(r);
    out->value = run_get(r);
    return !r->bad;
}
