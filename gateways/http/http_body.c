/*
 * http_body.c - collecting a body, by Content-Length or chunk by chunk.
 *
 * Memory grows with what has come, never with what was announced.
 */
#include "http_body.h"

#include <stdlib.h>

#include "mem.h"

size_t http_bodies_max(const struct config *c)
{
    size_t payload = config_num(c, CFG_MAX_PAYLOAD), body = config_num(c, CFG_MAX_BODY);
    size_t largest = body > payload ? body : payload, queue = config_num(c, CFG_PUBLISH_QUEUE);

    return queue > largest ? queue : largest;
}

struct http_body *http_body_new(struct http_bodies *all, const struct http_request *r,
                                struct slice head, size_t max)
{
    struct http_body *b = mem_zalloc(sizeof *b);

    b->all = all;
    b->left = r->content_length;
    b->max = max;
    b->is_chunked = r->chunked;
    buf_put_slice(&b->head, head);
    return b;
}

void http_body_free(struct http_body *b)
{
    if (b == NULL)
        return;
    b->all->bytes -= b->data.len;
    buf_free(&b->head);
    buf_free(&b->data);
    free(b);
}

static enum http_body_state body_add(struct http_body *b, struct slice data)
{
    if (data.len > b->max - b->data.len)
        return BODY_TOO_LARGE;
    if (b->all->bytes + data.len > b->all->bytes_max)
        return BODY_NO_ROOM;
    b->all->bytes += data.len;
    buf_put_slice(&b->data, data);
    return BODY_MORE;
}

static size_t body_take_length(struct http_body *b, struct slice in, enum http_body_state *state)
{
    if (in.len > b->left)
        in.len = (size_t)b->left;
    *state = body_add(b, in);
    b->left -= in.len;
    if (*state == BODY_MORE && b->left == 0)
        *state = BODY_WHOLE;
    return in.len;
}

size_t http_body_take(struct http_body *b, struct slice in, enum http_body_state *state)
{
    struct slice data;
    bool done = false;
    int n;

    if (!b->is_chunked)
        return body_take_length(b, in, state);
    n = http1_chunked_decode(&b->chunked, in.p, in.len, &data, &done);
    if (n < 0) {
        *state = BODY_MALFORMED;
        return in.len;
    }
    *state = body_add(b, data);
    if (*state == BODY_MORE && done)
        *state = BODY_WHOLE;
    return (size_t)n;
}
