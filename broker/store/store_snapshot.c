/*
 * store_snapshot.c - what a reading thread sees: snapshots, and how long one may last.
 *
 * Every step is one short read transaction inside the gate, so that the
 * writer can find a moment without readers.  The log's head in it is the last
 * ID that the snapshot holds or that was given out before it was taken,
 * whichever is higher: volatile events move the one and not the other.
 *
 * A failure ends in an error reply; the connection is used again for the next.
 */
#include "log.h"
#include "store_reader.h"

struct seen_topic *snapshot_seen(struct store_reader *r, uint32_t topic)
{
    struct seen_topic *seen = &r->seen[topic % SEEN_MAX];

    if (seen->topic != topic)
        seen->step = 0;
    seen->topic = topic;
    return seen;
}

bool snapshot_is_over(struct store_reader *r)
{
    if (++r->looks < STEP_LOOKS)
        return false;
    r->looks = 0;
    return uv_hrtime() >= r->step_ends;
}

uint64_t snapshot_begin(struct store_reader *r)
{
    uint64_t given, last = 0;

    gate_enter(&r->s->gate);
    given = atomic_load_explicit(&r->s->given, memory_order_acquire);
    db_run(r->begin);
    if (db_step(r->last)) /* the first read takes the snapshot */
        last = db_u64(r->last, 0);
    db_reset(r->last);
    return last > given ? last : given;
}

bool snapshot_end(struct store_reader *r, uint8_t kind, uint64_t ref, struct buf *reply)
{
    bool full;

    db_run(r->end);
    if (db_error(r->db) == DB_FINE) {
        gate_leave(&r->s->gate);
        return true;
    }
    log_error("a read failed", LOG_S("sqlite", db_error_text(r->db)));
    full = db_error(r->db) == DB_FULL;
    db_rollback(r->db);
    db_clear(r->db);
    gate_leave(&r->s->gate);
    buf_clear(reply);
    wire_read_error_put(reply, kind, ref, full ? ERR_STORE_FULL : ERR_STORE_FAILED,
                        SLICE("The database cannot be read"));
    return false;
}
