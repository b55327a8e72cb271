/*
 * sessions.h - MQTT sessions: who holds them, what they are made of, when they end
 * (DESIGN 2.3 and 6; the wire is proto/wire_session.h).
 *
 * A session that is attached is here in memory: its peer (the gateway process that
 * holds it), the epoch, what ends it.  All else, and every session that is not
 * attached, are rows in the store's map.  Loop thread only; what takes long goes
 * through the store and is answered later.
 */
#ifndef SESSIONS_H
#define SESSIONS_H

#include "groups.h"
#include "session_owner.h"
#include "store.h"
#include "zsock.h"

struct sessions;
struct session_peer; /* one gateway process, from its first hello on */

/* How answers leave; `link` is what sessions_join was given. */
struct sessions_ops {
    void (*acknowledge)(void *link, const struct wire_session_ack *a);
    void (*call)(void *link, struct buf *frame); /* takes frame's bytes */
};
struct sessions_options {
    struct groups_reads reads;
    uint64_t window; /* bytes of one gateway's units that may be under way */
    uint64_t max_payload;
    uint64_t sys_interval; /* ms between two tellings of $SYS; 0: none */
    struct session_owners owners;
};

struct sessions *sessions_new(uv_loop_t *loop, struct store *store,
                              const struct sessions_options *o);
void sessions_serve(struct sessions *all, const struct sessions_ops *ops);
/* The configuration was read anew. */
void sessions_reload(struct sessions *all, const struct session_owners *owners);
/* Reads what the store has; done runs once, later.  Nothing else may be called
 * before.  Not ok: logged. */
void sessions_load(struct sessions *all, void (*done)(void *arg, bool ok), void *arg);

/* From the store's follower. */
void sessions_batch(struct sessions *all, const struct store_batch *b);

/* A gateway has said hello; its link has ended.  Until it has said which sessions it
 * holds (TELL HOLD), or the grace is over, they stay its own. */
struct session_peer *sessions_join(struct sessions *all, const struct wire_uuid *instance,
                                   const char *name, void *link);
void sessions_greet(struct session_peer *p); /* after its hello-ok: $SYS, as it is now */
void sessions_leave(struct session_peer *p, const void *link);
/* A SESSION or TELL frame; moves from m.  False: it is malformed. */
bool sessions_units(struct session_peer *p, struct zmsg *m) MUST_CHECK;
bool sessions_tell(struct session_peer *p, struct zmsg *m) MUST_CHECK;
/* Some gateway holds a session: whether it still lives is worth asking often. */
bool sessions_held(const struct sessions *all);

/* Nothing is begun any more; before the store is closed. */
void sessions_stop(struct sessions *all);
/* After the store has closed.  all may be NULL; then closed is not called. */
void sessions_close(struct sessions *all, void (*closed)(void *arg), void *arg);
void sessions_free(struct sessions *all);

#endif
