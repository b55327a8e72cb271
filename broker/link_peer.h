/*
 * link_peer.h - one gateway on the link; shared by link.c and link_publish.c.
 *
 *   hello ──▶ PEER_UP ──▶ PEER_LOST ──▶ PEER_GONE
 *
 * LOST: its link has failed on our side while its connection may stand (a full
 * queue, a malformed frame).  It has no filters and gets nothing, until a hello-no
 * can be sent, which makes it say hello again.
 * GONE: out of the table; freed when the store has given back its last frame.
 */
#ifndef BROKER_LINK_PEER_H
#define BROKER_LINK_PEER_H

#include <uthash.h>

#include "fanout.h"
#include "link.h"
#include "loglimit.h"
#include "wire.h"

enum peer_state { PEER_UP, PEER_LOST, PEER_GONE };

struct peer {
    struct link *link;
    enum peer_state state;
    enum sluice_error lost_why; /* for the hello-no */
    struct fan_peer *fan;       /* NULL unless PEER_UP, or lost this very turn */
    struct wire_uuid instance;  /* of the gateway; what its publishes are known by */
    struct holder *holder;      /* what sessions know it as; NULL like fan */
    struct buf acks;            /* gathered in this turn */
    struct buf session_acks;    /* the same */
    uint64_t in_flight;         /* publish bytes with the store */
    uint32_t frames;            /* with the store; each keeps this struct */
    char name[32];
    UT_hash_handle hh;
    size_t id_len;
    char id[]; /* the ROUTER's name for the connection */
};

struct link {
    uv_loop_t *loop;
    struct store *store;
    struct sessions *sessions;
    struct link_options options;
    struct zsock *sock;
    struct fanout *fanout;
    struct peer *peers; /* by id: PEER_UP and PEER_LOST */
    unsigned up;
    bool acks_waiting; /* some peer has some */
    bool losses;       /* some peer was lost and still has its filters */
    uv_check_t turn;
    uv_timer_t tick;
    unsigned ticks;
    struct log_limit bad_frames;
    unsigned closing; /* handles and socket not yet closed */
    void (*closed)(void *arg);
    void *closed_arg;
};

/* Moves from m.  False: the peer is not up, or is lost by this. */
bool peer_send(struct peer *p, struct zmsg *m);
void peer_lose(struct peer *p, enum sluice_error why);
void peer_ack_error(struct peer *p, const struct wire_ack *a);
void peer_ack_ok(struct peer *p, uint64_t seq, const uint64_t *ids, uint32_t count);
/* A frame has come back from the store. */
void peer_frame_done(struct peer *p);

/* Takes a PUBLISH or DELETE frame, moving from m; false when it is malformed. */
bool peer_publish(struct peer *p, struct zmsg *m);
bool peer_delete(struct peer *p, struct zmsg *m);

#endif
