/*
 * slowness.h - whoever shows wrong passwords has to wait before the next one is looked at.
 *
 *   slowness_begin ──▶ 0: look ──▶ slowness_right, slowness_wrong (or none: nothing is known)
 *                  └─▶ ms to wait: AUTH_BUSY; nothing is looked at, not even what is remembered
 *
 * Failures are counted by address (IPv6: its /64) and by user name.  A few are free, each
 * further one doubles the wait, up to seconds, and they are forgotten one by one.  An address
 * from which a name has been right before waits for its own failures with that name alone:
 * who fails elsewhere, or with other names, does not keep it out.
 *
 * Loopback is not counted by address: what comes from there is a proxy's, or our own.
 * Tables are bounded; who failed longest ago is forgotten first.  Loop thread.
 */
#ifndef AUTH_SLOWNESS_H
#define AUTH_SLOWNESS_H

#include "fingerprint.h"

#define SLOWNESS_FREE 10 /* failures that cost nothing */
#define SLOWNESS_FIRST_MS 500u
#define SLOWNESS_MOST_MS 8000u
#define SLOWNESS_FORGET_MS 30000u /* until one failure is forgotten */
#define SLOWNESS_ENTRIES 4096     /* addresses and names; and as many that were right */

struct slowness;

/* One attempt, embedded in the question that it is. */
struct slowness_attempt {
    uint8_t address[CREDENTIAL_HASH], name[CREDENTIAL_HASH], pair[CREDENTIAL_HASH];
    bool addressed; /* is counted by address */
    bool trusted;   /* has been right before */
};

struct slowness *slowness_new(void);
void slowness_free(struct slowness *s);

/* Returns 0, or ms to wait. */
uint64_t slowness_begin(struct slowness *s, struct slice address, struct slice name,
                        struct slowness_attempt *a);
void slowness_right(struct slowness *s, const struct slowness_attempt *a);
void slowness_wrong(struct slowness *s, const struct slowness_attempt *a);

#endif
