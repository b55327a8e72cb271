/*
 * http1_verdict.c - what proto/http1.h makes of a connection's bytes, one line
 * for each message on standard output:
 *
 *     METHOD TARGET BODY      both in hexadecimal, the body after decoding
 *     refused CODE            and nothing after it
 *     cut                     the bytes end inside a message
 *
 * Standard input is what a client sends before it closes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "http1.h"

#define INPUT_MAX 65536

static const struct http1_limits limits = {.head_max = 16384, .target_max = 8192};

static void print_hex(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        printf("%02x", (unsigned char)s.p[i]);
}

/* Takes a body off *s into `body`: 1 when whole, 0 when cut, else an error. */
static int take_body(const struct http_request *r, struct slice *s, struct buf *body)
{
    struct http1_chunked c = {0};
    bool done = false;

    if (!r->chunked) {
        if (s->len < r->content_length)
            return 0;
        buf_put(body, s->p, (size_t)r->content_length);
        *s = (struct slice){s->p + r->content_length, s->len - (size_t)r->content_length};
        return 1;
    }
    while (!done) {
        struct slice data;
        int n = http1_chunked_decode(&c, s->p, s->len, &data, &done);

        if (n <= 0)
            return n;
        buf_put_slice(body, data);
        *s = (struct slice){s->p + n, s->len - (size_t)n};
    }
    return 1;
}

/* One message off *s: 1 when whole, 0 when cut, else an error. */
static int take_message(struct slice *s, bool *keep_alive)
{
    struct http_request r;
    struct buf body = {0};
    int rc = http1_request_parse(&r, s->p, s->len, &limits);

    if (rc <= 0)
        return rc;
    *s = (struct slice){s->p + rc, s->len - (size_t)rc};
    rc = take_body(&r, s, &body);
    if (rc > 0) {
        printf("%.*s ", (int)r.method.len, r.method.p);
        print_hex(r.path);
        if (r.query.p != NULL)
            printf("3f");
        print_hex(r.query);
        putchar(' ');
        print_hex(buf_slice(&body));
        putchar('\n');
    }
    buf_free(&body);
    *keep_alive = r.keep_alive;
    return rc;
}

int main(void)
{
    char *bytes = malloc(INPUT_MAX);
    size_t len = fread(bytes, 1, INPUT_MAX, stdin);
    struct slice s = {bytes, len};
    bool keep_alive = true;
    int rc = 1;

    while (rc > 0 && s.len > 0 && keep_alive)
        rc = take_message(&s, &keep_alive);
    if (rc < 0)
        printf("refused %d\n", -rc);
    else if (rc == 0)
        printf("cut\n");
    free(bytes);
    return EXIT_SUCCESS;
}
