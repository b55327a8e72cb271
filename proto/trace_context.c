/*
 * trace_context.c - characters counted and looked at.
 */
#include "trace_context.h"

#include "hex.h"
#include "http_request.h"

#define PARENT_LEN 55
#define KEY_MAX 256
#define VALUE_MAX 256

/* --- traceparent ---------------------------------------------------------------------- */

/* So many digits at `at`, a dash or the end behind them. */
static bool is_hex(struct slice s, size_t at, size_t digits)
{
    for (size_t i = at; i < at + digits; i++)
        if (hex_value(s.p[i]) < 0 || (s.p[i] >= 'A' && s.p[i] <= 'F'))
            return false;
    return at + digits == s.len || s.p[at + digits] == '-';
}

static bool is_zero(struct slice s, size_t at, size_t digits)
{
    for (size_t i = at; i < at + digits; i++)
        if (s.p[i] != '0')
            return false;
    return true;
}

bool trace_context_parent_ok(struct slice v)
{
    if (v.len < PARENT_LEN || (v.len > PARENT_LEN && slice_starts(v, SLICE("00"))))
        return false;
    if (!is_hex(v, 0, 2) || !is_hex(v, 3, 32) || !is_hex(v, 36, 16) || !is_hex(v, 53, 2))
        return false;
    return !slice_starts(v, SLICE("ff")) && !is_zero(v, 3, 32) && !is_zero(v, 36, 16);
}

/* --- tracestate ----------------------------------------------------------------------- */

static bool is_key(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        bool plain = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9');

        if (!plain && (i == 0 || s.p[i] == '\0' || strchr("_-*/@", s.p[i]) == NULL))
            return false;
    }
    return s.len > 0 && s.len <= KEY_MAX;
}

static bool is_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] < ' ' || s.p[i] > '~' || s.p[i] == '=')
            return false;
    return s.len > 0 && s.len <= VALUE_MAX;
}

bool trace_context_state_ok(struct slice value, unsigned *members)
{
    struct slice one;

    while (http_list_next(&value, &one)) {
        const char *mark = one.len > 0 ? memchr(one.p, '=', one.len) : NULL;
        size_t key = mark != NULL ? (size_t)(mark - one.p) : 0;

        if (one.len == 0)
            continue;
        if (mark == NULL || !is_key((struct slice){one.p, key}) ||
            !is_value((struct slice){mark + 1, one.len - key - 1}))
            return false;
        if (++*members > TRACE_STATE_MEMBERS)
            return false;
    }
    return true;
}
