/*
 * delete.c - sluice delete: empties topics, after asking.
 *
 * A filter is looked up first, so that a person sees what it would take; each topic is then
 * emptied by a request of its own.  The first refusal ends it: what went before is gone.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "document.h"
#include "json.h"
#include "mem.h"
#include "show.h"
#include "topic.h"
#include "url.h"

#define SHOWN_TOPICS 10

enum { DELETE_YES };
static const struct option_spec options[] = {
    [DELETE_YES] = {"yes", 'y', NULL, "do not ask"},
};

/* Topics that will be emptied, and what is in them. */
struct doomed {
    struct buf names; /* str16 each */
    uint64_t topics, events;
};

static void doomed_add(struct doomed *d, struct slice name, uint64_t events)
{
    buf_str16(&d->names, name);
    d->topics++;
    d->events += events;
}

/* --- what there is ------------------------------------------------------------------ */

static void add_listed(struct doomed *d, struct slice topic)
{
    struct buf name = {0};
    struct slice raw;
    uint64_t events = 0;

    document_text(topic, "topic", &name);
    if (document_member(topic, "events", &raw) && json_u64(raw, &events) && events != 0)
        doomed_add(d, buf_slice(&name), events);
    buf_free(&name);
}

static void add_page(struct doomed *d, const struct buf *answer, struct buf *next)
{
    struct slice list, topic;
    struct json_iter it;

    buf_clear(next);
    document_text(buf_slice(answer), "next", next);
    if (!document_member(buf_slice(answer), "topics", &list) || json_kind_of(list) != JSON_ARRAY)
        return;
    for (it = json_iter_of(list); json_element(&it, &topic);)
        add_listed(d, topic);
}

static int look_up(const struct invocation *in, const char *filter, struct doomed *d)
{
    struct buf next = {0};
    int rc;

    do {
        struct buf target = {0}, answer = {0};

        buf_puts(&target, "/topics");
        ask_query(&target, "filter", filter);
        if (next.len != 0) {
            buf_u8(&next, '\0');
            ask_query(&target, "after", (char *)next.p);
        }
        buf_u8(&target, '\0');
        rc = ask_get(in, (char *)target.p, &answer);
        if (rc == CLI_OK)
            add_page(d, &answer, &next);
        buf_free(&target);
        buf_free(&answer);
    } while (rc == CLI_OK && next.len != 0);
    buf_free(&next);
    return rc;
}

static int gather(const struct invocation *in, struct doomed *d)
{
    int rc = CLI_OK;

    for (int i = 0; i < in->operand_count && rc == CLI_OK; i++) {
        struct slice one = slice_of(in->operands[i]);

        if (filter_is_exact(one))
            doomed_add(d, one, 0);
        else
            rc = look_up(in, in->operands[i], d);
    }
    return rc;
}

/* --- asking ------------------------------------------------------------------------- */

static void show_doomed(const struct doomed *d)
{
    struct reader r = reader_of(d->names.p, d->names.len);

    for (uint64_t i = 0; i < d->topics && i < SHOWN_TOPICS; i++) {
        fputs("  ", stdout);
        show_text(reader_str16(&r));
        putchar('\n');
    }
    if (d->topics > SHOWN_TOPICS)
        printf("  and %" PRIu64 " more\n", d->topics - SHOWN_TOPICS);
    if (d->events != 0)
        printf("%" PRIu64 " events in them.  ", d->events);
    printf("Delete all that is kept of %s? [y/N] ", d->topics == 1 ? "this topic" : "these topics");
    (void)fflush(stdout);
}

static bool agreed(const struct invocation *in, const struct doomed *d, int *rc)
{
    char line[16];

    *rc = CLI_OK;
    if (arguments_get(in->args, DELETE_YES) != NULL)
        return true;
    if (!isatty(STDIN_FILENO)) {
        *rc = cli_fail(CLI_USAGE, "nobody is at a terminal to be asked: say --yes");
        return false;
    }
    show_doomed(d);
    if (fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y'))
        return true;
    *rc = cli_fail(CLI_FAILED, "nothing was deleted");
    return false;
}

/* --- doing it ------------------------------------------------------------------------ */

static int delete_one(const struct invocation *in, struct slice topic)
{
    struct buf target = {0}, answer = {0}, to = {0};
    int rc;

    buf_puts(&target, "/history/");
    url_encode(topic, &target);
    buf_u8(&target, '\0');
    rc = ask_delete(in, (char *)target.p, &answer);
    if (rc == CLI_OK) {
        document_text(buf_slice(&answer), "removed_to", &to);
        show_text(topic);
        printf(to.len != 0 ? ": emptied, up to %.*s\n" : ": nothing was kept\n", (int)to.len,
               to.len != 0 ? (char *)to.p : "");
    }
    buf_free(&target);
    buf_free(&answer);
    buf_free(&to);
    return rc;
}

static int delete_all(const struct invocation *in, const struct doomed *d)
{
    struct reader r = reader_of(d->names.p, d->names.len);
    int rc = CLI_OK;

    while (rc == CLI_OK && r.left > 0)
        rc = delete_one(in, reader_str16(&r));
    return rc;
}

static int delete_run(const struct invocation *in)
{
    struct doomed d = {0};
    int rc = gather(in, &d);

    if (rc == CLI_OK && d.topics == 0)
        rc = cli_fail(CLI_FAILED, "no topic there holds events");
    else if (rc == CLI_OK && agreed(in, &d, &rc))
        rc = delete_all(in, &d);
    buf_free(&d.names);
    return rc;
}

const struct command command_delete = {
    .name = "delete",
    .operands = "TOPIC...",
    .summary = "empty topics: delete what is kept of them",
    .details = "TOPIC is a name or a filter: + stands for one level, # for the rest.  Asks first.\n"
               "Subscribers that come back from before are told of the gap.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .min_operands = 1,
    .max_operands = -1,
    .run = delete_run,
    .asks = true,
};
