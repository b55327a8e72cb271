/*
 * history.c - sluice history: events that are kept, page by page.
 *
 * A page holds up to 1,000 events; `next` of one is where the following begins,
 * until as many were shown as were asked for.  Upwards there is always a next, for
 * more may come: an empty page ends it.  Downwards the last page has none.
 */
#include <inttypes.h>
#include <stdio.h>

#include "ask.h"
#include "cli.h"
#include "document.h"
#include "json.h"
#include "mem.h"
#include "show.h"
#include "table.h"
#include "url.h"

#define PAGE_MAX 1000u
#define SHOWN_PAYLOAD 60 /* characters of a payload in the table */

enum {
    HISTORY_AFTER,
    HISTORY_SINCE,
    HISTORY_UNTIL,
    HISTORY_LIMIT,
    HISTORY_OLDEST_FIRST,
    HISTORY_ORDER,
    HISTORY_JSON
};
static const struct option_spec options[] = {
    [HISTORY_AFTER] = {"after", '\0', "ID", "strictly after this event; 0: all that is kept"},
    [HISTORY_SINCE] = {"since", '\0', "TIME", "from RFC 3339 time, or a duration ago: 10m"},
    [HISTORY_UNTIL] = {"until", '\0', "TIME", "up to this time"},
    [HISTORY_LIMIT] = {"limit", 'n', "N", "at most so many events (100)"},
    [HISTORY_OLDEST_FIRST] = {"oldest-first", '\0', NULL,
                              "from the oldest on, not the newest back"},
    [HISTORY_ORDER] = {"order", '\0', "asc|desc", "the same in HTTP's words (desc)"},
    [HISTORY_JSON] = {"json", '\0', NULL, "an event in JSON form a line, for programs"},
};

static const struct table_column columns[] = {
    {"ID", true},
    {"TIME", false},
    {"TOPIC", false},
    {"PAYLOAD", false},
};

struct listing {
    const struct invocation *in;
    bool json, down;
    const char *order;
    uint64_t left; /* events still wanted */
    struct table table;
    bool has_next;
    uint64_t next;   /* where the next page starts */
    struct buf text; /* a cell */
};

static void put_cell(struct listing *l, struct slice event, const char *member, size_t max)
{
    buf_clear(&l->text);
    document_text(event, member, &l->text);
    table_cell(&l->table, buf_slice(&l->text), max);
}

static void put_payload(struct listing *l, struct slice event)
{
    buf_clear(&l->text);
    document_payload(event, &l->text);
    table_cell(&l->table, buf_slice(&l->text), SHOWN_PAYLOAD);
}

static void put_event(struct listing *l, struct slice event)
{
    if (l->json) {
        show_text(event);
        putchar('\n');
        return;
    }
    put_cell(l, event, "id", 0);
    put_cell(l, event, "time", 0);
    put_cell(l, event, "topic", 0);
    put_payload(l, event);
}

/* The events of a page; how many were wanted and there. */
static size_t put_events(struct listing *l, struct slice object)
{
    struct slice list, event;
    struct json_iter it;
    size_t count = 0;

    if (!document_member(object, "events", &list) || json_kind_of(list) != JSON_ARRAY)
        return 0;
    for (it = json_iter_of(list); count < l->left && json_element(&it, &event); count++)
        put_event(l, event);
    return count;
}

static void put_page(struct listing *l, struct slice object)
{
    struct slice gap, next;
    size_t count;

    if (document_member(object, "gap", &gap))
        document_tell_gap(gap);
    count = put_events(l, object);
    l->left -= count;
    l->has_next = document_member(object, "next", &next) && json_u64(next, &l->next) &&
                  l->next != 0 && (l->down || count != 0);
    if (!l->json)
        table_flush(&l->table, stdout);
}

/* Where the page starts.  Downwards `until` moves and the start given stays. */
static void range_put(struct listing *l, struct buf *target)
{
    const struct arguments *a = l->in->args;
    const char *after = arguments_get(a, HISTORY_AFTER), *since = arguments_get(a, HISTORY_SINCE),
               *until = arguments_get(a, HISTORY_UNTIL);
    char id[24];

    if (l->has_next && l->down) {
        (void)snprintf(id, sizeof id, "%" PRIu64, l->next - 1);
        until = id;
    } else if (l->has_next) {
        (void)snprintf(id, sizeof id, "%" PRIu64, l->next);
        after = id;
        since = NULL;
    }
    ask_query(target, "after", after);
    ask_query(target, "since", since);
    ask_query(target, "until", until);
}

static void target_put(struct listing *l, struct buf *target)
{
    char limit[24];

    (void)snprintf(limit, sizeof limit, "%" PRIu64, l->left < PAGE_MAX ? l->left : PAGE_MAX);
    buf_puts(target, "/history/");
    url_encode(slice_of(l->in->operands[0]), target);
    range_put(l, target);
    ask_query(target, "order", l->order);
    ask_query(target, "limit", limit);
    buf_u8(target, '\0');
}

static int list(struct listing *l)
{
    int rc;

    do {
        struct buf target = {0}, answer = {0};

        target_put(l, &target);
        rc = ask_get(l->in, (char *)target.p, &answer);
        if (rc == CLI_OK)
            put_page(l, buf_slice(&answer));
        buf_free(&target);
        buf_free(&answer);
    } while (rc == CLI_OK && l->has_next && l->left > 0);
    return rc;
}

static int history_run(const struct invocation *in)
{
    struct listing l = {.in = in, .json = arguments_get(in->args, HISTORY_JSON) != NULL};
    const char *order = arguments_get(in->args, HISTORY_ORDER);
    bool oldest = arguments_get(in->args, HISTORY_OLDEST_FIRST) != NULL;
    int rc;

    if (!arguments_number(in->args, options, HISTORY_LIMIT, 100, UINT64_MAX, &l.left))
        return CLI_USAGE;
    if (oldest && order != NULL)
        return cli_fail(CLI_USAGE, "--oldest-first is --order asc: give one of them");
    l.order = order != NULL ? order : oldest ? "asc" : "desc";
    l.down = strcmp(l.order, "desc") == 0; /* the server judges other words */
    table_init(&l.table, columns, ARRAY_LEN(columns));
    rc = list(&l);
    table_close(&l.table);
    buf_free(&l.text);
    return rc;
}

const struct command command_history = {
    .name = "history",
    .operands = "TOPIC",
    .summary = "show events that are kept",
    .details = "TOPIC is a name or a filter: + stands for one level, # for the rest.  The newest\n"
               "event comes first.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .min_operands = 1,
    .max_operands = 1,
    .run = history_run,
    .asks = true,
};
