/*
 * page_json.h - events as one JSON document, as history and long-poll answer.
 *
 *   {"events":[…],"next":"ID","gap":{…}}
 */
#ifndef HTTP_PAGE_JSON_H
#define HTTP_PAGE_JSON_H

#include "event.h"

/* The document begins with page_json_begin; then an event's JSON form may be
 * appended behind each page_json_comma. */
void page_json_begin(struct buf *b);
void page_json_comma(struct buf *b, size_t events_before);
/* gap: NULL, or GAP_NONE: none. */
void page_json_end(struct buf *b, bool has_next, uint64_t next, const struct gap *gap);

#endif
