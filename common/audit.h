/*
 * audit.h - who was refused, and who deleted or managed what.
 *
 *   {"time":…,"level":"audit","process":"sluice-sse","msg":"refused","principal":"user:alice",
 *    "address":"192.0.2.7","door":"sse","verb":"publish","filter":"a/b","reason":…,"request":…}
 *
 * One JSON line each, whatever log_format and log_level say.  A refusal can be provoked at
 * will: of more than AUDIT_REFUSED_MAX in a second those beyond are left out, and the next line
 * says how many; all of them count in sluice_auth_refused_total and _forbidden_total.  Tokens and
 * passwords are none of its fields.  Loop thread.
 */
#ifndef COMMON_AUDIT_H
#define COMMON_AUDIT_H

#include "config.h"

#define AUDIT_REFUSED_MAX 50

/* What is not known stays empty or NULL, and is left out. */
struct audit {
    const char *door;       /* "sse" */
    struct slice principal; /* with its kind; empty: it was not believed, or is nobody */
    struct slice address;   /* without a port */
    const char *verb;       /* "publish"; NULL: it was about who it is, not what it may */
    struct slice filter;    /* or a topic */
    const char *reason;     /* a sentence, no full stop */
    struct slice request;   /* its ID */
};

void audit_configure(const struct config *c); /* [sluice] log_audit; until then it is on */
void audit_refused(const struct audit *a);
void audit_done(const struct audit *a); /* a deletion, or management, that was permitted */

#endif
