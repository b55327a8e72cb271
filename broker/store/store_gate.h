/*
 * store_gate.h - lets the writer wait until no reader is inside a transaction.
 *
 * Readers pass the gate for one page at a time; the writer closes it for a
 * checkpoint, which then finds nobody to wait for and can start the
 * write-ahead log anew.
 */
#ifndef STORE_GATE_H
#define STORE_GATE_H

#include <stdbool.h>
#include <uv.h>

struct gate {
    uv_mutex_t lock;
    uv_cond_t changed;
    unsigned inside;
    bool closed;
};

void gate_init(struct gate *g);
void gate_destroy(struct gate *g);
void gate_enter(struct gate *g); /* waits while the gate is closed */
void gate_leave(struct gate *g);
void gate_close(struct gate *g); /* waits until all have left */
void gate_open(struct gate *g);

#endif
