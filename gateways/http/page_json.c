/*
 * page_json.c - what stands around the events of a page.
 */
#include "page_json.h"

#include "event_json.h"

void page_json_begin(struct buf *b)
{
    buf_puts(b, "{\"events\":[");
}

void page_json_comma(struct buf *b, size_t events_before)
{
    if (events_before > 0)
        buf_u8(b, ',');
}

void page_json_end(struct buf *b, bool has_next, uint64_t next, const struct gap *gap)
{
    buf_u8(b, ']');
    if (has_next) {
        buf_puts(b, ",\"next\":\"");
        buf_dec(b, next);
        buf_u8(b, '"');
    }
    if (gap != NULL && gap->reason != GAP_NONE) {
        buf_puts(b, ",\"gap\":");
        event_json_put_gap(b, gap);
    }
    buf_puts(b, "}\n");
}
