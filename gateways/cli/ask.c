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

/* --- refusals ---------------------------------------------------------------------- */

static void advise_unknown(const struct login *l, struct buf *text)
{
    if (l == NULL || !login_shows(l))
        buf_puts(text,
                 "; say who asks: --token-file FILE, $SLUICE_TOKEN, --user NAME or --cert FILE");
    else if (l->token != NULL)
        buf_puts(text, "; the token that was shown does not do: get a new one");
    else if (l->user != NULL)
        buf_printf(text, "; the name %s and its password do not do", l->user);
    else
        buf_puts(text, "; the certificate alone does not do");
}

/* A refusal of the browser gate, or of a producer's epoch, is nobody's to grant. */
static void advise_forbidden(struct slice body, struct buf *text)
{
    struct buf code = {0}, field = {0};

    if (json_check(body) == JSON_OBJECT) {
        document_text(body, "code", &code);
        document_text(body, "field", &field);
    }
    if (slice_eq(buf_slice(&code), SLICE("forbidden")) &&
        !slice_eq_nocase(buf_slice(&field), SLICE("Host")) &&
        !slice_eq_nocase(buf_slice(&field), SLICE("Origin")))
        buf_puts(text,
                 "; a role or the token has to grant it (on the server, sluice check --as NAME "
                 "tells what is granted)");
    buf_free(&code);
    buf_free(&field);
}

int ask_refused(const struct fetch *f, struct slice body, struct buf *text)
{
    document_problem(f->status, body, text);
    switch (f->status) {
    case 401:
        advise_unknown(f->login, text);
        return CLI_REFUSED;
    case 403:
        advise_forbidden(body, text);
        return CLI_REFUSED;
    case 429:
        if (f->retry_after_s != 0)
            buf_printf(text, "; again in %u s", f->retry_after_s);
        return CLI_BUSY;
    default:
        return CLI_FAILED;
    }
}

/* --- asking ------------------------------------------------------------------------ */

struct fetch_request ask_request(const struct invocation *in, const char *target)
{
    return (struct fetch_request){
        .login = in->login,
        .certificates = ask_certificates(in->config, "sse"),
        .target = target,
        .accept = "application/json",
        .timeout_ms = ASK_TIMEOUT_MS,
    };
}

static int judge(const struct fetch *f, const struct buf *answer)
{
    struct buf text = {0};
    int rc = CLI_OK;

    if (f->status != 200) {
        rc = ask_refused(f, buf_slice(answer), &text);
        (void)cli_fail(rc, "%.*s", (int)text.len, (char *)text.p);
    } else if (json_check(buf_slice(answer)) != JSON_OBJECT) {
        rc = cli_fail(CLI_FAILED, "the answer is not a JSON object; is %s a gateway of sluice?",
                      f->address);
    }
    buf_free(&text);
    return rc;
}

static int ask(const struct invocation *in, const char *method, const char *target,
               struct buf *answer)
{
    struct fetch_request r = ask_request(in, target);
    struct buf address = {0};
    struct fetch f;
    int rc;

    ask_address(in->config, "sse", &address);
    r.address = (char *)address.p;
    r.method = method;
    rc = fetch_open(&f, &r) != 0 || fetch_read_all(&f, answer, ASK_ANSWER_MAX) != 0
             ? cli_fail(CLI_FAILED, "%s", f.error)
             : judge(&f, answer);
    fetch_close(&f);
    buf_free(&address);
    return rc;
}

int ask_get(const struct invocation *in, const char *target, struct buf *answer)
{
    return ask(in, NULL, target, answer);
}

int ask_delete(const struct invocation *in, const char *target, struct buf *answer)
{
    return ask(in, "DELETE", target, answer);
}
