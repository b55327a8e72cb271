/*
 * status.c - sluice status: is every process ready, and its main figures.
 *
 * Each process answers for itself on its admin listener; one that does not
 * answer is "away".  Fails when one of them is not ready.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "fetch.h"
#include "json.h"
#include "mem.h"
#include "metrics.h"
#include "processes.h"
#include "table.h"

#define ANSWER_MAX (1024u * 1024)
#define TIMEOUT_MS 2000u

enum { STATUS_JSON };
static const struct option_spec options[] = {
    [STATUS_JSON] = {"json", '\0', NULL, "a JSON object a process, for programs"},
};

static const char *const metric_names[M_COUNT] = {
#define X(id, who, type, name, help) [M_##id] = name,
#include "metrics_list.h"
#undef X
};

/* The figures worth a look, and the words for them. */
struct figure {
    enum metric metric;
    const char *word;
};
static const struct figure broker_figures[] = {
    {M_HEAD, "head"},          {M_PUBLISHED, "stored"},  {M_TOPICS, "topics"},
    {M_STORED_BYTES, "bytes"}, {M_GATEWAYS, "gateways"},
};
static const struct figure gateway_figures[] = {
    {M_HEAD, "head"},
    {M_CONNECTIONS, "connections"},
    {M_SUBSCRIPTIONS, "subscriptions"},
    {M_DELIVERED, "deliveries"},
};

/* What one process said. */
struct report {
    const char *name;
    const char *address;
    const char *state; /* "ready", "not ready", "away", "not asked" */
    bool ready;
    struct buf metrics;
};

/* GETs from an admin listener: the status, 0 when it does not answer. */
static unsigned ask(struct login *login, const char *address, const char *target, struct buf *out)
{
    const struct fetch_request r = {
        .login = login, .address = address, .target = target, .timeout_ms = TIMEOUT_MS};
    struct fetch f;
    unsigned status = 0;

    buf_clear(out);
    if (fetch_open(&f, &r) == 0 && fetch_read_all(&f, out, ANSWER_MAX) == 0)
        status = f.status;
    fetch_close(&f);
    return status;
}

/* The value of a metric without labels in Prometheus' text format. */
static bool metric_find(const struct buf *metrics, const char *name, struct slice *value)
{
    const char *p = (const char *)metrics->p, *end = metrics->len != 0 ? p + metrics->len : p;
    size_t len = strlen(name);

    while (p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        size_t line = (size_t)((lf != NULL ? lf : end) - p);

        if (line > len && memcmp(p, name, len) == 0 && p[len] == ' ') {
            *value = (struct slice){p + len + 1, line - len - 1};
            return true;
        }
        p += line + (lf != NULL);
    }
    return false;
}

/* From the answer to /readyz on. */
static void report_take(struct report *r, struct login *login, unsigned status)
{
    r->ready = status == 200;
    r->state = r->ready ? "ready" : status != 0 ? "not ready" : "away";
    if (status == 0 || ask(login, r->address, "/metrics", &r->metrics) != 200)
        buf_clear(&r->metrics);
}

static struct report report_make(const struct config *c, const struct process_spec *spec)
{
    struct report r = {.name = spec->name, .address = config_admin_listen(c, spec->name)};
    unsigned status;

    if (r.address[0] == '\0') {
        r.state = "not asked"; /* it has no admin listener */
        r.ready = true;
        return r;
    }
    status = ask(NULL, r.address, "/readyz", &r.metrics);
    report_take(&r, NULL, status);
    return r;
}

static const struct figure *figures_of(const struct report *r, size_t *count)
{
    bool broker = strcmp(r->name, process_specs[PROCESS_BROKER].name) == 0;

    *count = broker ? ARRAY_LEN(broker_figures) : ARRAY_LEN(gateway_figures);
    return broker ? broker_figures : gateway_figures;
}

static void status_put_row(struct table *t, const struct report *r)
{
    struct buf text = {0};
    struct slice value;
    size_t count;
    const struct figure *f = figures_of(r, &count);

    table_cell(t, slice_of(r->name), 0);
    table_cell(t, slice_of(r->address), 0);
    table_cell(t, slice_of(r->state), 0);
    for (size_t i = 0; i < count; i++)
        if (metric_find(&r->metrics, metric_names[f[i].metric], &value))
            buf_printf(&text, "%s%s %.*s", text.len != 0 ? ", " : "", f[i].word, (int)value.len,
                       value.p);
    table_cell(t, buf_slice(&text), 0);
    buf_free(&text);
}

static void put_json(const struct report *r)
{
    struct buf b = {0};
    struct slice value;
    size_t count;
    const struct figure *f = figures_of(r, &count);

    buf_puts(&b, "{\"process\":");
    json_put_string(&b, slice_of(r->name));
    buf_puts(&b, ",\"admin\":");
    json_put_string(&b, slice_of(r->address));
    buf_printf(&b, ",\"state\":\"%s\"", r->state);
    for (size_t i = 0; i < count; i++)
        if (metric_find(&r->metrics, metric_names[f[i].metric], &value))
            buf_printf(&b, ",\"%s\":%.*s", f[i].word, (int)value.len, value.p);
    printf("%.*s}\n", (int)b.len, (char *)b.p);
    buf_free(&b);
}

/* The admin listener that --url names, alone. */
static bool status_of_one(const struct invocation *in, struct table *t, bool json)
{
    struct report r = {.name = "-", .address = in->login->url};
    unsigned status = ask(in->login, NULL, "/readyz", &r.metrics);

    report_take(&r, in->login, status);
    if (json)
        put_json(&r);
    else
        status_put_row(t, &r);
    buf_free(&r.metrics);
    return r.ready;
}

/* True when it is ready, or has no way to say. */
static bool put_process(const struct config *c, const struct process_spec *spec, struct table *t,
                        bool json)
{
    char *path = processes_path(spec);
    struct report r;

    if (path == NULL)
        return true; /* no part of this system */
    free(path);
    r = report_make(c, spec);
    if (json)
        put_json(&r);
    else
        status_put_row(t, &r);
    buf_free(&r.metrics);
    return r.ready;
}

static bool broker_is_here(void)
{
    char *path = processes_path(&process_specs[PROCESS_BROKER]);

    free(path);
    return path != NULL;
}

static int status_run(const struct invocation *in)
{
    static const struct table_column columns[] = {
        {"PROCESS", false},
        {"ADMIN", false},
        {"STATE", false},
        {"FIGURES", false},
    };
    bool json = arguments_get(in->args, STATUS_JSON) != NULL, all = true;
    struct table t;

    if (in->login->url == NULL && !broker_is_here())
        return cli_fail(CLI_FAILED, "%s is not beside this program",
                        process_specs[PROCESS_BROKER].binary);
    table_init(&t, columns, ARRAY_LEN(columns));
    if (in->login->url != NULL)
        all = status_of_one(in, &t, json);
    for (size_t i = 0; i < PROCESSES_MAX && in->login->url == NULL; i++)
        all = put_process(in->config, &process_specs[i], &t, json) && all;
    if (!json)
        table_flush(&t, stdout);
    table_close(&t);
    return all ? CLI_OK : CLI_FAILED;
}

const struct command command_status = {
    .name = "status",
    .operands = "",
    .summary = "tell whether every process is ready, and its main figures",
    .details =
        "Asks each process on its admin listener; fails when one is not ready.  --url names\n"
        "one such listener, on another machine, say.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = status_run,
    .asks = true,
};
