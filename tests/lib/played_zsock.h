/*
 * played_zsock.h - ROUTER sockets that the test plays: messages are bytes in memory,
 * connections are names.  Stands in the place of common's zsock at link time; included
 * once.
 *
 *     socket_say("A", &frame);            comes from A; takes the frame's bytes
 *     socket_refuse("A", -EAGAIN);        what is sent to A is refused from now on …
 *     socket_refuse("A", 0);              … and is not any more
 *
 * What is sent is handed to socket_on_sent, which the test defines.
 */
#ifndef TESTS_PLAYED_ZSOCK_H
#define TESTS_PLAYED_ZSOCK_H

#include <check.h>
#include <stdlib.h>

#include "mem.h"
#include "zsock.h"

static void socket_on_sent(const char *name, const void *p, size_t len);

/* --- messages --------------------------------------------------------------------------- */

struct played_message {
    unsigned references;
    size_t len;
    uint8_t bytes[];
};

static inline struct played_message **played_message(const struct zmsg *m)
{
    return (struct played_message **)(uintptr_t)m->u.opaque;
}

void zmsg_init(struct zmsg *m)
{
    *played_message(m) = NULL;
}

void zmsg_init_copy(struct zmsg *m, const void *p, size_t len)
{
    struct played_message *bytes = mem_zalloc(sizeof *bytes + len);

    bytes->references = 1;
    bytes->len = len;
    if (len > 0)
        memcpy(bytes->bytes, p, len);
    *played_message(m) = bytes;
}

void zmsg_init_buf(struct zmsg *m, struct buf *b)
{
    zmsg_init_copy(m, b->p, b->len);
    buf_free(b);
}

void zmsg_close(struct zmsg *m)
{
    struct played_message *bytes = *played_message(m);

    if (bytes != NULL && --bytes->references == 0)
        free(bytes);
    zmsg_init(m);
}

void zmsg_share(struct zmsg *dst, struct zmsg *src)
{
    struct played_message *bytes = *played_message(src);

    zmsg_close(dst);
    if (bytes != NULL)
        bytes->references++;
    *played_message(dst) = bytes;
}

void zmsg_move(struct zmsg *dst, struct zmsg *src)
{
    zmsg_close(dst);
    *played_message(dst) = *played_message(src);
    zmsg_init(src);
}

const void *zmsg_data(const struct zmsg *m)
{
    return *played_message(m) != NULL ? (*played_message(m))->bytes : (const uint8_t *)"";
}

void *zmsg_bytes(struct zmsg *m)
{
    struct played_message *bytes = *played_message(m);

    ck_assert(bytes != NULL && bytes->references == 1);
    return bytes->bytes;
}

size_t zmsg_size(const struct zmsg *m)
{
    return *played_message(m) != NULL ? (*played_message(m))->len : 0;
}

static const char *played_key; /* of whoever says something; NULL: none */

const char *zmsg_key(struct zmsg *m)
{
    (void)m;
    return played_key;
}

/* --- the socket -------------------------------------------------------------------------- */

#define PLAYED_CONNECTIONS 300

static struct zsock {
    struct zsock_options options;
    const struct zsock_ops *ops;
    void *arg;
    bool open, paused;
    void (*closed)(void *arg);
    struct {
        char name[8];
        int refuses;
    } connections[PLAYED_CONNECTIONS];
    unsigned connection_count;
} played_socket;

static inline int *played_refuses(struct slice name)
{
    unsigned i = 0;

    while (i < played_socket.connection_count &&
           !slice_eq(slice_of(played_socket.connections[i].name), name))
        i++;
    ck_assert_uint_lt(i, PLAYED_CONNECTIONS);
    if (i == played_socket.connection_count) {
        snprintf(played_socket.connections[i].name, 8, "%.*s", (int)name.len, name.p);
        played_socket.connection_count++;
    }
    return &played_socket.connections[i].refuses;
}

struct zsock *zsock_new(uv_loop_t *loop, enum zsock_type type, const struct zsock_options *o,
                        const struct zsock_ops *ops, void *arg)
{
    (void)loop;
    ck_assert(type == ZSOCK_ROUTER && !played_socket.open);
    played_socket = (struct zsock){.options = *o, .ops = ops, .arg = arg, .open = true};
    return &played_socket;
}

int zsock_send(struct zsock *z, struct slice routing_id, struct zmsg *m)
{
    char name[8];
    int rc = *played_refuses(routing_id);

    ck_assert(z->open);
    if (rc != 0)
        return rc;
    snprintf(name, sizeof name, "%.*s", (int)routing_id.len, routing_id.p);
    socket_on_sent(name, zmsg_data(m), zmsg_size(m));
    zmsg_close(m);
    return 0;
}

void zsock_pause(struct zsock *z, bool paused)
{
    z->paused = paused;
}

void zsock_close(struct zsock *z, unsigned linger_ms, void (*closed)(void *arg))
{
    (void)linger_ms;
    z->open = false;
    z->closed = closed;
}

/* What zsock_close promises to call later. */
static inline void socket_closed(void)
{
    ck_assert_ptr_nonnull(played_socket.closed);
    played_socket.closed(played_socket.arg);
}

static inline void socket_refuse(const char *name, int error)
{
    *played_refuses(slice_of(name)) = error;
}

/* A message of so many parts, the frame in the first. */
static inline void socket_say_parts(const char *name, struct buf *frame, size_t count)
{
    struct zmsg parts[4];

    ck_assert_uint_le(count, ARRAY_LEN(parts));
    zmsg_init_buf(&parts[0], frame);
    for (size_t i = 1; i < count; i++)
        zmsg_init(&parts[i]);
    played_socket.ops->message(played_socket.arg, slice_of(name), parts, count);
    for (size_t i = 0; i < count; i++)
        zmsg_close(&parts[i]);
    if (played_socket.ops->drained != NULL)
        played_socket.ops->drained(played_socket.arg);
}

static inline void socket_say(const char *name, struct buf *frame)
{
    socket_say_parts(name, frame, 1);
}

#endif
