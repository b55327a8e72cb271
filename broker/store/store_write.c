/*
 * store_write.c - the writer's transactions: how one begins, ends and fails.
 *
 * When one fails it is undone, the follower hears `failing`, and a tiny write is
 * tried every RETRY_MS; the first write that succeeds, this one or any other, ends
 * the failure.
 */
#include <assert.h>

#include "clock.h"
#include "log.h"
#include "metrics.h"
#include "store_impl.h"

static const char *failure_reason(enum db_error e)
{
    static const char *const reasons[] = {
        [DB_FINE] = NULL,
        [DB_FULL] = "the disk is full",
        [DB_FAILED] = "the database cannot be written",
        [DB_CORRUPT] = "the database is damaged",
    };

    return reasons[e];
}

static void failing_report(struct store *s, const char *failing)
{
    struct outcome *o = outcome_open(s);

    s->failing = failing;
    o->failing_changed = true;
    o->failing = failing;
}

void write_begin(struct store *s)
{
    db_run(s->st.begin);
}

void write_fine(struct store *s)
{
    atomic_store_explicit(&s->wal_frames, db_wal_frames(s->db), memory_order_relaxed);
    if (s->failing == NULL)
        return;
    log_info("the store takes publishes again");
    failing_report(s, NULL);
}

void write_failed(struct store *s)
{
    const char *reason = failure_reason(db_error(s->db));

    assert(reason != NULL);
    metric_add(M_COMMITS_FAILED, 1);
    db_rollback(s->db);
    if (s->failing != reason) {
        log_error("the store refuses publishes", LOG_S("reason", reason),
                  LOG_S("sqlite", db_error_text(s->db)));
        failing_report(s, reason);
    }
    s->failed_by = db_error(s->db);
    s->retry_at = clock_mono_ms() + RETRY_MS;
    db_clear(s->db);
}

bool write_commit(struct store *s)
{
    db_run(s->st.commit);
    if (db_error(s->db) != DB_FINE) {
        write_failed(s);
        return false;
    }
    write_fine(s);
    return true;
}

struct store_result write_refusal(const struct store *s)
{
    bool full = s->failed_by == DB_FULL;

    return (struct store_result){
        .error = full ? ERR_STORE_FULL : ERR_STORE_FAILED,
        .text = full ? "The disk is full" : "The store failed",
    };
}

void write_retry(struct store *s)
{
    bool done;

    if (s->failing == NULL || clock_mono_ms() < s->retry_at)
        return;
    write_begin(s);
    meta_set(s, META_LAST, s->last);
    done = write_commit(s);
    (void)done; /* either way it has been reported */
}
