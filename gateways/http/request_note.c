/*
 * request_note.c - IDs taken or made, lines of the access log.
 */
#include "request_note.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "access_log.h"
#include "clock.h"
#include "mem.h"
#include "url.h"

/* --- the ID ------------------------------------------------------------------------- */

/* What goes into logs and answers as it is. */
static bool id_is_sane(struct slice id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.p[i] <= ' ' || id.p[i] >= 0x7f || strchr("\"\\,;<>", id.p[i]) != NULL)
            return false;
    return id.len > 0 && id.len <= REQUEST_ID_MAX;
}

/* Of no other process, and counted in this one. */
static char *make_id(void)
{
    static uint64_t own, count;
    char text[40];

    if (own == 0 && getrandom(&own, sizeof own, 0) != (ssize_t)sizeof own)
        own = clock_ms();
    (void)snprintf(text, sizeof text, "%016llx-%llx", (unsigned long long)own,
                   (unsigned long long)++count);
    return mem_strdup(text);
}

struct slice request_note_id(struct request_note *n)
{
    if (n->id == NULL)
        n->id = make_id();
    return slice_of(n->id);
}

/* --- a request ---------------------------------------------------------------------- */

static void put_text(struct buf *b, struct slice s)
{
    if (s.len > UINT16_MAX)
        s.len = UINT16_MAX;
    buf_str16(b, s);
}

void request_note_begin(struct request_note *n, const struct http_request *r)
{
    bool repeated;
    struct slice id = http_request_header(r, "x-request-id", &repeated);

    *n = (struct request_note){.id = NULL};
    if (!repeated && id_is_sane(id))
        n->id = mem_strndup(id.p, id.len);
    if (!access_log_on())
        return;
    n->begun_ms = clock_mono_ms();
    put_text(&n->text, r->method);
    put_text(&n->text, r->path);
}

void request_note_place(struct request_note *n, struct slice address, struct slice topic)
{
    struct buf decoded = {0};

    put_text(&n->text, address);
    if (url_decode(topic, &decoded))
        put_text(&n->text, buf_slice(&decoded));
    buf_free(&decoded);
}

static void write_line(struct request_note *n, const struct caller *who)
{
    struct reader text = reader_of(n->text.p, n->text.len);
    struct access a = {.status = n->status,
                       .bytes = n->bytes,
                       .duration_ms = clock_mono_ms() - n->begun_ms,
                       .principal = caller_name(who),
                       .request = request_note_id(n)};

    a.method = reader_str16(&text);
    a.path = reader_str16(&text);
    a.address = reader_str16(&text);
    a.topic = reader_str16(&text);
    access_log_write(&a);
}

void request_note_end(struct request_note *n, const struct caller *who)
{
    if (request_note_logs(n))
        write_line(n, who);
    buf_free(&n->text);
    free(n->id);
    n->id = NULL;
}
