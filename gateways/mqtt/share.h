/*
 * share.h - shared subscriptions (MQTT 5.0, 4.8.2), the member's side.
 *
 * The broker holds the group and its cursor, and assigns each event to the member with
 * the most credit: how many more events it takes, which is the free quota of its client.
 * What it is assigned and cannot take yet waits here, at most as many as the credit that
 * was told.
 *
 *   CALL ASSIGN ──▶ deliver_assigned ──▶ share_done ──▶ TELL DONE
 *                                        room changes ──▶ TELL CREDIT
 *
 * What is told gathers in one frame a turn.  Loop thread.
 */
#ifndef MQTT_SHARE_H
#define MQTT_SHARE_H

#include "session_state.h"

/* The filter is a group's (committed, or read back): from now on its client has credit. */
void share_joined(struct sub *sub);
/* Unsubscribed: what waits for it goes back. */
void share_left(struct sub *sub);
/* What became of an assigned event.  returned: not delivered, another member gets it. */
void share_done(struct session *s, const struct group_name *group, uint64_t id, bool returned);
/* There may be room again: hands over what waits, and tells the credit. */
void share_resume(struct session *s);
/* The session ends: what waits goes back.  Entries in flight are flight's to return. */
void share_end(struct session *s);

/* The broker's call ASSIGN. */
void share_assign(struct mqttd *m, struct reader body);
/* The end of a turn, behind session_commit_turn: tells what has gathered. */
void share_turn(struct mqttd *m);
/* After HOLD: every member's credit anew. */
void share_up(struct mqttd *m);
void share_free(struct mqttd *m);

#endif
