/*
 * log.c - one event, one line, one write(2).
 *
 * log_write builds the whole line in memory and hands it to the kernel at once,
 * so that lines of several threads and processes do not mix (in a pipe, up to
 * PIPE_BUF bytes).  A line that the kernel does not take (a closed or full
 * pipe) is lost: logging never stops the process.
 *
 * Values may come from anybody.  Invalid UTF-8 and the C1 controls become
 * U+FFFD, other control characters are escaped, and a value longer than
 * VALUE_MAX bytes is cut.
 */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "clock.h"
#include "event_json.h"
#include "json.h"
#include "log.h"

#define VALUE_MAX 2048
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

static const char *process_name = "sluice";
static bool as_json = true;
static atomic_int threshold = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error", "audit", "access"};

void log_init(const char *process, enum log_level level, enum log_format format)
{
    process_name = process;
    as_json = format == LOG_JSON || (format == LOG_AUTO && !isatty(STDERR_FILENO));
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

/* The length of the character that s begins with, 0 when it is not UTF-8. */
static size_t character_length(struct slice s)
{
    for (size_t n = 1; n <= 4 && n <= s.len; n++)
        if (utf8_valid(s.p, n))
            return n;
    return 0;
}

/* Appends s as valid UTF-8 without C1 controls, which some terminals obey. */
static void put_clean(struct buf *out, struct slice s)
{
    bool cut = s.len > VALUE_MAX;

    if (cut)
        s.len = VALUE_MAX;
    while (s.len > 0) {
        size_t n = character_length(s);
        bool c1 = n == 2 && (uint8_t)s.p[0] == 0xc2 && (uint8_t)s.p[1] < 0xa0;

        if (n == 0 || c1)
            buf_puts(out, REPLACEMENT);
        else
            buf_put(out, s.p, n);
        n = n == 0 ? 1 : n;
        s.p += n;
        s.len -= n;
    }
    if (cut)
        buf_puts(out, "...");
}

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.p[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return s.len > 0;
}

static void put_quoted(struct buf *b, struct slice s)
{
    buf_u8(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.p[i];

        if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else if (c == '\n')
            buf_puts(b, "\\n");
        else if (c < ' ' || c == 0x7f)
            buf_printf(b, "\\x%02x", c);
        else
            buf_u8(b, c);
    }
    buf_u8(b, '"');
}

static void put_string(struct buf *b, struct slice s, bool json)
{
    struct buf clean = {0};
    struct slice c;

    put_clean(&clean, s);
    c = buf_slice(&clean);
    if (json)
        json_put_string(b, c);
    else if (is_plain(c))
        buf_put_slice(b, c);
    else
        put_quoted(b, c);
    buf_free(&clean);
}

static void put_value(struct buf *b, const struct log_field *f, bool json)
{
    if (f->kind == LOG_FIELD_U)
        buf_dec(b, f->v.u);
    else if (f->kind == LOG_FIELD_I)
        buf_printf(b, "%lld", (long long)f->v.i);
    else
        put_string(b, f->v.s, json);
}

static void put_text_line(struct buf *b, enum log_level level, const char *message,
                          const struct log_field *f)
{
    time_put_rfc3339(b, clock_ms());
    buf_printf(b, " %-5s %s: %s", level_names[level], process_name, message);
    for (; f->kind != LOG_FIELD_END; f++) {
        buf_printf(b, " %s=", f->key);
        put_value(b, f, false);
    }
    buf_u8(b, '\n');
}

static void put_json_line(struct buf *b, enum log_level level, const char *message,
                          const struct log_field *f)
{
    buf_puts(b, "{\"time\":\"");
    time_put_rfc3339(b, clock_ms());
    buf_printf(b, "\",\"level\":\"%s\",\"process\":\"%s\",\"msg\":", level_names[level],
               process_name);
    put_string(b, slice_of(message), true);
    for (; f->kind != LOG_FIELD_END; f++) {
        buf_printf(b, ",\"%s\":", f->key);
        put_value(b, f, true);
    }
    buf_puts(b, "}\n");
}

static void write_line(const struct buf *b)
{
    ssize_t n;

    do
        n = write(STDERR_FILENO, b->p, b->len);
    while (n < 0 && errno == EINTR);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
    int saved = errno; /* callers log and then return their error */
    struct buf b = {0};

    if (level < LOG_AUDIT && (int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    if (as_json || level >= LOG_AUDIT)
        put_json_line(&b, level, message, fields);
    else
        put_text_line(&b, level, message, fields);
    write_line(&b);
    buf_free(&b);
    errno = saved;
}
