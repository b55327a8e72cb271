/*
 * run_write.c - a run in a form, as the pieces that a connection writes.
 */
#include "run_write.h"

struct run_in_form {
    struct run *run;
    unsigned form;
    form_encode encode;
};

static struct slice run_event(void *data, size_t i, struct pins **pins)
{
    const struct run_in_form *in = data;
    struct entry *e = in->run->entries[i];

    *pins = &e->block->pins;
    return block_encoded(e, in->form, in->encode);
}

size_t run_write(struct conn *c, struct run *r, unsigned form, form_encode encode)
{
    struct run_in_form in = {.run = r, .form = form, .encode = encode};
    const struct run_form *f;
    struct conn_run pieces;
    size_t taken;

    if (!conn_accepts(c, r->count, &taken))
        return taken;
    f = run_form_get(r, form, encode);
    pieces = (struct conn_run){.iov = f->iov,
                               .iovcnt = f->iovcnt,
                               .bytes = f->bytes,
                               .count = r->count,
                               .ends = f->ends,
                               .event = run_event,
                               .data = &in};
    return conn_write_run(c, &pieces);
}
