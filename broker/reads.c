/*
 * reads.c - see reads.h.
 *
 * A job is one request: the loop makes it, one thread fills in its reply, the
 * loop sends that and frees it.  Two lists under one lock: `queue` (bounded) and
 * `finished`.  ZeroMQ is touched by the loop alone.
 *
 * A request of several parts, or too short to name itself, is counted and
 * dropped: there is nothing to answer it with.
 */
#include "reads.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "read_answer.h"
#include "wire.h"

#define HEARTBEAT_MS 1000
#define REQUEST_MAX (1024u * 1024)      /* 256 filters at their longest, and some */
#define SEND_MARK (2 * READS_QUEUE_MAX) /* replies to one gateway, refusals too */

struct job {
    struct job *prev, *next;
    struct zmsg request;
    struct buf reply;                            /* empty: not to be answered */
    void (*done)(void *arg, struct slice reply); /* the broker's own, not a gateway's */
    void *arg;
    uint8_t from_len;
    char from[];
};

struct pool_thread {
    struct reads *reads;
    struct store_reader *reader;
    uv_thread_t thread;
    bool running;
};

struct reads {
    struct zsock *sock;
    struct store *store;
    uv_async_t wake; /* something is done */
    uv_mutex_t lock; /* of the rest */
    uv_cond_t work;
    struct job *queue, *finished;
    unsigned queued;
    bool stopping;
    unsigned thread_count;
    struct pool_thread *threads;
    unsigned closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- jobs ------------------------------------------------------------------------ */

static struct job *job_new(struct slice from, struct zmsg *request)
{
    struct job *j = mem_zalloc(sizeof *j + from.len);

    zmsg_init(&j->request);
    zmsg_move(&j->request, request);
    j->from_len = (uint8_t)from.len;
    memcpy(j->from, from.p, from.len);
    return j;
}

static void job_free(struct job *j)
{
    zmsg_close(&j->request);
    buf_free(&j->reply);
    free(j);
}

static void jobs_free(struct job *list)
{
    struct job *j, *next;

    DL_FOREACH_SAFE (list, j, next)
        job_free(j);
}

/* --- a thread of the pool ------------------------------------------------------------ */

/* The next job, or NULL when the pool ends. */
static struct job *pool_take(struct reads *r)
{
    struct job *j;

    uv_mutex_lock(&r->lock);
    while (!r->stopping && r->queue == NULL)
        uv_cond_wait(&r->work, &r->lock);
    j = r->stopping ? NULL : r->queue;
    if (j != NULL) {
        DL_DELETE(r->queue, j);
        r->queued--;
    }
    uv_mutex_unlock(&r->lock);
    return j;
}

static void pool_give(struct reads *r, struct job *j)
{
    uv_mutex_lock(&r->lock);
    DL_APPEND(r->finished, j);
    uv_mutex_unlock(&r->lock);
    (void)uv_async_send(&r->wake);
}

static void pool_run(void *arg)
{
    struct pool_thread *t = arg;
    struct job *j;

    while ((j = pool_take(t->reads)) != NULL) {
        (void)read_answer(t->reader, zmsg_data(&j->request), zmsg_size(&j->request), &j->reply);
        pool_give(t->reads, j);
    }
}

bool reads_start(struct reads *r)
{
    for (unsigned i = 0; i < r->thread_count; i++) {
        struct pool_thread *t = &r->threads[i];

        t->reads = r;
        t->reader = store_reader_open(r->store);
        if (t->reader == NULL)
            return false;
        if (uv_thread_create(&t->thread, pool_run, t) != 0) {
            log_error("no thread for history reads");
            return false;
        }
        t->running = true;
    }
    return true;
}

void reads_stop(struct reads *r)
{
    zsock_pause(r->sock, true);
    uv_mutex_lock(&r->lock);
    r->stopping = true;
    uv_cond_broadcast(&r->work);
    uv_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->thread_count; i++) {
        struct pool_thread *t = &r->threads[i];

        if (t->running)
            (void)uv_thread_join(&t->thread);
        if (t->reader != NULL)
            store_reader_close(t->reader);
        t->running = false;
        t->reader = NULL;
    }
}

/* --- the loop's side -------------------------------------------------------------------- */

/* Whoever is gone, or has stopped reading its replies, misses this one. */
static void reads_reply(struct reads *r, struct slice from, struct buf *reply)
{
    struct zmsg m;

    zmsg_init_buf(&m, reply);
    (void)zsock_send(r->sock, from, &m);
    zmsg_close(&m);
}

static void reads_on_done(uv_async_t *wake)
{
    struct reads *r = wake->data;
    struct job *finished, *j, *next;

    uv_mutex_lock(&r->lock);
    finished = r->finished;
    r->finished = NULL;
    uv_mutex_unlock(&r->lock);
    DL_FOREACH_SAFE (finished, j, next) {
        if (j->done != NULL && !r->stopping)
            j->done(j->arg, buf_slice(&j->reply));
        else if (j->reply.len > 0)
            reads_reply(r, (struct slice){j->from, j->from_len}, &j->reply);
        job_free(j);
    }
}

static void reads_refuse_busy(struct reads *r, struct slice from, const struct zmsg *request)
{
    struct buf reply = {0};
    uint8_t kind;
    uint64_t ref;

    if (!wire_read_head(zmsg_data(request), zmsg_size(request), &kind, &ref))
        return;
    wire_read_error_put(&reply, kind, ref, ERR_BUSY, SLICE("Too many reads are waiting"));
    reads_reply(r, from, &reply);
}

static void job_queue(struct reads *r, struct job *j)
{
    uv_mutex_lock(&r->lock);
    DL_APPEND(r->queue, j);
    r->queued++;
    uv_cond_signal(&r->work);
    uv_mutex_unlock(&r->lock);
}

static void reads_on_message(void *arg, struct slice from, struct zmsg *parts, size_t count)
{
    struct reads *r = arg;
    bool full;

    if (count != 1) {
        metric_add(M_BAD_FRAMES, 1);
        return;
    }
    uv_mutex_lock(&r->lock);
    full = r->queued >= READS_QUEUE_MAX;
    uv_mutex_unlock(&r->lock);
    if (full) {
        reads_refuse_busy(r, from, parts);
        return;
    }
    job_queue(r, job_new(from, parts));
}

void reads_ask(struct reads *r, struct buf *request, void (*done)(void *arg, struct slice reply),
               void *arg)
{
    struct zmsg m;
    struct job *j;

    zmsg_init_buf(&m, request);
    j = job_new((struct slice){"", 0}, &m);
    zmsg_close(&m);
    j->done = done;
    j->arg = arg;
    job_queue(r, j);
}

/* --- begin and end ------------------------------------------------------------------------ */

static struct zsock *reads_socket_new(uv_loop_t *loop, struct reads *r)
{
    static const struct zsock_ops ops = {.message = reads_on_message};
    static const struct zsock_options so = {
        .send_hwm = SEND_MARK,
        .heartbeat_ms = HEARTBEAT_MS,
        .max_message = REQUEST_MAX,
        .mandatory = true,
    };

    return zsock_new(loop, ZSOCK_ROUTER, &so, &ops, r);
}

static unsigned pool_size(unsigned asked)
{
    if (asked == 0)
        return 1;
    return asked < READS_THREADS_MAX ? asked : READS_THREADS_MAX;
}

struct reads *reads_new(uv_loop_t *loop, struct store *store, unsigned threads)
{
    struct reads *r = mem_zalloc(sizeof *r);

    r->sock = reads_socket_new(loop, r);
    if (r->sock == NULL) {
        free(r);
        return NULL;
    }
    r->store = store;
    r->thread_count = pool_size(threads);
    r->threads = mem_array(r->thread_count, sizeof *r->threads);
    (void)uv_mutex_init(&r->lock);
    (void)uv_cond_init(&r->work);
    (void)uv_async_init(loop, &r->wake, reads_on_done);
    r->wake.data = r;
    return r;
}

struct zsock *reads_socket(struct reads *r)
{
    return r->sock;
}

static void reads_closed_one(struct reads *r)
{
    if (--r->closing == 0)
        r->closed(r->closed_arg);
}

static void reads_on_wake_closed(uv_handle_t *h)
{
    reads_closed_one(h->data);
}

static void reads_on_socket_closed(void *arg)
{
    reads_closed_one(arg);
}

void reads_close(struct reads *r, unsigned linger_ms, void (*closed)(void *arg), void *arg)
{
    if (r == NULL)
        return;
    r->closed = closed;
    r->closed_arg = arg;
    r->closing = 2;
    uv_close((uv_handle_t *)&r->wake, reads_on_wake_closed);
    zsock_close(r->sock, linger_ms, reads_on_socket_closed);
}

void reads_free(struct reads *r)
{
    if (r == NULL)
        return;
    jobs_free(r->queue);
    jobs_free(r->finished);
    uv_cond_destroy(&r->work);
    uv_mutex_destroy(&r->lock);
    free(r->threads);
    free(r);
}
