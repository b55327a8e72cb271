/*
 * topics.c - sluice topics: what is there, and how much of it.
 */
#include <stdio.h>

#include "ask.h"
#include "cli.h"
#include "document.h"
#include "json.h"
#include "mem.h"
#include "show.h"
#include "table.h"

enum { TOPICS_JSON };
static const struct option_spec options[] = {
    [TOPICS_JSON] = {"json", '\0', NULL, "a JSON object a line, for programs"},
};

static const struct table_column columns[] = {
    {"TOPIC", false}, {"EVENTS", true}, {"BYTES", true}, {"OLDEST", true}, {"HEAD", true},
};
static const char *const members[] = {"topic", "events", "bytes", "oldest", "head"};

static void topics_put_row(struct table *t, struct slice topic)
{
    struct buf text = {0};

    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        buf_clear(&text);
        document_text(topic, members[i], &text);
        table_cell(t, buf_slice(&text), 0);
    }
    buf_free(&text);
}

/* One page: printed; *next is where the following one starts, empty at the end. */
static void put_page(const struct buf *answer, struct table *t, bool json, struct buf *next)
{
    struct slice object = buf_slice(answer), list, topic;
    struct json_iter it;

    buf_clear(next);
    document_text(object, "next", next);
    if (!document_member(object, "topics", &list) || json_kind_of(list) != JSON_ARRAY)
        return;
    for (it = json_iter_of(list); json_element(&it, &topic);) {
        if (json) {
            show_text(topic);
            putchar('\n');
        } else {
            topics_put_row(t, topic);
        }
    }
    if (!json)
        table_flush(t, stdout);
}

static int list(const struct invocation *in, struct table *t, struct buf *next)
{
    const char *filter = in->operand_count > 0 ? in->operands[0] : NULL;
    bool json = arguments_get(in->args, TOPICS_JSON) != NULL;
    int rc;

    do {
        struct buf target = {0}, answer = {0};

        buf_puts(&target, "/topics");
        ask_query(&target, "filter", filter);
        if (next->len != 0) {
            buf_u8(next, '\0');
            ask_query(&target, "after", (char *)next->p);
        }
        buf_u8(&target, '\0');
        rc = ask_get(in, (char *)target.p, &answer);
        if (rc == CLI_OK)
            put_page(&answer, t, json, next);
        buf_free(&target);
        buf_free(&answer);
    } while (rc == CLI_OK && next->len != 0);
    return rc;
}

static int topics_run(const struct invocation *in)
{
    struct table t;
    struct buf next = {0};
    int rc;

    table_init(&t, columns, ARRAY_LEN(columns));
    rc = list(in, &t, &next);
    table_close(&t);
    buf_free(&next);
    return rc;
}

const struct command command_topics = {
    .name = "topics",
    .operands = "[FILTER]",
    .summary = "list the topics that hold events",
    .details = "FILTER narrows the list: a name, or with + (one level) and # (the rest).\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .max_operands = 1,
    .run = topics_run,
    .asks = true,
};
