/*
 * subscribers.h - many SSE, WebSocket, MQTT or HTTP/2 clients, read at next to no cost.
 *
 * A few sampled clients are parsed in full: order, latency, completeness.  All
 * the others receive the same bytes, so once the measurement runs they are
 * only counted: recv with MSG_TRUNC throws the bytes away inside the kernel.
 * A counted client has everything when it got as many bytes as the sampled
 * client that got least; keep-alives make these differ by a few bytes, an
 * event has more than a hundred.  A client that has to acknowledge each event
 * (MQTT, QoS 1) is always parsed.
 *
 * A client of HTTP/2 has several streams, all of the same topic.  Of a sampled one the
 * last stream is parsed; the bytes of all its streams are counted, of DATA alone since
 * frames may differ, so these are taken apart at every client.
 *
 *   connect ─▶ head (200?) ─▶ parsed ─▶ [subscribers_mark] ─▶ counted, if not sampled
 *
 * Concurrent publishers have no order among themselves, so a parsed client
 * keeps a window of the sequences it has seen: an event that comes twice ends
 * the program, one that is missing holds back `next`, and all sampled clients
 * must have seen one and the same order.  A client that the server closes ends
 * the program, too.
 */
#ifndef BENCH_SUBSCRIBERS_H
#define BENCH_SUBSCRIBERS_H

#include <sys/epoll.h>

#include "bench.h"
#include "h2.h"
#include "mqtt.h"
#include "websocket.h"

enum {
    READ_SIZE = 256 * 1024,
    CARRY_SIZE = 2048, /* longest line that may straddle two reads */
    BYTE_SLACK = 16,   /* the end of the last warm-up event may come after the mark */
    CONNECT_BURST = 100,
    REORDER = 4096, /* an event overtaken by more is taken for lost */
};

struct subscriber {
    int fd;
    bool sampled, opened;
    uint64_t bytes;              /* of the stream since it opened, or since the mark */
    uint64_t next;               /* parsed clients: the lowest sequence not yet seen */
    uint64_t order;              /* a hash of the sequences as they came */
    uint64_t seen[REORDER / 64]; /* by sequence modulo REORDER, from next on */
    struct h2_in in;             /* HTTP/2 */
    unsigned answered;           /* of its streams */
    size_t carry_len;
    char carry[CARRY_SIZE];
};

struct subscribers {
    int epoll;
    unsigned count, opened;
    bool counting; /* clients that are not sampled are counted only */
    bool timing;   /* latencies are recorded */
    struct subscriber *all;
    unsigned *sampled, sampled_count;
    struct hist latency; /* publish to receipt, sampled clients */
    enum { SUBSCRIBE_SSE, SUBSCRIBE_WEBSOCKET, SUBSCRIBE_MQTT, SUBSCRIBE_H2 } protocol;
    struct frame_reader frames;
    char request[1024];
    struct sockaddr_in address;
    unsigned streams;             /* of each client; HTTP/2: at least one */
    const char *path, *authority; /* HTTP/2 */
    /* MQTT */
    const char *filter;
    unsigned qos, topics; /* topics > 1: client i has the filter's topic i, "…/00042" */
    bool persistent;      /* the session outlives the connection */
    bool resuming;        /* the server holds the subscriptions */
};

/* Our payload: sequence and time of sending, 16 hex digits each. */
static uint64_t hex16(const char *p)
{
    uint64_t v = 0;

    for (int i = 0; i < 16; i++) {
        unsigned c = (unsigned char)p[i];
        v = v << 4 | (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return v;
}

/* Where and how to ask: http:// is SSE, ws:// WebSocket, mqtt:// MQTT, h2:// SSE over
 * HTTP/2 by prior knowledge. */
struct subscribe_to {
    const char *url, *subprotocol; /* NULL: none is asked for */
    bool deflate;
    unsigned streams;   /* HTTP/2 */
    const char *filter; /* MQTT, as all below */
    unsigned qos, topics;
    bool persistent;
};

static void make_request(struct subscribers *s, const struct subscribe_to *to)
{
    const char *address = strstr(to->url, "://"), *path;

    if (strncmp(to->url, "mqtt://", 7) == 0) {
        s->protocol = SUBSCRIBE_MQTT;
        s->address = address_of(to->url + 7);
        return;
    }
    if (strncmp(to->url, "ws://", 5) == 0)
        s->protocol = SUBSCRIBE_WEBSOCKET;
    if (strncmp(to->url, "h2://", 5) == 0)
        s->protocol = SUBSCRIBE_H2;
    if (address == NULL || (path = strchr(address + 3, '/')) == NULL ||
        (s->protocol == SUBSCRIBE_SSE && strncmp(to->url, "http://", 7) != 0))
        die("not an http, ws, mqtt or h2 URL with a path: %s", to->url);
    address += 3;
    s->address = address_of(address);
    s->path = path;
    s->authority = address;
    snprintf(s->request, sizeof s->request, "GET %s HTTP/1.1\r\nHost: %.*s\r\n%s%s%s%s\r\n", path,
             (int)(path - address), address,
             s->protocol == SUBSCRIBE_WEBSOCKET ? WEBSOCKET_HEADERS
                                                : "Accept: text/event-stream\r\n",
             to->subprotocol != NULL ? "Sec-WebSocket-Protocol: " : "",
             to->subprotocol != NULL ? to->subprotocol : "", to->subprotocol != NULL ? "\r\n" : "");
    if (to->deflate)
        memcpy(s->request + strlen(s->request) - 2, WEBSOCKET_DEFLATE "\r\n",
               sizeof WEBSOCKET_DEFLATE "\r\n");
}

static void subscribers_init(struct subscribers *s, int epoll, const struct subscribe_to *to,
                             unsigned count, unsigned sample)
{
    *s = (struct subscribers){.epoll = epoll,
                              .filter = to->filter,
                              .streams = to->streams > 0 ? to->streams : 1,
                              .qos = to->qos,
                              .topics = to->topics,
                              .persistent = to->persistent};
    make_request(s, to);
    frame_reader_init(&s->frames, to->deflate);
    s->all = allocate(count, sizeof *s->all);
    s->sampled_count = sample < count && s->qos == 0 ? sample : count;
    s->sampled = allocate(s->sampled_count, sizeof *s->sampled);
    /* Spread over the order of connecting, the last client included: servers
     * tend to write in that order. */
    for (unsigned i = 0; i < s->sampled_count; i++) {
        s->sampled[i] = (unsigned)((uint64_t)(i + 1) * count / s->sampled_count) - 1;
        s->all[s->sampled[i]].sampled = true;
    }
}

static bool seen_bit(struct subscriber *c, uint64_t seq, bool set)
{
    uint64_t *word = &c->seen[seq % REORDER / 64], bit = UINT64_C(1) << (seq % 64);
    bool was = (*word & bit) != 0;

    *word = set ? *word | bit : *word & ~bit;
    return was;
}

static void subscriber_event(struct subscribers *s, struct subscriber *c, const char *payload,
                             uint64_t now)
{
    uint64_t seq = hex16(payload);

    if (seq - c->next >= REORDER || seen_bit(c, seq, true))
        die("client %u: event %llu came while %llu was due", (unsigned)(c - s->all),
            (unsigned long long)seq, (unsigned long long)c->next);
    while (seen_bit(c, c->next, false))
        c->next++;
    c->order = c->order * UINT64_C(6364136223846793005) + seq + 1;
    if (s->timing && c->sampled)
        hist_add(&s->latency, now - hex16(payload + 17));
}

static void subscriber_opened(struct subscribers *s, struct subscriber *c, size_t left)
{
    c->opened = true;
    c->bytes = left;
    s->opened++;
}

/* One line of the head or of the stream, without its line feed.  HTTP's chunk
 * sizes, ids and comments are lines that mean nothing here. */
static void subscriber_line(struct subscribers *s, struct subscriber *c, const char *line,
                            size_t len, size_t left, uint64_t now)
{
    if (c->opened) {
        if (len >= 6 + 33 && memcmp(line, "data: ", 6) == 0)
            subscriber_event(s, c, line + 6, now);
        return;
    }
    if (len >= 12 && memcmp(line, "HTTP/1.1 ", 9) == 0 &&
        memcmp(line + 9, s->protocol == SUBSCRIBE_WEBSOCKET ? "101" : "200", 3) != 0)
        die("subscribing was refused: %.*s", (int)len, line);
    if (len == 1 && line[0] == '\r')
        subscriber_opened(s, c, left);
}

/* The whole messages in it; whatever is no event of ours has no payload of ours. */
static char *subscriber_frames(struct subscribers *s, struct subscriber *c, char *at, char *end,
                               uint64_t now)
{
    const char *message, *payload;
    size_t size, used;

    while ((used = frame_next(&s->frames, at, (size_t)(end - at), &message, &size)) > 0) {
        payload = message != NULL ? payload_in(message, size) : NULL;
        if (payload != NULL)
            subscriber_event(s, c, payload, now);
        at += used;
    }
    return at;
}

static void subscriber_say(const struct subscriber *c, const struct mqtt_out *o)
{
    if (o->len > 0 && send(c->fd, o->bytes, o->len, MSG_NOSIGNAL) != (ssize_t)o->len)
        die("writing to the server: %s", strerror(errno));
}

/* The whole packets in it; those with a QoS are acknowledged together. */
static char *subscriber_packets(struct subscribers *s, struct subscriber *c, char *at, char *end,
                                uint64_t now)
{
    struct mqtt_packet packet;
    struct mqtt_out acks = {0};
    size_t used;

    while ((used = mqtt_next(at, (size_t)(end - at), &packet)) > 0) {
        at += used;
        if (packet.kind == MQTT_KIND_PUBLISH && packet.size >= 33)
            subscriber_event(s, c, packet.payload, now);
        if (packet.kind == MQTT_KIND_PUBLISH && packet.qos > 0)
            mqtt_puback_put(&acks, packet.id);
        if ((packet.kind == MQTT_KIND_CONNACK && packet.code != 0) ||
            (packet.kind == MQTT_KIND_SUBACK && packet.code != s->qos))
            die("subscribing was refused: code %u", packet.code);
        if (packet.kind == (s->resuming ? MQTT_KIND_CONNACK : MQTT_KIND_SUBACK))
            subscriber_opened(s, c, (size_t)(end - at));
        if (acks.len > MQTT_PACKET_MAX - 4) {
            subscriber_say(c, &acks);
            acks.len = 0;
        }
    }
    subscriber_say(c, &acks);
    return at;
}

/* What comes next is a line: of SSE, or of WebSocket's handshake. */
static bool is_lines(const struct subscribers *s, const struct subscriber *c)
{
    return s->protocol == SUBSCRIBE_SSE || s->protocol == SUBSCRIBE_H2 ||
           (s->protocol == SUBSCRIBE_WEBSOCKET && !c->opened);
}

static void subscriber_parse(struct subscribers *s, struct subscriber *c, char *text, size_t len)
{
    char *at = text, *end = text + len, *feed;
    uint64_t now = now_ns();

    while (is_lines(s, c) && (feed = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        subscriber_line(s, c, at, (size_t)(feed - at), (size_t)(end - feed - 1), now);
        at = feed + 1;
    }
    if (s->protocol == SUBSCRIBE_MQTT)
        at = subscriber_packets(s, c, at, end, now);
    else if (s->protocol == SUBSCRIBE_WEBSOCKET && c->opened)
        at = subscriber_frames(s, c, at, end, now);
    c->carry_len = (size_t)(end - at);
    if (c->carry_len > CARRY_SIZE)
        die("a line of more than %d bytes", CARRY_SIZE);
    memcpy(c->carry, at, c->carry_len);
}

/* The frames in it.  Lines of the last stream go on where the frame before left them. */
static void subscriber_h2(struct subscribers *s, struct subscriber *c, const char *at, size_t len)
{
    static char text[CARRY_SIZE + READ_SIZE];
    const char *end = at + len;
    struct h2_out o = {.len = 0};
    struct h2_part part;

    while (h2_next(&c->in, &at, end, &part)) {
        h2_answer(&c->in, &part, &o);
        if (part.type == H2_HEADERS && part.first && ++c->answered == s->streams)
            subscriber_opened(s, c, 0);
        if (part.type == H2_DATA)
            c->bytes += part.len;
        if (part.type != H2_DATA || part.stream != 2 * s->streams - 1 ||
            (s->counting && !c->sampled))
            continue;
        memcpy(text, c->carry, c->carry_len);
        memcpy(text + c->carry_len, part.p, part.len);
        subscriber_parse(s, c, text, c->carry_len + part.len);
    }
    if (o.len > 0 && send(c->fd, o.bytes, o.len, MSG_NOSIGNAL) != (ssize_t)o.len)
        die("writing to the server: %s", strerror(errno));
}

/* The descriptor of client number i is readable. */
static void subscriber_readable(struct subscribers *s, unsigned i)
{
    static char text[CARRY_SIZE + READ_SIZE];
    struct subscriber *c = &s->all[i];
    bool h2 = s->protocol == SUBSCRIBE_H2;
    bool count_only = s->counting && c->opened && !c->sampled && !h2;
    ssize_t n;

    if (!count_only && !h2)
        memcpy(text, c->carry, c->carry_len);
    n = count_only ? recv(c->fd, NULL, READ_SIZE, MSG_TRUNC | MSG_DONTWAIT)
                   : recv(c->fd, text + (h2 ? 0 : c->carry_len), READ_SIZE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("the server closed client %u: %s", i, n < 0 ? strerror(errno) : "end of stream");
    if (h2) {
        subscriber_h2(s, c, text, (size_t)n);
        return;
    }
    c->bytes += (uint64_t)n;
    if (!count_only)
        subscriber_parse(s, c, text, c->carry_len + (size_t)n);
}

/* The preface and all its requests; what the server sends first is not waited for. */
static void subscriber_ask_h2(const struct subscribers *s, const struct subscriber *c)
{
    static struct h2_out o;
    size_t authority = (size_t)(s->path - s->authority);

    o.len = 0;
    h2_preface_put(&o);
    for (unsigned i = 0; i < s->streams; i++)
        h2_request_put(&o, 2 * i + 1, s->path, s->authority, authority);
    if (send(c->fd, o.bytes, o.len, MSG_NOSIGNAL) != (ssize_t)o.len)
        die("asking to subscribe: %s", strerror(errno));
}

static void subscriber_ask(const struct subscribers *s, struct subscriber *c, unsigned number)
{
    struct mqtt_out o = {0};
    char client[32], filter[512];

    if (s->protocol == SUBSCRIBE_H2) {
        subscriber_ask_h2(s, c);
        return;
    }
    if (s->protocol != SUBSCRIBE_MQTT) {
        if (send(c->fd, s->request, strlen(s->request), MSG_NOSIGNAL) < 0)
            die("asking to subscribe: %s", strerror(errno));
        return;
    }
    snprintf(client, sizeof client, "bench-%05u", number);
    mqtt_connect_put(&o, client, !s->persistent);
    if (s->topics > 1)
        snprintf(filter, sizeof filter, "%s/%05u", s->filter, number % s->topics);
    else
        snprintf(filter, sizeof filter, "%s", s->filter);
    if (!s->resuming)
        mqtt_subscribe_put(&o, filter, s->qos);
    subscriber_say(c, &o);
}

/* Connects the next clients, CONNECT_BURST at most, so that no backlog overflows. */
static void subscribers_connect_some(struct subscribers *s, unsigned upto)
{
    const struct linger reset = {.l_onoff = 1}; /* leaves no TIME_WAIT behind */

    for (unsigned n = 0; s->count < upto && n < CONNECT_BURST; n++, s->count++) {
        struct subscriber *c = &s->all[s->count];
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = s->count};

        c->fd = connect_to(&s->address);
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        subscriber_ask(s, c, s->count);
        if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
            die("epoll_ctl: %s", strerror(errno));
    }
}

/* Everybody's connection ends, their sessions stay; to be connected again. */
static void subscribers_leave(struct subscribers *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        close(s->all[i].fd);
        s->all[i].opened = false;
        s->all[i].carry_len = 0;
    }
    s->count = s->opened = 0;
    s->resuming = true;
}

/* From here bytes count, and only the sampled clients are parsed. */
static void subscribers_mark(struct subscribers *s)
{
    for (unsigned i = 0; i < s->count; i++)
        s->all[i].bytes = 0;
    s->counting = s->timing = true;
}

/* The lowest sequence that a sampled client waits for. */
static uint64_t subscribers_slowest(const struct subscribers *s)
{
    uint64_t low = UINT64_MAX;

    for (unsigned i = 0; i < s->sampled_count; i++)
        if (s->all[s->sampled[i]].next < low)
            low = s->all[s->sampled[i]].next;
    return low;
}

static uint64_t subscribers_least_sampled_bytes(const struct subscribers *s)
{
    uint64_t low = UINT64_MAX;

    for (unsigned i = 0; i < s->sampled_count; i++)
        if (s->all[s->sampled[i]].bytes < low)
            low = s->all[s->sampled[i]].bytes;
    return low;
}

/* Call when all is received: everybody must have seen the same order. */
static void subscribers_check_order(const struct subscribers *s)
{
    for (unsigned i = 1; i < s->sampled_count; i++)
        if (s->all[s->sampled[i]].order != s->all[s->sampled[0]].order)
            die("clients %u and %u saw different orders", s->sampled[0], s->sampled[i]);
}

/* How many clients have not yet received all events below `end`. */
static unsigned subscribers_behind(const struct subscribers *s, uint64_t end)
{
    uint64_t bytes;
    unsigned behind = 0;

    if (subscribers_slowest(s) < end)
        return s->count;
    bytes = subscribers_least_sampled_bytes(s);
    for (unsigned i = 0; i < s->count; i++)
        behind += s->counting && !s->all[i].sampled
                      ? s->all[i].bytes + BYTE_SLACK * s->streams < bytes
                      : s->all[i].next < end;
    return behind;
}

#endif
