/*
 * store_sqlite.c - the log in one SQLite file: opening, recovering, closing.
 *
 * Opening: lock the folder, open and check the file, read what memory holds
 * (topics, holes), then one transaction that makes this start safe.  With L the
 * last ID that the file knows, the first new ID is F, above L, above every ID
 * that may have been given out without being stored, and not below the clock;
 * the hole (L, F) is stored with it.  Whatever was lost with a database, or
 * since the copy that was restored, had IDs in that hole, so none of them is
 * ever given out again, and a cursor in it is told.
 *
 * Nothing else has to be repaired: SQLite rolls back what was not committed.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "process.h"
#include "store_impl.h"

#define CLOCK_WAIT_MS 1000u

/* --- opening --------------------------------------------------------------------- */

static char *path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = mem_alloc(size);

    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static const char *lock_folder(struct store *s, const char *folder)
{
    char *path;

    if (process_mkdir(folder, 0750) != 0)
        return "the data folder cannot be made: check its path and permissions";
    path = path_join(folder, "broker.lock");
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    free(path);
    if (s->lock_fd < 0)
        return "the data folder cannot be written: check its owner and permissions";
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return "another broker has this data folder open: stop it, or name another folder";
    return NULL;
}

static bool load_identity(struct store *s)
{
    struct db_stmt *st = db_prepare(s->db, "SELECT value FROM meta WHERE key = 1");
    bool ok = false;

    if (st != NULL && db_step(st)) {
        struct slice v = db_slice(st, 0);

        ok = v.len == sizeof s->identity.b;
        if (ok)
            memcpy(s->identity.b, v.p, v.len);
    }
    db_finalize(st);
    return ok;
}

static void load_holes(struct store *s)
{
    struct db_stmt *st = db_prepare(s->db, "SELECT low, high FROM holes ORDER BY low");

    while (st != NULL && db_step(st))
        holes_add(&s->holes, db_u64(st, 0), db_u64(st, 1));
    db_finalize(st);
}

/* --- the start's transaction --------------------------------------------------------- */

/* After an unclean stop IDs up to `limit` may be out there, unstored. */
static void wait_for_clock(uint64_t limit)
{
    if (limit == 0)
        return;
    for (unsigned waited = 0; waited < CLOCK_WAIT_MS; waited += 5) {
        if (id_of_ms(clock_ms()) > limit)
            return;
        uv_sleep(5);
    }
    log_warn("the clock is behind the IDs given out; going on above them");
}

static uint64_t first_id(uint64_t last, uint64_t limit)
{
    uint64_t first = id_of_ms(clock_ms());

    if (first <= last)
        first = last + 1;
    if (first <= limit)
        first = limit + 1;
    return first;
}

static void store_holes(struct store *s)
{
    struct db_stmt *st;

    db_exec(s->db, "DELETE FROM holes");
    st = db_prepare(s->db, "INSERT INTO holes(low, high) VALUES(?1, ?2)");
    for (size_t i = 0; st != NULL && i < s->holes.count; i++) {
        db_bind(st, 1, s->holes.list[i].low);
        db_bind(st, 2, s->holes.list[i].high);
        db_run(st);
    }
    db_finalize(st);
}

/* What a volatile topic published before this start is gone. */
static void settle_volatile(struct store *s, uint64_t upto)
{
    struct topic *t, *next;

    HASH_ITER (hh, s->topics.by_name, t, next) {
        if (!t->was_volatile)
            continue;
        topics_raise_volatile(&s->topics, t, upto);
        if (t->limits.volatile_)
            continue;
        t->was_volatile = false;
        t->removed_to = upto;
        t->removed_reason = GAP_VOLATILE;
        stats_write_row(s, t, &t->stats);
    }
}

/* NULL, or why not. */
static const char *begin_life(struct store *s)
{
    uint64_t last = meta_get(s->db, META_LAST), limit = meta_get(s->db, META_ID_LIMIT), first;

    wait_for_clock(limit);
    first = first_id(last, limit);
    if (first >= EVENT_ID_MAX)
        return "the event IDs are used up (they end in 2089): is the clock right?";
    holes_add(&s->holes, last, first);
    s->last = s->head = first - 1;
    atomic_store(&s->given, s->last);
    writer_begin(s);
    store_holes(s);
    meta_set(s, META_LAST, s->last);
    meta_set(s, META_ID_LIMIT, 0);
    settle_volatile(s, s->last);
    db_run(s->st.commit);
    return db_error(s->db) == DB_FINE ? NULL : schema_reason(db_error(s->db));
}

static bool load(struct store *s)
{
    if (!schema_prepare(s) || !load_identity(s))
        return false;
    load_holes(s);
    atomic_store(&s->retained, db_number(s->db, "SELECT count(*) FROM retained"));
    s->topics.forgotten_to = meta_get(s->db, META_FORGOTTEN_TO);
    return stats_load(s) && db_error(s->db) == DB_FINE;
}

static const char *recover(struct store *s)
{
    const char *reason = load(s) ? begin_life(s) : schema_reason(db_error(s->db));

    if (reason == NULL)
        return NULL;
    log_error("the log cannot be opened", LOG_S("path", s->path),
              LOG_S("sqlite", db_error_text(s->db)));
    db_rollback(s->db);
    return reason;
}

static struct store *store_new(uv_loop_t *loop, const struct store_options *o,
                               const struct store_follower *f)
{
    struct store *s = mem_zalloc(sizeof *s);
    int rc = uv_mutex_init(&s->lock);

    assert(rc == 0);
    rc = uv_cond_init(&s->wake);
    assert(rc == 0);
    (void)rc;
    s->loop = loop;
    s->follower = *f;
    s->path = path_join(o->path, "sluice.db");
    s->lock_fd = -1;
    s->fsync = o->fsync;
    s->retention = retention_new(o);
    queue_init(&s->submitted);
    queue_init(&s->queue);
    queue_init(&s->pending);
    queue_init(&s->deletes);
    s->outcomes_end = &s->outcomes;
    topics_init(&s->topics);
    gate_init(&s->gate);
    return s;
}

void store_release(struct store *s)
{
    links_free(s);
    removal_free(s);
    buf_free(&s->producer_key);
    if (s->db != NULL)
        schema_finalize(s);
    db_close(s->db);
    retention_free(s->retention);
    topics_destroy(&s->topics);
    gate_destroy(&s->gate);
    uv_cond_destroy(&s->wake);
    uv_mutex_destroy(&s->lock);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->path);
    free(s);
}

struct store *store_open(uv_loop_t *loop, const struct store_options *o,
                         const struct store_follower *f, const char **why)
{
    struct store *s = store_new(loop, o, f);

    *why = lock_folder(s, o->path);
    if (*why == NULL)
        s->db = schema_open(s->path, o->fsync, why);
    if (*why == NULL)
        *why = recover(s);
    if (*why != NULL) {
        store_release(s);
        return NULL;
    }
    writer_start(s);
    return s;
}

/* --- small questions ------------------------------------------------------------------ */

struct wire_uuid store_identity(const struct store *s)
{
    return s->identity;
}

uint64_t store_head(const struct store *s)
{
    return s->head;
}

bool store_knows(const struct store *s, uint64_t seen)
{
    return seen <= atomic_load(&s->given) && holes_find(&s->holes, seen) == NULL;
}

void store_status(struct store *s, struct store_status *out)
{
    *out = (struct store_status){
        .head = s->head,
        .bytes = atomic_load(&s->bytes),
        .events = atomic_load(&s->events),
        .topics = atomic_load(&s->topics.rows),
        .retained = atomic_load(&s->retained),
        .wal_frames = atomic_load(&s->wal_frames),
        .queued_bytes = s->queued_bytes,
        .failing = s->failing_seen,
    };
}

struct slice store_topic_name(const struct store *s, uint32_t topic)
{
    return topics_at(&s->topics, topic)->name;
}
