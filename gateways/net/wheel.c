/*
 * wheel.c - a hashed timing wheel on one uv_timer.
 *
 * The uv_timer is armed for the next slot that holds anything, so that a quiet
 * process sleeps.  Slots that were slept over are empty, or served late.
 *
 * A slot's list is moved to a list of its own before any callback runs, so a
 * callback may start and stop any timer, its neighbours in the slot included.
 * A timer of a later round goes back to its slot.
 */
#include "wheel.h"

#include "clock.h"

#define NEVER UINT64_MAX

static void list_init(struct wheel_timer *head)
{
    head->prev = head->next = head;
}

static void list_append(struct wheel_timer *head, struct wheel_timer *t)
{
    t->prev = head->prev;
    t->next = head;
    head->prev->next = t;
    head->prev = t;
}

static void list_move(struct wheel_timer *to, struct wheel_timer *from)
{
    list_init(to);
    if (from->next == from)
        return;
    to->next = from->next;
    to->prev = from->prev;
    to->next->prev = to->prev->next = to;
    list_init(from);
}

static struct wheel_timer *slot_of(struct wheel *w, uint64_t tick)
{
    return &w->slots[tick % WHEEL_SLOTS];
}

void wheel_stop(struct wheel_timer *t)
{
    if (t->next == NULL)
        return;
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->prev = t->next = NULL;
}

/* --- time ---------------------------------------------------------------------- */

static uint64_t wheel_look(struct wheel *w)
{
    uint64_t now = clock_mono_ms();

    w->tick = now / WHEEL_TICK_MS;
    w->looked = uv_now(w->timer.loop);
    return now;
}

void wheel_refresh(struct wheel *w)
{
    if (uv_now(w->timer.loop) != w->looked)
        (void)wheel_look(w);
}

static void wheel_on_timer(uv_timer_t *timer)
{
    wheel_turn(timer->data);
}

/* The timer counts from the loop's time, which may be that of a while ago. */
static void wheel_arm(struct wheel *w, uint64_t tick)
{
    uint64_t now, at = tick * WHEEL_TICK_MS;

    uv_update_time(w->timer.loop);
    now = wheel_look(w);
    w->armed = tick;
    uv_timer_start(&w->timer, wheel_on_timer, at > now ? at - now : 0, 0);
}

static void wheel_arm_next(struct wheel *w)
{
    for (uint64_t i = 1; i <= WHEEL_SLOTS; i++) {
        const struct wheel_timer *head = slot_of(w, w->served + i);

        if (head->next != head) {
            wheel_arm(w, w->served + i);
            return;
        }
    }
    w->armed = NEVER;
}

/* --- timers -------------------------------------------------------------------- */

/* The present tick is part over, so it does not count: never early, and never in
 * the slot that is being served. */
void wheel_start(struct wheel *w, struct wheel_timer *t, uint64_t ms,
                 void (*fire)(struct wheel_timer *t))
{
    wheel_stop(t);
    wheel_refresh(w);
    t->fire = fire;
    t->due = w->tick + (ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS + 1;
    list_append(slot_of(w, t->due), t);
    if (t->due < w->armed && !w->turning)
        wheel_arm(w, t->due);
}

static void serve_slot(struct wheel *w, uint64_t tick)
{
    struct wheel_timer due, *t;

    list_move(&due, slot_of(w, tick));
    while ((t = due.next) != &due) {
        wheel_stop(t);
        if (t->due <= w->tick)
            t->fire(t);
        else
            list_append(slot_of(w, t->due), t);
    }
}

void wheel_turn(struct wheel *w)
{
    (void)wheel_look(w);
    w->turning = true;
    while (w->served < w->tick)
        serve_slot(w, ++w->served);
    w->turning = false;
    wheel_arm_next(w);
}

void wheel_init(struct wheel *w, uv_loop_t *loop)
{
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    (void)wheel_look(w);
    w->served = w->tick;
    w->armed = NEVER;
    w->turning = false;
    for (size_t i = 0; i < WHEEL_SLOTS; i++)
        list_init(&w->slots[i]);
}

static void wheel_on_closed(uv_handle_t *h)
{
    struct wheel *w = h->data;

    if (w->closed != NULL)
        w->closed(w->closed_arg);
}

void wheel_close(struct wheel *w, void (*closed)(void *arg), void *arg)
{
    w->closed = closed;
    w->closed_arg = arg;
    uv_close((uv_handle_t *)&w->timer, wheel_on_closed);
}
