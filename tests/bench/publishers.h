/*
 * publishers.h - four ways to hand events in, behind one face.
 *
 *   http://ADDRESS:PORT/PATH  POST over K kept connections, one request each at a time
 *   tcp://ADDRESS:PORT        ZeroMQ: a DEALER to sluice-zmq, W unanswered at most
 *   mqtt://ADDRESS:PORT       MQTT 3.1.1 at QoS 1 over one connection, W unanswered at most
 *   feed://ADDRESS:PORT       ready SSE frames into floor's feed; nothing is answered
 *
 * A payload is the sequence and the time of sending in hex, and padding.  An
 * answer that is not an acknowledgement ends the program.
 */
#ifndef BENCH_PUBLISHERS_H
#define BENCH_PUBLISHERS_H

#include <ctype.h>
#include <sys/epoll.h>
#include <zmq.h>

#include "bench.h"
#include "mqtt.h"
#include "tokens.h"

enum {
    MAX_PAYLOAD_SIZE = 1024,
    ANSWER_SIZE = 8192,
    HEAD_SIZE = TOKEN_SIZE + 1024,
    FEED_SIZE = 64 * 1024,
    PUBLISHER_TAG = 1 << 30, /* in epoll's data, plus the connection's number */
};

struct http_connection {
    int fd;
    uint64_t sent_ns;
    size_t len, head_len;
    char *head;
    char answer[ANSWER_SIZE + 1];
};

struct publisher {
    enum { PUBLISH_HTTP, PUBLISH_DEALER, PUBLISH_MQTT, PUBLISH_FEED } kind;
    int epoll;
    unsigned window; /* most events unanswered */
    size_t payload;  /* bytes */
    unsigned topics; /* MQTT: more than 1: to each in turn, "…/00042" */
    uint64_t sent, answered;
    struct hist latency; /* request to acknowledgement */

    struct http_connection *connections;
    unsigned *idle, idle_count, idle_first; /* in turn, so that none stays silent */
    const struct tokens *tokens;            /* HTTP: of its connections, in turn */

    void *context, *dealer;
    char topic[256];
    uint64_t *sent_ns; /* by sequence modulo window */

    int feed_fd; /* the floor's, or MQTT's */
    size_t feed_len;
    char feed[FEED_SIZE];
    size_t answer_len;
    char answer[FEED_SIZE];
};

static void put_payload(char *out, size_t size, uint64_t seq, uint64_t now)
{
    char stamp[40];
    size_t n = (size_t)snprintf(stamp, sizeof stamp, "%016llx %016llx ", (unsigned long long)seq,
                                (unsigned long long)now);

    memcpy(out, stamp, n);
    memset(out + n, 'x', size - n);
}

static void watch_socket(struct publisher *p, int fd, unsigned number)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = PUBLISHER_TAG + number};

    if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

/* --- HTTP ------------------------------------------------------------------------ */

static void http_rest(struct publisher *p, unsigned number)
{
    p->idle[(p->idle_first + p->idle_count++) % p->window] = number;
}

static struct http_connection *http_next(struct publisher *p)
{
    unsigned number = p->idle[p->idle_first];

    p->idle_first = (p->idle_first + 1) % p->window;
    p->idle_count--;
    return &p->connections[number];
}

static void http_open(struct publisher *p, const char *url, unsigned connections)
{
    const char *address = url + 7, *path = strchr(address, '/');
    struct sockaddr_in a = address_of(address);

    if (path == NULL)
        die("no path in %s", url);
    p->window = connections;
    p->connections = allocate(connections, sizeof *p->connections);
    p->idle = allocate(connections, sizeof *p->idle);
    for (unsigned i = 0; i < connections; i++) {
        struct http_connection *c = &p->connections[i];
        int len =
            asprintf(&c->head, "POST %s HTTP/1.1\r\nHost: %.*s\r\n%sContent-Length: %zu\r\n\r\n",
                     path, (int)(path - address), address, tokens_header(p->tokens, i), p->payload);

        if (len < 0 || len >= HEAD_SIZE)
            die("the head of a request is too long");
        c->head_len = (size_t)len;
        c->fd = connect_to(&a);
        watch_socket(p, c->fd, i);
        http_rest(p, i);
    }
}

static void http_send(struct publisher *p)
{
    struct http_connection *c = http_next(p);
    char text[HEAD_SIZE + MAX_PAYLOAD_SIZE];
    size_t len = c->head_len + p->payload;

    c->sent_ns = now_ns();
    memcpy(text, c->head, c->head_len);
    put_payload(text + c->head_len, p->payload, p->sent, c->sent_ns);
    if (send(c->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("publishing: %s", strerror(errno));
}

/* Size of the whole response at the start of text, 0 while it is incomplete. */
static size_t response_size(const char *text, size_t len)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\ncontent-length:");
    size_t size;

    if (end == NULL)
        return 0;
    if (length == NULL || length > end)
        die("a response without Content-Length: %.200s", text);
    size = (size_t)(end + 4 - text) + strtoul(length + 17, NULL, 10);
    return len >= size ? size : 0;
}

static void http_readable(struct publisher *p, unsigned number)
{
    struct http_connection *c = &p->connections[number];
    ssize_t n = recv(c->fd, c->answer + c->len, ANSWER_SIZE - c->len, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("the server closed a publisher's connection");
    c->len += (size_t)n;
    c->answer[c->len] = '\0';
    if (response_size(c->answer, c->len) == 0)
        return;
    if (memcmp(c->answer, "HTTP/1.1 20", 11) != 0)
        die("publishing was refused: %s", c->answer);
    c->len = 0;
    p->answered++;
    hist_add(&p->latency, now_ns() - c->sent_ns);
    http_rest(p, number);
}

/* --- ZeroMQ ------------------------------------------------------------------------ */

static void dealer_open(struct publisher *p, const char *endpoint, unsigned window,
                        const char *topic)
{
    int none = 0, fd;
    size_t size = sizeof fd;

    p->window = window;
    p->sent_ns = allocate(window, sizeof *p->sent_ns);
    snprintf(p->topic, sizeof p->topic, "%s", topic);
    p->context = zmq_ctx_new();
    p->dealer = zmq_socket(p->context, ZMQ_DEALER);
    if (p->dealer == NULL || zmq_setsockopt(p->dealer, ZMQ_SNDHWM, &none, sizeof none) ||
        zmq_setsockopt(p->dealer, ZMQ_RCVHWM, &none, sizeof none) ||
        zmq_setsockopt(p->dealer, ZMQ_LINGER, &none, sizeof none) ||
        zmq_connect(p->dealer, endpoint) || zmq_getsockopt(p->dealer, ZMQ_FD, &fd, &size))
        die("ZeroMQ to %s: %s", endpoint, zmq_strerror(zmq_errno()));
    watch_socket(p, fd, 0);
}

static void dealer_send_part(struct publisher *p, const void *part, size_t len, int more)
{
    if (zmq_send(p->dealer, part, len, more | ZMQ_DONTWAIT) < 0)
        die("ZeroMQ: %s", zmq_strerror(zmq_errno()));
}

/* The reference is the sequence in decimal. */
static void dealer_send(struct publisher *p)
{
    char ref[24], payload[MAX_PAYLOAD_SIZE];
    uint64_t now = now_ns();
    int ref_len = snprintf(ref, sizeof ref, "%llu", (unsigned long long)p->sent);

    p->sent_ns[p->sent % p->window] = now;
    put_payload(payload, p->payload, p->sent, now);
    dealer_send_part(p, "publish", 7, ZMQ_SNDMORE);
    dealer_send_part(p, ref, (size_t)ref_len, ZMQ_SNDMORE);
    dealer_send_part(p, p->topic, strlen(p->topic), ZMQ_SNDMORE);
    dealer_send_part(p, "{}", 2, ZMQ_SNDMORE);
    dealer_send_part(p, payload, p->payload, 0);
}

/* One frame as text; its true length, or -1 when nothing waits. */
static int dealer_part(struct publisher *p, char *out, size_t cap)
{
    int n = zmq_recv(p->dealer, out, cap - 1, ZMQ_DONTWAIT);

    if (n < 0 && zmq_errno() != EAGAIN)
        die("ZeroMQ: %s", zmq_strerror(zmq_errno()));
    if (n >= 0)
        out[(size_t)n < cap ? (size_t)n : cap - 1] = '\0';
    return n;
}

/* Takes every answer that is there: the descriptor only tells of changes. */
static void dealer_drain(struct publisher *p)
{
    char verb[32], ref[32], rest[512];

    while (dealer_part(p, verb, sizeof verb) >= 0) {
        if (dealer_part(p, ref, sizeof ref) < 0 || dealer_part(p, rest, sizeof rest) < 0)
            die("an answer of too few frames: %s", verb);
        if (strcmp(verb, "ok") != 0)
            die("publishing was refused: %s %s", verb, rest);
        p->answered++;
        hist_add(&p->latency, now_ns() - p->sent_ns[strtoull(ref, NULL, 10) % p->window]);
    }
}

/* --- the floor's feed --------------------------------------------------------------- */

static void feed_flush(struct publisher *p)
{
    ssize_t n;

    if (p->feed_len == 0)
        return;
    n = send(p->feed_fd, p->feed, p->feed_len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        die("feeding: %s", strerror(errno));
    if (n > 0) {
        p->feed_len -= (size_t)n;
        memmove(p->feed, p->feed + n, p->feed_len);
    }
}

static void feed_send(struct publisher *p)
{
    uint64_t now = now_ns();
    char *out = p->feed + p->feed_len;

    out += sprintf(out, "id: %016llu\ndata: ", (unsigned long long)p->sent);
    put_payload(out, p->payload, p->sent, now);
    memcpy(out + p->payload, "\n\n", 2);
    p->feed_len = (size_t)(out + p->payload + 2 - p->feed);
    p->answered++;
}

/* --- MQTT ------------------------------------------------------------------------------ */

static void mqtt_publisher_open(struct publisher *p, const char *address, unsigned window,
                                const char *topic)
{
    struct sockaddr_in a = address_of(address);
    struct mqtt_out o = {0};

    p->window = window;
    p->sent_ns = allocate(window, sizeof *p->sent_ns);
    snprintf(p->topic, sizeof p->topic, "%s", topic);
    p->feed_fd = connect_to(&a);
    mqtt_connect_put(&o, "bench-publisher", true);
    memcpy(p->feed, o.bytes, o.len);
    p->feed_len = o.len;
    watch_socket(p, p->feed_fd, 0);
}

static void mqtt_publisher_send(struct publisher *p)
{
    unsigned topics = p->topics > 1 ? p->topics : 1;
    struct mqtt_out o = {0};
    uint64_t now = now_ns();
    char topic[300];

    if (topics > 1)
        snprintf(topic, sizeof topic, "%s/%05u", p->topic, (unsigned)(p->sent % topics));
    else
        snprintf(topic, sizeof topic, "%s", p->topic);
    p->sent_ns[p->sent % p->window] = now;
    mqtt_publish_put(&o, topic, 1, (unsigned)(p->sent % p->window) + 1, p->payload);
    memcpy(p->feed + p->feed_len, o.bytes, o.len);
    put_payload(p->feed + p->feed_len + o.len, p->payload, p->sent / topics, now);
    p->feed_len += o.len + p->payload;
}

static void mqtt_publisher_readable(struct publisher *p)
{
    struct mqtt_packet packet;
    size_t at = 0, used;
    ssize_t n =
        recv(p->feed_fd, p->answer + p->answer_len, FEED_SIZE - p->answer_len, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("the server closed the publisher's connection");
    p->answer_len += (size_t)n;
    while ((used = mqtt_next(p->answer + at, p->answer_len - at, &packet)) > 0) {
        at += used;
        if (packet.kind == MQTT_KIND_CONNACK && packet.code != 0)
            die("connecting was refused: code %u", packet.code);
        if (packet.kind != MQTT_KIND_PUBACK)
            continue;
        p->answered++;
        hist_add(&p->latency, now_ns() - p->sent_ns[packet.id - 1]);
    }
    p->answer_len -= at;
    memmove(p->answer, p->answer + at, p->answer_len);
}

/* --- the face ------------------------------------------------------------------------ */

static void publisher_open(struct publisher *p, int epoll, const char *where, const char *topic,
                           unsigned topics, unsigned connections, unsigned window, size_t payload)
{
    *p = (struct publisher){
        .epoll = epoll, .payload = payload, .topics = topics, .tokens = p->tokens};
    if (strncmp(where, "http://", 7) == 0) {
        http_open(p, where, connections);
    } else if (strncmp(where, "tcp://", 6) == 0) {
        p->kind = PUBLISH_DEALER;
        dealer_open(p, where, window, topic);
    } else if (strncmp(where, "mqtt://", 7) == 0) {
        p->kind = PUBLISH_MQTT;
        mqtt_publisher_open(p, where + 7, window, topic);
    } else if (strncmp(where, "feed://", 7) == 0) {
        struct sockaddr_in a = address_of(where + 7);
        p->kind = PUBLISH_FEED;
        p->feed_fd = connect_to(&a);
    } else {
        die("cannot publish to %s", where);
    }
}

static bool publisher_may_send(const struct publisher *p)
{
    switch (p->kind) {
    case PUBLISH_HTTP:
        return p->idle_count > 0;
    case PUBLISH_DEALER:
        return p->sent - p->answered < p->window;
    case PUBLISH_MQTT:
        return p->sent - p->answered < p->window && p->feed_len + p->payload + 512 <= FEED_SIZE;
    default:
        return p->feed_len + p->payload + 64 <= FEED_SIZE;
    }
}

static void publisher_send(struct publisher *p)
{
    switch (p->kind) {
    case PUBLISH_HTTP:
        http_send(p);
        break;
    case PUBLISH_DEALER:
        dealer_send(p);
        break;
    case PUBLISH_MQTT:
        mqtt_publisher_send(p);
        break;
    default:
        feed_send(p);
    }
    p->sent++;
}

/* Once a turn, after sending. */
static void publisher_turn(struct publisher *p)
{
    if (p->kind == PUBLISH_DEALER)
        dealer_drain(p);
    else if (p->kind == PUBLISH_FEED || p->kind == PUBLISH_MQTT)
        feed_flush(p);
}

static void publisher_readable(struct publisher *p, unsigned number)
{
    if (p->kind == PUBLISH_HTTP)
        http_readable(p, number);
    else if (p->kind == PUBLISH_MQTT)
        mqtt_publisher_readable(p);
}

#endif
