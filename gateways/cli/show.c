/*
 * show.c - escaped for terminals, else as it is.
 */
#include "show.h"

#include <stdio.h>
#include <unistd.h>

static bool is_control(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
}

/* The bytes of the character at p; 0: it is none. */
static size_t show_char_size(const char *p, size_t left)
{
    for (size_t n = 1; n <= 4 && n <= left; n++)
        if (utf8_valid(p, n))
            return n;
    return 0;
}

/* C1 controls are C2 80 to C2 9F. */
static bool is_shown(const char *p, size_t size)
{
    return size > 0 && !is_control((unsigned char)p[0]) &&
           !(size == 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0);
}

void show_escape(struct buf *b, struct slice text)
{
    for (size_t i = 0; i < text.len;) {
        size_t size = show_char_size(text.p + i, text.len - i);

        if (is_shown(text.p + i, size)) {
            buf_put(b, text.p + i, size);
            i += size;
            continue;
        }
        size = size > 0 ? size : 1;
        for (; size > 0; size--)
            buf_printf(b, "\\x%02x", (unsigned char)text.p[i++]);
    }
}

void show_text(struct slice text)
{
    struct buf b = {0};

    if (!isatty(STDOUT_FILENO)) {
        (void)fwrite(text.p, 1, text.len, stdout);
        return;
    }
    show_escape(&b, text);
    (void)fwrite(b.p, 1, b.len, stdout);
    buf_free(&b);
}
