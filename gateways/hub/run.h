/*
 * run.h - events to hand over, in ID order, and their iovecs per form.
 *
 * A run borrows its entries.  It is made once for all who are handed the same.
 */
#ifndef HUB_RUN_H
#define HUB_RUN_H

#include <sys/uio.h>

#include "block.h"

#define RUN_ENTRIES 512
#define RUN_BYTES (256u * 1024) /* of records; one larger event is a run of its own */

struct run {
    struct entry *entries[RUN_ENTRIES];
    size_t count;
    size_t bytes; /* of records */
    struct run_form {
        bool ready;
        int iovcnt;
        size_t bytes;
        struct iovec iov[RUN_ENTRIES];
        size_t ends[RUN_ENTRIES]; /* bytes up to the end of each entry */
    } forms[FORMS_MAX];
};

void run_clear(struct run *r);
bool run_add(struct run *r, struct entry *e); /* false: full, nothing added */
/* The run in a form; valid until the run is cleared. */
const struct run_form *run_form_get(struct run *r, unsigned form, form_encode encode);

#endif
