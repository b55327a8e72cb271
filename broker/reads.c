/*
 * reads.c - see reads.h.
 *
 * A job is one request: the loop makes it, one thread fills in its reply, the
 * loop sends that and frees it.  Two lists under one lock: `queue` (bounded) and
 * `done`.  ZeroMQ is touched by the loop alone.
 *
 * A request of several parts, or too short to name itself, is counted and
 * dropped: there is nothing to answer it with.
 */
#include "reads.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "read_answer.h"
#include "wire.h"

#define HEARTBEAT_MS 1000
#define REQUEST_MAX (1024u * 1024)      /* 256 filters at their longest, and some */
#define SEND_MARK (2 * READS_QUEUE_MAX) /* replies to one gateway, refusals too */

struct job {
    struct job *next;
    struct zmsg request;
    struct buf reply;                            /* empty: not to be answered */
    void (*done)(void *arg, struct slice reply); /* the broker's own, not a peer's */
    void *arg;
    uint8_t peer_len;
    char peer[];
};

struct job_list {
    struct job *first;
    struct job **end;
    unsigned count;
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
    struct job_list queue, done;
    bool stopping;
    unsigned thread_count;
    struct pool_thread *threads;
    unsigned closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- jobs ------------------------------------------------------------------------ */

static void list_init(struct job_list *l)
{
    l->first = NULL;
    l->end = &l->first;
    l->count = 0;
}

static void list_push(struct job_list *l, struct job *j)
{
    j->next = NULL;
    *l->end = j;
    l->end = &j->next;
    l->count++;
}

static struct job *list_pop(struct job_list *l)
{
    struct job *j = l->first;

    if (j == NULL)
        return NULL;
    l->first = j->next;
    if (l->first == NULL)
        l->end = &l->first;
    l->count--;
    return j;
}

static struct job *job_new(struct slice peer, struct zmsg *request)
{
    struct job *j = mem_zalloc(sizeof *j + peer.len);

    zmsg_init(&j->request);
    zmsg_move(&j->request, request);
    j->peer_len = (uint8_t)peer.len;
    memcpy(j->peer, peer.p, peer.len);
    return j;
}

static void job_free(struct job *j)
{
    zmsg_close(&j->request);
    buf_free(&j->reply);
    free(j);
}

static void list_free(struct job_list *l)
{
    struct job *j;

    while ((j = list_pop(l)) != NULL)
        job_free(j);
}

/* --- a thread of the pool ------------------------------------------------------------ */

/* The next job, or NULL when the pool ends. */
static struct job *pool_take(struct reads *r)
{
    struct job *j = NULL;

    uv_mutex_lock(&r->lock);
    while (!r->stopping && (j = list_pop(&r->queue)) == NULL)
        uv_cond_wait(&r->work, &r->lock);
    uv_mutex_unlock(&r->lock);
    return j;
}

static void pool_give(struct reads *r, struct job *j)
{
    uv_mutex_lock(&r->lock);
    list_push(&r->done, j);
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
static void reply_send(struct reads *r, struct slice peer, struct buf *reply)
{
    struct zmsg m;

    zmsg_init_buf(&m, reply);
    (void)zsock_send(r->sock, peer, &m);
    zmsg_close(&m);
}

static void on_done(uv_async_t *wake)
{
    struct reads *r = wake->data;
    struct job_list done;
    struct job *j;

    uv_mutex_lock(&r->lock);
    done = r->done;
    list_init(&r->done);
    uv_mutex_unlock(&r->lock);
    while ((j = list_pop(&done)) != NULL) {
        if (j->done != NULL && !r->stopping)
            j->done(j->arg, (struct slice){(const char *)j->reply.p, j->reply.len});
        else if (j->reply.len > 0)
            reply_send(r, (struct slice){j->peer, j->peer_len}, &j->reply);
        job_free(j);
    }
}

static void refuse_busy(struct reads *r, struct slice peer, const struct zmsg *request)
{
    struct buf reply = {0};
    uint8_t kind;
    uint64_t ref;

    if (!wire_read_head(zmsg_data(request), zmsg_size(request), &kind, &ref))
        return;
    wire_read_error_put(&reply, kind, ref, ERR_BUSY, SLICE("Too many reads are waiting"));
    reply_send(r, peer, &reply);
}

static void job_queue(struct reads *r, struct job *j)
{
    uv_mutex_lock(&r->lock);
    list_push(&r->queue, j);
    uv_cond_signal(&r->work);
    uv_mutex_unlock(&r->lock);
}

static void on_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    struct reads *r = arg;
    bool full;

    if (count != 1) {
        metric_add(M_BAD_FRAMES, 1);
        return;
    }
    uv_mutex_lock(&r->lock);
    full = r->queue.count >= READS_QUEUE_MAX;
    uv_mutex_unlock(&r->lock);
    if (full) {
        refuse_busy(r, peer, parts);
        return;
    }
    job_queue(r, job_new(peer, parts));
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

static struct zsock *socket_new(uv_loop_t *loop, struct reads *r)
{
    static const struct zsock_ops ops = {.message = on_message};
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

    r->sock = socket_new(loop, r);
    if (r->sock == NULL) {
        free(r);
        return NULL;
    }
    r->store = store;
    r->thread_count = pool_size(threads);
    r->threads = mem_array(r->thread_count, sizeof *r->threads);
    list_init(&r->queue);
    list_init(&r->done);
    (void)uv_mutex_init(&r->lock);
    (void)uv_cond_init(&r->work);
    (void)uv_async_init(loop, &r->wake, on_done);
    r->wake.data = r;
    return r;
}

struct zsock *reads_socket(struct reads *r)
{
    return r->sock;
}

static void closed_one(struct reads *r)
{
    if (--r->closing == 0)
        r->closed(r->closed_arg);
}

static void on_wake_closed(uv_handle_t *h)
{
    closed_one(h->data);
}

static void on_socket_closed(void *arg)
{
    closed_one(arg);
}

void reads_close(struct reads *r, unsigned linger_ms, void (*closed)(void *arg), void *arg)
{
    if (r == NULL)
        return;
    r->closed = closed;
    r->closed_arg = arg;
    r->closing = 2;
    uv_close((uv_handle_t *)&r->wake, on_wake_closed);
    zsock_close(r->sock, linger_ms, on_socket_closed);
}

void reads_free(struct reads *r)
{
    if (r == NULL)
        return;
    list_free(&r->queue);
    list_free(&r->done);
    uv_cond_destroy(&r->work);
    uv_mutex_destroy(&r->lock);
    free(r->threads);
    free(r);
}
