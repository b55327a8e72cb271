/*
 * sys_topics.h - $SYS/: what the broker tells of itself, for those who subscribe to it.
 *
 * The table of topics as last told (CALL SYS) is the retained state; a value that changes
 * goes to all subscribers at once, at QoS 0.  Never logged, never replayed.
 *
 * Loop thread.
 */
#ifndef MQTT_SYS_TOPICS_H
#define MQTT_SYS_TOPICS_H

#include "session_state.h"

/* The filter gets what changes from now on; idempotent. */
void sys_topics_joined(struct sub *sub);
/* All that it matches, as it is now, with RETAIN: retain handling has said so. */
void sys_topics_retained(struct sub *sub);
void sys_topics_left(struct sub *sub); /* idempotent */

/* The broker's call SYS. */
void sys_topics_update(struct mqttd *m, struct reader body);
void sys_topics_free(struct mqttd *m);

#endif
