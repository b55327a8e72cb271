/*
 * mqtt.h - MQTT 3.1.1 and 5.0 control packets, the server's side, as pure
 * decoders and encoders (OASIS MQTT 3.1.1 and 5.0; section numbers are 5.0's).
 *
 * A packet is a fixed header, then `remaining` bytes: its body.  mqtt_head_get
 * finds the packet in the bytes that came; mqtt_*_get takes one body apart.
 * Decoders borrow, allocate nothing, and return MQTT_OK or the reason code that
 * the specification names for what is wrong: 0x81 malformed, 0x82 protocol
 * error, 0x84 version, 0x85 client identifier, 0x90 topic name, 0x8F filter,
 * 0x94 topic alias, …; what they have written then means nothing, where nothing
 * else is said.  Versions 3.1.1 and 3.1 have the same decoders with `version` 4 and
 * 3: no properties, no reason codes.  3.1 is what it was before 3.1.1 forbade things:
 * DUP on what is sent again, a will's flags without a will.
 *
 * Encoders append one whole packet to a buf.
 */
#ifndef PROTO_MQTT_H
#define PROTO_MQTT_H

#include "bytes.h"

#define MQTT_REMAINING_MAX 268435455u /* 2.1.4 */
#define MQTT_HEAD_MAX 5u              /* type and flags, four bytes of length */

enum mqtt_version { MQTT_31 = 3, MQTT_311 = 4, MQTT_50 = 5 };

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
};

/* Reason codes (2.4), those that we say or hear. */
#define MQTT_REASONS(X)                                                                            \
    X(MQTT_OK, 0x00, "success")                                                                    \
    X(MQTT_GRANTED_1, 0x01, "granted QoS 1")                                                       \
    X(MQTT_GRANTED_2, 0x02, "granted QoS 2")                                                       \
    X(MQTT_DISCONNECT_WITH_WILL, 0x04, "disconnect with will message")                             \
    X(MQTT_NO_MATCHING_SUBSCRIBERS, 0x10, "no matching subscribers")                               \
    X(MQTT_NO_SUBSCRIPTION, 0x11, "no subscription existed")                                       \
    X(MQTT_CONTINUE_AUTHENTICATION, 0x18, "continue authentication")                               \
    X(MQTT_REAUTHENTICATE, 0x19, "re-authenticate")                                                \
    X(MQTT_UNSPECIFIED, 0x80, "unspecified error")                                                 \
    X(MQTT_MALFORMED, 0x81, "malformed packet")                                                    \
    X(MQTT_PROTOCOL_ERROR, 0x82, "protocol error")                                                 \
    X(MQTT_IMPLEMENTATION, 0x83, "implementation specific error")                                  \
    X(MQTT_BAD_VERSION, 0x84, "unsupported protocol version")                                      \
    X(MQTT_BAD_CLIENT_ID, 0x85, "client identifier not valid")                                     \
    X(MQTT_BAD_CREDENTIALS, 0x86, "bad user name or password")                                     \
    X(MQTT_NOT_AUTHORIZED, 0x87, "not authorized")                                                 \
    X(MQTT_UNAVAILABLE, 0x88, "server unavailable")                                                \
    X(MQTT_BUSY, 0x89, "server busy")                                                              \
    X(MQTT_SHUTTING_DOWN, 0x8B, "server shutting down")                                            \
    X(MQTT_BAD_AUTH_METHOD, 0x8C, "bad authentication method")                                     \
    X(MQTT_KEEP_ALIVE_TIMEOUT, 0x8D, "keep alive timeout")                                         \
    X(MQTT_TAKEN_OVER, 0x8E, "session taken over")                                                 \
    X(MQTT_BAD_FILTER, 0x8F, "topic filter invalid")                                               \
    X(MQTT_BAD_TOPIC, 0x90, "topic name invalid")                                                  \
    X(MQTT_ID_IN_USE, 0x91, "packet identifier in use")                                            \
    X(MQTT_ID_NOT_FOUND, 0x92, "packet identifier not found")                                      \
    X(MQTT_RECEIVE_MAXIMUM, 0x93, "receive maximum exceeded")                                      \
    X(MQTT_BAD_ALIAS, 0x94, "topic alias invalid")                                                 \
    X(MQTT_TOO_LARGE, 0x95, "packet too large")                                                    \
    X(MQTT_RATE, 0x96, "message rate too high")                                                    \
    X(MQTT_QUOTA, 0x97, "quota exceeded")                                                          \
    X(MQTT_ADMINISTRATIVE, 0x98, "administrative action")                                          \
    X(MQTT_BAD_PAYLOAD_FORMAT, 0x99, "payload format invalid")                                     \
    X(MQTT_NO_RETAIN, 0x9A, "retain not supported")                                                \
    X(MQTT_NO_QOS, 0x9B, "QoS not supported")                                                      \
    X(MQTT_USE_ANOTHER, 0x9C, "use another server")                                                \
    X(MQTT_SERVER_MOVED, 0x9D, "server moved")                                                     \
    X(MQTT_NO_SHARED, 0x9E, "shared subscriptions not supported")                                  \
    X(MQTT_CONNECTION_RATE, 0x9F, "connection rate exceeded")                                      \
    X(MQTT_NO_SUBSCRIPTION_IDS, 0xA1, "subscription identifiers not supported")                    \
    X(MQTT_NO_WILDCARDS, 0xA2, "wildcard subscriptions not supported")

enum mqtt_reason {
#define X(name, code, text) name = code,
    MQTT_REASONS(X)
#undef X
};
const char *mqtt_reason_text(uint8_t reason); /* "malformed packet" */
const char *mqtt_type_name(uint8_t type);     /* "PUBLISH" */
/* CONNACK's return code in 3.1.1 (its 3.2.2.3) for a reason; 0 says that there is
 * none, and the connection is closed without a CONNACK. */
uint8_t mqtt_return_code(enum mqtt_reason reason);

/* --- the fixed header ------------------------------------------------------- */

struct mqtt_head {
    uint8_t type; /* enum mqtt_type */
    uint8_t flags;
    uint8_t size; /* of the header */
    uint32_t remaining;
};
/* Bytes of the header, 0: needs more, -1: malformed (type 0, reserved flags of a
 * type, a length of over four bytes, a ping with a body).  PUBLISH's flags are left
 * to its decoder, and DUP, which 3.1 has elsewhere too, to mqtt_head_check. */
int mqtt_head_get(struct mqtt_head *h, const void *p, size_t len) MUST_CHECK;
/* What only the version tells: MQTT_MALFORMED for a length that is not in its
 * shortest form (5.0), for AUTH (3.1.1) and for DUP where none may be (but in 3.1),
 * MQTT_PROTOCOL_ERROR for what only servers send.  For a CONNECT, ask when its version is known. */
enum mqtt_reason mqtt_head_check(enum mqtt_version v, const struct mqtt_head *h) MUST_CHECK;

/* --- properties (2.2.2) ------------------------------------------------------ */

/* X(name, identifier, type) */
#define MQTT_PROPERTIES(X)                                                                         \
    X(PAYLOAD_FORMAT, 0x01, u8)                                                                    \
    X(MESSAGE_EXPIRY, 0x02, u32)                                                                   \
    X(CONTENT_TYPE, 0x03, text)                                                                    \
    X(RESPONSE_TOPIC, 0x08, text)                                                                  \
    X(CORRELATION_DATA, 0x09, bytes)                                                               \
    X(SUBSCRIPTION_ID, 0x0B, varint)                                                               \
    X(SESSION_EXPIRY, 0x11, u32)                                                                   \
    X(ASSIGNED_CLIENT_ID, 0x12, text)                                                              \
    X(SERVER_KEEP_ALIVE, 0x13, u16)                                                                \
    X(AUTH_METHOD, 0x15, text)                                                                     \
    X(AUTH_DATA, 0x16, bytes)                                                                      \
    X(REQUEST_PROBLEM_INFO, 0x17, u8)                                                              \
    X(WILL_DELAY, 0x18, u32)                                                                       \
    X(REQUEST_RESPONSE_INFO, 0x19, u8)                                                             \
    X(RESPONSE_INFO, 0x1A, text)                                                                   \
    X(SERVER_REFERENCE, 0x1C, text)                                                                \
    X(REASON_STRING, 0x1F, text)                                                                   \
    X(RECEIVE_MAXIMUM, 0x21, u16)                                                                  \
    X(TOPIC_ALIAS_MAXIMUM, 0x22, u16)                                                              \
    X(TOPIC_ALIAS, 0x23, u16)                                                                      \
    X(MAXIMUM_QOS, 0x24, u8)                                                                       \
    X(RETAIN_AVAILABLE, 0x25, u8)                                                                  \
    X(USER_PROPERTY, 0x26, pair)                                                                   \
    X(MAXIMUM_PACKET_SIZE, 0x27, u32)                                                              \
    X(WILDCARD_AVAILABLE, 0x28, u8)                                                                \
    X(SUBSCRIPTION_ID_AVAILABLE, 0x29, u8)                                                         \
    X(SHARED_AVAILABLE, 0x2A, u8)

enum mqtt_property {
#define X(name, id, type) MQTT_PROP_##name = id,
    MQTT_PROPERTIES(X)
#undef X
};

/* The properties of one packet, checked (known, of this packet, not twice, values
 * in range), still encoded; walk them with mqtt_prop_next. */
struct mqtt_props {
    struct slice bytes; /* without the length before them */
    uint64_t has;       /* bit n: property n is there */
};
struct mqtt_prop {
    enum mqtt_property id;
    uint32_t number;    /* u8, u16, u32, varint */
    struct slice text;  /* text, bytes; a pair's name */
    struct slice value; /* a pair's */
};
static inline bool mqtt_has(const struct mqtt_props *p, enum mqtt_property id)
{
    return (p->has >> id & 1) != 0;
}
/* Takes the next one off *bytes; false at the end. */
bool mqtt_prop_next(struct slice *bytes, struct mqtt_prop *out);
/* The first of that name. */
uint32_t mqtt_prop_number(const struct mqtt_props *p, enum mqtt_property id, uint32_t absent);
struct slice mqtt_prop_text(const struct mqtt_props *p, enum mqtt_property id); /* p NULL: none */
/* The value of the first user property of that name; false: none. */
bool mqtt_user_get(const struct mqtt_props *p, struct slice name, struct slice *value) MUST_CHECK;

/* To write them: properties without the length, gathered in a buf of their own. */
void mqtt_prop_put_number(struct buf *b, enum mqtt_property id, uint32_t v); /* by its type */
void mqtt_prop_put_text(struct buf *b, enum mqtt_property id, struct slice s);
void mqtt_prop_put_user(struct buf *b, struct slice name, struct slice value);
void mqtt_varint_put(struct buf *b, uint32_t v); /* at most MQTT_REMAINING_MAX */
size_t mqtt_varint_size(uint32_t v);

/* --- from clients -------------------------------------------------------------- */

struct mqtt_will {
    uint8_t qos;
    bool retain;
    struct slice topic, payload;
    struct mqtt_props props; /* MQTT_50 */
};
struct mqtt_connect {
    /* enum mqtt_version.  Right after errors too, so that the answer can have its
     * form: then 0 if it was not reached, and what was asked with MQTT_BAD_VERSION
     * (0 when the protocol's name was not MQTT's either). */
    uint8_t version;
    bool bridge;         /* the level's highest bit: Mosquitto's, it is a bridge */
    bool clean;          /* clean session, clean start */
    uint16_t keep_alive; /* seconds, 0: none */
    struct slice client; /* may be empty: the server assigns one */
    struct mqtt_props props;
    bool has_will;
    struct mqtt_will will;
    struct slice user, password; /* p NULL: none */
};
enum mqtt_reason mqtt_connect_get(struct slice body, struct mqtt_connect *m) MUST_CHECK;

struct mqtt_publish {
    bool dup, retain;
    uint8_t qos;
    uint16_t packet_id; /* 0 with QoS 0 */
    struct slice topic; /* MQTT_50: empty with a topic alias; checked as a name otherwise */
    struct mqtt_props props;
    struct slice payload;
};
/* Checks the payload's UTF-8 too when its format says so.  With MQTT_BAD_TOPIC (not
 * a name by topic.h) and MQTT_BAD_PAYLOAD_FORMAT all else was right and *m is whole,
 * so that the acknowledgement may carry the refusal. */
enum mqtt_reason mqtt_publish_get(enum mqtt_version v, uint8_t flags, struct slice body,
                                  struct mqtt_publish *m) MUST_CHECK;

/* PUBACK, PUBREC, PUBREL, PUBCOMP */
struct mqtt_ack {
    uint16_t packet_id;
    uint8_t reason;
    struct mqtt_props props;
};
enum mqtt_reason mqtt_ack_get(enum mqtt_version v, enum mqtt_type type, struct slice body,
                              struct mqtt_ack *m) MUST_CHECK;

struct mqtt_subscribe { /* and UNSUBSCRIBE */
    uint16_t packet_id;
    struct mqtt_props props;
    struct slice topics; /* walk with mqtt_subscribe_next; checked, at least one */
    size_t count;        /* of them */
};
struct mqtt_topic_option {
    struct slice filter; /* UTF-8, not empty; whether it is a filter is the caller's question */
    uint8_t qos;
    bool no_local, retain_as_published; /* MQTT_50 */
    uint8_t retain_handling;            /* 0, 1, 2 */
};
enum mqtt_reason mqtt_subscribe_get(enum mqtt_version v, struct slice body,
                                    struct mqtt_subscribe *m) MUST_CHECK;
bool mqtt_subscribe_next(struct slice *topics, struct mqtt_topic_option *out);
enum mqtt_reason mqtt_unsubscribe_get(enum mqtt_version v, struct slice body,
                                      struct mqtt_subscribe *m) MUST_CHECK;
bool mqtt_unsubscribe_next(struct slice *topics, struct slice *filter);

/* DISCONNECT, AUTH */
struct mqtt_reasoned {
    uint8_t reason;
    struct mqtt_props props;
};
enum mqtt_reason mqtt_disconnect_get(enum mqtt_version v, struct slice body,
                                     struct mqtt_reasoned *m) MUST_CHECK;
enum mqtt_reason mqtt_auth_get(struct slice body, struct mqtt_reasoned *m) MUST_CHECK;

/* --- to clients ------------------------------------------------------------------ */

/* props: encoded by mqtt_prop_put_*, ignored with MQTT_311. */
void mqtt_connack_put(struct buf *b, enum mqtt_version v, bool session_present, uint8_t code,
                      struct slice props);
/* PUBACK, PUBREC, PUBREL, PUBCOMP, in their shortest form. */
void mqtt_ack_put(struct buf *b, enum mqtt_version v, enum mqtt_type type, uint16_t packet_id,
                  uint8_t reason, struct slice props);
/* SUBACK and UNSUBACK; an UNSUBACK of 3.1.1 has no codes. */
void mqtt_suback_put(struct buf *b, enum mqtt_version v, enum mqtt_type type, uint16_t packet_id,
                     const uint8_t *codes, size_t count, struct slice props);
void mqtt_pingresp_put(struct buf *b);
void mqtt_disconnect_put(struct buf *b, uint8_t reason, struct slice props); /* MQTT_50 only */
void mqtt_auth_put(struct buf *b, uint8_t reason, struct slice props);       /* the same */

/* A PUBLISH in three pieces, so that what is between can be each client's own:
 *
 *   head    fixed header and topic     mqtt_publish_head_put
 *   id      packet identifier, big-endian, with QoS 1 and 2
 *   rest    properties (with their length) and payload
 *
 * rest_len counts all that follows the identifier. */
void mqtt_publish_head_put(struct buf *b, uint8_t flags, struct slice topic, size_t rest_len);
static inline uint8_t mqtt_publish_flags(bool dup, uint8_t qos, bool retain)
{
    return (uint8_t)((dup ? 8 : 0) | qos << 1 | (retain ? 1 : 0));
}
/* Of a whole packet with such a topic and rest, fixed header counted. */
size_t mqtt_publish_size(uint8_t qos, size_t topic_len, size_t rest_len);

#endif
