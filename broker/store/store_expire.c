/*
 * store_expire.c - what is too old or too much, about once a second.
 *
 * A pass looks at the log as a whole (age and bytes), then at every topic's own
 * limits, and removes what is over in slices between batches.  What no topic
 * keeps so long goes from the oldest end of the log, in order of ID, which is
 * cheap; only topics with a shorter limit of their own are cut one by one.
 * An ID names a time, so age needs no look at the rows.
 *
 * The same rounds drop retained messages past their expiry, forget empty topics,
 * producers and links that were not used for long, and hand free pages back to
 * the file system when there are many.
 */
#include "clock.h"
#include "metrics.h"
#include "store_removal.h"
#include "wall.h"

#define PRESSED_MS 250u    /* between passes while the table of topics is nearly full */
#define LOOK_TOPICS 65536u /* in one step */
#define VACUUM_PAGES 1024u /* so many free pages are left alone */
#define IDLE_MIN_MS 1000u
#define IDLE_MAX_MS 3600000u

/* --- one pass -------------------------------------------------------------------- */

/* IDs up to this one are older than age; 0: none. */
static uint64_t older_than(uint64_t now, uint64_t age_ms)
{
    uint64_t id = age_ms == 0 || age_ms > now ? 0 : id_of_ms(now - age_ms);

    return id == 0 ? 0 : id - 1;
}

/* What is kept that is no event. */
static uint64_t other_bytes(const struct store *s)
{
    return atomic_load(&s->retained_bytes) + atomic_load(&s->state_bytes) +
           atomic_load(&s->producers) * STORE_PRODUCER_BYTES + s->topics.weight * STORE_TOPIC_BYTES;
}

/* What events may take.  However much the rest is (it has limits of its own), half is theirs. */
static uint64_t event_bytes(const struct store *s)
{
    uint64_t max = s->retention->max_bytes, other = other_bytes(s);

    if (max == 0)
        return UINT64_MAX;
    return max - (other < max / 2 ? other : max / 2);
}

/* True: the log as a whole still holds too much. */
static bool log_step(struct store *s, uint64_t now, uint32_t rows)
{
    const struct retention *r = s->retention;
    uint64_t upto = older_than(now, r->log_age_ms), max_bytes = event_bytes(s);
    uint32_t removed;

    if (atomic_load(&s->events) == 0 || (upto == 0 && atomic_load(&s->bytes) <= max_bytes))
        return false;
    removal_begin(s);
    removed = removal_of_all(s, upto, max_bytes, rows);
    return removal_commit(s) && removed == rows;
}

static struct removal_cut cut_of(const struct topic *t, uint64_t now)
{
    const struct topic_limits *l = &t->limits;

    return (struct removal_cut){
        .upto = l->volatile_ ? UINT64_MAX : older_than(now, l->max_age_ms),
        .max_events = l->max_events == 0 ? UINT64_MAX : l->max_events,
        .max_bytes = l->max_bytes == 0 ? UINT64_MAX : l->max_bytes,
    };
}

static bool is_over(const struct topic *t, const struct removal_cut *cut)
{
    return t->stats.events > 0 &&
           (t->stats.oldest <= cut->upto || t->stats.events > cut->max_events ||
            t->stats.bytes > cut->max_bytes);
}

static bool is_idle(const struct store *s, const struct topic *t, uint64_t now)
{
    uint64_t idle = s->retention->topic_idle_ms;

    return t->has_row && t->stats.events == 0 && idle != 0 && now > t->used && now - t->used > idle;
}

static uint32_t topic_step(struct store *s, struct topic *t, uint64_t now, uint32_t rows)
{
    struct removal_cut cut = cut_of(t, now);

    if (is_over(t, &cut))
        return removal_of_topic(s, t, &cut, GAP_EXPIRED, rows);
    if (!is_idle(s, t, now))
        return 0;
    removal_forget(s, t);
    return 1;
}

/* True: there are more topics to look at. */
static bool topics_step(struct store *s, uint64_t now, uint32_t rows)
{
    uint32_t end = atomic_load(&s->topics.end), n = s->retention_next;

    removal_begin(s);
    for (uint32_t looks = 0; n < end && rows > 0 && looks < LOOK_TOPICS; looks++) {
        struct topic *t = topics_at(&s->topics, n);

        if (t != NULL && !t->forgotten)
            rows -= topic_step(s, t, now, rows);
        if (rows > 0)
            n++; /* else this topic may have more to remove */
    }
    if (!removal_commit(s))
        return false;
    s->retention_next = n;
    return n < end;
}

static bool vacuum_step(struct store *s)
{
    uint64_t pages = db_number(s->db, "PRAGMA page_count");
    uint64_t spare = db_number(s->db, "PRAGMA freelist_count");

    if (db_error(s->db) == DB_FINE && (spare <= VACUUM_PAGES || spare <= pages / 4))
        return false;
    db_exec(s->db, "PRAGMA incremental_vacuum(256)");
    if (db_error(s->db) == DB_FINE)
        return true;
    write_failed(s);
    return false;
}

static uint64_t idle_pause(const struct store *s, uint64_t idle_ms)
{
    uint64_t pause = idle_ms / 64;

    if (producers_are_pressed(s) && (idle_ms >> s->producer_press) > PRODUCER_MIN_MS)
        return 0; /* there are others to forget */
    if (producers_are_pressed(s) || pause < IDLE_MIN_MS)
        return IDLE_MIN_MS;
    return pause < IDLE_MAX_MS ? pause : IDLE_MAX_MS;
}

/* True: the walk over idle producers goes on. */
static bool idle_step(struct store *s)
{
    uint64_t idle = s->retention->producer_idle_ms, now = wall_ms(), mono = clock_mono_ms();
    bool pressed = producers_are_pressed(s), more;

    if (pressed && s->producer_press == 0) /* it has just begun */
        s->idle_at = 0;
    if (mono < s->idle_at || now < idle || (idle == 0 && !pressed))
        return false;
    if (idle == 0)
        more = producers_expire(s, now, now); /* but for the crowd they stay */
    else
        more = links_expire(s, now, now - idle) && producers_expire(s, now, idle);
    if (!more)
        s->idle_at = mono + idle_pause(s, idle == 0 ? now : idle);
    return more;
}

bool expire_step(struct store *s, uint32_t rows)
{
    uint64_t now = wall_ms(), mono = clock_mono_ms();

    if (s->failing == NULL && forget_crowd(s, rows))
        return true;
    if (s->retention_next == 0) {
        uint64_t early = forget_is_pressed(s) ? RETENTION_MS - PRESSED_MS : 0;

        if (mono + early < s->retention_at)
            return idle_step(s);
        if (log_step(s, now, rows))
            return true;
        s->retention_next = 1;
    }
    if (s->failing == NULL && topics_step(s, now, rows))
        return true;
    if (s->failing == NULL && retained_expire(s, now, rows))
        return true;
    if (s->failing == NULL && vacuum_step(s))
        return true;
    s->retention_next = 0;
    s->retention_at = mono + RETENTION_MS;
    metric_add(M_RETENTION_LOOKS, 1);
    return false;
}
