/*
 * http_response.c - one pass over the lines of a response's head.
 *
 * The head is looked for as a whole first (up to the empty line), so the lines
 * are parsed once and a slow sender costs no repeated work beyond the search.
 */
#include "http_response.h"

/* How the framing headers came, before the status decides what they mean. */
struct framing {
    bool has_length;
    bool chunked;
};

/* The line that ends in CRLF at *head; false when it holds a bare CR or LF. */
static bool line_next(struct slice *head, struct slice *line)
{
    const char *lf = memchr(head->p, '\n', head->len);
    size_t size;

    if (lf == NULL)
        return false;
    size = (size_t)(lf - head->p) + 1;
    if (size < 2 || head->p[size - 2] != '\r')
        return false;
    *line = (struct slice){head->p, size - 2};
    head->p += size;
    head->len -= size;
    return memchr(line->p, '\r', line->len) == NULL && memchr(line->p, '\0', line->len) == NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP/1.x SP 3DIGIT SP [reason] */
static bool status_line(struct slice line, unsigned *status)
{
    const char *p = line.p;

    if (line.len < 13 || !slice_starts(line, SLICE("HTTP/1.")) || !is_digit(p[7]) || p[8] != ' ')
        return false;
    if (!is_digit(p[9]) || !is_digit(p[10]) || !is_digit(p[11]) || p[12] != ' ')
        return false;
    *status = (unsigned)(p[9] - '0') * 100 + (unsigned)(p[10] - '0') * 10 + (unsigned)(p[11] - '0');
    return *status >= 100;
}

static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c >= 127 || strchr("()<>@,;:\\\"/[]?={}", c) != NULL)
            return false;
    }
    return s.len != 0;
}

static struct slice trim(struct slice s)
{
    while (s.len != 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len != 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool header(struct slice line, struct http_response *r, struct framing *f)
{
    const char *colon = memchr(line.p, ':', line.len);
    struct slice name, value;

    if (colon == NULL)
        return false;
    name = (struct slice){line.p, (size_t)(colon - line.p)};
    if (!is_token(name))
        return false; /* also a folded line, which begins with white space */
    value = trim((struct slice){colon + 1, line.len - name.len - 1});
    if (slice_eq_nocase(name, SLICE("Content-Length"))) {
        if (f->has_length || !slice_u64(value, &r->length))
            return false;
        f->has_length = true;
    } else if (slice_eq_nocase(name, SLICE("Transfer-Encoding"))) {
        if (f->chunked || !slice_eq_nocase(value, SLICE("chunked")))
            return false;
        f->chunked = true;
    } else if (slice_eq_nocase(name, SLICE("Content-Type"))) {
        r->content_type = value;
    }
    return true;
}

/* RFC 9112, 6.3: what follows the head. */
static enum http_body body_of(unsigned status, const struct framing *f)
{
    if (status < 200 || status == 204 || status == 304)
        return HTTP_BODY_NONE;
    if (f->chunked)
        return HTTP_BODY_CHUNKED;
    return f->has_length ? HTTP_BODY_LENGTH : HTTP_BODY_CLOSE;
}

int http_response_parse(struct http_response *r, const char *p, size_t len)
{
    struct framing f = {false, false};
    const char *end = memmem(p, len, "\r\n\r\n", 4);
    struct slice head, line;
    size_t size;

    if (end == NULL)
        return len > HTTP_RESPONSE_HEAD_MAX ? -1 : 0;
    size = (size_t)(end - p) + 4;
    if (size > HTTP_RESPONSE_HEAD_MAX)
        return -1;
    *r = (struct http_response){0};
    head = (struct slice){p, size - 2};
    if (!line_next(&head, &line) || !status_line(line, &r->status))
        return -1;
    while (head.len != 0) {
        if (!line_next(&head, &line) || !header(line, r, &f))
            return -1;
    }
    if (f.has_length && f.chunked)
        return -1; /* two answers to where the body ends */
    r->body = body_of(r->status, &f);
    return (int)size;
}
