/*
 * listing.c - topics by name, one question to the broker for each part that may be seen.
 *
 * A part is what the wanted filter and one grant have in common, which is a filter again: so
 * nothing is asked for that may not be seen, however much there is of it, and where a page
 * ends tells nothing either.  Of each part come the first `limit` names above `after`; the
 * first `limit` of all of them are the answer.
 *
 * Happy path: everything may be seen, or all of what is wanted is inside one grant: one part.
 */
#include "listing.h"

#include <stdlib.h>

#include "event_json.h"
#include "json.h"
#include "mem.h"
#include "query.h"
#include "query_param.h"
#include "topic.h"

#define TOPICS_DEFAULT 100
#define TOPICS_MAX 1000

struct listed {
    struct wire_topic t;
    char *name; /* of t.topic */
};

struct listing {
    struct query q;
    struct buf filter, after;
    struct buf parts;     /* str16 each */
    struct reader to_ask; /* what is left of them */
    uint64_t limit;
    struct listed *rows; /* in order, each name once; at most 2 * limit while more come */
    size_t count;
    bool more;
};

static struct listing *listing_of(struct query *q)
{
    return CONTAINER_OF(q, struct listing, q);
}

static void rows_cut(struct listing *l, size_t keep)
{
    while (l->count > keep)
        free(l->rows[--l->count].name);
}

static void listing_freed(struct query *q)
{
    struct listing *l = listing_of(q);

    rows_cut(l, 0);
    free(l->rows);
    buf_free(&l->filter);
    buf_free(&l->after);
    buf_free(&l->parts);
    free(l);
}

/* --- the answer ------------------------------------------------------------------------ */

static void put_id_member(struct buf *b, const char *name, uint64_t id)
{
    buf_printf(b, ",\"%s\":", name);
    event_json_put_id(b, id);
}

static void put_topic(struct buf *b, const struct wire_topic *t)
{
    buf_puts(b, "{\"topic\":");
    json_put_string(b, t->topic);
    put_id_member(b, "head", t->head);
    put_id_member(b, "oldest", t->oldest);
    buf_puts(b, ",\"events\":");
    buf_dec(b, t->events);
    buf_puts(b, ",\"bytes\":");
    buf_dec(b, t->bytes);
    buf_puts(b, "}");
}

/* Grants may have shrunk since the parts were made. */
static void listing_answer(struct listing *l)
{
    const struct caller *who = &l->q.x->caller;
    const char *comma = "";
    struct buf body = {0};

    buf_puts(&body, "{\"topics\":[");
    for (size_t i = 0; i < l->count; i++) {
        if (!caller_may(who, AUTH_SUBSCRIBE, l->rows[i].t.topic))
            continue;
        buf_puts(&body, comma);
        put_topic(&body, &l->rows[i].t);
        comma = ",";
    }
    buf_puts(&body, "]");
    if (l->more && l->count > 0) {
        buf_puts(&body, ",\"next\":");
        json_put_string(&body, l->rows[l->count - 1].t.topic);
    }
    buf_puts(&body, "}\n");
    exchange_document(query_end(&l->q), &body);
}

/* --- parts --------------------------------------------------------------------------- */

/* As the broker orders names: by their bytes. */
static int by_name(const void *a, const void *b)
{
    struct slice x = ((const struct listed *)a)->t.topic, y = ((const struct listed *)b)->t.topic;
    int order = memcmp(x.p, y.p, x.len < y.len ? x.len : y.len);

    return order != 0 ? order : (x.len > y.len) - (x.len < y.len);
}

/* Several parts may have a name. */
static void rows_settle(struct listing *l)
{
    size_t kept = 0;

    qsort(l->rows, l->count, sizeof *l->rows, by_name);
    for (size_t i = 0; i < l->count; i++) {
        if (kept > 0 && by_name(&l->rows[kept - 1], &l->rows[i]) == 0)
            free(l->rows[i].name);
        else
            l->rows[kept++] = l->rows[i];
    }
    l->count = kept;
    l->more = l->more || l->count > l->limit;
    rows_cut(l, l->limit);
}

static void rows_add(struct listing *l, struct wire_topics *m)
{
    struct wire_topic t;

    l->rows = mem_resize(l->rows, l->count + m->count + 1, sizeof *l->rows);
    for (uint32_t i = 0; i < m->count && wire_topic_get(&m->list, &t); i++) {
        struct listed *row = &l->rows[l->count++];

        row->name = mem_strndup(t.topic.p, t.topic.len);
        row->t = t;
        row->t.topic.p = row->name;
    }
    l->more = l->more || m->more;
}

static void ask_part(struct listing *l)
{
    struct wire_topics_req m = {.filter = reader_str16(&l->to_ask),
                                .after = buf_slice(&l->after),
                                .limit = (uint32_t)l->limit};

    wire_topics_req_put(query_frame(&l->q), &m);
    query_ask(&l->q);
}

static void listing_on_topics(struct query *q, struct zmsg *reply)
{
    struct listing *l = listing_of(q);
    struct wire_topics m;

    if (!wire_topics_get(zmsg_data(reply), zmsg_size(reply), &m) || m.count > l->limit) {
        query_malformed(q);
        return;
    }
    rows_add(l, &m);
    rows_settle(l);
    if (l->to_ask.left > 0)
        ask_part(l);
    else
        listing_answer(l);
}

/* One that is inside another adds nothing. */
static bool part_is_new(const struct listing *l, struct slice part)
{
    struct reader r = reader_of(l->parts.p, l->parts.len);

    while (r.left > 0)
        if (filter_covers(reader_str16(&r), part))
            return false;
    return true;
}

/* What of the filter (empty: all there is) one grant lets be seen. */
static void take_part(struct listing *l, struct slice grant)
{
    struct slice wanted = buf_slice(&l->filter);
    struct buf part = {0};

    if (wanted.len == 0)
        buf_put_slice(&part, grant);
    else if (!filter_intersect(wanted, grant, &part))
        buf_clear(&part);
    if (part.len > 0 && part.len <= TOPIC_MAX && part_is_new(l, buf_slice(&part)))
        buf_str16(&l->parts, buf_slice(&part));
    buf_free(&part);
}

static bool take_parts(struct listing *l, const struct caller *who, struct problem *p)
{
    const struct grants *g = caller_stands(who) ? &who->principal->grants : NULL;
    struct slice wanted = l->filter.len > 0 ? buf_slice(&l->filter) : SLICE("#");

    if ((g != NULL && g->all) || (l->filter.len > 0 && caller_may(who, AUTH_SUBSCRIBE, wanted))) {
        buf_str16(&l->parts, buf_slice(&l->filter));
        return true;
    }
    for (uint32_t i = 0; g != NULL && i < g->count; i++)
        if (g->list[i].verb == AUTH_SUBSCRIBE && !g->list[i].client)
            take_part(l, (struct slice){(const char *)g->text.p + g->list[i].at, g->list[i].len});
    return l->parts.len > 0 || problem_forbid(p, "filter", auth_verb_names[AUTH_SUBSCRIBE], wanted);
}

/* --- the request ---------------------------------------------------------------------- */

static bool take_params(struct listing *l, const struct http_request *r, struct problem *p)
{
    enum topic_verdict v = TOPIC_OK;

    l->limit = TOPICS_DEFAULT;
    if (query_param(r, "filter", &l->filter, p))
        v = filter_check(buf_slice(&l->filter));
    if (v != TOPIC_OK)
        return problem_set(p, ERR_BAD_FILTER, "filter", topic_verdict_text(v));
    if (query_param(r, "after", &l->after, p) && l->after.len > TOPIC_MAX)
        return problem_set(p, ERR_BAD_REQUEST, "after", "after is longer than a topic can be");
    return p->error == ERR_NONE && query_param_number(r, "limit", 1, TOPICS_MAX, &l->limit, p);
}

void listing_topics(struct exchange *x)
{
    struct listing *l = mem_zalloc(sizeof *l);
    struct problem p = {0};

    query_init(&l->q, x, listing_on_topics, listing_freed);
    if (!take_params(l, x->request, &p) || !take_parts(l, &x->caller, &p)) {
        query_fail(&l->q, &p);
        return;
    }
    l->to_ask = reader_of(l->parts.p, l->parts.len);
    ask_part(l);
}
