/*
 * token_look.c - a loop of its own for each look, which ends when nothing is under way.
 */
#include "token_look.h"

#include <stdlib.h>
#include <uv.h>

#include "mem.h"

/* Of nobody, signed by nobody: what is said of it tells whether keys could be had. */
static const char no_token[] = "eyJhbGciOiJSUzI1NiIsImtpZCI6InNsdWljZSBjaGVjayJ9.e30.AAAA";

struct look {
    uv_loop_t loop;
    bool changed;
};

static void token_look_on_changed(void *arg)
{
    struct look *l = arg;

    l->changed = true;
    uv_stop(&l->loop);
}

/* Keys that come are waited for once. */
static void look(struct look *l, struct tokens *t, struct slice token, struct source_answer *answer)
{
    if (tokens_verify(t, token, false, answer))
        return;
    (void)uv_run(&l->loop, UV_RUN_DEFAULT);
    *answer = (struct source_answer){0};
    (void)tokens_verify(t, token, true, answer);
}

bool token_look(const struct config *c, struct slice token, struct source_answer *answer)
{
    struct look l = {.changed = false};
    struct tokens *t;

    if (uv_loop_init(&l.loop) != 0)
        abort();
    t = tokens_open(&l.loop, c, NULL, token_look_on_changed, &l);
    if (t != NULL)
        look(&l, t, token, answer);
    tokens_close(t);
    while (uv_run(&l.loop, UV_RUN_DEFAULT) != 0)
        ;
    if (uv_loop_close(&l.loop) != 0)
        abort();
    return t != NULL;
}

enum token_keys token_look_keys(const struct config *c)
{
    struct source_answer answer = {0};

    if (!token_look(c, SLICE(no_token), &answer))
        return TOKEN_KEYS_BAD;
    findings_free(&answer.found);
    return answer.outcome == AUTH_UNAVAILABLE ? TOKEN_KEYS_AWAY : TOKEN_KEYS_GOOD;
}
