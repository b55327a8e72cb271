/*
 * h2_walk.c - a frame's header is gathered, the rest is passed over.
 */
#include "h2_walk.h"

#define FRAME_HEAD 9
#define PRIORITY_TYPE 2
#define PRIORITY_SIZE 5
#define TYPE_LAST 3 /* DATA, HEADERS, PRIORITY, RST_STREAM */

static uint32_t size_of(const struct h2_walk *w)
{
    return (uint32_t)w->head[0] << 16 | (uint32_t)w->head[1] << 8 | w->head[2];
}

/* The bit before it is not part of it. */
static uint32_t stream_at(const uint8_t *p)
{
    return (uint32_t)(p[0] & 0x7f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One of another size is an error, and nghttp2 says so. */
static bool is_priority(const struct h2_walk *w)
{
    return w->head[3] == PRIORITY_TYPE && size_of(w) == PRIORITY_SIZE;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t wanted(const struct h2_walk *w)
{
    return w->have >= FRAME_HEAD && is_priority(w) ? sizeof w->head : FRAME_HEAD;
}

/* True: all of the header is there that is looked at. */
static bool take_head(struct h2_walk *w, struct slice in, size_t *at)
{
    while (*at < in.len && w->have < wanted(w))
        w->head[w->have++] = (uint8_t)in.p[(*at)++];
    return w->have == wanted(w);
}

bool h2_walk(struct h2_walk *w, struct slice in, size_t *at, struct h2_frame *f)
{
    while (*at < in.len) {
        size_t n = least(in.len - *at, w->left);

        w->left -= (uint32_t)n;
        *at += n;
        if (w->left > 0 || !take_head(w, in, at))
            continue;
        *f = (struct h2_frame){w->head[3], w->head[4], stream_at(w->head + 5),
                               is_priority(w) ? stream_at(w->head + 9) : UINT32_MAX};
        w->left = size_of(w) - (w->have - FRAME_HEAD);
        w->have = 0;
        if (f->type <= TYPE_LAST)
            return true;
    }
    return false;
}
