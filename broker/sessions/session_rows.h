/*
 * session_rows.h - the rows that sessions are made of, as bytes.  Pure.
 *
 *   space    owner             key          value
 *   HEAD     client            "H"          struct session_head
 *   HEAD     client            "W"          the will: an event record
 *   ITEM     client            an item's    an item's (wire_session.h)
 *   DUE      deadline, client  "E" or "W"   nothing: then the session ends, the will is sent
 *   GATEWAY  instance          "P"          position u64
 *   GROUP    group             …            groups.c
 *
 * Every session that outlives its connection, or has a will, has a head.
 */
#ifndef SESSIONS_SESSION_ROWS_H
#define SESSIONS_SESSION_ROWS_H

#include "bytes.h"
#include "wire_session.h"

enum session_space {
    SPACE_HEAD = 1,
    SPACE_ITEM,
    SPACE_DUE,
    SPACE_GATEWAY,
    SPACE_GROUP,
};

#define KEY_HEAD SLICE("H")
#define KEY_WILL SLICE("W")
#define KEY_POSITION SLICE("P")

struct session_head {
    uint8_t version;          /* of MQTT: 4 or 5; 0: there is none */
    struct wire_uuid held_by; /* the gateway; zero: not attached */
    uint64_t epoch;
    uint64_t seq; /* of the ATTACH unit, by which a repeat is known … */
    bool present; /* … and answered as it was */
    uint32_t expiry;
    uint64_t ends_at; /* UTC ms, of one that is not attached; 0: never */
    bool has_will;
    uint32_t will_delay;    /* seconds */
    uint64_t will_at;       /* UTC ms, when its connection has ended; 0: it has not */
    uint64_t inherit;       /* position of the gateway that held it last: a progress that
                               follows has got so far */
    struct slice principal; /* whose it is: "user:alice"; empty: nobody's */
    bool bare;              /* it is a name without a kind, of before names were verified */
};
void session_head_put(struct buf *b, const struct session_head *h);
bool session_head_get(struct slice value, struct session_head *h) MUST_CHECK;
bool session_head_held(const struct session_head *h); /* some gateway holds it */

#define DUE_END 'E'
#define DUE_WILL 'W'
struct session_due {
    uint64_t at; /* UTC ms */
    char what;   /* DUE_… */
    struct slice client;
};
void session_due_owner_put(struct buf *b, uint64_t at,
                           struct slice client); /* big-endian: in order */
bool session_due_get(struct slice owner, struct slice key, struct session_due *d) MUST_CHECK;

/* A progress item as it is answered to whoever holds the session next: the cursor not
 * below `inherit` if it followed, and following nobody yet.  False: not well formed. */
bool session_progress_inherit(struct slice value, uint64_t inherit, struct buf *out) MUST_CHECK;
bool session_item_ok(const struct wire_item *item);
/* "$share/g/filter" of a key "F$share/g/filter"; empty for any other. */
struct slice session_item_group(struct slice key);

#endif
