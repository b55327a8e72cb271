/*
 * apps.c - see apps.h.
 *
 *   message ──▶ app_frame ──▶ publish_check ──▶ record ──▶ store
 *                  │ refused                                 │
 *                  ▼                                         ▼
 *               "error"                           "ok" or "error"
 *
 * The parts become one record, which the store and its followers use as it stands.
 * The ref goes back out as the very message that it came in.
 *
 * At the limits: with more than `queue` bytes at the writer, reading pauses until
 * half is left; RECV_MARK messages of each application wait here, and then the
 * applications' own queues fill.  An application that does
 * not read its answers loses those that its full queue does not take; one that has
 * gone misses them.  A malformed message is answered where it names a ref (or can
 * be answered without), counted, and harms nobody.
 */
#include "apps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app_frame.h"
#include "auth.h"
#include "log.h"
#include "loglimit.h"
#include "mem.h"
#include "metrics.h"
#include "publish_check.h"

#define HEARTBEAT_MS 5000
#define SEND_MARK 100000 /* answers waiting for one application */
#define RECV_MARK 64     /* its unread messages: ZeroMQ's 1,000 of 1 MiB would be too many */
#define TEXT_MAX 256

struct apps {
    struct store *store;
    struct apps_options options;
    struct zsock *sock;
    uint64_t waiting; /* bytes with the store */
    bool paused, stopped;
    struct log_limit bad_frames, lost_answers;
    void (*closed)(void *arg);
    void *closed_arg;
};

struct app_publish {
    struct store_request request;
    struct store_event event;
    struct apps *apps;
    struct zmsg ref;
    struct buf record;
    uint64_t bytes;
    bool delimited;
    uint8_t app_len;
    char app[];
};

/* --- answers ------------------------------------------------------------------- */

/* Moves from parts. */
static void answer_send(struct apps *a, struct slice app, struct zmsg *parts, size_t count)
{
    int rc = zsock_send_parts(a->sock, app, parts, count);
    uint64_t skipped;

    for (size_t i = 0; i < count; i++)
        zmsg_close(&parts[i]);
    if (rc == UV_EAGAIN && log_limit_pass(&a->lost_answers, &skipped))
        log_warn("an application does not read its answers", LOG_U("not_logged", skipped));
}

static void part_text(struct zmsg *m, const char *text)
{
    zmsg_init_copy(m, text, strlen(text));
}

/* The first parts of any answer: mirrored delimiter, verb, ref (moved). */
static size_t answer_begin(struct zmsg *parts, bool delimited, const char *verb, struct zmsg *ref)
{
    size_t n = 0;

    if (delimited)
        zmsg_init(&parts[n++]);
    part_text(&parts[n++], verb);
    zmsg_init(&parts[n]);
    if (ref != NULL)
        zmsg_move(&parts[n], ref);
    return n + 1;
}

static void answer_error(struct apps *a, struct slice app, bool delimited, struct zmsg *ref,
                         enum sluice_error error, const char *text)
{
    struct zmsg parts[5];
    size_t n = answer_begin(parts, delimited, "error", ref);

    metric_add(M_REFUSED, 1);
    part_text(&parts[n++], error_code(error));
    part_text(&parts[n++], text);
    answer_send(a, app, parts, n);
}

static void answer_ok(struct apps *a, struct slice app, bool delimited, struct zmsg *ref,
                      uint64_t id)
{
    struct zmsg parts[4];
    size_t n = answer_begin(parts, delimited, "ok", ref);
    char text[24] = "";
    int len = 0;

    if (id != 0) /* else it is no longer known: a repeat of long ago */
        len = snprintf(text, sizeof text, "%" PRIu64, id);
    zmsg_init_copy(&parts[n++], text, (size_t)len);
    answer_send(a, app, parts, n);
}

/* --- after the commit ------------------------------------------------------------ */

static void publish_free(struct app_publish *p)
{
    zmsg_close(&p->ref);
    buf_free(&p->record);
    free(p);
}

/* What a refused producer has to know is in the text: the answer has no more. */
static void refusal_text(const struct store_result *r, char *out, size_t room)
{
    const char *text = r->text != NULL ? r->text : error_text(r->error);

    if (r->error == ERR_PRODUCER_GAP)
        snprintf(out, room, "%s: expected %" PRIu64 ", received %" PRIu64, text, r->expected_seq,
                 r->received_seq);
    else if (r->error == ERR_FENCED)
        snprintf(out, room, "%s: %" PRIu64, text, r->epoch);
    else
        snprintf(out, room, "%s", text);
}

static void publish_answer(struct app_publish *p)
{
    struct slice app = {p->app, p->app_len};
    char text[TEXT_MAX];

    if (p->request.result.error == ERR_NONE) {
        answer_ok(p->apps, app, p->delimited, &p->ref, p->event.id);
        return;
    }
    refusal_text(&p->request.result, text, sizeof text);
    answer_error(p->apps, app, p->delimited, &p->ref, p->request.result.error, text);
}

static void publish_done(struct store_request *r)
{
    struct app_publish *p = CONTAINER_OF(r, struct app_publish, request);
    struct apps *a = p->apps;

    publish_answer(p);
    a->waiting -= p->bytes;
    publish_free(p);
    if (a->paused && !a->stopped && a->waiting <= a->options.queue / 2) {
        a->paused = false;
        zsock_pause(a->sock, false);
    }
}

/* --- before it ---------------------------------------------------------------------- */

static struct slice part_slice(const struct zmsg *m)
{
    return (struct slice){zmsg_data(m), zmsg_size(m)};
}

/* Moves from ref. */
static struct app_publish *publish_new(struct apps *a, struct slice app, bool delimited,
                                       struct zmsg *ref)
{
    struct app_publish *p = mem_alloc(sizeof *p + app.len);

    memset(&p->request, 0, sizeof p->request);
    memset(&p->event, 0, sizeof p->event);
    p->apps = a;
    p->record = (struct buf){0};
    p->delimited = delimited;
    p->app_len = (uint8_t)app.len;
    memcpy(p->app, app.p, app.len);
    zmsg_init(&p->ref);
    zmsg_move(&p->ref, ref);
    return p;
}

/* said: topic, headers, payload.  Checked, they become one record. */
static enum sluice_error publish_read(struct app_publish *p, const struct slice *said, char *out,
                                      size_t room)
{
    static const struct principal anyone;
    struct store_event *se = &p->event;
    const char *field = "", *text = "";
    struct buf props = {0};
    enum sluice_error error = app_headers_get(said[1], &props, &se->e, &field, &text);

    se->e.topic = said[0];
    se->e.payload = said[2];
    if (error == ERR_NONE)
        error = publish_check(se, p->apps->options.max_payload, &text);
    if (error == ERR_NONE && !auth_may(&anyone, AUTH_PUBLISH, se->e.topic)) {
        error = ERR_FORBIDDEN;
        text = error_text(error);
    }
    if (error == ERR_NONE)
        store_event_lay(se, &p->record);
    else
        snprintf(out, room, "%s%s%s", field, *field != '\0' ? ": " : "", text);
    buf_free(&props);
    return error;
}

static void publish_submit(struct apps *a, struct app_publish *p)
{
    p->request.kind = STORE_APPEND;
    p->request.events = &p->event;
    p->request.count = 1;
    p->request.cb = publish_done;
    p->bytes = sizeof *p + p->record.cap;
    a->waiting += p->bytes;
    if (a->waiting > a->options.queue && !a->paused) {
        a->paused = true;
        zsock_pause(a->sock, true);
    }
    store_submit(a->store, &p->request);
}

static void apps_bad_frame(struct apps *a, const char *text)
{
    uint64_t skipped;

    metric_add(M_BAD_FRAMES, 1);
    if (log_limit_pass(&a->bad_frames, &skipped))
        log_warn("malformed message on apps", LOG_S("why", text), LOG_U("not_logged", skipped));
}

static void apps_on_message(void *arg, struct slice app, struct zmsg *parts, size_t count)
{
    struct apps *a = arg;
    struct slice slices[APP_PARTS_MAX + 1];
    char refusal[TEXT_MAX];
    struct app_frame frame;
    struct app_publish *p;
    enum sluice_error error;
    const char *text;

    /* One part too many is as wrong as ten. */
    count = count < ARRAY_LEN(slices) ? count : ARRAY_LEN(slices);
    for (size_t i = 0; i < count; i++)
        slices[i] = part_slice(&parts[i]);
    error = app_frame_get(slices, count, &frame, &text);
    if (error != ERR_NONE) {
        apps_bad_frame(a, text);
        answer_error(a, app, frame.delimited, frame.has_ref ? &parts[frame.ref_part] : NULL, error,
                     text);
        return;
    }
    p = publish_new(a, app, frame.delimited, &parts[frame.ref_part]);
    error = publish_read(p, &slices[frame.ref_part + 1], refusal, sizeof refusal);
    if (error == ERR_NONE) {
        publish_submit(a, p);
        return;
    }
    answer_error(a, app, frame.delimited, &p->ref, error, refusal);
    publish_free(p);
}

/* --- begin and end --------------------------------------------------------------------- */

struct apps *apps_new(uv_loop_t *loop, struct store *store, const struct apps_options *o)
{
    static const struct zsock_ops ops = {.message = apps_on_message};
    const struct zsock_options so = {
        .send_hwm = SEND_MARK,
        .recv_hwm = RECV_MARK,
        .heartbeat_ms = HEARTBEAT_MS,
        /* Somewhat too large still gets an answer; far too large, the door. */
        .max_message = 2 * o->max_payload + EVENT_PROPS_MAX * 16,
        .mandatory = true,
    };
    struct apps *a = mem_zalloc(sizeof *a);

    a->store = store;
    a->options = *o;
    a->sock = zsock_new(loop, ZSOCK_ROUTER, &so, &ops, a);
    if (a->sock != NULL)
        return a;
    free(a);
    return NULL;
}

struct zsock *apps_socket(struct apps *a)
{
    return a->sock;
}

void apps_stop(struct apps *a)
{
    a->stopped = true;
    zsock_pause(a->sock, true);
}

static void apps_on_closed(void *arg)
{
    struct apps *a = arg;

    a->closed(a->closed_arg);
}

void apps_close(struct apps *a, unsigned linger_ms, void (*closed)(void *arg), void *arg)
{
    if (a == NULL)
        return;
    a->closed = closed;
    a->closed_arg = arg;
    zsock_close(a->sock, linger_ms, apps_on_closed);
}

void apps_free(struct apps *a)
{
    free(a);
}
