/*
 * exchange.c - answers that many handlers give.
 */
#include "exchange.h"

void exchange_problem(struct exchange *x, const struct problem *p)
{
    struct answer a = {.status = error_status(p->error),
                       .content_type = "application/problem+json"};
    struct buf body = {0};

    if (a.status == 503)
        answer_field(&a, "Retry-After", SLICE("1"));
    problem_put(&body, p);
    exchange_answer(x, &a, &body);
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
