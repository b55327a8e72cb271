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

static void state_put(struct store *s, const struct store_change *c)
{
    bind_key(s->st.put_state, c);
    db_bind_blob(s->st.put_state, 4, c->value);
    db_run(s->st.put_state);
}

static void state_drop(struct store *s, const struct store_change *c)
{
    bind_key(s->st.drop_state, c);
    db_run(s->st.drop_state);
}

static uint32_t state_drop_owner(struct store *s, const struct store_change *c)
{
    struct db_stmt *st = s->st.drop_owner;

    db_bind(st, 1, c->space);
    db_bind_blob(st, 2, c->owner);
    db_run(st);
    return 1 + db_changes(s->db);
}

uint32_t state_change(struct store *s, const struct store_change *c)
{
    switch (c->act) {
    case STORE_PUT:
        state_put(s, c);
        return 1;
    case STORE_DROP:
        state_drop(s, c);
        return 1;
    case STORE_DROP_OWNER:
        return state_drop_owner(s, c);
    }
    return 0;
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
