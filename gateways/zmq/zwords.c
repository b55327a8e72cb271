/*
 * zwords.c - see zwords.h.
 */
#include "zwords.h"

#include "clock.h"
#include "json.h"
#include "zauth.h"

#define FILTERS_MAX (512u * 1024) /* bytes; JSON's escapes can be six times what they say */
#define OPTIONS_MAX 4096u

static bool filters_read(struct subscribe *words, const struct subscribe_limits *l,
                         struct slice filters, struct problem *why)
{
    struct json_iter it;
    struct slice raw;
    bool good = true;

    if (filters.len == 0 || filters.p[0] != '[')
        return subscribe_filter(words, l, filters, why);
    if (filters.len > FILTERS_MAX || json_check(filters) != JSON_ARRAY || !json_is_text(filters))
        return problem_set(why, ERR_BAD_FILTER, "topic",
                           "The filters are neither a filter nor a JSON array of them");
    it = json_iter_of(filters);
    while (good && json_element(&it, &raw)) {
        struct buf text = {0};

        if (json_kind_of(raw) != JSON_STRING)
            return problem_set(why, ERR_BAD_FILTER, "topic", "A filter is a string");
        json_string_get(raw, &text);
        good = subscribe_filter(words, l, buf_slice(&text), why);
        buf_free(&text);
    }
    if (good && words->filter_count == 0)
        return problem_set(why, ERR_BAD_FILTER, "topic", "Name a topic or a filter");
    return good;
}

/* The options of one request. */
struct options {
    struct subscribe *words;
    const struct subscribe_limits *limits;
    struct zword *own;
    size_t own_count;
};

static bool own_set(struct zword *own, struct slice value, struct problem *why)
{
    uint64_t n;

    if (own->take != NULL)
        return own->take(own->arg, value, why);
    if (!slice_u64(value, &n) || n < own->min || n > own->max)
        return problem_setf(why, ERR_BAD_REQUEST, own->name,
                            "%s must be a number from %llu to %llu", own->name,
                            (unsigned long long)own->min, (unsigned long long)own->max);
    own->value = n;
    return true;
}

/* name is NUL-terminated behind its end. */
static bool option_set(struct options *o, struct slice name, struct slice value,
                       struct problem *why)
{
    for (size_t i = 0; i < o->own_count; i++)
        if (slice_eq(name, slice_of(o->own[i].name)))
            return own_set(&o->own[i], value, why);
    if (!slice_eq(name, SLICE("topic")) && !slice_eq(name, SLICE("format"))) {
        switch (subscribe_set(o->words, o->limits, name, value, why)) {
        case SUBSCRIBE_TAKEN:
            return true;
        case SUBSCRIBE_BAD:
            return false;
        case SUBSCRIBE_UNKNOWN:
            break;
        }
    }
    return problem_set(why, ERR_BAD_REQUEST, name.p, "The option is unknown here");
}

static bool option_read(struct options *o, struct slice key, struct slice raw, struct problem *why)
{
    enum json_kind kind = json_kind_of(raw);
    struct buf name = {0}, value = {0};
    bool good;

    json_string_get(key, &name);
    buf_u8(&name, '\0');
    if (kind == JSON_STRING)
        json_string_get(raw, &value);
    else
        buf_put_slice(&value, raw);
    if (kind == JSON_STRING || kind == JSON_NUMBER)
        good = option_set(o, (struct slice){(char *)name.p, name.len - 1}, buf_slice(&value), why);
    else
        good = problem_set(why, ERR_BAD_REQUEST, (char *)name.p, "It is a string or a number");
    buf_free(&name);
    buf_free(&value);
    return good;
}

static bool options_read(struct options *o, struct slice options, struct problem *why)
{
    struct json_iter it;
    struct slice key, raw;

    if (options.len == 0)
        return true;
    if (options.len > OPTIONS_MAX || json_check(options) != JSON_OBJECT || !json_is_text(options))
        return problem_set(why, ERR_BAD_REQUEST, "options",
                           "The options are no JSON object of 4,096 bytes at most");
    it = json_iter_of(options);
    while (json_member(&it, &key, &raw))
        if (!option_read(o, key, raw, why))
            return false;
    return true;
}

bool zwords_permitted(const struct zpeer *peer, enum auth_verb verb, struct slice filter,
                      struct problem *why)
{
    if (caller_may(&peer->caller, verb, filter))
        return true;
    zauth_refused(&peer->conn, &peer->caller, auth_verb_names[verb], filter, "It is not permitted");
    return problem_forbid(why, "topic", auth_verb_names[verb], filter);
}

static bool filters_permitted(const struct zpeer *peer, const struct subscribe *words,
                              struct problem *why)
{
    for (size_t i = 0; i < words->filter_count; i++)
        if (!zwords_permitted(peer, AUTH_SUBSCRIBE, words->filters[i], why))
            return false;
    return true;
}

bool zwords_read(const struct zpeer *peer, struct slice filters, struct slice options,
                 struct zword *own, size_t own_count, struct subscribe *words, struct problem *why)
{
    const struct subscribe_limits limits = {.max_filters = peer->d->settings.max_filters,
                                            .max_last = peer->d->settings.max_last,
                                            .now_ms = clock_ms()};
    struct options o = {words, &limits, own, own_count};

    subscribe_init(words, filters.len + 1); /* unescaping never makes longer */
    return filters_read(words, &limits, filters, why) && options_read(&o, options, why) &&
           filters_permitted(peer, words, why);
}
