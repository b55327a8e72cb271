/*
 * zsock.c - one ZeroMQ socket as a citizen of a libuv loop.
 *
 * A turn of the loop:
 *
 *   prepare   is a message, or a monitor's event, waiting?  then idle is
 *             started, which keeps the loop from sleeping; else it is stopped
 *   poll      ZMQ_FD wakes a sleeping loop; its callback does no more than note
 *             it, for any call into ZeroMQ may have consumed the edge before
 *   check     reads messages until there are none or the budget is spent,
 *             calls message() for each, then drained() once
 *
 * A turn that others caused, in which neither ZMQ_FD spoke nor we called, asks
 * ZeroMQ nothing: each question is a system call.
 *
 * A send may consume the edge as well.  Most are followed by our prepare before
 * the loop sleeps; after one made in somebody else's prepare, later than ours,
 * idle is started too.
 *
 * Connections (DEALER with a monitor): an event is taken from the monitor, then
 * the socket is read until it is empty, and only then the event is told.  What
 * the old connection delivered therefore comes before disconnected().  A ROUTER
 * speaks when spoken to: before connected() there can only be answers to what
 * was queued before it.
 *
 * How it fails: sending returns -EAGAIN or -EHOSTUNREACH and leaves the message
 * with the caller.  All that ZeroMQ reports beyond that is a mistake of ours, or
 * memory that ran out, and stops the process.
 *
 * The end: zsock_close closes ZeroMQ's socket at once and then the loop's
 * handles; the last of them to go calls closed() and frees.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "mem.h"
#include "z85.h"
#include "zsock.h"

#define BUDGET 1000
#define HANDSHAKE_MS 2000 /* ZeroMQ's 30 s would hold us to a frozen peer */
#define RECONNECT_MS 20
#define RECONNECT_MAX_MS 1000
#define EVENT_NONE 0
#define HANDSHAKE_FAILED                                                                           \
    (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |                  \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
#define RECEIVE_BUFFER 8192 /* ZeroMQ's; a message that it cannot hold has its own */

_Static_assert(sizeof(zmq_msg_t) <= sizeof(struct zmsg), "a zmsg holds a zmq_msg_t");

struct zsock {
    uv_loop_t *loop;
    enum zsock_type type;
    struct zsock_ops ops;
    void *arg;
    void *socket;         /* NULL once closed */
    void *monitor;        /* NULL without one */
    uint16_t event;       /* taken from the monitor, not told yet */
    uint32_t event_value; /* its */
    unsigned connections; /* whose handshake succeeded */
    unsigned budget;
    bool paused;
    bool closing;
    bool asked;   /* prepare has run, check has not */
    bool touched; /* ZeroMQ was called, or called us, since it had nothing for us */

    uv_poll_t poll;
    uv_poll_t monitor_poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    unsigned handles; /* of the loop, not gone yet */
    void (*closed)(void *arg);
};

/* --- messages -------------------------------------------------------------- */

static zmq_msg_t *msg_of(const struct zmsg *m)
{
    return (zmq_msg_t *)(void *)(uintptr_t)m;
}

void zmsg_init(struct zmsg *m)
{
    (void)zmq_msg_init(msg_of(m)); /* cannot fail */
}

void zmsg_init_copy(struct zmsg *m, const void *p, size_t len)
{
    if (zmq_msg_init_size(msg_of(m), len) != 0)
        abort(); /* out of memory, as in mem.h */
    if (len > 0)
        memcpy(zmq_msg_data(msg_of(m)), p, len);
}

/* Runs on ZeroMQ's thread when the last reference is gone. */
static void zmsg_free_bytes(void *p, void *hint)
{
    (void)hint;
    free(p);
}

void zmsg_init_buf(struct zmsg *m, struct buf *b)
{
    if (b->len == 0) {
        zmsg_init(m);
        buf_free(b);
        return;
    }
    if (zmq_msg_init_data(msg_of(m), b->p, b->len, zmsg_free_bytes, NULL) != 0)
        abort();
    *b = (struct buf){0};
}

void zmsg_share(struct zmsg *dst, struct zmsg *src)
{
    int rc = zmq_msg_copy(msg_of(dst), msg_of(src));

    assert(rc == 0);
    (void)rc;
}

void zmsg_move(struct zmsg *dst, struct zmsg *src)
{
    int rc = zmq_msg_move(msg_of(dst), msg_of(src));

    assert(rc == 0);
    (void)rc;
}

void zmsg_keep(struct zmsg *dst, struct zmsg *src)
{
    if (zmsg_size(src) >= RECEIVE_BUFFER) {
        zmsg_move(dst, src);
        return;
    }
    zmsg_close(dst);
    zmsg_init_copy(dst, zmsg_data(src), zmsg_size(src));
    zmsg_close(src);
    zmsg_init(src);
}

void zmsg_close(struct zmsg *m)
{
    int rc = zmq_msg_close(msg_of(m));

    assert(rc == 0);
    (void)rc;
}

const void *zmsg_data(const struct zmsg *m)
{
    return zmq_msg_data(msg_of(m));
}

void *zmsg_bytes(struct zmsg *m)
{
    return zmq_msg_data(msg_of(m));
}

size_t zmsg_size(const struct zmsg *m)
{
    return zmq_msg_size(msg_of(m));
}

const char *zmsg_key(struct zmsg *m)
{
    return zmq_msg_gets(msg_of(m), "User-Id");
}

/* --- the context --------------------------------------------------------------- */

static void *context;

static void *shared_context(void)
{
    if (context == NULL) {
        context = zmq_ctx_new();
        if (context == NULL)
            abort();
    }
    return context;
}

void zsock_shutdown(void)
{
    int rc;

    if (context == NULL)
        return;
    do
        rc = zmq_ctx_term(context);
    while (rc != 0 && errno == EINTR);
    assert(rc == 0);
    context = NULL;
}

/* --- options ------------------------------------------------------------------- */

static void set_int(void *socket, int option, int value)
{
    int rc = zmq_setsockopt(socket, option, &value, sizeof value);

    assert(rc == 0); /* constants and checked configuration only */
    (void)rc;
}

static int get_int(void *socket, int option)
{
    int value = 0, rc;
    size_t size = sizeof value;

    do
        rc = zmq_getsockopt(socket, option, &value, &size);
    while (rc != 0 && errno == EINTR);
    assert(rc == 0);
    return value;
}

static void set_heartbeat(void *socket, unsigned ms)
{
    if (ms == 0)
        return;
    set_int(socket, ZMQ_HEARTBEAT_IVL, (int)ms);
    set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, (int)ms * 3);
    set_int(socket, ZMQ_HEARTBEAT_TTL, (int)ms * 3);
}

static void set_reconnect(void *socket, unsigned ms)
{
    int first = ms == 0 ? RECONNECT_MS : (int)ms;

    set_int(socket, ZMQ_RECONNECT_IVL, first);
    set_int(socket, ZMQ_RECONNECT_IVL_MAX, first > RECONNECT_MAX_MS ? first : RECONNECT_MAX_MS);
}

static void set_max_message(void *socket, uint64_t bytes)
{
    int64_t max = (int64_t)bytes;
    int rc = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max, sizeof max);

    assert(rc == 0);
    (void)rc;
}

static void set_options(struct zsock *z, const struct zsock_options *o)
{
    set_int(z->socket, ZMQ_LINGER, 0);
    set_int(z->socket, ZMQ_IPV6, 1);
    set_int(z->socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    set_heartbeat(z->socket, o->heartbeat_ms);
    if (o->send_hwm > 0)
        set_int(z->socket, ZMQ_SNDHWM, o->send_hwm);
    if (o->recv_hwm > 0 || o->heartbeat_ms > 0)
        set_int(z->socket, ZMQ_RCVHWM, o->recv_hwm);
    if (o->max_message > 0)
        set_max_message(z->socket, o->max_message);
    if (z->type == ZSOCK_ROUTER)
        set_int(z->socket, ZMQ_ROUTER_MANDATORY, o->mandatory ? 1 : 0);
    else
        set_reconnect(z->socket, o->reconnect_ms);
}

/* --- CURVE --------------------------------------------------------------------- */

static void set_bytes(void *socket, int option, const void *p, size_t len)
{
    int rc = zmq_setsockopt(socket, option, p, len);

    assert(rc == 0); /* zsock_curve_public has said that there is CURVE */
    (void)rc;
}

void zsock_secure_server(struct zsock *z, const struct zsock_curve *c)
{
    static const char domain[] = "sluice";

    set_bytes(z->socket, ZMQ_ZAP_DOMAIN, domain, sizeof domain - 1);
    set_int(z->socket, ZMQ_CURVE_SERVER, 1);
    set_bytes(z->socket, ZMQ_CURVE_SECRETKEY, c->secret, ZSOCK_KEY);
}

void zsock_secure_client(struct zsock *z, const struct zsock_curve *c)
{
    set_bytes(z->socket, ZMQ_CURVE_SERVERKEY, c->server_key, ZSOCK_KEY);
    set_bytes(z->socket, ZMQ_CURVE_PUBLICKEY, c->public, ZSOCK_KEY);
    set_bytes(z->socket, ZMQ_CURVE_SECRETKEY, c->secret, ZSOCK_KEY);
}

bool zsock_curve_public(struct zsock_curve *c)
{
    char secret[Z85_TEXT + 1], public[Z85_TEXT + 1];
    bool ok = zmq_has("curve") == 1;

    z85_put(c->secret, secret);
    ok = ok && zmq_curve_public(public, secret) == 0 && z85_get(slice_of(public), c->public);
    explicit_bzero(secret, sizeof secret);
    return ok;
}

/* --- receiving ----------------------------------------------------------------- */

static bool zsock_receive_part(void *socket, struct zmsg *part)
{
    int rc;

    do
        rc = zmq_msg_recv(msg_of(part), socket, ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    assert(rc >= 0 || errno == EAGAIN);
    return rc >= 0;
}

/* The rest of a message that is longer than any of ours. */
static void zsock_skip_parts(struct zsock *z)
{
    struct zmsg part;
    bool more = true;

    zmsg_init(&part);
    while (more && zsock_receive_part(z->socket, &part))
        more = zmq_msg_more(msg_of(&part)) != 0;
    zmsg_close(&part);
}

/* Reads one whole message into parts; 0 when there is none.  ZeroMQ hands out
 * a message only when it is complete, so the later parts are there. */
static size_t zsock_receive(struct zsock *z, struct zmsg parts[ZSOCK_PARTS_MAX])
{
    size_t count = 0;
    bool more = true;

    while (more && count < ZSOCK_PARTS_MAX) {
        zmsg_init(&parts[count]);
        if (!zsock_receive_part(z->socket, &parts[count])) {
            assert(count == 0);
            zmsg_close(&parts[count]);
            return 0;
        }
        more = zmq_msg_more(msg_of(&parts[count++])) != 0;
    }
    if (more)
        zsock_skip_parts(z);
    return count;
}

static void zsock_deliver(struct zsock *z, struct zmsg *parts, size_t count)
{
    struct slice routing_id = {NULL, 0};
    size_t skip = 0;

    if (z->type == ZSOCK_ROUTER) {
        routing_id = (struct slice){zmsg_data(&parts[0]), zmsg_size(&parts[0])};
        skip = 1;
    }
    z->ops.message(z->arg, routing_id, parts + skip, count - skip);
    for (size_t i = 0; i < count; i++)
        zmsg_close(&parts[i]);
}

/* True when the socket is empty (or must not be read). */
static bool zsock_drain(struct zsock *z)
{
    struct zmsg parts[ZSOCK_PARTS_MAX];
    unsigned done = 0;
    size_t count = 1;

    while (!z->closing && !z->paused && done < z->budget) {
        count = zsock_receive(z, parts);
        if (count == 0)
            break;
        zsock_deliver(z, parts, count);
        done++;
    }
    if (done > 0 && !z->closing && z->ops.drained != NULL)
        z->ops.drained(z->arg);
    return count == 0 || z->paused;
}

/* --- connections come and go --------------------------------------------------- */

/* False when ZeroMQ has no more sockets; it takes two. */
static bool start_monitor(struct zsock *z)
{
    static unsigned number;
    char address[64];
    int rc;

    (void)snprintf(address, sizeof address, "inproc://zsock-monitor-%u", number++);
    if (zmq_socket_monitor(z->socket, address,
                           ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                               HANDSHAKE_FAILED) != 0)
        return false;
    z->monitor = zmq_socket(context, ZMQ_PAIR);
    if (z->monitor == NULL)
        return false;
    set_int(z->monitor, ZMQ_LINGER, 0);
    rc = zmq_connect(z->monitor, address);
    assert(rc == 0);
    (void)rc;
    return true;
}

/* The next event, or EVENT_NONE.  Its first frame is event u16 and value u32 in
 * the machine's order, its second the endpoint. */
static uint16_t take_event(void *monitor, uint32_t *value)
{
    uint16_t event = EVENT_NONE;
    struct zmsg frame;

    zmsg_init(&frame);
    if (zsock_receive_part(monitor, &frame)) {
        assert(zmsg_size(&frame) == sizeof event + sizeof *value);
        memcpy(&event, zmsg_data(&frame), sizeof event);
        memcpy(value, (const char *)zmsg_data(&frame) + sizeof event, sizeof *value);
        (void)zsock_receive_part(monitor, &frame);
    }
    zmsg_close(&frame);
    return event;
}

static const char *refusal_text(uint16_t event, uint32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return "our key is not among those that are let in";
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
                   ? "one side has keys of CURVE and the other has none"
                   : "the handshake makes no sense";
    return "the other side has ended the handshake: it may have another key than the one we expect";
}

/* A connection that ends before its handshake was never told, nor is its end. */
static void zsock_tell_event(struct zsock *z)
{
    uint16_t event = z->event;

    z->event = EVENT_NONE;
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        z->connections++;
        if (z->ops.connected != NULL)
            z->ops.connected(z->arg);
    } else if (event == ZMQ_EVENT_DISCONNECTED && z->connections > 0) {
        z->connections--;
        if (z->ops.disconnected != NULL)
            z->ops.disconnected(z->arg);
    } else if ((event & HANDSHAKE_FAILED) != 0 && z->ops.refused != NULL) {
        z->ops.refused(z->arg, refusal_text(event, z->event_value));
    }
}

/* --- the loop ------------------------------------------------------------------ */

static void zsock_on_poll(uv_poll_t *h, int status, int events)
{
    struct zsock *z = h->data;

    (void)status;
    (void)events;
    z->touched = true;
}

static void zsock_on_idle(uv_idle_t *h)
{
    (void)h;
}

/* Before a call that may consume the edge.  After prepare has asked, the loop
 * must not sleep on the answer that it got. */
static void zsock_touch(struct zsock *z)
{
    z->touched = true;
    if (z->asked)
        (void)uv_idle_start(&z->idle, zsock_on_idle);
}

static bool zsock_pending(struct zsock *z)
{
    bool monitor = z->monitor != NULL && (get_int(z->monitor, ZMQ_EVENTS) & ZMQ_POLLIN) != 0;
    bool socket = (get_int(z->socket, ZMQ_EVENTS) & ZMQ_POLLIN) != 0; /* asked even if paused */

    return monitor || z->event != EVENT_NONE || (socket && !z->paused);
}

static void zsock_on_prepare(uv_prepare_t *h)
{
    struct zsock *z = CONTAINER_OF(h, struct zsock, prepare);

    z->asked = true;
    if (!z->touched)
        return; /* the edge is armed, and idle stopped */
    z->touched = zsock_pending(z);
    if (z->touched)
        (void)uv_idle_start(&z->idle, zsock_on_idle);
    else
        (void)uv_idle_stop(&z->idle);
}

static void zsock_on_check(uv_check_t *h)
{
    struct zsock *z = CONTAINER_OF(h, struct zsock, check);
    bool empty;

    z->asked = false;
    if (!z->touched)
        return;
    if (z->monitor != NULL && z->event == EVENT_NONE)
        z->event = take_event(z->monitor, &z->event_value);
    empty = zsock_drain(z);
    if (!z->closing && empty && z->event != EVENT_NONE)
        zsock_tell_event(z);
}

static void start_poll(struct zsock *z, uv_poll_t *poll, void *socket)
{
    int rc = uv_poll_init(z->loop, poll, get_int(socket, ZMQ_FD));

    poll->data = z;
    assert(rc == 0);
    rc = uv_poll_start(poll, UV_READABLE, zsock_on_poll);
    assert(rc == 0);
    (void)rc;
    z->handles++;
}

static void start_handles(struct zsock *z)
{
    start_poll(z, &z->poll, z->socket);
    if (z->monitor != NULL)
        start_poll(z, &z->monitor_poll, z->monitor);
    (void)uv_prepare_init(z->loop, &z->prepare);
    (void)uv_check_init(z->loop, &z->check);
    (void)uv_idle_init(z->loop, &z->idle);
    (void)uv_prepare_start(&z->prepare, zsock_on_prepare);
    (void)uv_check_start(&z->check, zsock_on_check);
    z->handles += 3;
}

/* --- endpoints ----------------------------------------------------------------- */

static int probe(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc;

    if (fd < 0)
        return -errno;
    rc = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
    (void)close(fd);
    return rc;
}

/* ZeroMQ takes the path from whoever listens on it, so look first. */
static int claim_path(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int rc;

    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    rc = probe(&address);
    if (rc == -ENOENT)
        return 0;
    if (rc != -ECONNREFUSED)
        return rc == 0 || rc == -EAGAIN ? -EADDRINUSE : rc;
    return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Some of ZeroMQ's errors are its own numbers. */
static int zmq_error(void)
{
    return zmq_errno() < ZMQ_HAUSNUMERO ? -zmq_errno() : -EINVAL;
}

/* ZeroMQ would take a port modulo 65,536. */
static bool port_possible(const char *endpoint)
{
    const char *colon = strrchr(endpoint, ':');
    uint64_t port;

    return strncmp(endpoint, "tcp://", 6) != 0 || colon == NULL || strcmp(colon, ":*") == 0 ||
           (slice_u64(slice_of(colon + 1), &port) && port > 0 && port <= UINT16_MAX);
}

int zsock_bind(struct zsock *z, const char *endpoint)
{
    static const char ipc[] = "ipc://";
    int rc;

    if (!port_possible(endpoint))
        return -EINVAL;
    zsock_touch(z);
    if (strncmp(endpoint, ipc, sizeof ipc - 1) == 0) {
        rc = claim_path(endpoint + sizeof ipc - 1);
        if (rc != 0)
            return rc;
    }
    return zmq_bind(z->socket, endpoint) == 0 ? 0 : zmq_error();
}

int zsock_connect(struct zsock *z, const char *endpoint)
{
    if (!port_possible(endpoint))
        return -EINVAL;
    zsock_touch(z);
    return zmq_connect(z->socket, endpoint) == 0 ? 0 : zmq_error();
}

/* --- sending ------------------------------------------------------------------- */

static int zsock_send_part(struct zsock *z, struct zmsg *m, int flags)
{
    int rc;

    zsock_touch(z);
    do
        rc = zmq_msg_send(msg_of(m), z->socket, flags | ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return 0;
    assert(errno == EAGAIN || errno == EHOSTUNREACH);
    return -errno;
}

/* Once the first part is taken, the message counts as sent.  A later part is
 * refused only when the peer went away in between; then the message is lost
 * like any other that was in flight, and the rest of it must still be offered,
 * or ZeroMQ would take the next message for it. */
static void zsock_send_rest(struct zsock *z, struct zmsg *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (zsock_send_part(z, &parts[i], i + 1 < count ? ZMQ_SNDMORE : 0) == 0)
            continue;
        zmsg_close(&parts[i]);
        zmsg_init(&parts[i]);
    }
}

/* A ROUTER refuses at the routing ID, before any part of ours is taken. */
static int zsock_send_routing_id(struct zsock *z, struct slice routing_id)
{
    struct zmsg m;
    int rc;

    zmsg_init_copy(&m, routing_id.p, routing_id.len);
    rc = zsock_send_part(z, &m, ZMQ_SNDMORE);
    zmsg_close(&m); /* empty once sent */
    return rc;
}

int zsock_send_parts(struct zsock *z, struct slice routing_id, struct zmsg *parts, size_t count)
{
    size_t sent = 0;
    int rc;

    assert(!z->closing && count > 0);
    if (z->type == ZSOCK_ROUTER) {
        rc = zsock_send_routing_id(z, routing_id);
    } else {
        rc = zsock_send_part(z, &parts[0], count > 1 ? ZMQ_SNDMORE : 0);
        sent = 1;
    }
    if (rc == 0)
        zsock_send_rest(z, parts + sent, count - sent);
    return rc;
}

int zsock_send(struct zsock *z, struct slice routing_id, struct zmsg *m)
{
    return zsock_send_parts(z, routing_id, m, 1);
}

/* --- life ---------------------------------------------------------------------- */

struct zsock *zsock_new(uv_loop_t *loop, enum zsock_type type, const struct zsock_options *o,
                        const struct zsock_ops *ops, void *arg)
{
    void *socket = zmq_socket(shared_context(), type == ZSOCK_ROUTER ? ZMQ_ROUTER : ZMQ_DEALER);
    struct zsock *z;

    if (socket == NULL)
        return NULL;
    z = mem_zalloc(sizeof *z);
    z->loop = loop;
    z->type = type;
    z->ops = *ops;
    z->arg = arg;
    z->socket = socket;
    z->budget = BUDGET;
    z->touched = true;
    set_options(z, o);
    if (o->monitor && !start_monitor(z)) {
        (void)zmq_close(socket);
        free(z);
        return NULL;
    }
    start_handles(z);
    return z;
}

void zsock_pause(struct zsock *z, bool paused)
{
    z->paused = paused;
    zsock_touch(z); /* the edge of what waits is long gone */
}

void zsock_budget(struct zsock *z, unsigned messages)
{
    assert(messages > 0);
    z->budget = messages;
}

static void zsock_on_closed(uv_handle_t *h)
{
    struct zsock *z = h->data;

    if (--z->handles > 0)
        return;
    if (z->closed != NULL)
        z->closed(z->arg);
    free(z);
}

static void close_handle(struct zsock *z, uv_handle_t *h)
{
    h->data = z;
    uv_close(h, zsock_on_closed);
}

/* The loop must let go of the descriptors before ZeroMQ closes them. */
void zsock_close(struct zsock *z, unsigned linger_ms, void (*closed)(void *arg))
{
    assert(!z->closing);
    z->closing = true;
    z->closed = closed;
    close_handle(z, (uv_handle_t *)&z->poll);
    if (z->monitor != NULL) {
        close_handle(z, (uv_handle_t *)&z->monitor_poll);
        (void)zmq_socket_monitor(z->socket, NULL, 0);
        (void)zmq_close(z->monitor);
    }
    close_handle(z, (uv_handle_t *)&z->prepare);
    close_handle(z, (uv_handle_t *)&z->check);
    close_handle(z, (uv_handle_t *)&z->idle);
    set_int(z->socket, ZMQ_LINGER, (int)linger_ms);
    (void)zmq_close(z->socket);
    z->socket = NULL;
}

bool zsock_keypair(char public_key[ZSOCK_KEY_TEXT], char secret_key[ZSOCK_KEY_TEXT])
{
    return zmq_curve_keypair(public_key, secret_key) == 0;
}
