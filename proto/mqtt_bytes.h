/*
 * mqtt_bytes.h - how MQTT writes numbers, strings and properties; for the mqtt*.c
 * files alone.
 *
 * Whatever cannot be read makes the reader bad, and that is MQTT_MALFORMED.
 */
#ifndef PROTO_MQTT_BYTES_H
#define PROTO_MQTT_BYTES_H

#include <assert.h>

#include "mqtt.h"

/* --- numbers: big-endian, and of variable length (1.5.5) ----------------------- */

static inline uint16_t mqtt_u16_get(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);

    if (p == NULL)
        return 0;
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t mqtt_u32_get(struct reader *r)
{
    uint32_t high = mqtt_u16_get(r);

    return high << 16 | mqtt_u16_get(r);
}

static inline void mqtt_u16_put(struct buf *b, uint16_t v)
{
    buf_u8(b, (uint8_t)(v >> 8));
    buf_u8(b, (uint8_t)v);
}

static inline void mqtt_u32_put(struct buf *b, uint32_t v)
{
    mqtt_u16_put(b, (uint16_t)(v >> 16));
    mqtt_u16_put(b, (uint16_t)v);
}

/* Bytes taken, 0: needs more, -1: longer than four.  Any form is read. */
int mqtt_varint_get(uint32_t *v, const uint8_t *p, size_t len) MUST_CHECK;

/* --- strings ------------------------------------------------------------------- */

/* Binary data (1.5.6), and a string before it is checked. */
static inline struct slice mqtt_data_get(struct reader *r)
{
    return reader_bytes(r, mqtt_u16_get(r));
}

/* 1.5.4: UTF-8 without U+0000; other control characters may pass. */
static inline bool mqtt_text_ok(struct slice s)
{
    return s.len == 0 || (memchr(s.p, '\0', s.len) == NULL && utf8_valid(s.p, s.len));
}

static inline struct slice mqtt_text_get(struct reader *r)
{
    struct slice s = mqtt_data_get(r);

    if (!mqtt_text_ok(s))
        reader_fail(r);
    return s;
}

static inline void mqtt_data_put(struct buf *b, struct slice s)
{
    assert(s.len <= UINT16_MAX);
    mqtt_u16_put(b, (uint16_t)s.len);
    buf_put_slice(b, s);
}

/* --- properties ------------------------------------------------------------------ */

#define MQTT_PROP_BIT(name) (UINT64_C(1) << MQTT_PROP_##name)

/* Their length and they themselves; `allowed` has the bits of those that the packet
 * may carry. */
enum mqtt_reason mqtt_props_get(struct reader *r, uint64_t allowed,
                                struct mqtt_props *out) MUST_CHECK;

#endif
