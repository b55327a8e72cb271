/*
 * zrequest.c - see zrequest.h.
 */
#include "zrequest.h"

#include "mem.h"
#include "metrics.h"
#include "zcursor.h"
#include "zhistory.h"
#include "zpublish.h"

#define REF_MAX 256

/* parts: behind the ref. */
static void take_publish(struct zpeer *p, const struct zanswer *to, const struct slice *parts)
{
    zpublish(p, to, parts[0], parts[1], parts[2]);
}

static void take_subscribe(struct zpeer *p, const struct zanswer *to, const struct slice *parts)
{
    zcursor_subscribe(p, to, parts[0], parts[1]);
}

static void take_unsubscribe(struct zpeer *p, const struct zanswer *to, const struct slice *parts)
{
    (void)parts;
    zcursor_unsubscribe(p, to);
}

static void take_credit(struct zpeer *p, const struct zanswer *to, const struct slice *parts)
{
    zcursor_credit(p, to, parts[0]);
}

static void take_history(struct zpeer *p, const struct zanswer *to, const struct slice *parts)
{
    zhistory_ask(p, to, parts[0], parts[1]);
}

static void take_ping(struct zpeer *p, const struct zanswer *to, const struct slice *parts)
{
    (void)parts;
    zanswer_pong(p, to);
}

static const struct {
    struct slice name;
    size_t parts; /* in all */
    const char *form;
    void (*take)(struct zpeer *p, const struct zanswer *to, const struct slice *parts);
} verbs[] = {
    {{"publish", 7},
     5,
     "A publish has five parts: publish, ref, topic, headers, payload",
     take_publish},
    {{"subscribe", 9},
     4,
     "A subscribe has four parts: subscribe, ref, filter or filters, options",
     take_subscribe},
    {{"credit", 6}, 3, "A credit has three parts: credit, ref, number", take_credit},
    {{"unsubscribe", 11}, 2, "An unsubscribe has two parts: unsubscribe, ref", take_unsubscribe},
    {{"history", 7},
     4,
     "A history has four parts: history, ref, filter or filters, options",
     take_history},
    {{"ping", 4}, 2, "A ping has two parts: ping, ref", take_ping},
};

/* parts: without the delimiter.  NULL, or what is wrong; *verb is the index. */
static const char *request_check(const struct slice *parts, size_t count, size_t *verb)
{
    size_t i = 0;

    if (count == 0)
        return "An empty message";
    while (i < ARRAY_LEN(verbs) && !slice_eq(parts[0], verbs[i].name))
        i++;
    if (i == ARRAY_LEN(verbs))
        return "The first part is none of publish, subscribe, credit, unsubscribe, history, ping";
    if (count != verbs[i].parts)
        return verbs[i].form;
    *verb = i;
    return parts[1].len <= REF_MAX ? NULL : "The ref is longer than 256 bytes";
}

static void zrequest_on_message(struct zpeer *p, const struct slice *parts, size_t count)
{
    struct zanswer to = {.delimited = parts[0].len == 0};
    const char *wrong;
    size_t verb = 0;

    parts += to.delimited;
    count -= to.delimited;
    if (count >= 2 && parts[1].len <= REF_MAX)
        to.ref = parts[1];
    wrong = request_check(parts, count, &verb);
    if (wrong == NULL) {
        verbs[verb].take(p, &to, parts + 2);
        return;
    }
    metric_add(M_BAD_FRAMES, 1);
    metric_add(M_REFUSED, 1);
    zanswer_error(p, &to, ERR_BAD_REQUEST, wrong);
}

/* Its ref is not known: it may be on its way. */
static void zrequest_refuse(struct zpeer *p, int error)
{
    struct zanswer to = {.delimited = p->type == ZMTP_REQ};

    metric_add(M_BAD_FRAMES, 1);
    zanswer_error(p, &to, error == ZMTP_ETOOBIG ? ERR_TOO_LARGE : ERR_BAD_REQUEST,
                  zmtp_error_text(error));
}

static void zrequest_stop(struct zpeer *p)
{
    zcursors_end(p);
    zhistory_cancel(p);
}

static void zrequest_review(struct zpeer *p)
{
    zcursors_review(p);
    zhistory_review(p);
}

static void zrequest_dismissed(struct zpeer *p)
{
    zcursors_tell(p);
}

static void zrequest_farewell(struct zpeer *p, const char *why)
{
    struct zanswer to = {.delimited = p->type == ZMTP_REQ};

    zanswer_error(p, &to, ERR_UNAUTHORIZED, why);
}

const struct zpeer_role zrequest_role = {.message = zrequest_on_message,
                                         .refuse = zrequest_refuse,
                                         .writable = zcursors_resume,
                                         .stop = zrequest_stop,
                                         .review = zrequest_review,
                                         .dismissed = zrequest_dismissed,
                                         .farewell = zrequest_farewell,
                                         .leave = zpublishes_leave};
