/*
 * run_write.h - the hub's events to a connection's socket: where the two meet.
 */
#ifndef HTTP_RUN_WRITE_H
#define HTTP_RUN_WRITE_H

#include "conn.h"
#include "run.h"

/* As conn_write_run, encoded only if the connection takes some. */
size_t run_write(struct conn *c, struct run *r, unsigned form, form_encode encode);

#endif
