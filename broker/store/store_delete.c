/*
 * store_delete.c - DELETE: a topic's history goes, a slice between two batches.
 *
 *   delete_begin (in its place among the units) ─▶ delete_step … ─▶ answered
 *
 * How far it reaches is fixed when it begins: what is published meanwhile stays.
 * One that was sent twice is answered from the first one's mark.
 */
#include <utlist.h>

#include "store_removal.h"
#include "wall.h"

void delete_begin(struct store *s, struct store_request *r)
{
    struct topic *t = topics_find(&s->topics, r->topic);

    if (r->link != NULL && link_repeat(s, r)) {
        outcome_answer(s, r);
        return;
    }
    if (t == NULL || !t->has_row) {
        r->result.error = ERR_NOT_FOUND;
        r->result.text = "There is no such topic";
        outcome_answer(s, r);
        return;
    }
    r->removed_to = t->stats.head;
    DL_APPEND(s->deletes, r);
}

/* It is over, well or not. */
static void delete_answer(struct store *s, struct store_request *r)
{
    DL_DELETE(s->deletes, r);
    outcome_answer(s, r);
}

static void delete_refused(struct store *s, struct store_request *r)
{
    r->result = write_refusal(s);
    delete_answer(s, r);
}

/* Everything is gone: in the order in which the loop is to hear of it.  t: NULL when the
 * topic itself was forgotten meanwhile. */
static void delete_done(struct store *s, struct store_request *r, const struct topic *t)
{
    struct outcome *o;

    outcome_deliver(s);
    o = outcome_open(s);
    o->removed = t;
    o->removed_to = r->removed_to;
    delete_answer(s, r);
}

bool delete_step(struct store *s)
{
    struct store_request *r = s->deletes;
    uint64_t now = wall_ms();
    struct topic *t;
    bool last;

    if (r == NULL)
        return false;
    t = topics_find(&s->topics, r->topic);
    if ((r->link != NULL && link_repeat(s, r)) || t == NULL) {
        delete_done(s, r, t); /* sent twice, or emptied and forgotten meanwhile */
        return true;
    }
    removal_begin(s);
    last = removal_of_topic(s, t, &(struct removal_cut){r->removed_to, UINT64_MAX, UINT64_MAX},
                            GAP_DELETED, SLICE_ROWS) < SLICE_ROWS;
    if (last) {
        removal_mark(s, t, r->removed_to, GAP_DELETED);
        if (r->link != NULL)
            link_mark(s, r);
        links_write(s, now);
    }
    if (!removal_commit(s)) {
        links_settle(s, now, false);
        delete_refused(s, r);
    } else if (last) {
        links_settle(s, now, true);
        delete_done(s, r, t);
    }
    return true;
}
