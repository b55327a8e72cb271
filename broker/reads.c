/*
 * reads.c - see reads.h.
 *
 * A job is one request: the loop makes it, threads take it step by step until its
 * reply is whole, the loop sends that and frees it.  A job is in one of these places,
 * all under one lock: its client's `fresh` (no step taken yet) or `going` queue, with a
 * thread (its client's `running`), or `finished`.  ZeroMQ is touched by the loop alone.
 *
 * A request of several parts, or too short to name itself, is counted and
 * dropped: there is nothing to answer it with.  One that is asked again while the first
 * is under way is the first.
 */
#include "reads.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "read_answer.h"
#include "wire.h"

#define HEARTBEAT_MS 1000
#define REQUEST_MAX (1024u * 1024)      /* 256 filters at their longest, and some */
#define SEND_MARK (2 * READS_QUEUE_MAX) /* replies to one gateway, refusals too */
#define FRESH_RUN 4                     /* first steps in a row while others go on */
#define SIGN_MS 500                     /* between signs of life to who waits */

struct reads_client;

struct job {
    struct job *prev, *next;
    struct reads_client *client; /* NULL when finished */
    uint64_t ref;
    struct zmsg request;
    struct store_read *read;                     /* NULL before its first step */
    struct buf reply;                            /* empty at the end: not to be answered */
    bool cancelled;                              /* while it runs */
    bool goes_on;                                /* it has taken a step */
    void (*done)(void *arg, struct slice reply); /* the broker's own, not a gateway's */
    void *arg;
    uint8_t from_len;
    char from[];
};

/* A gateway that has jobs under way. */
struct reads_client {
    UT_hash_handle hh;                /* by from */
    struct reads_client *prev, *next; /* in turns, while it has queued jobs */
    bool in_turns;
    struct job *fresh, *going, *running;
    unsigned fresh_run; /* first steps since another took one */
    unsigned jobs;
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
    const struct warden *warden;
    uv_async_t wake;  /* something is done */
    uv_timer_t signs; /* active while somebody waits */
    uv_mutex_t lock;  /* of the rest */
    uv_cond_t work;
    struct reads_client *clients; /* by name */
    struct reads_client *turns;   /* whose turn is next */
    struct job *finished;
    unsigned queued;
    unsigned going; /* threads with a job that goes on; one thread is for others */
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
    uint8_t kind;

    zmsg_init(&j->request);
    zmsg_move(&j->request, request);
    if (!wire_read_head(zmsg_data(&j->request), zmsg_size(&j->request), &kind, &j->ref))
        j->ref = 0; /* its first step counts it as malformed */
    j->from_len = (uint8_t)from.len;
    memcpy(j->from, from.p, from.len);
    return j;
}

static void job_free(struct job *j)
{
    store_read_free(j->read);
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

/* True: it is over. */
static bool job_step(struct job *j, struct store_reader *reader)
{
    if (j->read == NULL)
        j->read = read_answer_begin(zmsg_data(&j->request), zmsg_size(&j->request), &j->reply);
    return j->read == NULL || store_read_step(j->read, reader, &j->reply);
}

/* --- clients, under the lock ----------------------------------------------------------- */

static struct reads_client *client_find(const struct reads *r, struct slice from)
{
    struct reads_client *c;

    HASH_FIND(hh, r->clients, from.p, from.len, c);
    return c;
}

static struct reads_client *client_get(struct reads *r, struct slice from)
{
    struct reads_client *c = client_find(r, from);

    if (c != NULL)
        return c;
    c = mem_zalloc(sizeof *c + from.len);
    c->from_len = (uint8_t)from.len;
    memcpy(c->from, from.p, from.len);
    HASH_ADD_KEYPTR(hh, r->clients, c->from, c->from_len, c);
    return c;
}

/* In turns while it has something that waits; gone when it has nothing. */
static void client_settle(struct reads *r, struct reads_client *c)
{
    bool waits = c->fresh != NULL || c->going != NULL;

    if (waits && !c->in_turns)
        DL_APPEND(r->turns, c);
    else if (!waits && c->in_turns)
        DL_DELETE(r->turns, c);
    c->in_turns = waits;
    if (c->jobs > 0)
        return;
    HASH_DEL(r->clients, c);
    free(c);
}

static void client_add(struct reads *r, struct reads_client *c, struct job *j)
{
    j->client = c;
    c->jobs++;
    r->queued++;
    DL_APPEND(c->fresh, j);
    client_settle(r, c);
    uv_cond_signal(&r->work);
}

static bool may_go_on(const struct reads *r)
{
    return r->going == 0 || r->going + 1 < r->thread_count;
}

/* Whose turn it is, or NULL. */
static struct reads_client *client_next(const struct reads *r)
{
    struct reads_client *c;

    DL_FOREACH (r->turns, c)
        if (c->fresh != NULL || may_go_on(r))
            return c;
    return NULL;
}

/* What has just come, but now and then what goes on. */
static struct job *client_pick(struct reads *r, struct reads_client *c)
{
    bool goes_on = c->going != NULL && may_go_on(r);
    struct job *j;

    if (c->fresh != NULL && (!goes_on || c->fresh_run < FRESH_RUN)) {
        j = c->fresh;
        DL_DELETE(c->fresh, j);
        c->fresh_run++;
    } else {
        j = c->going;
        DL_DELETE(c->going, j);
        c->fresh_run = 0;
        r->going++;
    }
    DL_APPEND(c->running, j);
    return j;
}

static struct job *job_search(struct job *list, uint64_t ref)
{
    struct job *j;

    DL_SEARCH_SCALAR(list, j, ref, ref);
    return j;
}

static void client_drop_list(struct reads *r, struct reads_client *c, struct job **list)
{
    struct job *j;

    while ((j = *list) != NULL) {
        DL_DELETE(*list, j);
        c->jobs--;
        r->queued--;
        job_free(j);
    }
}

/* All that it waits for. */
static void client_drop(struct reads *r, struct reads_client *c)
{
    struct job *j;

    DL_FOREACH (c->running, j)
        j->cancelled = true;
    client_drop_list(r, c, &c->fresh);
    client_drop_list(r, c, &c->going);
    client_settle(r, c);
}

static bool client_cancel_queued(struct reads *r, struct reads_client *c, struct job **list,
                                 uint64_t ref)
{
    struct job *j = job_search(*list, ref);

    if (j == NULL)
        return false;
    DL_DELETE(*list, j);
    c->jobs--;
    r->queued--;
    job_free(j);
    client_settle(r, c);
    return true;
}

static void client_cancel(struct reads *r, struct reads_client *c, uint64_t ref)
{
    struct job *j;

    if (client_cancel_queued(r, c, &c->fresh, ref) || client_cancel_queued(r, c, &c->going, ref))
        return;
    j = job_search(c->running, ref);
    if (j != NULL)
        j->cancelled = true;
}

/* --- a thread of the pool ------------------------------------------------------------ */

/* The next job, or NULL when the pool ends. */
static struct job *pool_take(struct reads *r)
{
    struct reads_client *c = NULL;
    struct job *j = NULL;

    uv_mutex_lock(&r->lock);
    while (!r->stopping && (c = client_next(r)) == NULL)
        uv_cond_wait(&r->work, &r->lock);
    if (r->stopping)
        c = NULL;
    if (c != NULL) {
        DL_DELETE(r->turns, c); /* behind the others */
        c->in_turns = false;
        j = client_pick(r, c);
        r->queued--;
        client_settle(r, c);
    }
    uv_mutex_unlock(&r->lock);
    return j;
}

/* It has taken a step. */
static void pool_give(struct reads *r, struct job *j, bool over)
{
    struct reads_client *c = j->client;

    uv_mutex_lock(&r->lock);
    DL_DELETE(c->running, j);
    over = over || j->cancelled;
    if (j->goes_on) {
        r->going--;
        uv_cond_signal(&r->work);
    }
    j->goes_on = true;
    if (over) {
        c->jobs--;
        j->client = NULL;
        if (j->cancelled)
            buf_clear(&j->reply);
        DL_APPEND(r->finished, j);
    } else {
        r->queued++;
        DL_APPEND(c->going, j);
    }
    client_settle(r, c);
    uv_mutex_unlock(&r->lock);
    if (over)
        (void)uv_async_send(&r->wake);
}

static void pool_run(void *arg)
{
    struct pool_thread *t = arg;
    struct job *j;

    while ((j = pool_take(t->reads)) != NULL)
        pool_give(t->reads, j, job_step(j, t->reader));
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
static int reads_reply(struct reads *r, struct slice from, struct buf *reply)
{
    struct zmsg m;
    int rc;

    zmsg_init_buf(&m, reply);
    rc = zsock_send(r->sock, from, &m);
    zmsg_close(&m);
    return rc;
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
        else if (j->done == NULL && j->reply.len > 0)
            (void)reads_reply(r, (struct slice){j->from, j->from_len}, &j->reply);
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
    (void)reads_reply(r, from, &reply);
}

/* Names no request, and is no error: a gateway has nothing to do with it. */
static bool reads_is_gone(struct reads *r, struct slice from)
{
    struct buf sign = {0};

    wire_working_put(&sign);
    return reads_reply(r, from, &sign) == UV_EHOSTUNREACH;
}

static void reads_on_sign(uv_timer_t *timer)
{
    struct reads *r = timer->data;
    struct reads_client *c, *next;

    uv_mutex_lock(&r->lock);
    HASH_ITER (hh, r->clients, c, next)
        if (c->from_len > 0 && reads_is_gone(r, (struct slice){c->from, c->from_len}))
            client_drop(r, c);
    if (r->clients == NULL)
        uv_timer_stop(timer);
    uv_mutex_unlock(&r->lock);
}

static void reads_signs_need(struct reads *r)
{
    if (!uv_is_active((uv_handle_t *)&r->signs))
        uv_timer_start(&r->signs, reads_on_sign, SIGN_MS, SIGN_MS);
}

static void reads_cancel(struct reads *r, struct slice from, const struct zmsg *request)
{
    struct reads_client *c;
    uint64_t ref;

    if (!wire_cancel_get(zmsg_data(request), zmsg_size(request), &ref)) {
        metric_add(M_BAD_FRAMES, 1);
        return;
    }
    uv_mutex_lock(&r->lock);
    c = client_find(r, from);
    if (c != NULL)
        client_cancel(r, c, ref);
    uv_mutex_unlock(&r->lock);
}

/* Asked a second time, because the answer takes long. */
static bool client_has(const struct reads_client *c, uint64_t ref)
{
    return job_search(c->fresh, ref) != NULL || job_search(c->going, ref) != NULL ||
           job_search(c->running, ref) != NULL;
}

/* False: there are too many.  Takes the request. */
static bool reads_queue(struct reads *r, struct slice from, struct zmsg *request)
{
    struct reads_client *c;
    struct job *j;
    bool room;

    uv_mutex_lock(&r->lock);
    c = client_get(r, from);
    room = r->queued < READS_QUEUE_MAX || c->jobs == 0;
    if (room) {
        j = job_new(from, request);
        if (client_has(c, j->ref))
            job_free(j);
        else
            client_add(r, c, j);
    }
    client_settle(r, c);
    uv_mutex_unlock(&r->lock);
    return room;
}

static void reads_on_message(void *arg, struct slice from, struct zmsg *parts, size_t count)
{
    struct reads *r = arg;

    if (count != 1) {
        metric_add(M_BAD_FRAMES, 1);
        return;
    }
    if (!warden_admits(r->warden, zmsg_key(parts)))
        return;
    if (wire_kind(zmsg_data(parts), zmsg_size(parts)) == WIRE_CANCEL)
        reads_cancel(r, from, parts);
    else if (!reads_queue(r, from, parts))
        reads_refuse_busy(r, from, parts);
    reads_signs_need(r);
}

void reads_ask(struct reads *r, struct buf *request, void (*done)(void *arg, struct slice reply),
               void *arg)
{
    static const struct slice ourselves = {"", 0};
    struct zmsg m;
    struct job *j;

    zmsg_init_buf(&m, request);
    j = job_new(ourselves, &m);
    zmsg_close(&m);
    j->done = done;
    j->arg = arg;
    uv_mutex_lock(&r->lock);
    client_add(r, client_get(r, ourselves), j);
    uv_mutex_unlock(&r->lock);
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

struct reads *reads_new(uv_loop_t *loop, struct store *store, const struct warden *warden,
                        unsigned threads)
{
    struct reads *r = mem_zalloc(sizeof *r);

    r->sock = reads_socket_new(loop, r);
    if (r->sock == NULL) {
        free(r);
        return NULL;
    }
    r->store = store;
    r->warden = warden;
    r->thread_count = pool_size(threads);
    r->threads = mem_array(r->thread_count, sizeof *r->threads);
    (void)uv_mutex_init(&r->lock);
    (void)uv_cond_init(&r->work);
    (void)uv_async_init(loop, &r->wake, reads_on_done);
    (void)uv_timer_init(loop, &r->signs);
    r->wake.data = r->signs.data = r;
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

static void reads_on_handle_closed(uv_handle_t *h)
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
    r->closing = 3;
    uv_close((uv_handle_t *)&r->wake, reads_on_handle_closed);
    uv_close((uv_handle_t *)&r->signs, reads_on_handle_closed);
    zsock_close(r->sock, linger_ms, reads_on_socket_closed);
}

static void clients_free(struct reads *r)
{
    struct reads_client *c, *next;

    HASH_ITER (hh, r->clients, c, next) {
        jobs_free(c->fresh);
        jobs_free(c->going);
        HASH_DEL(r->clients, c);
        free(c);
    }
}

void reads_free(struct reads *r)
{
    if (r == NULL)
        return;
    clients_free(r);
    jobs_free(r->finished);
    uv_cond_destroy(&r->work);
    uv_mutex_destroy(&r->lock);
    free(r->threads);
    free(r);
}
