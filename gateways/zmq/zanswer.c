/*
 * zanswer.c - see zanswer.h.
 */
#include "zanswer.h"

#include <stdio.h>

#include "event_json.h"
#include "metrics.h"

static void zanswer_begin(struct zpeer *p, const struct zanswer *to, const char *verb, bool more)
{
    if (to->delimited)
        zpeer_part(p, true, SLICE(""));
    zpeer_part(p, true, slice_of(verb));
    zpeer_part(p, more, to->ref);
}

void zanswer_ok(struct zpeer *p, const struct zanswer *to, struct slice said)
{
    zanswer_begin(p, to, "ok", true);
    zpeer_part(p, false, said);
}

void zanswer_ok_id(struct zpeer *p, const struct zanswer *to, uint64_t id)
{
    char text[24];
    int len = id == 0 ? 0 : snprintf(text, sizeof text, "%llu", (unsigned long long)id);

    zanswer_ok(p, to, (struct slice){text, (size_t)len});
}

void zanswer_pong(struct zpeer *p, const struct zanswer *to)
{
    zanswer_begin(p, to, "pong", false);
}

void zanswer_error(struct zpeer *p, const struct zanswer *to, enum sluice_error error,
                   const char *text)
{
    zanswer_begin(p, to, "error", true);
    zpeer_part(p, true, slice_of(error_code(error)));
    zpeer_part(p, false, slice_of(text[0] != '\0' ? text : error_text(error)));
}

/* What quotes the peer may not be UTF-8; an error's text is. */
void zanswer_problem(struct zpeer *p, const struct zanswer *to, const struct problem *why)
{
    char text[sizeof why->field + sizeof why->detail + 4];
    const char *detail = why->detail[0] != '\0' ? why->detail : error_text(why->error);

    snprintf(text, sizeof text, "%s%s%s", why->field, why->field[0] != '\0' ? ": " : "", detail);
    zanswer_error(p, to, why->error,
                  utf8_valid(text, strlen(text)) ? text : error_text(why->error));
}

void zanswer_gap(struct zpeer *p, const struct zanswer *to, const struct gap *gap)
{
    struct buf json = {0};

    event_json_put_gap(&json, gap);
    zanswer_begin(p, to, "gap", true);
    zpeer_part(p, false, buf_slice(&json));
    buf_free(&json);
}
