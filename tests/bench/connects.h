/*
 * connects.h - clients that come, show who they are, are let in, and go.
 *
 * Each connects, asks for a stream with a token of its own, and leaves with the head of the
 * answer: so many at a time, a new one for each that is done.
 */
#ifndef BENCH_CONNECTS_H
#define BENCH_CONNECTS_H

#include <sys/epoll.h>

#include "bench.h"
#include "tokens.h"

enum { CONNECT_TAG = 1 << 28, CONNECT_ANSWER = 4096 };

struct connect_slot {
    int fd;
    uint64_t begun_ns;
    size_t len;
    char answer[CONNECT_ANSWER + 1];
};

struct connects {
    int epoll;
    struct sockaddr_in address;
    char host[128], path[256];
    struct tokens *tokens; /* empty: nothing is shown */
    struct connect_slot *slots;
    unsigned count;
    uint64_t begun, done, limit; /* at most so many; 0: any number */
    struct hist latency;
};

static void connects_begin(struct connects *c, unsigned number)
{
    struct connect_slot *s = &c->slots[number];
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = CONNECT_TAG + number};
    char head[TOKEN_SIZE + 512];
    int len;

    s->fd = -1;
    if (c->limit != 0 && c->begun == c->limit)
        return;
    s->begun_ns = now_ns();
    s->len = 0;
    s->fd = connect_to(&c->address);
    len = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", c->path, c->host,
                   tokens_header(c->tokens, c->begun));
    c->begun++;
    if (send(s->fd, head, (size_t)len, MSG_NOSIGNAL) != len)
        die("connecting: %s", strerror(errno));
    if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, s->fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void connects_readable(struct connects *c, unsigned number)
{
    struct connect_slot *s = &c->slots[number];
    ssize_t n = recv(s->fd, s->answer + s->len, CONNECT_ANSWER - s->len, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("the server closed a connection");
    s->len += (size_t)n;
    s->answer[s->len] = '\0';
    if (strstr(s->answer, "\r\n\r\n") == NULL)
        return;
    if (memcmp(s->answer, "HTTP/1.1 200", 12) != 0)
        die("somebody was not let in: %s", s->answer);
    hist_add(&c->latency, now_ns() - s->begun_ns);
    close(s->fd);
    c->done++;
    connects_begin(c, number);
}

static void connects_init(struct connects *c, int epoll, const char *url, struct tokens *tokens,
                          unsigned at_once, uint64_t limit)
{
    const char *address = url + 7, *path = strchr(address, '/');

    if (strncmp(url, "http://", 7) != 0 || path == NULL)
        die("not a http URL with a path: %s", url);
    c->epoll = epoll;
    c->address = address_of(address);
    snprintf(c->host, sizeof c->host, "%.*s", (int)(path - address), address);
    snprintf(c->path, sizeof c->path, "%s", path);
    c->tokens = tokens;
    c->count = at_once;
    c->limit = limit;
    c->slots = allocate(at_once, sizeof *c->slots);
    for (unsigned i = 0; i < at_once; i++)
        connects_begin(c, i);
}

#endif
