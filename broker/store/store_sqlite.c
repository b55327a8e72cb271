/*
 * store_sqlite.c - the log in one SQLite file, as the loop thread sees it.
 *
 *   store_submit ─▶ submitted ─▶ queue ─▶ [writer thread] ─▶ outcomes ─▶ follower, callbacks
 *                   (this turn)
 *
 * What one turn of the loop submits is queued together, at its end: a writer woken by the
 * first publish of many would commit that one alone.
 *
 * Opening: lock the folder, open and check the file (store_schema.c), recover what it
 * holds (store_recover.c), start the writer (store_writer.c).  Closing: the writer
 * finishes what was submitted and says its last word; then the thread is joined, the
 * handles close, and all is freed.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <utlist.h>

#include "log.h"
#include "mem.h"
#include "process.h"
#include "store_impl.h"

/* What queued_bytes counts beside the bytes of a change, and for a scan. */
#define CHANGE_BYTES 32u
#define SCAN_BYTES 128u

/* --- making and freeing ------------------------------------------------------------------- */

static char *path_join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = mem_alloc(size);

    snprintf(path, size, "%s/%s", folder, name);
    return path;
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
    topics_init(&s->topics);
    gate_init(&s->gate);
    return s;
}

/* All that store_open made; the thread is gone, or never was. */
static void store_free(struct store *s)
{
    outcome_free(s->spare);
    retention_free(s->new_retention);
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

/* --- what the writer has finished ------------------------------------------------------- */

static void store_call_back(struct store *s, struct store_request *answered)
{
    struct store_request *r, *next;

    DL_FOREACH_SAFE (answered, r, next) { /* cb may free r */
        s->queued_bytes -= r->bytes;
        r->cb(r);
    }
}

static void announce(struct store *s, struct outcome *o)
{
    const struct store_follower *f = &s->follower;

    if (o->failing_changed) {
        s->failing_seen = o->failing;
        f->failing(f->arg, o->failing);
    }
    if (o->batch.count > 0) {
        s->head = o->batch.upto;
        f->batch(f->arg, &o->batch);
    }
    if (o->removed != NULL)
        f->removed(f->arg, o->removed->name, o->removed_to);
    for (struct reader r = reader_of(o->forgotten.p, o->forgotten.len); r.left > 0;)
        f->forgotten(f->arg, reader_u32(&r));
    store_call_back(s, o->requests);
    atomic_fetch_add(&s->announced, 1);
    outcome_recycle(s, o);
}

static void store_on_closed(uv_handle_t *handle)
{
    struct store *s = handle->data;
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;

    if (--s->handles > 0)
        return;
    store_free(s);
    closed(arg);
}

static void store_on_outcomes(uv_async_t *async)
{
    struct store *s = async->data;
    struct outcome *o, *next, *all = outcome_take_all(s);
    bool stopped = false;

    DL_FOREACH_SAFE (all, o, next) {
        stopped = o->last;
        announce(s, o);
    }
    if (stopped) {
        uv_thread_join(&s->thread);
        uv_close((uv_handle_t *)&s->async, store_on_closed);
        uv_close((uv_handle_t *)&s->turn, store_on_closed);
    }
}

/* --- submitting ---------------------------------------------------------------------------- */

/* Hands over what was submitted since the last turn began.  An idle handle, for
 * the loop does not sleep while one is active, wherever it was started. */
static void submit_all(struct store *s)
{
    uv_idle_stop(&s->turn);
    uv_mutex_lock(&s->lock);
    DL_CONCAT(s->queue, s->submitted);
    s->submitted = NULL;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
}

static void store_on_turn(uv_idle_t *turn)
{
    submit_all(turn->data);
}

static void weigh_append(struct store_request *r)
{
    bool producers = false;

    for (uint32_t i = 0; i < r->count; i++) {
        const struct store_event *ev = &r->events[i];

        assert(ev->record != NULL);
        r->bytes += event_record_size(&ev->e);
        producers = producers || ev->producer.id.len > 0;
    }
    for (uint32_t i = 0; i < r->change_count; i++) {
        const struct store_change *c = &r->changes[i];

        r->bytes += CHANGE_BYTES + c->owner.len + c->key.len + c->value.len;
    }
    r->guarded = r->count > 1 && producers;
}

/* Once, while what it points at has just been written. */
static void weigh(struct store_request *r)
{
    r->bytes = 0;
    if (r->kind == STORE_DELETE)
        r->bytes = r->topic.len;
    else if (r->kind == STORE_SCAN)
        r->bytes = SCAN_BYTES;
    else
        weigh_append(r);
}

void store_submit(struct store *s, struct store_request *r)
{
    assert(s->closed == NULL);
    r->result = (struct store_result){.error = ERR_NONE};
    weigh(r);
    s->queued_bytes += r->bytes;
    if (s->submitted == NULL)
        uv_idle_start(&s->turn, store_on_turn);
    DL_APPEND(s->submitted, r);
}

void store_set_retention(struct store *s, const struct store_options *o)
{
    struct retention *r = retention_new(o), *old;

    uv_mutex_lock(&s->lock);
    old = s->new_retention;
    s->new_retention = r;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
    retention_free(old);
}

void store_close(struct store *s, void (*closed)(void *arg), void *arg)
{
    assert(s->closed == NULL && closed != NULL);
    s->closed = closed;
    s->closed_arg = arg;
    submit_all(s);
    uv_mutex_lock(&s->lock);
    s->closing = true;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->lock);
}

/* --- opening --------------------------------------------------------------------------- */

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

/* What an earlier version, or another umask, has left readable. */
static const char *own_files(const struct store *s, const char *folder)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    struct buf path = {0};
    int rc = 0;

    if (process_folder_is_open(folder))
        log_warn("the data folder is open to other users of this machine: chmod 0750 closes it",
                 LOG_S("data", folder));
    for (size_t i = 0; i < ARRAY_LEN(suffixes) && rc == 0; i++) {
        buf_clear(&path);
        buf_printf(&path, "%s%s", s->path, suffixes[i]);
        buf_u8(&path, 0);
        rc = process_own_file((const char *)path.p);
    }
    buf_free(&path);
    return rc == 0 ? NULL : "the database's files cannot be made their owner's: check their owner";
}

static void store_begin(struct store *s)
{
    int rc = uv_async_init(s->loop, &s->async, store_on_outcomes);

    assert(rc == 0);
    rc = uv_idle_init(s->loop, &s->turn);
    assert(rc == 0);
    (void)rc;
    s->async.data = s->turn.data = s;
    s->handles = 2;
    writer_start(s);
}

struct store *store_open(uv_loop_t *loop, const struct store_options *o,
                         const struct store_follower *f, const char **why)
{
    struct store *s = store_new(loop, o, f);

    *why = lock_folder(s, o->path);
    if (*why == NULL)
        *why = own_files(s, o->path);
    if (*why == NULL)
        s->db = schema_open(s->path, o->fsync, why);
    if (*why == NULL)
        *why = recover_log(s, &o->clock);
    if (*why != NULL) {
        store_free(s);
        return NULL;
    }
    store_begin(s);
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
        .retained_bytes = atomic_load(&s->retained_bytes),
        .state_bytes = atomic_load(&s->state_bytes),
        .producers = atomic_load(&s->producers),
        .max_topics = atomic_load(&s->max_topics),
        .topics_full = atomic_load(&s->topics_full),
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
