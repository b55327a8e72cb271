/*
 * table.h - columns for a terminal.
 *
 * Cells are text of anybody's: control characters and bytes that are no UTF-8
 * are shown as dots, so that a topic cannot command the terminal.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#include "bytes.h"

#define TABLE_COLUMNS_MAX 8

struct table_column {
    const char *title;
    bool right; /* numbers */
};

struct table {
    const struct table_column *columns;
    size_t count;
    size_t widths[TABLE_COLUMNS_MAX];
    bool titled;
    struct buf cells; /* each ended by NUL */
};

void table_init(struct table *t, const struct table_column *columns, size_t count);
/* Cells come row by row; at most max characters are kept (0: all). */
void table_cell(struct table *t, struct slice text, size_t max);
/* Prints the rows so far (and, once, the titles) and forgets them. */
void table_flush(struct table *t, FILE *out);
void table_close(struct table *t);

#endif
