/*
 * cors.h - what pages of other origins may see (the Fetch standard, 3.2); for every HTTP
 * carrier.
 */
#ifndef HTTP_CORS_H
#define HTTP_CORS_H

#include "answer.h"
#include "http_request.h"

/* What Access-Control-Allow-Origin says to this request; p == NULL: nothing.  Points into
 * the list, a CONFIG_LIST; where that is empty CORS is off. */
struct slice cors_origin(struct slice allow_origin, const struct http_request *r);
bool cors_is_preflight(const struct http_request *r);
/* What CORS adds to any answer, in `out`; returns how many fields. */
#define CORS_FIELDS 3
size_t cors_fields(struct slice allow_origin, struct slice origin,
                   struct answer_field out[CORS_FIELDS]);
#define CORS_HEADERS                                                                               \
    "Accept, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Producer-Epoch, "        \
    "Producer-Id, Producer-Seq, Sluice-Correlation-Data, Sluice-Expiry, "                          \
    "Sluice-Payload-Format, Sluice-Property, Sluice-Response-Topic, Sluice-Retain, Sluice-Type"
#define CORS_EXPOSED                                                                               \
    "ETag, Retry-After, Producer-Epoch, Producer-Id, Producer-Seq, Sluice-Correlation-Data, "      \
    "Sluice-Expiry, Sluice-Format, Sluice-Gap, Sluice-Id, Sluice-Next, "                           \
    "Sluice-Payload-Format, Sluice-Property, Sluice-Response-Topic, Sluice-Retain, "               \
    "Sluice-Time, Sluice-Topic, Sluice-Type"

#endif
