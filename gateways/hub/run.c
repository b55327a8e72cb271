/*
 * run.c - see run.h.
 */
#include "run.h"

void run_clear(struct run *r)
{
    unsigned f;

    r->count = 0;
    r->bytes = 0;
    for (f = 0; f < FORMS_MAX; f++)
        r->forms[f].ready = false;
}

bool run_add(struct run *r, struct entry *e)
{
    size_t size = event_record_size(&e->e);

    if (r->count == RUN_ENTRIES || (r->count > 0 && r->bytes + size > RUN_BYTES))
        return false;
    r->entries[r->count++] = e;
    r->bytes += size;
    return true;
}

const struct run_form *run_form_get(struct run *r, unsigned form, form_encode encode)
{
    struct run_form *f = &r->forms[form];
    struct iovec *last = NULL;
    size_t i;

    if (f->ready)
        return f;
    f->ready = true;
    f->iovcnt = 0;
    f->bytes = 0;
    for (i = 0; i < r->count; i++) {
        struct slice s = block_encoded(r->entries[i], form, encode);
        f->bytes += s.len;
        f->ends[i] = f->bytes;
        if (last != NULL && (const char *)last->iov_base + last->iov_len == s.p) {
            last->iov_len += s.len;
        } else {
            last = &f->iov[f->iovcnt++];
            last->iov_base = (void *)(uintptr_t)s.p;
            last->iov_len = s.len;
        }
    }
    return f;
}
