/*
 * failpoint.h - places at which a test may end the process, as SIGKILL does.
 *
 * A build with -DSLUICE_FAILPOINTS looks at the environment: SLUICE_FAILPOINTS="name",
 * or "name:3", ends the process when it passes that point for the first, or the third,
 * time.  In any other build nothing is left of a point but that its name is checked.
 *
 * The table is of what has happened and, behind the dash, what has not.  Points stand on
 * the loop thread.
 */
#ifndef COMMON_FAILPOINT_H
#define COMMON_FAILPOINT_H

#include <stdbool.h>

#define FAILPOINTS(X)                                                                              \
    /* the gateway: a QoS 2 event to a client */                                                   \
    X(mqtt_out_gathered)   /* it is in flight - the WRITE is made */                               \
    X(mqtt_write)          /* a WRITE of a session is made - and sent */                           \
    X(mqtt_out_written)    /* its WRITE is acknowledged - PUBLISH leaves */                        \
    X(mqtt_publish_left)   /* PUBLISH left */                                                      \
    X(mqtt_pubrec_come)    /* PUBREC came - it is written */                                       \
    X(mqtt_pubrec_written) /* it is written - PUBREL leaves */                                     \
    X(mqtt_pubrel_left)    /* PUBREL left */                                                       \
    X(mqtt_pubcomp_come)   /* PUBCOMP came - the entry goes */                                     \
    /* the gateway: a QoS 2 event of a client */                                                   \
    X(mqtt_publish_come) /* PUBLISH came - the unit is made */                                     \
    X(mqtt_in_written)   /* its WRITE is acknowledged - PUBREC leaves */                           \
    X(mqtt_pubrec_left)  /* PUBREC left */                                                         \
    X(mqtt_pubrel_come)  /* PUBREL came - the identifier goes */                                   \
    X(mqtt_in_released)  /* that is written - PUBCOMP leaves */                                    \
    X(mqtt_pubcomp_left) /* PUBCOMP left */                                                        \
    /* the gateway: sessions */                                                                    \
    X(mqtt_attached)   /* ATTACH is answered - CONNACK leaves */                                   \
    X(mqtt_resumed)    /* all in flight has left again - anything new does */                      \
    X(mqtt_detach)     /* the connection has ended - DETACH is sent */                             \
    X(mqtt_position)   /* what precedes POSITION is written - it is sent */                        \
    X(mqtt_positioned) /* POSITION is acknowledged */                                              \
    X(mqtt_assigned)   /* ASSIGN came - the event is in flight */                                  \
    X(mqtt_taken)      /* it is taken over, or done with - DONE is told */                         \
    /* the broker: units of sessions, before their commit and before their answer */               \
    X(broker_write)      /* WRITE came */                                                          \
    X(broker_written)    /* it is committed */                                                     \
    X(broker_attach)     /* ATTACH is settled */                                                   \
    X(broker_attached)   /* it is committed */                                                     \
    X(broker_detach)     /* DETACH, or what stands for it, is settled */                           \
    X(broker_detached)   /* it is committed */                                                     \
    X(broker_due)        /* a will's delay, or a session, is over */                               \
    X(broker_due_done)   /* it is committed */                                                     \
    X(broker_position)   /* POSITION came */                                                       \
    X(broker_positioned) /* it is committed */                                                     \
    /* the broker: groups at QoS 2 */                                                              \
    X(broker_group_save)  /* events are assigned - that is committed */                            \
    X(broker_group_saved) /* it is committed - ASSIGN leaves */                                    \
    X(broker_take)        /* a WRITE takes an event over - it is committed */                      \
    X(broker_taken)       /* it is committed - answered */

enum failpoint {
    FAILPOINT_none,
#define X(name) FAILPOINT_##name,
    FAILPOINTS(X)
#undef X
};

/* This passing is the one that was asked for.  A name that is not in the table ends the
 * process with a line on stderr. */
bool failpoint_due(enum failpoint p);
_Noreturn void failpoint_hit(void);

#ifdef SLUICE_FAILPOINTS
/* `act` is done first: what is gathered until the turn's end leaves. */
#define FAILPOINT_AFTER(name, act)                                                                 \
    do {                                                                                           \
        if (failpoint_due(FAILPOINT_##name)) {                                                     \
            act;                                                                                   \
            failpoint_hit();                                                                       \
        }                                                                                          \
    } while (0)
#else
#define FAILPOINT_AFTER(name, act) ((void)FAILPOINT_##name)
#endif
#define FAILPOINT(name) FAILPOINT_AFTER(name, (void)0)

#endif
