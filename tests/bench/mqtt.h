/*
 * mqtt.h - what the load generator needs of MQTT 3.1.1: the packets of a client that
 * subscribes and acknowledges, of one that publishes, and a server's packets found.
 */
#ifndef BENCH_MQTT_H
#define BENCH_MQTT_H

#include "bench.h"

enum {
    MQTT_KIND_CONNACK = 2,
    MQTT_KIND_PUBLISH = 3,
    MQTT_KIND_PUBACK = 4,
    MQTT_KIND_SUBACK = 9,
    MQTT_PACKET_MAX = 2048,
};

/* What is said to a server; a whole number of packets. */
struct mqtt_out {
    size_t len;
    unsigned char bytes[MQTT_PACKET_MAX];
};

static void mqtt_byte(struct mqtt_out *o, unsigned v)
{
    if (o->len == MQTT_PACKET_MAX)
        die("a packet of over %d bytes", MQTT_PACKET_MAX);
    o->bytes[o->len++] = (unsigned char)v;
}

static void mqtt_number(struct mqtt_out *o, unsigned v)
{
    mqtt_byte(o, v >> 8);
    mqtt_byte(o, v & 255);
}

static void mqtt_bytes(struct mqtt_out *o, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        mqtt_byte(o, (unsigned char)p[i]);
}

static void mqtt_text(struct mqtt_out *o, const char *text)
{
    mqtt_number(o, (unsigned)strlen(text));
    mqtt_bytes(o, text, strlen(text));
}

static void mqtt_head(struct mqtt_out *o, unsigned first, size_t remaining)
{
    mqtt_byte(o, first);
    do {
        mqtt_byte(o, (unsigned)(remaining & 127) | (remaining > 127 ? 128 : 0));
        remaining >>= 7;
    } while (remaining > 0);
}

static void mqtt_connect_put(struct mqtt_out *o, const char *client, bool clean)
{
    mqtt_head(o, 0x10, 12 + strlen(client));
    mqtt_text(o, "MQTT");
    mqtt_byte(o, 4);
    mqtt_byte(o, clean ? 2 : 0);
    mqtt_number(o, 0); /* no keep-alive */
    mqtt_text(o, client);
}

static void mqtt_subscribe_put(struct mqtt_out *o, const char *filter, unsigned qos)
{
    mqtt_head(o, 0x82, 5 + strlen(filter));
    mqtt_number(o, 1);
    mqtt_text(o, filter);
    mqtt_byte(o, qos);
}

/* All but the payload, which comes behind it. */
static void mqtt_publish_put(struct mqtt_out *o, const char *topic, unsigned qos, unsigned id,
                             size_t payload)
{
    mqtt_head(o, 0x30 | qos << 1, 2 + strlen(topic) + (qos > 0 ? 2 : 0) + payload);
    mqtt_text(o, topic);
    if (qos > 0)
        mqtt_number(o, id);
}

static void mqtt_puback_put(struct mqtt_out *o, unsigned id)
{
    mqtt_head(o, 0x40, 2);
    mqtt_number(o, id);
}

struct mqtt_packet {
    unsigned kind, qos;
    unsigned id;         /* of a PUBLISH with a QoS, a PUBACK */
    unsigned code;       /* of a CONNACK, a SUBACK */
    const char *payload; /* of a PUBLISH */
    size_t size;         /* of the payload */
};

/* Takes a whole packet off p and returns its size, 0 when it is not all there. */
static size_t mqtt_next(const char *p, size_t left, struct mqtt_packet *out)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t head = 1, remaining = 0, at;

    do {
        if (head >= left || head > 4)
            return 0;
        remaining |= (size_t)(u[head] & 127) << (7 * (head - 1));
    } while ((u[head++] & 128) != 0);
    if (left - head < remaining)
        return 0;
    u += head;
    *out = (struct mqtt_packet){.kind = (unsigned char)p[0] >> 4, .qos = (unsigned)p[0] >> 1 & 3};
    if (remaining >= 2)
        out->id = (unsigned)u[0] << 8 | u[1];
    if (remaining >= 1)
        out->code = u[remaining - 1];
    if (out->kind == MQTT_KIND_PUBLISH) {
        at = 2 + out->id;
        if (out->qos > 0 && at + 2 <= remaining)
            out->id = (unsigned)u[at] << 8 | u[at + 1];
        at += out->qos > 0 ? 2 : 0;
        if (at > remaining)
            die("a PUBLISH that is too short");
        out->payload = (const char *)u + at;
        out->size = remaining - at;
    }
    return head + remaining;
}

#endif
