/*
 * source.c - uv_poll where it can wait, uv_idle where reading never blocks.
 *
 * uv_poll makes the descriptor non-blocking, but its file is shared with whoever
 * started us, who would be surprised; so the flags are put back at once.  One
 * read for each time that the descriptor is readable does not block either.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mem.h"
#include "source.h"

#define READ_SIZE (64u * 1024)

static void source_take(struct source *s)
{
    char bytes[READ_SIZE];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0)
        s->error = -errno;
    if (n <= 0)
        s->ended = true;
    else
        lines_add(&s->lines, bytes, (size_t)n);
    if (s->ended)
        source_read(s, false);
    s->readable(s);
}

static void source_on_poll(uv_poll_t *h, int status, int events)
{
    (void)status;
    (void)events;
    source_take(CONTAINER_OF(h, struct source, poll));
}

static void source_on_idle(uv_idle_t *h)
{
    source_take(CONTAINER_OF(h, struct source, idle));
}

void source_init(struct source *s, uv_loop_t *loop, size_t max, void (*readable)(struct source *))
{
    int flags = fcntl(STDIN_FILENO, F_GETFL);

    *s = (struct source){.max = max, .readable = readable};
    s->polled = uv_poll_init(loop, &s->poll, STDIN_FILENO) == 0;
    if (!s->polled)
        (void)uv_idle_init(loop, &s->idle);
    if (flags >= 0)
        (void)fcntl(STDIN_FILENO, F_SETFL, flags);
}

void source_read(struct source *s, bool on)
{
    int rc;

    on = on && !s->ended;
    if (s->polled)
        rc = on ? uv_poll_start(&s->poll, UV_READABLE, source_on_poll) : uv_poll_stop(&s->poll);
    else
        rc = on ? uv_idle_start(&s->idle, source_on_idle) : uv_idle_stop(&s->idle);
    assert(rc == 0);
    (void)rc;
}

enum source_result source_next(struct source *s, struct slice *line)
{
    if (lines_next(&s->lines, s->ended && s->error == 0, line))
        return line->len <= s->max ? SOURCE_LINE : SOURCE_TOO_LONG;
    if (lines_waiting(&s->lines) > s->max)
        return SOURCE_TOO_LONG;
    if (!s->ended)
        return SOURCE_WAIT;
    return s->error == 0 ? SOURCE_END : SOURCE_ERROR;
}

static void source_on_closed(uv_handle_t *h)
{
    struct source *s = h->data;

    lines_close(&s->lines);
    s->closed(s);
}

void source_close(struct source *s, void (*closed)(struct source *s))
{
    uv_handle_t *h = s->polled ? (uv_handle_t *)&s->poll : (uv_handle_t *)&s->idle;

    s->closed = closed;
    h->data = s;
    uv_close(h, source_on_closed);
}
