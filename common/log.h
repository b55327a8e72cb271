/*
 * log.h - structured logs on standard error.
 *
 * One line an event: text on a terminal, a JSON object otherwise, or as
 * configured.  A message is a constant sentence; what varies goes into fields.
 *
 *     log_info("gateway joined", LOG_S("name", name), LOG_U("filters", n));
 *
 * Any thread.  Values are escaped: a hostile topic cannot forge a line.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "bytes.h"

/* The last two are no degrees of severity: audit.h and access_log.h, always JSON. */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_AUDIT, LOG_ACCESS };
enum log_format { LOG_AUTO, LOG_TEXT, LOG_JSON };

struct log_field {
    const char *key;
    enum { LOG_FIELD_END, LOG_FIELD_U, LOG_FIELD_I, LOG_FIELD_S } kind;
    union {
        uint64_t u;
        int64_t i;
        struct slice s;
    } v;
};
#define LOG_U(k, x) ((struct log_field){(k), LOG_FIELD_U, {.u = (uint64_t)(x)}})
#define LOG_I(k, x) ((struct log_field){(k), LOG_FIELD_I, {.i = (int64_t)(x)}})
#define LOG_S(k, x) ((struct log_field){(k), LOG_FIELD_S, {.s = slice_of(x)}})
#define LOG_SLICE(k, x) ((struct log_field){(k), LOG_FIELD_S, {.s = (x)}})

void log_init(const char *process, enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields);

#define LOG_FIELDS(...)                                                                            \
    ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, LOG_FIELD_END, {0}}})
#define log_debug(msg, ...) log_write(LOG_DEBUG, msg, LOG_FIELDS(__VA_ARGS__))
#define log_info(msg, ...) log_write(LOG_INFO, msg, LOG_FIELDS(__VA_ARGS__))
#define log_warn(msg, ...) log_write(LOG_WARN, msg, LOG_FIELDS(__VA_ARGS__))
#define log_error(msg, ...) log_write(LOG_ERROR, msg, LOG_FIELDS(__VA_ARGS__))

#endif
