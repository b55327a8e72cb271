/*
 * source.h - standard input, line by line, on a loop.
 *
 * Whatever it is: a pipe, a terminal, a file.  Reading stops while nobody takes
 * lines, so that whoever writes to us waits.
 */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include <uv.h>

#include "lines.h"

struct source {
    /* Lines may be there, or the end, or an error: call source_next. */
    void (*readable)(struct source *s);
    void *data;

    /* private */
    struct lines lines;
    size_t max;
    int error;   /* a negative errno */
    bool ended;  /* no more bytes */
    bool polled; /* a descriptor that can be waited for; else a file */
    uv_poll_t poll;
    uv_idle_t idle;
    void (*closed)(struct source *s);
};

enum source_result { SOURCE_LINE, SOURCE_WAIT, SOURCE_END, SOURCE_TOO_LONG, SOURCE_ERROR };

/* max: bytes of a line. */
void source_init(struct source *s, uv_loop_t *loop, size_t max, void (*readable)(struct source *));
void source_read(struct source *s, bool on);
/* The line is valid until the source reads on. */
enum source_result source_next(struct source *s, struct slice *line);
void source_close(struct source *s, void (*closed)(struct source *s));

#endif
