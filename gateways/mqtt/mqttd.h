/*
 * mqttd.h - what the parts of the MQTT gateway share: its settings, its clients.
 */
#ifndef MQTT_MQTTD_H
#define MQTT_MQTTD_H

#include <uthash.h>

#include "gateway.h"
#include "http.h"
#include "mqtt.h"
#include "transport.h"
#include "wire_session.h"

struct aliases;
struct client;
struct session;

/* [mqtt] of the configuration, read once. */
struct mqttd_settings {
    uint64_t connect_timeout_ms;  /* from accept to a whole CONNECT */
    uint32_t max_packet;          /* largest packet that is taken: max_payload and room */
    size_t max_payload;           /* of an event */
    uint32_t max_session_expiry;  /* seconds; UINT32_MAX: no limit */
    uint16_t max_keep_alive;      /* seconds; 0: what the client says */
    uint16_t receive_maximum;     /* QoS 1 and 2 of a client that are not yet acknowledged */
    uint16_t max_inflight;        /* the same to a client, whatever it allows */
    uint16_t topic_alias_maximum; /* from clients */
    uint8_t max_qos;
    bool retain_available;
    uint32_t max_subscriptions;   /* of one session */
    uint32_t max_shared;          /* of them, those of groups */
    uint32_t max_filters;         /* in one SUBSCRIBE or UNSUBSCRIBE */
    bool properties_all;          /* user properties of ours to all clients of 5.0 */
    uint32_t max_client_id;       /* bytes */
    bool queue_qos0;              /* events of QoS 0 are kept for offline sessions */
    bool drop_session_on_gap;     /* on_gap = drop-session */
    const char *server_reference; /* told at shutdown; NULL: none */
};

/* Everything of the process.  Loop thread. */
struct mqttd {
    struct gateway *gateway;
    struct site site; /* the door for WebSocket */
    struct http *http;
    struct mqttd_settings settings;
    struct transports transports;
    struct session *sessions;   /* by client identifier: all that are attached here */
    struct session *committing; /* those with something to write at the turn's end */
    struct checkpoint {         /* session_commit.c's, once a second */
        unsigned writes;        /* under way */
        bool failed;            /* one of them */
        uint64_t position;      /* to be said when all are there */
        uint64_t said;
    } checkpoint;
    struct client *clients;        /* list of all, connected or on their way */
    struct client *busy;           /* those with something to do at the turn's end */
    struct aliases *aliases;       /* to clients */
    struct wire_report report;     /* counters for $SYS */
    size_t asking;                 /* identity.c: bytes of CONNECTs that wait for an answer */
    struct sys_topics *sys_topics; /* sys_topics.c: as last told; NULL: none */
    struct share_out *share;       /* share.c: what it has to tell the broker; NULL: nothing */

    /* Scratch of one call each. */
    struct buf props, users, packet;
    struct buf item_key, item_value;
    struct run run;                  /* replay.c and retained.c: what they hand to deliver_run */
    struct deliver_writing *writing; /* deliver.c */

    struct wheel_timer tick; /* once a second */
    uv_idle_t idle;          /* the loop must not sleep: a session has something to write */
    uint64_t ticks;
    bool stopped;      /* the last client has gone */
    bool link_full;    /* clients wait for room in the link */
    unsigned log_left; /* messages about clients that may still be logged in this second */
};

static inline struct mqttd *mqttd_of(struct gateway *g)
{
    return g->protocol;
}

void mqttd_settings_read(struct mqttd_settings *s, const struct config *c);

/* What any client can make us log: at most so many lines a second, in all. */
#define MQTTD_LOGS_PER_TICK 10
bool mqttd_may_log(struct mqttd *m);

#endif
