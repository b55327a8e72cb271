/*
 * replay_words.c - where a subscription starts, out of a client's words.
 *
 * Pure.  How it fails: words that make no sense, or two starts for one filter, are
 * MQTT_BAD_FILTER; whether what is left is a filter is the caller's question.
 */
#include "event_json.h"
#include "mem.h"
#include "replay.h"

/* --- one word ----------------------------------------------------------------------- */

static bool word_after_get(struct slice value, const struct replay_limits *l, uint64_t *arg)
{
    (void)l;
    return slice_u64(value, arg) && *arg <= EVENT_ID_MAX;
}

static bool word_since_get(struct slice value, const struct replay_limits *l, uint64_t *arg)
{
    (void)l;
    if (time_get_rfc3339(value, arg))
        return true;
    if (!subscribe_duration(value, REPLAY_AGO - 1, arg))
        return false;
    *arg |= REPLAY_AGO;
    return true;
}

static bool word_last_get(struct slice value, const struct replay_limits *l, uint64_t *arg)
{
    return slice_u64(value, arg) && *arg <= l->max_last;
}

static const struct word {
    struct slice property, prefix; /* the filter's; empty: it has none */
    enum start_kind kind;
    bool (*get)(struct slice value, const struct replay_limits *l, uint64_t *arg);
    bool groups; /* it may position a shared group */
} words[] = {
    {{"sluice-after", 12}, {"$after/", 7}, START_AFTER, word_after_get, true},
    {{"sluice-since", 12}, {NULL, 0}, START_SINCE, word_since_get, false},
    {{"sluice-last", 11}, {"$last/", 6}, START_LAST, word_last_get, false},
};

static enum mqtt_reason word_take(const struct word *w, struct slice value,
                                  const struct replay_limits *l, struct start *start)
{
    if (start->kind != START_NOW || !w->get(value, l, &start->arg))
        return MQTT_BAD_FILTER;
    start->kind = w->kind;
    return MQTT_OK;
}

/* --- user properties ------------------------------------------------------------------ */

static const struct word *word_of_property(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (slice_eq(name, words[i].property))
            return &words[i];
    return NULL;
}

enum mqtt_reason replay_props_get(const struct mqtt_props *p, const struct replay_limits *l,
                                  struct start *start)
{
    struct slice rest = p->bytes;
    struct mqtt_prop prop;
    const struct word *w;

    *start = (struct start){.kind = START_NOW};
    while (mqtt_prop_next(&rest, &prop)) {
        w = prop.id == MQTT_PROP_USER_PROPERTY ? word_of_property(prop.text) : NULL;
        if (w != NULL && word_take(w, prop.value, l, start) != MQTT_OK)
            return MQTT_BAD_FILTER;
    }
    return MQTT_OK;
}

/* --- filters ---------------------------------------------------------------------------- */

static struct slice slice_behind(struct slice s, size_t n)
{
    return (struct slice){s.p + n, s.len - n};
}

static const struct word *word_of_filter(struct slice filter)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (words[i].prefix.len > 0 && slice_starts(filter, words[i].prefix))
            return &words[i];
    return NULL;
}

/* "$share/{name}/": its length, or 0 when the filter does not begin so. */
static size_t share_prefix(struct slice filter)
{
    const char *slash;

    if (!slice_starts(filter, SLICE("$share/")))
        return 0;
    slash = memchr(filter.p + 7, '/', filter.len - 7);
    return slash != NULL ? (size_t)(slash - filter.p) + 1 : 0;
}

/* "{value}/{inner}" behind the word.  A start in front of what never replays, or of
 * another start, says nothing. */
static enum mqtt_reason word_take_filter(const struct word *w, struct slice rest,
                                         const struct replay_limits *l, struct slice *inner,
                                         struct start *start)
{
    const char *slash = memchr(rest.p, '/', rest.len);
    struct slice value;

    if (slash == NULL)
        return MQTT_BAD_FILTER;
    value = (struct slice){rest.p, (size_t)(slash - rest.p)};
    *inner = slice_behind(rest, value.len + 1);
    if (inner->len == 0 || word_of_filter(*inner) != NULL ||
        slice_starts(*inner, SLICE("$share/")) || slice_starts(*inner, SLICE("$SYS/")))
        return MQTT_BAD_FILTER;
    return word_take(w, value, l, start);
}

static enum mqtt_reason word_take_group(struct slice filter, size_t share,
                                        const struct replay_limits *l, struct buf *scratch,
                                        struct slice *inner, struct start *start)
{
    struct slice rest = slice_behind(filter, share);
    const struct word *w = word_of_filter(rest);
    enum mqtt_reason reason;

    *inner = filter;
    if (w == NULL)
        return MQTT_OK;
    reason = w->groups ? word_take_filter(w, slice_behind(rest, w->prefix.len), l, &rest, start)
                       : MQTT_BAD_FILTER;
    buf_clear(scratch);
    buf_put(scratch, filter.p, share);
    buf_put_slice(scratch, rest);
    *inner = buf_slice(scratch);
    return reason;
}

enum mqtt_reason replay_filter_get(struct slice filter, const struct replay_limits *l,
                                   struct buf *scratch, struct slice *inner, struct start *start)
{
    const struct word *w = word_of_filter(filter);
    size_t share = share_prefix(filter);

    *inner = filter;
    if (w != NULL)
        return word_take_filter(w, slice_behind(filter, w->prefix.len), l, inner, start);
    return share > 0 ? word_take_group(filter, share, l, scratch, inner, start) : MQTT_OK;
}

bool replay_same_start(struct start a, struct start b)
{
    return a.kind == b.kind && (a.kind == START_NOW || a.arg == b.arg);
}
