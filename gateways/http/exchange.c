/*
 * exchange.c - answers that many handlers give.
 */
#include "exchange.h"

#include "audit.h"
#include "site.h"

/* Whoever may come back later is told when; who is unknown, how to be known. */
static void problem_fields(struct answer *a, const struct problem *p, struct buf *text)
{
    uint64_t retry_ms = p->retry_ms == 0 && a->status == 503 ? 1000 : p->retry_ms;

    if (retry_ms > 0) {
        buf_dec(text, (retry_ms + 999) / 1000);
        answer_field(a, "Retry-After", buf_slice(text));
    }
    if (p->challenge == NULL)
        return;
    answer_field(a, "WWW-Authenticate", slice_of(p->challenge));
    if (p->challenge_basic)
        answer_field(a, "WWW-Authenticate", SLICE("Basic realm=\"sluice\", charset=\"UTF-8\""));
}

static void problem_audit(struct exchange *x, const struct problem *p)
{
    char address[CONN_ADDRESS_MAX];
    struct audit a = {.door = x->site->door,
                      .principal = caller_name(&x->caller),
                      .verb = p->verb,
                      .filter = p->verb != NULL ? slice_of(p->filter) : (struct slice){0},
                      .reason = p->why != NULL ? p->why : p->detail,
                      .request = request_note_id(&x->note)};

    if (x->ops->address != NULL)
        a.address = x->ops->address(x, address);
    audit_refused(&a);
}

/* What may not be done any more, by somebody who is not believed any more. */
static bool is_over(const struct exchange *x, const struct problem *p)
{
    return p->verb != NULL && !caller_stands(&x->caller);
}

void exchange_problem(struct exchange *x, const struct problem *p)
{
    struct answer a = {.content_type = "application/problem+json"};
    struct buf body = {0}, text = {0};
    struct problem over = {0};

    if (is_over(x, p)) {
        gatekeeper_ended(&x->site->gatekeeper, &x->caller, &over);
        p = &over;
    }
    if (p->error == ERR_UNAUTHORIZED || p->verb != NULL)
        problem_audit(x, p);
    a.status = error_status(p->error);
    (void)request_note_id(&x->note);

    problem_fields(&a, p, &text);
    problem_put(&body, p);
    exchange_answer(x, &a, &body);
    buf_free(&text);
}

void exchange_error(struct exchange *x, enum sluice_error error)
{
    struct problem p = {.error = error};

    exchange_problem(x, &p);
}

void exchange_json(struct exchange *x, int status, struct buf *body)
{
    struct answer a = {.status = status, .content_type = "application/json"};

    exchange_answer(x, &a, body);
}

void exchange_document(struct exchange *x, struct buf *body)
{
    struct answer a = {.status = 200, .content_type = "application/json"};

    answer_field(&a, "Cache-Control", SLICE("no-store"));
    exchange_answer(x, &a, body);
}
