/*
 * store_forget.c - topics that are forgotten, and their numbers' way back.
 *
 *   crowd or idle ─▶ removal_forget ─▶ limbo ─▶ outcome: the loop forgets the number
 *                                        └── announced, no reader inside ─▶ free
 *
 * Nothing is kept of a topic that is forgotten, and its name is no longer in the table.
 * Three may still hold its number: the loop, for outcomes that it has yet to announce; a
 * reader, in a snapshot taken before; the list of rows to write.  So it stays in limbo
 * until its own outcome was announced and its row is settled, and is let go while the
 * gate keeps readers out.
 *
 * A table that fills up forgets before its time: what is empty and unused longest goes
 * first, until there is room for the next batches again.
 */
#include "clock.h"
#include "store_removal.h"

#define RELEASE_MS 500u     /* limbo is looked at so often … */
#define RELEASE_COUNT 4096u /* … or when so many are in it */
#define ROOM_SHARE 8u       /* of the table is kept free while there is something to forget */

/* --- limbo ------------------------------------------------------------------------- */

static bool may_go(const struct store *s, const struct topic *t)
{
    return t != NULL && !t->dirty && t->let_go <= atomic_load(&s->announced);
}

void forget_release(struct store *s)
{
    struct topics *topics = &s->topics;
    uint64_t now = clock_mono_ms();

    if (topics->limbo_count < RELEASE_COUNT && now < s->release_at)
        return;
    s->release_at = now + RELEASE_MS;
    if (topics->limbo_count >= RELEASE_COUNT && topics->limbo->dirty)
        s->flush_at = 0; /* it waits for the list of rows to write */
    if (!may_go(s, topics->limbo))
        return;
    gate_close(&s->gate);
    uv_rwlock_wrlock(&topics->lock);
    while (may_go(s, topics->limbo))
        topics_release(topics);
    uv_rwlock_wrunlock(&topics->lock);
    gate_open(&s->gate);
}

/* --- a crowd -------------------------------------------------------------------------- */

static uint32_t room_wanted(uint32_t max)
{
    uint32_t room = max / ROOM_SHARE;

    return room > 0 ? room : 1;
}

bool forget_is_pressed(const struct store *s)
{
    uint32_t max = s->retention->max_topics;

    return max != 0 && s->topics.weight + room_wanted(max) > max;
}

static bool is_crowded(const struct store *s)
{
    return s->topics.idle != NULL && forget_is_pressed(s);
}

/* What the loop may ask for. */
static void say_full(struct store *s)
{
    uint32_t max = s->retention->max_topics;

    atomic_store_explicit(&s->max_topics, max, memory_order_relaxed);
    atomic_store_explicit(&s->topics_full, max != 0 && s->topics.weight >= max,
                          memory_order_relaxed);
}

bool forget_crowd(struct store *s, uint32_t rows)
{
    say_full(s);
    if (!is_crowded(s))
        return false;
    removal_begin(s);
    for (struct topic *t = s->topics.idle; t != NULL && rows > 0; rows--, t = t->idle_next) {
        uint32_t max = s->retention->max_topics;

        if (s->topics.weight - removal_forgets(s) + room_wanted(max) <= max)
            break;
        removal_forget(s, t);
    }
    return removal_commit(s) && is_crowded(s);
}
