/*
 * client.c - one request, one JSON object or one refusal.
 *
 * Answers come from our own servers but are checked all the same: an answer
 * that is no JSON object is an error, never a guess.
 */
#include <stdio.h>

#include "client.h"
#include "http_client.h"
#include "json.h"

void client_address(const struct config *c, const char *section, struct buf *out)
{
    struct slice rest = slice_of(config_listen(c, section)), first;

    if (config_list_next(&rest, &first))
        buf_put_slice(out, first);
    buf_u8(out, '\0');
}

const char *client_certificates(const struct config *c, const char *section)
{
    return config_tls(c, section) ? config_text(c, CFG_TLS_CERTIFICATE) : NULL;
}

void client_query(struct buf *target, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_u8(target, target->len != 0 && memchr(target->p, '?', target->len) != NULL ? '&' : '?');
    buf_puts(target, name);
    buf_u8(target, '=');
    url_encode(slice_of(value), target);
}

/* --- JSON ----------------------------------------------------------------- */

bool client_member(struct slice object, const char *name, struct slice *raw)
{
    struct json_iter it = json_iter_of(object);
    struct slice key;

    while (json_member(&it, &key, raw))
        if (json_string_is(key, name))
            return true;
    return false;
}

void client_member_text(struct slice object, const char *name, struct buf *out)
{
    struct slice raw;

    if (!client_member(object, name, &raw))
        return;
    switch (json_kind_of(raw)) {
    case JSON_STRING:
        json_string_get(raw, out);
        break;
    case JSON_NUMBER:
        buf_put_slice(out, raw);
        break;
    default:
        break;
    }
}

void client_problem(unsigned status, struct slice body, struct buf *out)
{
    size_t start;

    if (json_check(body) != JSON_OBJECT) {
        buf_printf(out, "the answer was %u", status);
        if (slice_starts(body, SLICE("This port speaks TLS")))
            buf_puts(out, ": that port speaks TLS; say --tls-certificate FILE");
        return;
    }
    client_member_text(body, "code", out);
    buf_puts(out, ": ");
    start = out->len;
    client_member_text(body, "detail", out);
    if (out->len == start)
        client_member_text(body, "title", out);
}

void client_tell_gap(struct slice gap)
{
    struct buf removed = {0}, reason = {0};

    if (json_check(gap) != JSON_OBJECT)
        return;
    client_member_text(gap, "removed_to", &removed);
    client_member_text(gap, "reason", &reason);
    fprintf(stderr, "sluice: gap: events up to %.*s are gone (%.*s)\n", (int)removed.len,
            (char *)removed.p, (int)reason.len, (char *)reason.p);
    buf_free(&removed);
    buf_free(&reason);
}

void client_payload(struct slice event, struct buf *out)
{
    struct slice raw;

    if (client_member(event, "data", &raw)) {
        if (json_kind_of(raw) == JSON_STRING)
            json_string_get(raw, out);
        else
            buf_put_slice(out, raw);
    } else if (client_member(event, "data_base64", &raw)) {
        (void)json_get_base64(raw, out); /* what is no base64 adds nothing */
    }
}

/* --- the request ---------------------------------------------------------- */

static int refused(unsigned status, const struct buf *body)
{
    struct buf text = {0};

    client_problem(status, (struct slice){(const char *)body->p, body->len}, &text);
    (void)cli_fail(CLI_FAILED, "%.*s", (int)text.len, (char *)text.p);
    buf_free(&text);
    return CLI_FAILED;
}

static int exchange(struct http_client *h, const char *address, const char *certificates,
                    const char *target, struct buf *answer)
{
    if (http_get(h, address, certificates, target, "Accept: application/json\r\n",
                 CLIENT_TIMEOUT_MS) != 0 ||
        http_read_all(h, answer, CLIENT_ANSWER_MAX) != 0)
        return cli_fail(CLI_FAILED, "%s", h->error);
    if (h->response.status != 200)
        return refused(h->response.status, answer);
    if (json_check((struct slice){(const char *)answer->p, answer->len}) != JSON_OBJECT)
        return cli_fail(CLI_FAILED, "the answer is not a JSON object; is %s a gateway of sluice?",
                        address);
    return CLI_OK;
}

int client_get(const struct config *c, const char *target, struct buf *answer)
{
    struct http_client h;
    struct buf address = {0};
    int rc;

    client_address(c, "sse", &address);
    rc = exchange(&h, (char *)address.p, client_certificates(c, "sse"), target, answer);
    http_close(&h);
    buf_free(&address);
    return rc;
}
