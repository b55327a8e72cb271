/*
 * session_rows.c - see session_rows.h.
 */
#include "session_rows.h"

#define HEAD_BARE 1     /* first byte of a head: its principal is a name without a kind, */
#define HEAD_FORM 2     /* … or with it */
#define ITEM_SMALL 4096 /* bytes of the values of which a session may have many */

static void flag_put(struct buf *b, bool v)
{
    buf_u8(b, v ? 1 : 0);
}

void session_head_put(struct buf *b, const struct session_head *h)
{
    buf_u8(b, h->bare ? HEAD_BARE : HEAD_FORM);
    buf_u8(b, h->version);
    buf_put(b, h->held_by.b, sizeof h->held_by.b);
    buf_u64(b, h->epoch);
    buf_u64(b, h->seq);
    flag_put(b, h->present);
    buf_u32(b, h->expiry);
    buf_u64(b, h->ends_at);
    flag_put(b, h->has_will);
    buf_u32(b, h->will_delay);
    buf_u64(b, h->will_at);
    buf_u64(b, h->inherit);
    buf_str16(b, h->principal);
}

bool session_head_get(struct slice value, struct session_head *h)
{
    struct reader r = reader_of(value.p, value.len);
    uint8_t form = reader_u8(&r);
    const uint8_t *held_by;

    if (form != HEAD_BARE && form != HEAD_FORM)
        return false;
    h->version = reader_u8(&r);
    held_by = reader_take(&r, sizeof h->held_by.b);
    if (held_by == NULL)
        return false;
    memcpy(h->held_by.b, held_by, sizeof h->held_by.b);
    h->epoch = reader_u64(&r);
    h->seq = reader_u64(&r);
    h->present = reader_u8(&r) != 0;
    h->expiry = reader_u32(&r);
    h->ends_at = reader_u64(&r);
    h->has_will = reader_u8(&r) != 0;
    h->will_delay = reader_u32(&r);
    h->will_at = reader_u64(&r);
    h->inherit = reader_u64(&r);
    h->principal = reader_str16(&r);
    h->bare = form == HEAD_BARE && h->principal.len > 0;
    return reader_done(&r) && h->version != 0;
}

bool session_head_held(const struct session_head *h)
{
    static const struct wire_uuid nobody;

    return memcmp(&h->held_by, &nobody, sizeof nobody) != 0;
}

void session_due_owner_put(struct buf *b, uint64_t at, struct slice client)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        buf_u8(b, (uint8_t)(at >> shift));
    buf_put_slice(b, client);
}

bool session_due_get(struct slice owner, struct slice key, struct session_due *d)
{
    if (owner.len <= 8 || key.len != 1)
        return false;
    d->at = 0;
    for (size_t i = 0; i < 8; i++)
        d->at = d->at << 8 | (uint8_t)owner.p[i];
    d->client = (struct slice){owner.p + 8, owner.len - 8};
    d->what = key.p[0];
    return d->what == DUE_END || d->what == DUE_WILL;
}

bool session_progress_inherit(struct slice value, uint64_t inherit, struct buf *out)
{
    struct reader r = reader_of(value.p, value.len);
    uint64_t cursor = reader_u64(&r);
    bool follows = reader_u8(&r) == 1;

    if (r.bad)
        return false;
    buf_u64(out, follows && inherit > cursor ? inherit : cursor);
    buf_u8(out, 0);
    buf_put(out, r.p, r.left);
    return true;
}

bool session_item_ok(const struct wire_item *item)
{
    switch (item->key.p[0]) {
    case WIRE_ITEM_PROGRESS:
        return item->key.len == 1 && (item->drop || item->value.len >= WIRE_PROGRESS_HEAD);
    case WIRE_ITEM_FILTER:
        return item->key.len > 1 && (item->drop || item->value.len >= 1) &&
               item->value.len <= ITEM_SMALL;
    case WIRE_ITEM_OUT:
    case WIRE_ITEM_IN:
        return item->key.len == 3 && item->value.len <= ITEM_SMALL;
    default:
        return false;
    }
}

struct slice session_item_group(struct slice key)
{
    if (!slice_starts(key, SLICE("F$share/")))
        return (struct slice){NULL, 0};
    return (struct slice){key.p + 1, key.len - 1};
}
