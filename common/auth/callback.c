/*
 * callback.c - requests under way, and who was refused a moment ago.
 *
 *   callback_ask ──▶ refused a moment ago? ──▶ a request of the very same, else a new one
 *                    ──web──▶ 200: findings; 401, 403: remembered ──▶ each ask's done
 */
#include "callback.h"

#include <stdlib.h>

#include "callback_answer.h"
#include "clock.h"
#include "log.h"
#include "loglimit.h"
#include "mem.h"
#include "metrics.h"
#include "web.h"

#define RETRY_MS 1000u
#define REFUSED_MS 1000u
#define REFUSED_MAX 4096u
#define ANSWER_MAX (256u * 1024)

struct callback_ask {
    struct inquiry *inquiry;
    struct callback_ask *next, **link; /* of the inquiry's */
    source_done done;
    void *arg;
};

/* One request, and all who wait for its answer. */
struct inquiry {
    struct callback *of; /* NULL: closed while they are being told */
    struct inquiry *next, **link;
    struct web *web; /* NULL: they are being told */
    struct callback_ask *asks;
    uint8_t question[CREDENTIAL_HASH];
    enum credentials_kind kind;
    struct buf user;
};

struct refusal {
    uint8_t question[CREDENTIAL_HASH];
    uint64_t until_ms;
    UT_hash_handle hh;
};

struct callback {
    uv_loop_t *loop;
    char *url, *ca_file;
    uint64_t timeout_ms, inquiries_max, grants_max;
    struct inquiry *inquiries;
    uint64_t inquiry_count;
    struct refusal *refusals; /* the first to end comes first */
    struct log_limit complaints;
};

struct callback *callback_open(uv_loop_t *loop, const struct config *c)
{
    const char *url = config_text(c, CFG_AUTH_CALLBACK);
    enum web_reach reach = web_reach_of(url);
    struct callback *cb;

    if (reach == WEB_BAD_URL) {
        log_error("[auth] callback is no http or https URL");
        return NULL;
    }
    if (reach == WEB_PLAIN)
        log_warn("[auth] callback is told passwords and tokens over plain http");
    cb = mem_zalloc(sizeof *cb);
    cb->loop = loop;
    cb->url = mem_strdup(url);
    cb->ca_file = mem_strdup(config_text(c, CFG_AUTH_CA));
    cb->timeout_ms = config_num(c, CFG_AUTH_CALLBACK_TIMEOUT);
    cb->inquiries_max = config_num(c, CFG_AUTH_CALLBACK_REQUESTS);
    cb->grants_max = config_num(c, CFG_AUTH_MAX_GRANTS);
    return cb;
}

/* --- who was refused ---------------------------------------------------------------------- */

static void refusal_drop(struct callback *cb, struct refusal *r)
{
    HASH_DEL(cb->refusals, r);
    free(r);
}

static bool was_refused(struct callback *cb, const uint8_t *question)
{
    uint64_t now = clock_mono_ms();
    struct refusal *r;

    while (cb->refusals != NULL && cb->refusals->until_ms <= now)
        refusal_drop(cb, cb->refusals);
    HASH_FIND(hh, cb->refusals, question, CREDENTIAL_HASH, r);
    return r != NULL;
}

static void refusal_keep(struct callback *cb, const uint8_t *question)
{
    struct refusal *r;

    HASH_FIND(hh, cb->refusals, question, CREDENTIAL_HASH, r);
    if (r != NULL)
        refusal_drop(cb, r);
    else if (HASH_COUNT(cb->refusals) == REFUSED_MAX)
        refusal_drop(cb, cb->refusals);
    r = mem_zalloc(sizeof *r);
    memcpy(r->question, question, CREDENTIAL_HASH);
    r->until_ms = clock_mono_ms() + REFUSED_MS;
    HASH_ADD(hh, cb->refusals, question, CREDENTIAL_HASH, r);
}

/* --- inquiries ------------------------------------------------------------------------------ */

static void ask_unlink(struct callback_ask *q)
{
    *q->link = q->next;
    if (q->next != NULL)
        q->next->link = q->link;
    free(q);
}

static void inquiry_unlink(struct inquiry *i)
{
    i->of->inquiry_count--;
    *i->link = i->next;
    if (i->next != NULL)
        i->next->link = i->link;
    i->of = NULL;
}

static void inquiry_free(struct inquiry *i)
{
    if (i->web != NULL)
        web_forget(i->web);
    buf_free(&i->user);
    free(i);
}

static void inquiry_failed(struct callback *cb, int status, const char *why)
{
    uint64_t skipped;

    metric_add(M_CALLBACK_FAILED, 1);
    if (log_limit_pass(&cb->complaints, &skipped))
        log_warn("the callback of [auth] gave no answer that can be used", LOG_I("status", status),
                 LOG_S("why", why), LOG_U("skipped", skipped));
}

/* *why: what is to be complained of, or NULL.  An answer of its own for each who waits. */
static struct source_answer answer_of(const struct inquiry *i, int status, struct slice body,
                                      const char **why)
{
    struct source_answer answer = {.outcome = AUTH_UNAVAILABLE};

    if (status == 401 || status == 403) {
        *why = NULL;
        answer.outcome = AUTH_WRONG;
        return answer;
    }
    if (status != 200) {
        *why = status != 0 ? "its status is none of 200, 401, 403" : *why;
        return answer;
    }
    *why = callback_answer_read(body, i->kind, buf_slice(&i->user), i->of->grants_max, clock_ms(),
                                &answer.found);
    if (*why == NULL)
        answer.outcome = AUTH_KNOWN;
    return answer;
}

static void inquiry_tell(struct callback_ask *q, struct source_answer *answer)
{
    source_done done = q->done;
    void *arg = q->arg;

    ask_unlink(q);
    done(arg, answer);
}

/* Whoever is told may close the callback, or take back another question. */
static void inquiry_on_answer(void *arg, int status, struct slice body, const char *why)
{
    struct inquiry *i = arg;
    const char *wrong = why;
    struct source_answer answer = answer_of(i, status, body, &wrong);

    i->web = NULL;
    if (wrong != NULL)
        inquiry_failed(i->of, status, wrong);
    else if (answer.outcome == AUTH_WRONG)
        refusal_keep(i->of, i->question);
    while (i->of != NULL && i->asks != NULL) {
        inquiry_tell(i->asks, &answer);
        if (i->of != NULL && i->asks != NULL)
            answer = answer_of(i, status, body, &wrong);
    }
    if (i->of != NULL)
        inquiry_unlink(i);
    inquiry_free(i);
}

static struct inquiry *inquiry_find(const struct callback *cb, const uint8_t *question)
{
    struct inquiry *i = cb->inquiries;

    while (i != NULL && (i->web == NULL || memcmp(i->question, question, CREDENTIAL_HASH) != 0))
        i = i->next;
    return i;
}

static struct inquiry *inquiry_new(struct callback *cb, const struct credentials *c,
                                   const uint8_t *question, struct slice body)
{
    const struct web_request request = {.url = cb->url,
                                        .ca_file = cb->ca_file,
                                        .post = body,
                                        .timeout_ms = cb->timeout_ms,
                                        .max_bytes = ANSWER_MAX};
    struct inquiry *i = mem_zalloc(sizeof *i);

    *i = (struct inquiry){.of = cb, .next = cb->inquiries, .link = &cb->inquiries, .kind = c->kind};
    if (i->next != NULL)
        i->next->link = &i->next;
    cb->inquiries = i;
    cb->inquiry_count++;
    memcpy(i->question, question, CREDENTIAL_HASH);
    buf_put_slice(&i->user, c->user);
    i->web = web_start(cb->loop, &request, inquiry_on_answer, i);
    metric_add(M_CALLBACK_ASKED, 1);
    return i;
}

void callback_close(struct callback *cb)
{
    struct inquiry *i;

    if (cb == NULL)
        return;
    while ((i = cb->inquiries) != NULL) {
        while (i->asks != NULL)
            ask_unlink(i->asks);
        inquiry_unlink(i);
        if (i->web != NULL)
            inquiry_free(i);
    }
    while (cb->refusals != NULL)
        refusal_drop(cb, cb->refusals);
    free(cb->url);
    free(cb->ca_file);
    free(cb);
}

/* --- questions -------------------------------------------------------------------------------- */

static struct callback_ask *ask_add(struct inquiry *i, source_done done, void *arg)
{
    struct callback_ask *q = mem_zalloc(sizeof *q);

    *q = (struct callback_ask){i, i->asks, &i->asks, done, arg};
    if (q->next != NULL)
        q->next->link = &q->next;
    i->asks = q;
    return q;
}

/* The request that answers it, or NULL and *now. */
static struct inquiry *inquiry_for(struct callback *cb, const struct credentials *c,
                                   struct slice body, struct source_answer *now)
{
    uint8_t question[CREDENTIAL_HASH];
    struct inquiry *i;

    fingerprint_of(question, 'q', body, (struct slice){0});
    if (was_refused(cb, question))
        return NULL;
    i = inquiry_find(cb, question);
    if (i != NULL)
        return i;
    if (cb->inquiry_count < cb->inquiries_max)
        return inquiry_new(cb, c, question, body);
    now->outcome = AUTH_BUSY;
    now->retry_ms = RETRY_MS;
    return NULL;
}

struct callback_ask *callback_ask(struct callback *cb, const struct credentials *c,
                                  struct source_answer *now, source_done done, void *arg)
{
    struct inquiry *i = NULL;
    struct buf body = {0};

    *now = (struct source_answer){.outcome = AUTH_WRONG};
    if (callback_answer_ask(c, &body))
        i = inquiry_for(cb, c, buf_slice(&body), now);
    explicit_bzero(body.p, body.cap);
    buf_free(&body);
    return i != NULL ? ask_add(i, done, arg) : NULL;
}

void callback_ask_cancel(struct callback_ask *q)
{
    struct inquiry *i = q->inquiry;

    ask_unlink(q);
    if (i->asks != NULL || i->web == NULL)
        return;
    inquiry_unlink(i);
    inquiry_free(i);
}
