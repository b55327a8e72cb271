/*
 * h2_head.c - the head of an answer: names in lower case, what speaks of a connection of
 * HTTP/1.1 left out.
 */
#include <assert.h>

#include "cors.h"
#include "h2.h"

#define HEAD_FIELDS 48  /* of an answer */
#define HEAD_NAMES 1024 /* bytes of their names */

struct h2_head {
    struct h2_field fields[HEAD_FIELDS];
    size_t count;
    char names[HEAD_NAMES];
    size_t used;
};

/* Fields that speak of an HTTP/1.1 connection (RFC 9113, 8.2.2). */
static bool of_connection(struct slice name)
{
    return slice_eq_nocase(name, SLICE("connection")) || slice_eq_nocase(name, SLICE("upgrade"));
}

static void head_put(struct h2_head *h, const char *text, struct slice value)
{
    struct slice name = slice_of(text);
    char *lower = h->names + h->used;

    if (of_connection(name))
        return;
    assert(h->count < HEAD_FIELDS && name.len <= sizeof h->names - h->used);
    for (size_t i = 0; i < name.len; i++)
        lower[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
    h->used += name.len;
    h->fields[h->count++] = (struct h2_field){{lower, name.len}, value};
}

static void head_put_all(struct h2_head *h, const struct answer_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        head_put(h, fields[i].name, fields[i].value);
}

static struct slice number(char text[24], size_t n)
{
    struct buf b = {.p = (uint8_t *)text, .cap = 24};

    buf_dec(&b, n);
    return (struct slice){text, b.len};
}

void h2_head_respond(struct h2_stream *st, const struct answer *a, size_t length, bool body)
{
    struct h2 *h2 = st->conn->h2;
    struct answer_field cors[CORS_FIELDS];
    struct h2_head h = {.count = 0, .used = 0};
    char status[24], size[24];

    head_put(&h, ":status", number(status, (size_t)a->status));
    head_put(&h, "date", http_date_now(&h2->date));
    if (a->content_type != NULL)
        head_put(&h, "content-type", slice_of(a->content_type));
    head_put_all(&h, a->fields, a->field_count);
    head_put_all(&h, a->more, a->more_count);
    if (st->x.note.id != NULL)
        head_put(&h, "x-request-id", slice_of(st->x.note.id));
    st->x.note.status = a->status;
    head_put_all(&h, cors, cors_fields(&st->cors, cors));
    if (length != SIZE_MAX)
        head_put(&h, "content-length", number(size, length));
    h2_session_respond(st->conn->session, st->id, h.fields, h.count, body);
    h2_speak(st->conn);
}
