/*
 * aliases.h - topic aliases (MQTT 5.0, 3.3.2.3.4): numbers that stand for topics on one
 * connection, both ways.
 *
 * From a client: it names a topic with a number once, then sends the number alone.
 *
 * To clients: topics that are hot get a number that is the same for all clients of the
 * process, so that what is encoded with it can be shared; a connection remembers in a
 * bitmap which of them it was told.  A topic gone cold gives its number to another, and
 * everybody must be told that anew.
 *
 * Loop thread.
 */
#ifndef MQTT_ALIASES_H
#define MQTT_ALIASES_H

#include "bytes.h"
#include "mqtt.h"

/* --- from a client ------------------------------------------------------------------ */

struct aliases_in;

/* A PUBLISH with that alias: with a topic it is remembered (copied), without one *topic
 * becomes what was remembered, valid until the alias is set again.  max: what CONNACK
 * allowed.  MQTT_BAD_ALIAS: 0, or above max; MQTT_PROTOCOL_ERROR: it was never set.
 * *a: NULL at first. */
MUST_CHECK enum mqtt_reason aliases_in_take(struct aliases_in **a, uint16_t max, uint16_t alias,
                                            struct slice *topic);
void aliases_in_free(struct aliases_in *a); /* NULL does nothing */

/* --- to clients ----------------------------------------------------------------------- */

#define ALIASES_MAX 256u /* numbers in use; 1 to this */

struct aliases;      /* of the process */
struct aliases_told; /* of a connection */

struct aliases *aliases_new(void);
void aliases_free(struct aliases *a); /* after the last connection */
/* Now and then (about once a second): what is cold cools down. */
void aliases_tick(struct aliases *a);

/* max: the client's topic alias maximum.  NULL when that is 0: all below take it, and
 * say that there is no alias. */
struct aliases_told *aliases_told_new(struct aliases *a, uint16_t max);
void aliases_told_free(struct aliases_told *t);

enum alias_use {
    ALIAS_NONE, /* send the topic */
    ALIAS_NEW,  /* send the topic and the number: it counts as told from now on */
    ALIAS_TOLD, /* send the number, and no topic */
};
/* For one PUBLISH to this client, which makes the topic a little hotter. */
enum alias_use aliases_use(struct aliases_told *t, struct slice topic, uint16_t *number);
/* A packet that was to tell it has not left after all. */
void aliases_untell(struct aliases_told *t, uint16_t number);

#endif
