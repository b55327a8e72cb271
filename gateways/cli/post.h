/*
 * post.h - events to any gateway over HTTP, in order, a batch at a time, each batch
 * acknowledged.  Blocks until it is done.
 */
#ifndef CLI_POST_H
#define CLI_POST_H

#include "cli.h"
#include "sender.h"

/* As sender_run, to the gateway of the login or of the configuration. */
int post_run(const struct sender_options *o, const struct invocation *in, const char *message);

#endif
