/*
 * errors.h - every error a client can meet, once.
 *
 * X(NAME, wire number, HTTP status, code, what it means)
 * The code is public: the `code` of a problem document, of a WebSocket error
 * and of an `error` reply on the apps socket.
 */
#ifndef PROTO_ERRORS_H
#define PROTO_ERRORS_H

#define SLUICE_ERRORS(X)                                                                           \
    X(NONE, 0, 200, "ok", "No error")                                                              \
    X(BAD_REQUEST, 1, 400, "bad_request", "The request is malformed")                              \
    X(BAD_TOPIC, 2, 400, "bad_topic", "The topic name is not valid")                               \
    X(BAD_FILTER, 3, 400, "bad_filter", "The topic filter is not valid")                           \
    X(BAD_CURSOR, 4, 400, "bad_cursor", "The start position is not valid")                         \
    X(BAD_EVENT, 5, 400, "bad_event", "The event is not valid")                                    \
    X(UNAUTHORIZED, 6, 401, "unauthorized", "Authentication is required")                          \
    X(FORBIDDEN, 7, 403, "forbidden", "Not permitted")                                             \
    X(FENCED, 8, 403, "producer_fenced", "The producer has a newer epoch")                         \
    X(NOT_FOUND, 9, 404, "not_found", "There is no such resource")                                 \
    X(METHOD, 10, 405, "method_not_allowed", "The method is not allowed here")                     \
    X(NOT_ACCEPTABLE, 11, 406, "not_acceptable", "No acceptable form")                             \
    X(REQUEST_TIMEOUT, 12, 408, "request_timeout", "The request came too slowly")                  \
    X(PRODUCER_GAP, 13, 409, "producer_gap", "The producer's sequence has a gap")                  \
    X(GONE, 14, 410, "gone", "Events after the cursor are gone")                                   \
    X(TOO_LARGE, 15, 413, "too_large", "The body is too large")                                    \
    X(URI_TOO_LONG, 16, 414, "uri_too_long", "The request target is too long")                     \
    X(MEDIA_TYPE, 17, 415, "unsupported_media_type", "The media type is not supported")            \
    X(EXPECTATION, 18, 417, "expectation_failed", "The expectation cannot be met")                 \
    X(TOO_MANY, 19, 429, "too_many", "A limit on requests or connections is reached")              \
    X(HEAD_TOO_LARGE, 20, 431, "header_too_large", "The header fields are too large")              \
    X(INTERNAL, 21, 500, "internal", "Something failed inside")                                    \
    X(NOT_IMPLEMENTED, 22, 501, "not_implemented", "Not implemented")                              \
    X(UNAVAILABLE, 23, 503, "unavailable", "The broker is away: not stored")                       \
    X(BUSY, 24, 503, "busy", "A queue is full: not stored")                                        \
    X(STORE_FULL, 25, 503, "store_full", "The disk is full: not stored")                           \
    X(STORE_FAILED, 26, 503, "store_failed", "The store failed: not stored")                       \
    X(UNKNOWN_OUTCOME, 27, 504, "unknown_outcome", "No answer in time: it may be stored or not")   \
    X(HTTP_VERSION, 28, 505, "http_version", "The HTTP version is not supported")                  \
    X(UPGRADE, 29, 426, "upgrade_required", "The request must ask for an upgrade to WebSocket")    \
    X(CONFLICT, 30, 409, "conflict", "It belongs to somebody else by now")

enum sluice_error {
#define X(name, number, status, code, text) ERR_##name = number,
    SLUICE_ERRORS(X)
#undef X
};

int error_status(enum sluice_error e);       /* HTTP status */
const char *error_code(enum sluice_error e); /* "bad_topic" */
const char *error_text(enum sluice_error e);

#endif
