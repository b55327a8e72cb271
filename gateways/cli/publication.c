/*
 * publication.c - members go through as they stand; topic and payload travel as
 * parts of their own.
 *
 * event_json.h reads the line first, so a mistake is told with the line that
 * made it, and the content type that its payload implies is known.
 */
#include "publication.h"

#include "event_json.h"
#include "json.h"
#include "mem.h"

void publication_begin(struct buf *headers)
{
    buf_u8(headers, '{');
}

void publication_raw(struct buf *headers, const char *name, struct slice json)
{
    if (headers->p[headers->len - 1] != '{')
        buf_u8(headers, ',');
    json_put_string(headers, slice_of(name));
    buf_u8(headers, ':');
    buf_put_slice(headers, json);
}

void publication_text(struct buf *headers, const char *name, struct slice value)
{
    publication_raw(headers, name, SLICE(""));
    json_put_string(headers, value);
}

void publication_producer(struct buf *headers, const struct producer *p)
{
    publication_raw(headers, "producer", SLICE("{\"id\":"));
    json_put_string(headers, p->id);
    buf_puts(headers, ",\"epoch\":");
    buf_dec(headers, p->epoch);
    buf_puts(headers, ",\"seq\":");
    buf_dec(headers, p->seq);
    buf_u8(headers, '}');
}

void publication_end(struct buf *headers)
{
    buf_u8(headers, '}');
}

/* Parts of their own, said otherwise, or the broker's to give. */
static const char *const not_copied[] = {"topic",        "data", "data_base64",
                                         "content_type", "id",   "time"};

static bool copied(struct slice key)
{
    for (size_t i = 0; i < ARRAY_LEN(not_copied); i++)
        if (json_string_is(key, not_copied[i]))
            return false;
    return true;
}

static void copy_members(struct publication *p, struct slice line)
{
    struct json_iter it = json_iter_of(line);
    struct slice key, raw;
    struct buf name = {0};

    while (json_member(&it, &key, &raw)) {
        if (!copied(key))
            continue;
        buf_clear(&name);
        json_string_get(key, &name);
        buf_u8(&name, '\0');
        publication_raw(&p->headers, (char *)name.p, raw);
        p->repeatable = p->repeatable || json_string_is(key, "producer");
    }
    buf_free(&name);
}

static void make(struct publication *p, struct slice line, struct slice topic,
                 const struct event *e)
{
    struct event_props props;

    buf_put_slice(&p->topic, e->topic.len != 0 ? e->topic : topic);
    buf_put_slice(&p->payload, e->payload);
    publication_begin(&p->headers);
    copy_members(p, line);
    if (event_props_get(e->props, &props) == EVENT_OK && props.content_type.p != NULL)
        publication_text(&p->headers, "content_type", props.content_type);
    publication_end(&p->headers);
}

bool publication_from_json(struct publication *p, struct slice line, struct slice topic,
                           struct buf *error)
{
    static const char *const passed_over[] = {"id", "time", NULL};
    const char *field, *why;
    struct buf store = {0};
    struct event e;
    bool ok;

    *p = (struct publication){0};
    ok = event_json_get(line, EVENT_JSON_TOPIC_OPTIONAL, passed_over, &store, &e, &field, &why);
    if (ok)
        make(p, line, topic, &e);
    else
        buf_printf(error, "%s%s%s", field, field[0] != '\0' ? ": " : "", why);
    buf_free(&store);
    return ok;
}

void publication_free(struct publication *p)
{
    buf_free(&p->topic);
    buf_free(&p->headers);
    buf_free(&p->payload);
}
