/*
 * mqttd.h - what the parts of the MQTT gateway share: its settings, its clients.
 *
 *   main.c        the process
 *   mqttd.c       settings, listeners, the end of a turn, calls of the broker
 *   transport.c   packets over TCP, or in WebSocket frames
 *   client.c      one connection: packets in, keep-alive, its end
 *   connect.c     CONNECT to CONNACK
 *   inbound.c     PUBLISH and PUBREL of clients; events out of them
 *   aliases.c     topic aliases, both ways
 *   session.c     a session's state, its items, attach to detach
 *   subscribe.c   SUBSCRIBE, UNSUBSCRIBE: the filters of a session
 *   deliver.c     events to a client: the session's cursor
 *   flight.c      what is in flight to a client; its acknowledgements
 *   packets.c     events as PUBLISH packets, encoded once
 *   retained.c    retained messages at subscribing
 *   replay.c      $after, $last, sluice-after…: a filter on a cursor of its own
 *   shared.c      shared subscriptions, the member's side
 *   sys.c         $SYS/
 *
 * One event's way to a client: hub ▶ deliver ▶ (flight) ▶ packets ▶ transport ▶ conn.
 */
#ifndef MQTT_MQTTD_H
#define MQTT_MQTTD_H

#include <uthash.h>

#include "gateway.h"
#include "mqtt.h"
#include "wire_session.h"

struct client;
struct session;

/* [mqtt] of the configuration, read once. */
struct mqtt_settings {
    uint64_t connect_timeout_ms;   /* from accept to a whole CONNECT */
    uint32_t max_packet;           /* largest packet that is taken: max_payload and room */
    uint32_t max_session_expiry;   /* seconds; UINT32_MAX: no limit */
    uint16_t max_keep_alive;       /* seconds; 0: what the client says */
    uint16_t receive_maximum;      /* QoS 1 and 2 of a client that are not yet acknowledged */
    uint16_t max_inflight;         /* the same to a client, whatever it allows */
    uint16_t topic_alias_maximum;  /* from clients */
    uint8_t max_qos;
    bool retain_available;
    uint32_t max_subscriptions;    /* of one session */
    uint32_t max_client_id;        /* bytes */
    bool queue_qos0;               /* events of QoS 0 are kept for offline sessions */
    bool drop_session_on_gap;      /* on_gap = drop-session */
    const char *server_reference;  /* told at shutdown; NULL: none */
};

/* Everything of the process.  Loop thread. */
struct mqtt {
    struct gateway *gateway;
    struct mqtt_settings settings;
    struct session *sessions; /* by client identifier: all that are attached here */
    struct client *clients;   /* list of all, connected or on their way */
    struct wire_report report; /* counters for $SYS */
    struct retained_sys *sys;  /* sys.c: the topics of $SYS as last told */
    struct session *committing; /* commit.c: those that write at the end of this turn */
    unsigned checkpointing;     /* writes of the last checkpoint that are under way */
    struct wheel_timer tick;
};

static inline struct mqtt *mqtt_of(struct gateway *g)
{
    return g->protocol;
}

#endif
