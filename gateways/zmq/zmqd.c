/*
 * zmqd.c - [zmq] of the configuration.
 *
 * Keys of CURVE are files: the server's secret key, in Z85 as every library of ZeroMQ writes
 * it; clients' public keys stand in the configuration themselves.
 */
#include "zmqd.h"

#include <stdlib.h>

#include "curve.h"
#include "event.h"
#include "log.h"
#include "mem.h"
#include "z85.h"

#define MESSAGE_ROOM (64u * 1024)

static void settings_read(struct zmqd_settings *s, const struct config *c)
{
    s->handshake_ms = config_num(c, CFG_ZMQ_HANDSHAKE_TIMEOUT);
    s->ping_ms = config_num(c, CFG_ZMQ_PING);
    s->ping_timeout_ms = config_num(c, CFG_ZMQ_PING_TIMEOUT);
    s->message_timeout_ms = config_num(c, CFG_BODY_TIMEOUT);
    s->max_payload = config_num(c, CFG_MAX_PAYLOAD);
    /* Somewhat too large still gets an answer; far too large, the door. */
    s->max_message = 2 * s->max_payload + 2 * EVENT_PROPS_MAX + MESSAGE_ROOM;
    s->publish_window = config_num(c, CFG_ZMQ_PUBLISH_WINDOW);
    s->max_subscriptions = config_num(c, CFG_ZMQ_MAX_SUBSCRIPTIONS);
    s->max_prefixes = config_num(c, CFG_ZMQ_MAX_PREFIXES);
    s->max_filters = config_num(c, CFG_MAX_FILTERS);
    s->max_last = config_num(c, CFG_MAX_LAST);
    s->held_max = config_num(c, CFG_PUBLISH_QUEUE);
    s->sub_frames_4 = config_num(c, CFG_ZMQ_SUB_FRAMES) == 1;
}

static bool client_is_known(void *arg, const uint8_t key[ZMTP_KEY])
{
    const struct zmqd *d = arg;

    for (size_t i = 0; i < d->key_count; i++)
        if (memcmp(d->keys[i], key, ZMTP_KEY) == 0)
            return true;
    return false;
}

static bool clients_read(struct zmqd *d, const char *list)
{
    struct slice rest = slice_of(list), one;

    while (config_list_next(&rest, &one)) {
        d->keys = mem_resize(d->keys, d->key_count + 1, sizeof *d->keys);
        if (!z85_get(one, d->keys[d->key_count++])) {
            log_error("[zmq] curve_clients holds something that is no public key in Z85",
                      LOG_SLICE("key", one));
            return false;
        }
    }
    if (d->key_count > 0)
        d->server.client = client_is_known;
    return true;
}

static bool curve_read(struct zmqd *d, const struct config *c)
{
    const char *file = config_text(c, CFG_ZMQ_CURVE_SECRET_KEY_FILE);

    if (*file == '\0') {
        log_error("[zmq] mechanism = curve needs curve_secret_key_file");
        return false;
    }
    d->server.mechanism = ZMTP_CURVE;
    d->server.arg = d;
    return curve_server_read(&d->server.curve, file) &&
           clients_read(d, config_text(c, CFG_ZMQ_CURVE_CLIENTS));
}

bool zmqd_read(struct zmqd *d, const struct config *c)
{
    settings_read(&d->settings, c);
    if (config_num(c, CFG_ZMQ_MECHANISM) == 1 && !curve_read(d, c))
        return false;
    zmtp_greeting_put(d->greeting, zmtp_mechanism_name(d->server.mechanism),
                      d->server.mechanism != ZMTP_NULL);
    return true;
}

void zmqd_free(struct zmqd *d)
{
    if (d->server.curve.crypto != NULL)
        d->server.curve.crypto->wipe(&d->server.curve, sizeof d->server.curve);
    buf_free(&d->plain);
    buf_free(&d->refusal);
    free(d->keys);
}
