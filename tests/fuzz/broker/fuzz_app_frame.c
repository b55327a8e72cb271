/*
 * fuzz_app_frame.c - a message on the apps socket, from its parts to the event
 * that the store would get.
 *
 * Input: parts, each a length byte pair (big-endian) and so many bytes; the last
 * part is what is left.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "app_frame.h"
#include "publish_check.h"

#define PARTS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t split(const uint8_t *p, size_t left, struct slice *parts)
{
    size_t n = 0;

    while (left > 0 && n < PARTS_MAX) {
        size_t len = left < 2 ? left : (size_t)(p[0] << 8 | p[1]);

        if (left >= 2) {
            p += 2;
            left -= 2;
        }
        len = len < left ? len : left;
        parts[n++] = (struct slice){(const char *)p, len};
        p += len;
        left -= len;
    }
    return n;
}

static void publish(const struct slice *parts)
{
    struct store_event se = {.e = {.topic = parts[0], .payload = parts[2]}};
    struct event_props props;
    const char *field, *text;
    struct buf store = {0};

    if (app_headers_get(parts[1], &store, &se.e, &field, &text) == ERR_NONE &&
        publish_check(&se, 1000, &text) == ERR_NONE) {
        /* What passes both doors is an event like any other. */
        if (event_props_get(se.e.props, &props) != EVENT_OK ||
            event_props_check(&props) != EVENT_OK || event_qos(&se.e) != 2)
            abort();
    }
    buf_free(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice parts[PARTS_MAX];
    size_t count = split(data, size, parts);
    struct app_frame frame;
    const char *text;

    if (app_frame_get(parts, count, &frame, &text) == ERR_NONE)
        publish(&parts[frame.ref_part + 1]);
    else if (frame.has_ref && (frame.ref_part >= count || parts[frame.ref_part].len > APP_REF_MAX))
        abort();
    return 0;
}
