/*
 * played_reads.h - reads of history, answered from the played store when the test says
 * so.  Included once.
 */
#ifndef TESTS_PLAYED_READS_H
#define TESTS_PLAYED_READS_H

#include "groups.h"
#include "played_store.h"

struct read {
    struct buf request;
    void (*done)(void *arg, struct slice reply);
    void *arg;
    struct read *next;
};

static struct read *reads;

static inline void reads_on_ask(void *of, struct buf *request,
                                void (*done)(void *arg, struct slice reply), void *arg)
{
    struct read *r = mem_zalloc(sizeof *r);

    (void)of;
    r->request = *request;
    *request = (struct buf){0};
    r->done = done;
    r->arg = arg;
    LL_APPEND(reads, r);
}

static inline unsigned reads_waiting(void)
{
    struct read *r;
    unsigned count;

    LL_COUNT(reads, r, count);
    return count;
}

static inline struct read *read_next(void)
{
    struct read *r = reads;

    if (r != NULL)
        LL_DELETE(reads, r);
    return r;
}

static inline void read_free(struct read *r)
{
    buf_free(&r->request);
    free(r);
}

/* The oldest read is answered; false: there is none. */
static inline bool read_answer(void)
{
    struct read *r = read_next();
    struct buf reply = {0};

    if (r == NULL)
        return false;
    store_read(r->request.p, r->request.len, &reply);
    r->done(r->arg, buf_slice(&reply));
    buf_free(&reply);
    read_free(r);
    return true;
}

static inline void read_refuse(enum sluice_error error)
{
    struct read *r = read_next();
    struct buf reply = {0};
    uint64_t ref = 0;
    uint8_t kind = 0;

    ck_assert_ptr_nonnull(r);
    ck_assert(wire_read_head(r->request.p, r->request.len, &kind, &ref));
    wire_read_error_put(&reply, kind, ref, error, SLICE("refused"));
    r->done(r->arg, buf_slice(&reply));
    buf_free(&reply);
    read_free(r);
}

/* The broker has ended: they are never answered. */
static inline void reads_drop(void)
{
    struct read *r;

    while ((r = read_next()) != NULL)
        read_free(r);
}

#endif
