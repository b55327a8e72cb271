/*
 * session_state.c - marks of a session, and where it stands.
 */
#include "session_state.h"

#include <utlist.h>

/* --- marks ------------------------------------------------------------------------------- */

void session_commit_soon(struct session *s)
{
    s->urgent = true;
    session_commit_later(s);
    if (s->committing || s->ended)
        return;
    s->committing = true;
    DL_APPEND2(s->mqtt->committing, s, commit_prev, commit_next);
}

void session_commit_later(struct session *s)
{
    s->later = true;
}

/* --- what it says of itself ---------------------------------------------------------------- */

bool session_has_mains(const struct session *s)
{
    const struct sub *sub;

    DL_FOREACH (s->subs, sub)
        if (sub_is_mains(sub))
            return true;
    return false;
}

uint64_t session_cursor(const struct session *s)
{
    if (s->main_open)
        return s->main.state == SUB_STARTING ? s->cursor : subscription_cursor(&s->main);
    if (s->resume != NULL || session_has_mains(s))
        return s->cursor;
    return hub_position(s->mqtt->gateway->hub);
}

bool session_at_head(const struct session *s)
{
    if (s->main_open)
        return subscription_at_head(&s->main);
    return s->resume == NULL && !session_has_mains(s);
}
