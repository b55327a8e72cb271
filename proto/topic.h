/*
 * topic.h - topic names and filters (MQTT 5.0, 4.7; the same at every gateway).
 *
 * A name is UTF-8, 1 to TOPIC_MAX bytes, of a limited number of levels, no NUL, no '+'
 * or '#'.  A filter may
 * hold '+' (one whole level) and '#' (the rest; last, and a whole level).
 * A wildcard in the first level does not match names that begin with '$'.
 */
#ifndef PROTO_TOPIC_H
#define PROTO_TOPIC_H

#include "bytes.h"

#define TOPIC_MAX 1024
#define TOPIC_LEVELS 32 /* unless a process says otherwise */

enum topic_verdict {
    TOPIC_OK,
    TOPIC_EMPTY,
    TOPIC_TOO_LONG,
    TOPIC_TOO_DEEP, /* more levels than topic_limit_levels says */
    TOPIC_NOT_UTF8,
    TOPIC_HAS_NUL,
    TOPIC_HAS_WILDCARD, /* '+' or '#' in a name */
    TOPIC_BAD_WILDCARD, /* '+' or '#' not alone in its level, or '#' not last */
    TOPIC_RESERVED,     /* publishing to $SYS/ $share/ $after/ $last/ */
};

/* For the whole process, at its start, before there are threads. */
void topic_limit_levels(unsigned max);
enum topic_verdict topic_check(struct slice name) MUST_CHECK;         /* as a name */
enum topic_verdict topic_check_publish(struct slice name) MUST_CHECK; /* and not reserved */
enum topic_verdict filter_check(struct slice filter) MUST_CHECK;
const char *topic_verdict_text(enum topic_verdict v); /* for a person, no full stop */
/* Takes the next level off *rest; false at the end, which p == NULL marks: an
 * empty rest is still a level ("a/" has two). */
bool topic_level_next(struct slice *rest, struct slice *level);

bool filter_is_exact(struct slice filter); /* no wildcard: matches one name */
bool filter_match(struct slice filter, struct slice name);
/* Every name that inner matches is matched by outer. */
bool filter_covers(struct slice outer, struct slice inner);
/* Appends the filter of just those names that both match.  False: there are none. */
bool filter_intersect(struct slice a, struct slice b, struct buf *out) MUST_CHECK;

#endif
