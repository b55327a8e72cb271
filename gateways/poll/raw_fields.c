/*
 * raw_fields.c - from properties to header fields.
 *
 * Values are UTF-8 as they are, but for the topic, which may hold anything and
 * is %-encoded as in a path.  The room for all values is made at once, so that
 * they can point into it while it fills; what does not fit, or would not come
 * out as it went in, makes the whole a failure.
 */
#include "raw_fields.h"

#include "event_json.h"
#include "url.h"

static struct slice text_since(const struct raw_fields *f, size_t start)
{
    return (struct slice){(char *)f->text.p + start, f->text.len - start};
}

/* A field value that a parser gives back unchanged. */
static bool is_field_value(struct slice s)
{
    if (s.len > 0 && (s.p[0] == ' ' || s.p[s.len - 1] == ' '))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return true;
}

/* The value is what was put behind `start`. */
static bool fields_add(struct raw_fields *f, const char *name, size_t start)
{
    struct slice value = text_since(f, start);

    if (f->count == RAW_FIELDS_MAX || f->text.len > RAW_BYTES_MAX || !is_field_value(value))
        return false;
    f->list[f->count++] = (struct answer_field){name, value};
    return true;
}

/* Every value is copied through here, so that the room never has to grow. */
static bool fields_put(struct raw_fields *f, struct slice value)
{
    if (f->text.len + value.len > RAW_BYTES_MAX)
        return false;
    buf_put_slice(&f->text, value);
    return true;
}

static bool add_text(struct raw_fields *f, const char *name, struct slice value)
{
    size_t start = f->text.len;

    return value.p == NULL || (fields_put(f, value) && fields_add(f, name, start));
}

static bool add_number(struct raw_fields *f, const char *name, uint64_t n)
{
    size_t start = f->text.len;

    buf_dec(&f->text, n);
    return fields_add(f, name, start);
}

static bool add_made(struct raw_fields *f, const char *name, struct buf *made)
{
    bool good = add_text(f, name, buf_slice(made));

    buf_free(made);
    return good;
}

static bool add_topic(struct raw_fields *f, struct slice topic)
{
    struct buf b = {0};

    url_encode(topic, &b);
    return add_made(f, "Sluice-Topic", &b);
}

static bool add_time(struct raw_fields *f, uint64_t ms)
{
    struct buf b = {0};

    time_put_rfc3339(&b, ms);
    return add_made(f, "Sluice-Time", &b);
}

static bool add_correlation(struct raw_fields *f, struct slice data)
{
    struct buf quoted = {0};
    bool good;

    if (data.p == NULL)
        return true;
    json_put_base64(&quoted, data);
    good = add_text(f, "Sluice-Correlation-Data",
                    (struct slice){(char *)quoted.p + 1, quoted.len - 2});
    buf_free(&quoted);
    return good;
}

static bool add_producer(struct raw_fields *f, const struct producer *p)
{
    return p->id.len == 0 ||
           (add_text(f, "Producer-Id", p->id) && add_number(f, "Producer-Epoch", p->epoch) &&
            add_number(f, "Producer-Seq", p->seq));
}

static bool add_user(struct raw_fields *f, struct slice user)
{
    struct slice name, value;

    while (event_user_next(&user, &name, &value)) {
        size_t start = f->text.len;

        if (name.len == 0 || memchr(name.p, '=', name.len) != NULL || !fields_put(f, name) ||
            !fields_put(f, SLICE("=")) || !fields_put(f, value) ||
            !fields_add(f, "Sluice-Property", start))
            return false;
    }
    return true;
}

static bool set_content_type(struct raw_fields *f, const struct event_props *props)
{
    size_t start = f->text.len;

    f->content_type =
        props->payload_format == 1 ? "text/plain; charset=utf-8" : "application/octet-stream";
    if (props->content_type.p == NULL)
        return true;
    if (!fields_put(f, props->content_type) || !is_field_value(text_since(f, start)))
        return false;
    f->content_type = (char *)f->text.p + start;
    return fields_put(f, (struct slice){"", 1});
}

static bool add_all(struct raw_fields *f, const struct event *e, const struct event_props *props)
{
    return set_content_type(f, props) && add_number(f, "Sluice-Id", e->id) &&
           add_topic(f, e->topic) && add_time(f, e->time) &&
           add_text(f, "Sluice-Type", props->type) &&
           ((e->flags & EVENT_RETAIN) == 0 || add_text(f, "Sluice-Retain", SLICE("true"))) &&
           ((e->flags & EVENT_HAS_EXPIRY) == 0 || add_number(f, "Sluice-Expiry", e->expiry)) &&
           add_text(f, "Sluice-Response-Topic", props->response_topic) &&
           add_correlation(f, props->correlation) &&
           (props->payload_format < 0 ||
            add_number(f, "Sluice-Payload-Format", (uint64_t)props->payload_format)) &&
           add_producer(f, &props->producer) && add_user(f, props->user);
}

bool raw_fields_make(struct raw_fields *f, const struct event *e)
{
    struct event_props props;

    f->count = 0;
    f->text = (struct buf){0};
    (void)buf_reserve(&f->text, RAW_BYTES_MAX + 32); /* a number more */
    if (event_props_get(e->props, &props) == EVENT_OK && add_all(f, e, &props))
        return true;
    raw_fields_free(f);
    return false;
}

void raw_fields_free(struct raw_fields *f)
{
    buf_free(&f->text);
    f->count = 0;
}
