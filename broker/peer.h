/*
 * peer.h - one gateway on the link, and what is said to it.
 *
 *   hello ──▶ PEER_UP ──▶ PEER_LOST ──▶ PEER_GONE
 *
 * LOST: its link has failed on our side while its connection may stand (a full
 * queue, a malformed frame).  It has no filters and gets nothing, until a hello-no
 * can be sent, which makes it say hello again.
 * GONE: out of the table; freed when the store has given back its last frame.
 *
 * Answers are gathered and leave at the end of the loop's turn, those of one kind
 * in one message.  Only the broker's peer*.c include this.
 */
#ifndef BROKER_PEER_H
#define BROKER_PEER_H

#include <uthash.h>

#include "fanout.h"
#include "loglimit.h"
#include "peers.h"
#include "wire_session.h"
#include "z85.h"

enum peer_state { PEER_UP, PEER_LOST, PEER_GONE };

struct peer {
    struct peers *all;
    enum peer_state state;
    enum sluice_error lost_why;       /* for the hello-no */
    struct fanout_peer *in_fanout;    /* NULL unless PEER_UP, or lost this very turn */
    struct session_peer *in_sessions; /* the same */
    struct wire_uuid instance;        /* of the gateway; what its publishes are known by */
    struct buf acks;                  /* gathered in this turn */
    struct buf session_acks;          /* the same */
    uint64_t in_flight;               /* publish bytes with the store */
    uint32_t frames;                  /* with the store; each keeps this struct */
    char name[32];
    char key[Z85_TEXT + 1]; /* by which the warden let it in; empty: by none */
    UT_hash_handle hh;
    size_t id_len;
    char id[]; /* the ROUTER's name for the connection */
};

struct peers {
    uv_loop_t *loop;
    struct store *store;
    struct sessions *sessions;
    struct peers_options options;
    struct zsock *sock;
    struct fanout *fanout;
    struct peer *table; /* by id: PEER_UP and PEER_LOST */
    unsigned up;
    bool acks_waiting; /* some peer has some */
    bool losses;       /* some peer was lost and is still in fan-out and sessions */
    uv_check_t turn;
    uv_timer_t tick;
    unsigned ticks;
    struct log_limit bad_frames;
    struct publish_frame *spare_frames; /* peer_publish.c's */
    unsigned spare_count;
    unsigned closing; /* handles and socket not yet closed */
    void (*closed)(void *arg);
    void *closed_arg;
};

struct slice peer_id(const struct peer *p);

/* Marks it LOST; peers.c does the rest at the end of the turn, so it may be called
 * from inside the fan-out. */
void peer_lose(struct peer *p, enum sluice_error why);

/* Moves from m.  False: the peer is not up, or is lost by this. */
bool peer_send(struct peer *p, struct zmsg *m);
void peer_send_buf(struct peer *p, struct buf *b); /* takes its bytes */

/* Of publishes. */
void peer_ack_ok(struct peer *p, uint64_t seq, const uint64_t *ids, uint32_t count);
void peer_ack_error(struct peer *p, const struct wire_ack *a);
/* Of units of sessions. */
void peer_ack_session(struct peer *p, const struct wire_session_ack *a);
void peer_send_session_acks(struct peer *p);
void peer_send_acks(struct peer *p); /* what is gathered, of both kinds */

/* A frame of its goes to the store, and comes back from it. */
void peer_frame_begin(struct peer *p);
void peer_frame_end(struct peer *p);
/* GONE: frees it once no frame is with the store. */
void peer_maybe_free(struct peer *p);

/* peer_publish.c: takes a PUBLISH or DELETE frame, moving from m; false when it is
 * malformed. */
bool peer_publish(struct peer *p, struct zmsg *m) MUST_CHECK;
bool peer_delete(struct peer *p, struct zmsg *m) MUST_CHECK;
void peer_frames_free(struct peers *all); /* after the store has given back the last */

#endif
