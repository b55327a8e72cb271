/*
 * zevents.c - see zevents.h.
 */
#include "zevents.h"

#include <stdio.h>

#include "event_json.h"
#include "mem.h"
#include "run_write.h"

#define BOXED_CHUNK (256u * 1024)

/* --- forms -------------------------------------------------------------------------- */

static void put_id(struct buf *out, const struct event *e)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)e->id);

    zmtp_frame_put(out, ZMTP_MORE, (struct slice){text, (size_t)len});
}

/* A JSON of unknown length needs its head first: it is made in place of the longest. */
static void put_properties(struct buf *out, unsigned flags, const struct event *e)
{
    uint8_t head[ZMTP_HEAD_MAX];
    size_t start = out->len, size, len;

    (void)buf_reserve(out, sizeof head);
    out->len += sizeof head;
    event_json_put_headers(out, e);
    len = out->len - start - sizeof head;
    size = zmtp_head_put(head, flags, len);
    memmove(out->p + start + size, out->p + start + sizeof head, len);
    memcpy(out->p + start, head, size);
    out->len = start + size + len;
}

static void encode_application(struct buf *out, const struct event *e)
{
    put_id(out, e);
    zmtp_frame_put(out, ZMTP_MORE, e->topic);
    put_properties(out, ZMTP_MORE, e);
    zmtp_frame_put(out, 0, e->payload);
}

static void encode_sub_2(struct buf *out, const struct event *e)
{
    zmtp_frame_put(out, ZMTP_MORE, e->topic);
    zmtp_frame_put(out, 0, e->payload);
}

static void encode_sub_4(struct buf *out, const struct event *e)
{
    zmtp_frame_put(out, ZMTP_MORE, e->topic);
    zmtp_frame_put(out, ZMTP_MORE, e->payload);
    put_id(out, e);
    put_properties(out, 0, e);
}

static const form_encode encoders[] = {[ZEVENTS_APPLICATION] = encode_application,
                                       [ZEVENTS_SUB_2] = encode_sub_2,
                                       [ZEVENTS_SUB_4] = encode_sub_4};

static struct slice encoded(struct entry *e, enum zevents_form form)
{
    return block_encoded(e, form, encoders[form]);
}

/* --- the socket --------------------------------------------------------------------- */

static bool is_wanted(const struct zevents *z, const struct entry *e)
{
    return z->wanted == NULL || z->wanted(z->arg, &e->e);
}

static bool all_wanted(const struct zevents *z, const struct run *r)
{
    for (size_t i = 0; z->wanted != NULL && i < r->count; i++)
        if (!is_wanted(z, r->entries[i]))
            return false;
    return true;
}

/* From *at on, as many pieces as there may be; places: of each in the run. */
static size_t pieces_make(struct zpeer *p, struct run *r, const struct zevents *z, size_t *at,
                          size_t max, size_t *places)
{
    struct conn_piece *pieces = p->d->pieces;
    size_t n = 0;

    for (; *at < r->count; ++*at) {
        struct entry *e = r->entries[*at];

        if (!is_wanted(z, e))
            continue;
        if (n == CONN_PIECES_MAX || n == max)
            break;
        places[n] = *at;
        pieces[n++] = (struct conn_piece){
            .head = z->head, .shared = encoded(e, z->form), .pins = &e->block->pins};
    }
    return n;
}

static size_t write_pieces(struct zpeer *p, struct run *r, const struct zevents *z)
{
    size_t places[CONN_PIECES_MAX], at = 0, n, taken, left = z->max;

    while (at < r->count && (n = pieces_make(p, r, z, &at, left, places)) > 0) {
        taken = conn_write_pieces(&p->conn, p->d->pieces, n);
        if (taken < n)
            return places[taken];
        left -= n;
    }
    return at;
}

static void seal_frames(struct zpeer *p, struct slice frames, struct buf *out)
{
    struct zmtp_frame f;
    size_t head;

    while (frames.len > 0) {
        head = (size_t)zmtp_frame_get(&f, frames.p, frames.len);
        zmtp_curve_seal(&p->secure->curve, f.flags, (struct slice){frames.p + head, f.size}, out);
        frames.p += head + f.size;
        frames.len -= head + f.size;
    }
}

/* Makes some, writes them, and goes on while the socket takes all. */
static size_t write_boxed(struct zpeer *p, struct run *r, const struct zevents *z)
{
    size_t at = 0, left = z->max, taken;

    while (at < r->count) {
        struct buf out = {0};
        struct iovec iov;

        if (!conn_accepts(&p->conn, r->count, &taken))
            return taken > at ? taken : at;
        for (; at < r->count && out.len < BOXED_CHUNK; at++) {
            if (!is_wanted(z, r->entries[at]))
                continue;
            if (left == 0)
                break;
            left--;
            seal_frames(p, z->head, &out);
            seal_frames(p, encoded(r->entries[at], z->form), &out);
        }
        iov = (struct iovec){out.p, out.len};
        if (out.len > 0)
            conn_write_whole(&p->conn, &iov, 1);
        buf_free(&out);
        if (left == 0)
            break;
    }
    return at;
}

size_t zevents_write(struct zpeer *p, struct run *r, const struct zevents *z)
{
    zpeer_flush(p);
    if (p->secure != NULL)
        return write_boxed(p, r, z);
    if (z->head.len == 0 && z->max >= r->count && all_wanted(z, r))
        return run_write(&p->conn, r, z->form, encoders[z->form]);
    return write_pieces(p, r, z);
}
