/*
 * show.h - text of strangers on standard output.
 *
 * What is printed came from anybody who may publish; a terminal would obey the escape
 * sequences in it.  To a terminal they are written \x1b; into a pipe goes what came.
 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "bytes.h"

void show_text(struct slice text);
/* As on a terminal: control characters but TAB and LF, and bytes that are no UTF-8, as
 * \xNN; C1 controls, which some terminals obey, too.  Appended. */
void show_escape(struct buf *b, struct slice text);

#endif
