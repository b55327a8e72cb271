/*
 * sys.h - the topics under $SYS/broker/ that MQTT tools look for, named and written as
 * Mosquitto's.  Sums and averages in, one CALL SYS frame out; knows no gateway and no
 * clock.
 */
#ifndef SESSIONS_SYS_H
#define SESSIONS_SYS_H

#include "wire_session.h"

/* What is so at this moment. */
struct sys_now {
    uint64_t ms;                 /* monotonic */
    uint64_t connected;          /* sessions attached */
    uint64_t disconnected;       /* sessions that are not */
    uint64_t expired;            /* sessions ended by their expiry; since the start, as all below */
    uint64_t attaches;           /* connections made */
    uint64_t shared;             /* shared subscriptions */
    uint64_t retained;           /* messages */
    uint64_t events, bytes;      /* kept in the log */
    uint64_t heap;               /* bytes */
    struct wire_report gateways; /* all together, those that have gone too */
};

struct sys;
struct sys *sys_new(uint64_t now_ms);
void sys_free(struct sys *s);
/* The averages move; the frame says what is so from now on. */
void sys_update(struct sys *s, const struct sys_now *now);
/* Appends the whole frame. */
void sys_frame(const struct sys *s, struct buf *b);

#endif
