/*
 * cors.h - what pages of other origins may see (the Fetch standard, 3.2); for every HTTP
 * carrier.
 */
#ifndef HTTP_CORS_H
#define HTTP_CORS_H

#include "answer.h"
#include "http_request.h"

struct cors_rules {
    struct slice origins; /* a CONFIG_ORIGINS; empty: CORS is off */
    struct slice headers; /* that pages may send */
    bool credentials;
};

/* What is said in the answers to a request; zero-initialised: nothing. */
struct cors {
    const struct cors_rules *rules;
    struct slice origin; /* of Access-Control-Allow-Origin; p == NULL: it is not allowed */
    char *text;          /* of origin, where that is the client's own word */
};
/* rules stay. */
void cors_read(struct cors *c, const struct cors_rules *rules, const struct http_request *r);
void cors_clear(struct cors *c); /* after the last answer, and before it is read anew */
bool cors_is_preflight(const struct http_request *r);
/* What CORS adds to any answer, in `out`; returns how many fields. */
#define CORS_FIELDS 4
size_t cors_fields(const struct cors *c, struct answer_field out[CORS_FIELDS]);
#define CORS_EXPOSED                                                                               \
    "ETag, Retry-After, Producer-Epoch, Producer-Id, Producer-Seq, Sluice-Correlation-Data, "      \
    "Sluice-Expiry, Sluice-Format, Sluice-Gap, Sluice-Id, Sluice-Next, "                           \
    "Sluice-Payload-Format, Sluice-Property, Sluice-Response-Topic, Sluice-Retain, "               \
    "Sluice-Time, Sluice-Topic, Sluice-Type, WWW-Authenticate, X-Request-Id"

#endif
