/*
 * mqtt_props.c - properties of MQTT packets (5.0, 2.2.2), and numbers of variable
 * length (1.5.5), in which they are counted.
 *
 * A packet's properties are checked once, when it is decoded, and stay encoded:
 * most packets have few, and most of these are asked for once.  Checking tells an
 * encoding that cannot be read and a property that is unknown or not of this packet
 * (malformed) from one that comes twice or has a value that it may not have
 * (protocol error, unless the specification names another code).
 *
 * Walking takes what was checked or written here; anything else ends the walk, and
 * nothing is read beyond the bytes.
 */
#include "mqtt_bytes.h"

#include <assert.h>

#include "mem.h"
#include "topic.h"

enum kind { UNKNOWN, U8, U16, U32, VARINT, TEXT, BYTES, PAIR };

/* The table's types. */
#define KIND_u8 U8
#define KIND_u16 U16
#define KIND_u32 U32
#define KIND_varint VARINT
#define KIND_text TEXT
#define KIND_bytes BYTES
#define KIND_pair PAIR

static enum kind kind_of(uint32_t id)
{
    static const uint8_t kinds[] = {
#define X(name, number, type) [number] = KIND_##type,
        MQTT_PROPERTIES(X)
#undef X
    };

    return id < ARRAY_LEN(kinds) ? (enum kind)kinds[id] : UNKNOWN;
}

/* --- numbers of variable length ---------------------------------------------------- */

int mqtt_varint_get(uint32_t *v, const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < 4; i++) {
        if (i == len)
            return 0;
        sum |= (uint32_t)(p[i] & 0x7f) << 7 * i;
        if ((p[i] & 0x80) == 0) {
            *v = sum;
            return (int)i + 1;
        }
    }
    return -1;
}

/* In its shortest form, which is the only one allowed (MQTT-1.5.5-1). */
static uint32_t varint_read(struct reader *r)
{
    uint32_t v = 0;
    int n = mqtt_varint_get(&v, r->p, r->left);

    if (n <= 0 || (size_t)n != mqtt_varint_size(v)) {
        reader_fail(r);
        return 0;
    }
    (void)reader_take(r, (size_t)n);
    return v;
}

size_t mqtt_varint_size(uint32_t v)
{
    return v < 1u << 7 ? 1 : v < 1u << 14 ? 2 : v < 1u << 21 ? 3 : 4;
}

void mqtt_varint_put(struct buf *b, uint32_t v)
{
    assert(v <= MQTT_REMAINING_MAX);
    for (; v > 0x7f; v >>= 7)
        buf_u8(b, (uint8_t)(v | 0x80));
    buf_u8(b, (uint8_t)v);
}

/* --- reading ------------------------------------------------------------------------- */

/* The next one, its strings and values unchecked. */
static void prop_read(struct reader *r, struct mqtt_prop *out)
{
    uint32_t id = varint_read(r);

    *out = (struct mqtt_prop){.id = (enum mqtt_property)id};
    switch (kind_of(id)) {
    case UNKNOWN:
        reader_fail(r);
        break;
    case U8:
        out->number = reader_u8(r);
        break;
    case U16:
        out->number = mqtt_u16_get(r);
        break;
    case U32:
        out->number = mqtt_u32_get(r);
        break;
    case VARINT:
        out->number = varint_read(r);
        break;
    case PAIR:
        out->text = mqtt_data_get(r);
        out->value = mqtt_data_get(r);
        break;
    case TEXT:
    case BYTES:
        out->text = mqtt_data_get(r);
        break;
    }
}

static bool strings_ok(const struct mqtt_prop *prop)
{
    return kind_of(prop->id) == BYTES || (mqtt_text_ok(prop->text) && mqtt_text_ok(prop->value));
}

/* What one property alone may say; of what clients send. */
static enum mqtt_reason value_check(const struct mqtt_prop *prop)
{
    bool ok = true;

    switch (prop->id) {
    case MQTT_PROP_TOPIC_ALIAS:
        return prop->number != 0 ? MQTT_OK : MQTT_BAD_ALIAS; /* MQTT-3.3.2-8 */
    case MQTT_PROP_PAYLOAD_FORMAT:
    case MQTT_PROP_REQUEST_PROBLEM_INFO:
    case MQTT_PROP_REQUEST_RESPONSE_INFO:
        ok = prop->number <= 1;
        break;
    case MQTT_PROP_SUBSCRIPTION_ID:
    case MQTT_PROP_RECEIVE_MAXIMUM:
    case MQTT_PROP_MAXIMUM_PACKET_SIZE:
        ok = prop->number != 0;
        break;
    case MQTT_PROP_RESPONSE_TOPIC:
        ok = prop->text.len != 0 && filter_is_exact(prop->text); /* MQTT-3.3.2-14, -4.7.3-1 */
        break;
    default:
        break;
    }
    return ok ? MQTT_OK : MQTT_PROTOCOL_ERROR;
}

static enum mqtt_reason prop_check(const struct mqtt_prop *prop, uint64_t allowed, uint64_t has)
{
    uint64_t bit = UINT64_C(1) << prop->id;

    if ((allowed & bit) == 0 || !strings_ok(prop))
        return MQTT_MALFORMED;
    if ((has & bit) != 0 && prop->id != MQTT_PROP_USER_PROPERTY)
        return MQTT_PROTOCOL_ERROR;
    return value_check(prop);
}

enum mqtt_reason mqtt_props_get(struct reader *r, uint64_t allowed, struct mqtt_props *out)
{
    struct slice bytes = reader_bytes(r, varint_read(r));
    struct reader props = reader_of(bytes.p, bytes.len);
    enum mqtt_reason reason = r->bad ? MQTT_MALFORMED : MQTT_OK;
    struct mqtt_prop prop;

    *out = (struct mqtt_props){bytes, 0};
    while (reason == MQTT_OK && props.left > 0) {
        prop_read(&props, &prop);
        reason = props.bad ? MQTT_MALFORMED : prop_check(&prop, allowed, out->has);
        if (reason == MQTT_OK)
            out->has |= UINT64_C(1) << prop.id;
    }
    return reason;
}

bool mqtt_prop_next(struct slice *bytes, struct mqtt_prop *out)
{
    struct reader r = reader_of(bytes->p, bytes->len);

    prop_read(&r, out);
    *bytes = (struct slice){(const char *)r.p, r.left};
    return !r.bad;
}

/* The first of that name; one without number and text when there is none. */
static struct mqtt_prop mqtt_prop_find(const struct mqtt_props *p, enum mqtt_property id)
{
    struct slice rest = p->bytes;
    struct mqtt_prop prop;

    while (mqtt_has(p, id) && mqtt_prop_next(&rest, &prop))
        if (prop.id == id)
            return prop;
    return (struct mqtt_prop){0};
}

uint32_t mqtt_prop_number(const struct mqtt_props *p, enum mqtt_property id, uint32_t absent)
{
    return mqtt_has(p, id) ? mqtt_prop_find(p, id).number : absent;
}

struct slice mqtt_prop_text(const struct mqtt_props *p, enum mqtt_property id)
{
    return mqtt_prop_find(p, id).text;
}

bool mqtt_user_get(const struct mqtt_props *p, struct slice name, struct slice *value)
{
    struct slice rest = p->bytes;
    struct mqtt_prop prop;

    while (mqtt_has(p, MQTT_PROP_USER_PROPERTY) && mqtt_prop_next(&rest, &prop))
        if (prop.id == MQTT_PROP_USER_PROPERTY && slice_eq(prop.text, name)) {
            *value = prop.value;
            return true;
        }
    return false;
}

/* --- writing -------------------------------------------------------------------------- */

void mqtt_prop_put_number(struct buf *b, enum mqtt_property id, uint32_t v)
{
    enum kind kind = kind_of(id);

    buf_u8(b, (uint8_t)id);
    if (kind == U8) {
        assert(v <= UINT8_MAX);
        buf_u8(b, (uint8_t)v);
    } else if (kind == U16) {
        assert(v <= UINT16_MAX);
        mqtt_u16_put(b, (uint16_t)v);
    } else if (kind == U32) {
        mqtt_u32_put(b, v);
    } else {
        assert(kind == VARINT);
        mqtt_varint_put(b, v);
    }
}

void mqtt_prop_put_text(struct buf *b, enum mqtt_property id, struct slice s)
{
    assert(kind_of(id) == TEXT || kind_of(id) == BYTES);
    buf_u8(b, (uint8_t)id);
    mqtt_data_put(b, s);
}

void mqtt_prop_put_user(struct buf *b, struct slice name, struct slice value)
{
    buf_u8(b, MQTT_PROP_USER_PROPERTY);
    mqtt_data_put(b, name);
    mqtt_data_put(b, value);
}
