/*
 * grants.h - what somebody may do: a list of verbs and filters.
 *
 *   grants_add(&g, AUTH_PUBLISH, "fleet/%u/#", "truck7")  ──▶  publish fleet/truck7/#
 *
 * %u stands for the principal's name and is put in at once; %c for the client id of an
 * MQTT client, which differs from one connection of a principal to the next, so it is put
 * in when the grant is asked.  What is not granted is refused: there are no deny lists.
 */
#ifndef AUTH_GRANTS_H
#define AUTH_GRANTS_H

#include "bytes.h"

enum auth_verb { AUTH_PUBLISH, AUTH_SUBSCRIBE, AUTH_MANAGE };
#define AUTH_VERBS 3
extern const char *const auth_verb_names[AUTH_VERBS]; /* "publish" and so on */

struct grant {
    uint32_t at; /* of the filter in `text` */
    uint16_t len;
    uint8_t verb;
    bool client; /* holds %c */
};

/* Zero-initialised: nothing. */
struct grants {
    struct grant *list;
    uint32_t count;
    bool all; /* everything, $SYS/ too: when no authentication is configured */
    struct buf text;
};

enum grants_added {
    GRANT_ADDED,
    GRANT_BAD,      /* not a filter */
    GRANT_LEFT_OUT, /* holds %u, and the name may not stand in a topic: see grants_name_ok */
};
/* user: the name without its kind. */
enum grants_added grants_add(struct grants *g, enum auth_verb verb, struct slice filter,
                             struct slice user);
void grants_free(struct grants *g);

/* May stand in a filter for a level: not empty, UTF-8 without NUL, no '/', '+', '#', and no
 * '$' at its beginning, which would reach what wildcards leave out. */
bool grants_name_ok(struct slice name);
/* Is every topic that the filter matches inside one grant of the verb?  client: for %c;
 * empty, or no name that may stand there: grants with %c do not count. */
bool grants_cover(const struct grants *g, enum auth_verb verb, struct slice filter,
                  struct slice client);

#endif
