/*
 * floor.c - the least that any server could do: ready bytes to every client.
 *
 *   floor --listen PORT --feed PORT
 *
 * One thread, one epoll set, no allocation per event.  What arrives on the
 * feed (already framed as SSE by the load generator) is appended to a log in
 * memory; at the end of each loop turn every client that is not blocked gets
 * one write of all that it lacks.  Nothing is parsed, stored or acknowledged:
 * what a real server costs beyond this is the price of what it does.
 *
 * A client whose socket is full waits for EPOLLOUT.  The log is a ring; while
 * the slowest client would be overrun, the feed is not read, so that the load
 * generator is held back.  Clients that leave are forgotten.
 */
#include <fcntl.h>
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "bench.h"

enum {
    RING_SIZE = 16 * 1024 * 1024, /* a power of two */
    READ_AT_ONCE = 256 * 1024,
    MAX_CLIENTS = 65536,
    EVENTS_A_TURN = 512,
};

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           "Cache-Control: no-cache\r\n\r\n";

struct client {
    int fd;
    bool asked, blocked;
    uint64_t at; /* how far this client has been written */
};

struct floor {
    int epoll, listener, feed_listener, feed;
    uint64_t head; /* bytes ever fed */
    struct client *clients;
    unsigned count;
    struct client *by_fd[MAX_CLIENTS];
    uint8_t ring[RING_SIZE];
};

static void watch(struct floor *f, int fd, uint32_t events, int operation)
{
    struct epoll_event e = {.events = events, .data.fd = fd};

    if (epoll_ctl(f->epoll, operation, fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static int listen_on(struct floor *f, const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)atoi(port)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1024) != 0)
        die("listening on port %s: %s", port, strerror(errno));
    watch(f, fd, EPOLLIN, EPOLL_CTL_ADD);
    return fd;
}

static void client_remove(struct floor *f, struct client *c)
{
    struct client *last = &f->clients[--f->count];

    f->by_fd[c->fd] = NULL;
    close(c->fd);
    if (c != last) {
        *c = *last;
        f->by_fd[c->fd] = c;
    }
}

static void accept_clients(struct floor *f)
{
    int fd, on = 1;

    while ((fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_CLIENTS)
            die("too many clients");
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        f->by_fd[fd] = &f->clients[f->count++];
        *f->by_fd[fd] = (struct client){.fd = fd, .at = f->head};
        watch(f, fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

/* Everything that this client lacks, in one system call. */
static void client_write(struct floor *f, struct client *c)
{
    size_t lack = (size_t)(f->head - c->at), from = (size_t)(c->at % RING_SIZE);
    size_t first = lack < RING_SIZE - from ? lack : RING_SIZE - from;
    struct iovec parts[2] = {{f->ring + from, first}, {f->ring, lack - first}};
    ssize_t n = writev(c->fd, parts, lack > first ? 2 : 1);

    if (n > 0)
        c->at += (uint64_t)n;
    if (c->at < f->head) {
        c->blocked = true; /* an error shows up as an event, too */
        watch(f, c->fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
}

static void client_event(struct floor *f, struct client *c, uint32_t events)
{
    char request[4096];

    if ((events & (EPOLLERR | EPOLLHUP)) != 0 ||
        ((events & EPOLLIN) != 0 && read(c->fd, request, sizeof request) <= 0)) {
        client_remove(f, c);
        return;
    }
    if (!c->asked && (events & EPOLLIN) != 0) {
        c->asked = true;
        c->at = f->head;
        if (write(c->fd, HEAD, sizeof HEAD - 1) != (ssize_t)sizeof HEAD - 1)
            die("a fresh client takes no bytes");
    }
    if (c->blocked && (events & EPOLLOUT) != 0) {
        c->blocked = false;
        watch(f, c->fd, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static uint64_t ring_room(const struct floor *f)
{
    uint64_t low = f->head;

    for (unsigned i = 0; i < f->count; i++)
        if (f->clients[i].asked && f->clients[i].at < low)
            low = f->clients[i].at;
    return RING_SIZE - (f->head - low);
}

static void feed_read(struct floor *f)
{
    size_t at = (size_t)(f->head % RING_SIZE);
    size_t room = RING_SIZE - at < READ_AT_ONCE ? RING_SIZE - at : READ_AT_ONCE;
    ssize_t n;

    if (ring_room(f) < READ_AT_ONCE) {
        usleep(100); /* the slowest client decides */
        return;
    }
    n = read(f->feed, f->ring + at, room);
    if (n > 0)
        f->head += (uint64_t)n;
    if (n == 0) {
        close(f->feed);
        f->feed = -1;
    }
}

static void handle(struct floor *f, const struct epoll_event *e)
{
    int fd = e->data.fd;

    if (fd == f->listener) {
        accept_clients(f);
    } else if (fd == f->feed_listener) {
        f->feed = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        watch(f, f->feed, EPOLLIN, EPOLL_CTL_ADD);
    } else if (fd == f->feed) {
        feed_read(f);
    } else if (f->by_fd[fd] != NULL) {
        client_event(f, f->by_fd[fd], e->events);
    }
}

static void serve(struct floor *f)
{
    static struct epoll_event events[EVENTS_A_TURN];

    for (;;) {
        int n = epoll_wait(f->epoll, events, EVENTS_A_TURN, -1);

        for (int i = 0; i < n; i++)
            handle(f, &events[i]);
        for (unsigned i = 0; i < f->count; i++) {
            struct client *c = &f->clients[i];
            if (c->asked && !c->blocked && c->at < f->head)
                client_write(f, c);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"feed", required_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    const char *port = NULL, *feed_port = NULL;
    struct floor *f = allocate(1, sizeof *f);
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'l')
            port = optarg;
        else if (option == 'f')
            feed_port = optarg;
    }
    if (port == NULL || feed_port == NULL)
        die("usage: floor --listen PORT --feed PORT");
    raise_file_limit();
    f->clients = allocate(MAX_CLIENTS, sizeof *f->clients);
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->feed = -1;
    f->listener = listen_on(f, port);
    f->feed_listener = listen_on(f, feed_port);
    serve(f);
}
