/*
 * account.c - counts and buckets by a principal's name.
 */
#include "account.h"

#include "clock.h"

static bool below(uint64_t count, uint64_t more, uint64_t limit)
{
    return limit == 0 || (count < limit && more <= limit - count);
}

bool account_connect(struct account *a)
{
    if (a == NULL)
        return true;
    if (!below(a->connections, 1, a->limits->connections))
        return false;
    a->connections++;
    return true;
}

void account_disconnect(struct account *a)
{
    if (a != NULL)
        a->connections--;
}

bool account_subscribe(struct account *a, uint64_t count)
{
    if (a == NULL)
        return true;
    if (!below(a->subscriptions, count, a->limits->subscriptions))
        return false;
    a->subscriptions += count;
    return true;
}

void account_unsubscribe(struct account *a, uint64_t count)
{
    if (a != NULL)
        a->subscriptions -= count;
}

/* rate: a second, and the bucket's size.  Returns ms until something is in it again. */
static uint64_t bucket_wait(struct account_bucket *b, uint64_t rate, uint64_t now)
{
    double size = (double)rate;

    if (rate == 0) {
        b->at_ms = 0;
        return 0;
    }
    if (b->at_ms == 0)
        b->level = size;
    else
        b->level += size * (double)(now - b->at_ms) / 1000;
    if (b->level > size)
        b->level = size;
    b->at_ms = now;
    return b->level > 0 ? 0 : (uint64_t)(-b->level * 1000 / size) + 1;
}

uint64_t account_publish(struct account *a, uint64_t events, uint64_t bytes)
{
    uint64_t now, wait, wait_bytes;

    if (a == NULL || (a->limits->events == 0 && a->limits->bytes == 0))
        return 0;
    now = clock_mono_ms();
    wait = bucket_wait(&a->events, a->limits->events, now);
    wait_bytes = bucket_wait(&a->bytes, a->limits->bytes, now);
    if (wait_bytes > wait)
        wait = wait_bytes;
    if (wait == 0) {
        a->events.level -= (double)events;
        a->bytes.level -= (double)bytes;
    }
    return wait;
}
