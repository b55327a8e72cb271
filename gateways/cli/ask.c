/*
 * ask.c - one request, one JSON object or one refusal.
 *
 * Answers come from our own servers but are checked all the same: an answer
 * that is no JSON object is an error, never a guess.
 */
#include "ask.h"

#include "cli.h"
#include "document.h"
#include "fetch.h"
#include "json.h"
#include "url.h"

void ask_address(const struct config *c, const char *section, struct buf *out)
{
    struct slice rest = slice_of(config_listen(c, section)), first;

    if (config_list_next(&rest, &first))
        buf_put_slice(out, first);
    buf_u8(out, '\0');
}

const char *ask_certificates(const struct config *c, const char *section)
{
    return config_tls(c, section) ? config_text(c, CFG_TLS_CERTIFICATE) : NULL;
}

void ask_query(struct buf *target, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_u8(target, target->len != 0 && memchr(target->p, '?', target->len) != NULL ? '&' : '?');
    buf_puts(target, name);
    buf_u8(target, '=');
    url_encode(slice_of(value), target);
}

static int ask_refused(unsigned status, const struct buf *body)
{
    struct buf text = {0};

    document_problem(status, buf_slice(body), &text);
    (void)cli_fail(CLI_FAILED, "%.*s", (int)text.len, (char *)text.p);
    buf_free(&text);
    return CLI_FAILED;
}

static int fetch(struct fetch *f, const struct fetch_request *r, struct buf *answer)
{
    if (fetch_open(f, r) != 0 || fetch_read_all(f, answer, ASK_ANSWER_MAX) != 0)
        return cli_fail(CLI_FAILED, "%s", f->error);
    if (f->status != 200)
        return ask_refused(f->status, answer);
    if (json_check(buf_slice(answer)) != JSON_OBJECT)
        return cli_fail(CLI_FAILED, "the answer is not a JSON object; is %s a gateway of sluice?",
                        r->address);
    return CLI_OK;
}

int ask_get(const struct config *c, const char *target, struct buf *answer)
{
    struct fetch f;
    struct buf address = {0};
    int rc;

    ask_address(c, "sse", &address);
    rc = fetch(&f,
               &(struct fetch_request){
                   .address = (char *)address.p,
                   .certificates = ask_certificates(c, "sse"),
                   .target = target,
                   .accept = "application/json",
                   .timeout_ms = ASK_TIMEOUT_MS,
               },
               answer);
    fetch_close(&f);
    buf_free(&address);
    return rc;
}
