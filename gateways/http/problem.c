/*
 * problem.c - problem documents.
 */
#include "problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "event_json.h"
#include "json.h"

bool problem_set(struct problem *p, enum sluice_error error, const char *field, const char *detail)
{
    return problem_setf(p, error, field, "%s", detail);
}

bool problem_setf(struct problem *p, enum sluice_error error, const char *field, const char *format,
                  ...)
{
    va_list args;

    p->error = error;
    (void)snprintf(p->field, sizeof p->field, "%s", field != NULL ? field : "");
    va_start(args, format);
    (void)vsnprintf(p->detail, sizeof p->detail, format, args);
    va_end(args);
    return false;
}

/* Whole characters of it. */
static void copy_text(char *out, size_t size, struct slice text)
{
    size_t len = text.len < size ? text.len : size - 1;

    while (len > 0 && !utf8_valid(text.p, len))
        len--;
    if (len > 0)
        memcpy(out, text.p, len);
    out[len] = '\0';
}

bool problem_forbid(struct problem *p, const char *field, const char *verb, struct slice filter)
{
    p->verb = verb;
    copy_text(p->filter, sizeof p->filter, filter);
    return problem_setf(p, ERR_FORBIDDEN, field, "Not permitted: to %s %s", verb, p->filter);
}

static void put_text(struct buf *b, const char *key, const char *value)
{
    buf_printf(b, ",\"%s\":", key);
    json_put_string(b, slice_of(value));
}

static void put_number(struct buf *b, const char *key, uint64_t value)
{
    buf_printf(b, ",\"%s\":", key);
    buf_dec(b, value);
}

/* A detail that was cut short, or that quotes a client, may not be UTF-8. */
static const char *detail_of(const struct problem *p)
{
    if (p->detail[0] == '\0' || !utf8_valid(p->detail, strlen(p->detail)))
        return error_text(p->error);
    return p->detail;
}

void problem_put(struct buf *b, const struct problem *p)
{
    int status = error_status(p->error);

    buf_puts(b, "{\"type\":\"about:blank\"");
    put_text(b, "title", http_status_text(status));
    put_number(b, "status", (uint64_t)status);
    put_text(b, "code", error_code(p->error));
    put_text(b, "detail", detail_of(p));
    if (p->field[0] != '\0' && utf8_valid(p->field, strlen(p->field)))
        put_text(b, "field", p->field);
    if (p->verb != NULL) {
        put_text(b, "verb", p->verb);
        put_text(b, "filter", p->filter);
    }
    if (p->line != 0)
        put_number(b, "line", p->line);
    if (p->has_seq) {
        put_number(b, "expected_seq", p->expected_seq);
        put_number(b, "received_seq", p->received_seq);
    }
    if (p->has_epoch)
        put_number(b, "epoch", p->epoch);
    if (p->gap != NULL) {
        buf_puts(b, ",\"gap\":");
        event_json_put_gap(b, p->gap);
    }
    buf_puts(b, "}");
}

const char *http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].status == status)
            return known[i].text;
    return "Unknown";
}
