/*
 * pollers.h - many long-polling clients on kept connections.
 *
 *   connect ─▶ ask ─▶ answer ─▶ ask, with the validators of the answer ─▶ …
 *
 * Each says in If-None-Match and If-Modified-Since what it was last told in ETag
 * and Last-Modified; sluice needs the first, nchan both.  All answers are parsed:
 * every client must see every event once, in order, from the first one on that
 * it sees.  An answer's body is JSON ({"events":[{…,"data":"…"}]}) or one payload.
 */
#ifndef BENCH_POLLERS_H
#define BENCH_POLLERS_H

#include <sys/epoll.h>

#include "bench.h"
#include "subscribers.h"

enum {
    POLLER_TAG = 1 << 29, /* in epoll's data, plus the client's number */
    POLL_ANSWER_SIZE = 32 * 1024,
    VALIDATOR_SIZE = 96,
};

struct poller {
    int fd;
    bool begun;    /* it has seen an event */
    uint64_t next; /* the sequence that must come now */
    size_t len;
    char validators[2][VALIDATOR_SIZE]; /* as the next request says them, or empty */
    char answer[POLL_ANSWER_SIZE + 1];
};

struct pollers {
    int epoll;
    unsigned count;
    struct poller *all;
    struct hist latency; /* publish to receipt */
    char target[512], host[128];
    struct sockaddr_in address;
};

static void pollers_init(struct pollers *s, int epoll, const char *url, unsigned count)
{
    const char *address, *path;

    if (strncmp(url, "http://", 7) != 0 || (path = strchr(url + 7, '/')) == NULL)
        die("not an http URL with a path: %s", url);
    address = url + 7;
    *s = (struct pollers){.epoll = epoll, .address = address_of(address)};
    snprintf(s->target, sizeof s->target, "%s", path);
    snprintf(s->host, sizeof s->host, "%.*s", (int)(path - address), address);
    s->all = allocate(count, sizeof *s->all);
}

static void poller_ask(struct pollers *s, struct poller *c)
{
    char request[1024];
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", s->target,
                     s->host, c->validators[0], c->validators[1]);

    if (n >= (int)sizeof request || send(c->fd, request, (size_t)n, MSG_NOSIGNAL) != n)
        die("asking for events: %s", strerror(errno));
}

/* The next ones, CONNECT_BURST at most, so that no backlog overflows. */
static void pollers_connect_some(struct pollers *s, unsigned upto)
{
    const struct linger reset = {.l_onoff = 1}; /* leaves no TIME_WAIT behind */

    for (unsigned n = 0; s->count < upto && n < CONNECT_BURST; n++, s->count++) {
        struct poller *c = &s->all[s->count];
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = POLLER_TAG + s->count};

        c->fd = connect_to(&s->address);
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        poller_ask(s, c);
        if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
            die("epoll_ctl: %s", strerror(errno));
    }
}

static void poller_payload(struct pollers *s, struct poller *c, const char *payload, uint64_t now)
{
    uint64_t seq = hex16(payload);

    if (c->begun && seq != c->next)
        die("poller %u: event %llu came while %llu was due", (unsigned)(c - s->all),
            (unsigned long long)seq, (unsigned long long)c->next);
    c->begun = true;
    c->next = seq + 1;
    hist_add(&s->latency, now - hex16(payload + 17));
}

static void poller_body(struct pollers *s, struct poller *c, const char *body, uint64_t now)
{
    static const char mark[] = "\"data\":\"";

    if (*body != '{') {
        poller_payload(s, c, body, now);
        return;
    }
    while ((body = strstr(body, mark)) != NULL) {
        body += sizeof mark - 1;
        poller_payload(s, c, body, now);
    }
}

/* What a head says behind "\r\nName:", with the line's end; NULL: it does not. */
static const char *head_value(const char *head, const char *name, size_t *len)
{
    const char *at = strcasestr(head, name), *end;

    if (at == NULL)
        return NULL;
    at += strlen(name);
    end = strstr(at, "\r\n");
    *len = (size_t)(end != NULL ? end + 2 - at : 0);
    return at;
}

static void take_validator(char *out, const char *head, const char *name, const char *says)
{
    size_t len;
    const char *value = head_value(head, name, &len);

    if (value != NULL)
        snprintf(out, VALIDATOR_SIZE, "%s%.*s", says, (int)len, value);
}

/* One whole answer, or nothing yet. */
static bool poller_take(struct pollers *s, struct poller *c)
{
    char *end = strstr(c->answer, "\r\n\r\n");
    size_t head, len, body;
    const char *length;

    if (end == NULL)
        return false;
    end[2] = '\0';
    head = (size_t)(end + 4 - c->answer);
    length = head_value(c->answer, "\r\nContent-Length:", &len);
    body = length != NULL ? strtoul(length, NULL, 10) : 0;
    if (c->len < head + body) {
        end[2] = '\r';
        return false;
    }
    if (c->len > head + body)
        die("poller %u: more than one answer", (unsigned)(c - s->all));
    if (strncmp(c->answer, "HTTP/1.1 200", 12) == 0)
        poller_body(s, c, c->answer + head, now_ns());
    else if (strncmp(c->answer, "HTTP/1.1 204", 12) != 0 &&
             strncmp(c->answer, "HTTP/1.1 304", 12) != 0)
        die("polling was refused: %.40s", c->answer);
    take_validator(c->validators[0], c->answer, "\r\nETag:", "If-None-Match:");
    take_validator(c->validators[1], c->answer, "\r\nLast-Modified:", "If-Modified-Since:");
    c->len = 0;
    return true;
}

static void poller_readable(struct pollers *s, unsigned i)
{
    struct poller *c = &s->all[i];
    ssize_t n = recv(c->fd, c->answer + c->len, POLL_ANSWER_SIZE - c->len, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("the server closed poller %u: %s", i, n < 0 ? strerror(errno) : "end of stream");
    c->len += (size_t)n;
    c->answer[c->len] = '\0';
    if (poller_take(s, c))
        poller_ask(s, c);
}

/* How many have not yet seen all events below `end`. */
static unsigned pollers_behind(const struct pollers *s, uint64_t end)
{
    unsigned behind = 0;

    for (unsigned i = 0; i < s->count; i++)
        behind += s->all[i].next < end;
    return behind;
}

#endif
