/*
 * table.c - cells are cleaned when they come in and aligned when they go out.
 *
 * A page of rows is aligned by itself, but columns never get narrower, so a
 * long listing stays straight without being held in memory.
 */
#include "table.h"

/* Characters, not bytes: cells are valid UTF-8. */
static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

void table_init(struct table *t, const struct table_column *columns, size_t count)
{
    *t = (struct table){.columns = columns, .count = count};
    for (size_t i = 0; i < count; i++)
        t->widths[i] = width_of(columns[i].title);
}

/* Bytes of the character at p if it may be shown, else 0. */
static size_t printable(const char *p, size_t left)
{
    unsigned char c = (unsigned char)*p;
    size_t size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    if (c < 0x20 || c == 0x7f || size > left || !utf8_valid(p, size))
        return 0;
    if (c == 0xc2 && (unsigned char)p[1] < 0xa0)
        return 0; /* C1 controls */
    return size;
}

void table_cell(struct table *t, struct slice text, size_t max)
{
    size_t shown = 0, i = 0;

    for (; i < text.len && (max == 0 || shown < max); shown++) {
        size_t size = printable(text.p + i, text.len - i);

        if (size != 0)
            buf_put(&t->cells, text.p + i, size);
        else
            buf_u8(&t->cells, '.');
        i += size != 0 ? size : 1;
    }
    if (i < text.len)
        buf_puts(&t->cells, "…");
    buf_u8(&t->cells, '\0');
}

/* The cell at *at, which moves on; NULL at the end. */
static const char *next_cell(const struct table *t, size_t *at)
{
    const char *cell;

    if (*at == t->cells.len)
        return NULL;
    cell = (const char *)t->cells.p + *at;
    *at += strlen(cell) + 1;
    return cell;
}

static void measure(struct table *t)
{
    const char *cell;

    for (size_t i = 0, at = 0; (cell = next_cell(t, &at)) != NULL; i++) {
        size_t column = i % t->count, width = width_of(cell);

        if (width > t->widths[column])
            t->widths[column] = width;
    }
}

static void put_cell(const struct table *t, size_t column, const char *text, FILE *out)
{
    bool last = column + 1 == t->count;
    int pad = (int)(t->widths[column] - width_of(text));

    if (t->columns[column].right)
        fprintf(out, "%*s%s%s", pad, "", text, last ? "\n" : "  ");
    else
        fprintf(out, "%s%*s%s", text, last ? 0 : pad, "", last ? "\n" : "  ");
}

void table_flush(struct table *t, FILE *out)
{
    const char *cell;

    measure(t);
    for (size_t i = 0; i < t->count && !t->titled; i++)
        put_cell(t, i, t->columns[i].title, out);
    t->titled = true;
    for (size_t i = 0, at = 0; (cell = next_cell(t, &at)) != NULL; i++)
        put_cell(t, i % t->count, cell, out);
    buf_clear(&t->cells);
}

void table_close(struct table *t)
{
    buf_free(&t->cells);
}
