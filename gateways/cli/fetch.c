/*
 * fetch.c - a transfer of libcurl's, driven from outside: its callbacks only take note,
 * and the caller's next call is where they are told.
 *
 * The clock for "no answer" starts again whenever the socket has something to say, so a
 * peer that stops is noticed and one that is slow is not.
 */
#include "fetch.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "address.h"
#include "certificate.h"
#include "clock.h"
#include "config.h"
#include "mem.h"

#define READ_SIZE (64L * 1024)
#define WAIT_TOLD_MS 1000u

static int fetch_fail(struct fetch *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fetch_fail(struct fetch *f, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(f->error, sizeof f->error, fmt, args);
    va_end(args);
    f->ended = true;
    f->failed = true;
    return -1;
}

/* --- what libcurl tells ----------------------------------------------------------- */

static size_t fetch_on_header(char *p, size_t size, size_t len, void *arg)
{
    struct fetch *f = arg;
    struct slice line = {p, size * len};
    bool end = slice_eq(line, SLICE("\r\n")) || slice_eq(line, SLICE("\n"));
    long status = 0;

    if (end && !f->answered) {
        (void)curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
        f->answered = status >= 200; /* others are interim */
        f->status = (unsigned)status;
    }
    return line.len;
}

static size_t fetch_on_body(char *p, size_t size, size_t len, void *arg)
{
    struct fetch *f = arg;

    buf_put(&f->in, p, size * len);
    return size * len;
}

/* --- what went wrong --------------------------------------------------------------- */

static int silent(struct fetch *f)
{
    curl_off_t connected = 0;

    (void)curl_easy_getinfo(f->easy, CURLINFO_CONNECT_TIME_T, &connected);
    if (connected == 0)
        return fetch_fail(f, "cannot connect to %s (no answer for %u ms)", f->address,
                          f->timeout_ms);
    return fetch_fail(f, "no answer for %u ms", f->timeout_ms);
}

static int unreached(struct fetch *f)
{
    long error = 0;

    (void)curl_easy_getinfo(f->easy, CURLINFO_OS_ERRNO, &error);
    return fetch_fail(f, "cannot connect to %s (%s)", f->address,
                      error != 0 ? strerror((int)error) : f->detail);
}

static int explain(struct fetch *f, CURLcode why)
{
    switch (why) {
    case CURLE_COULDNT_CONNECT:
        return unreached(f);
    case CURLE_OPERATION_TIMEDOUT:
        return silent(f);
    case CURLE_PEER_FAILED_VERIFICATION:
        return fetch_fail(f,
                          "the server's certificate is not trusted (%s); --ca FILE says what it "
                          "is signed by",
                          f->detail);
    case CURLE_SSL_CERTPROBLEM:
        return fetch_fail(f, "--cert, --key: %s", f->detail);
    case CURLE_SSL_CACERT_BADFILE:
        return fetch_fail(f, "--ca: %s", f->detail);
    case CURLE_COULDNT_RESOLVE_HOST:
        return fetch_fail(f, "cannot connect to %s (there is no such host)", f->address);
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return fetch_fail(f,
                          "the server's certificate is none of those that [tls] certificate names");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return fetch_fail(f, "the answer is not valid HTTP");
    case CURLE_GOT_NOTHING:
        return fetch_fail(f, "the connection ended before an answer");
    case CURLE_PARTIAL_FILE:
        return fetch_fail(f, "the connection ended in the middle of the answer");
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        if (strstr(f->detail, "certificate required") != NULL)
            return fetch_fail(f, "the server wants to see a certificate: --cert FILE");
        return fetch_fail(f, "the connection was lost (%s)", f->detail);
    default:
        return fetch_fail(f, "%s", f->detail[0] != '\0' ? f->detail : curl_easy_strerror(why));
    }
}

/* --- going on ----------------------------------------------------------------------- */

/* libcurl is through with it. */
static void end(struct fetch *f)
{
    int left;
    const CURLMsg *m = curl_multi_info_read(f->multi, &left);
    CURLcode rc = m != NULL ? m->data.result : CURLE_GOT_NOTHING;

    f->ended = true;
    if (rc == CURLE_OK && !f->answered)
        rc = CURLE_GOT_NOTHING; /* half a head is no answer */
    if (rc != CURLE_OK)
        (void)explain(f, rc);
}

/* How long to wait yet, at most; a person hears of it when a second has gone by in vain. */
static uint64_t patience(struct fetch *f, uint64_t left)
{
    uint64_t waited = clock_mono_ms() - f->began;

    if (f->login == NULL || f->login->waited || f->answered)
        return left;
    if (waited < WAIT_TOLD_MS)
        return left < WAIT_TOLD_MS - waited ? left : WAIT_TOLD_MS - waited;
    login_tell_waiting(f->login, f->place);
    return left;
}

/* Waits until the socket has something to say; fails when it says nothing for too long. */
static void wait_for_peer(struct fetch *f, uint64_t *heard)
{
    uint64_t silence = clock_mono_ms() - *heard;
    CURLMcode rc;
    int ready;

    if (silence >= f->timeout_ms) {
        (void)silent(f);
        return;
    }
    rc = curl_multi_poll(f->multi, NULL, 0, (int)patience(f, f->timeout_ms - silence), &ready);
    if (rc != CURLM_OK)
        (void)fetch_fail(f, "%s", curl_multi_strerror(rc));
    else if (ready > 0)
        *heard = clock_mono_ms();
}

/* Until there is a head where none was, bytes of the body, or the end. */
static void advance(struct fetch *f)
{
    uint64_t heard = clock_mono_ms();
    bool answered = f->answered;
    int running;

    for (;;) {
        CURLMcode rc = curl_multi_perform(f->multi, &running);

        if (rc != CURLM_OK)
            (void)fetch_fail(f, "%s", curl_multi_strerror(rc));
        else if (running == 0)
            end(f);
        if (f->ended || f->in.len != 0 || f->answered != answered)
            return;
        wait_for_peer(f, &heard);
        if (f->ended)
            return;
    }
}

/* --- the request ---------------------------------------------------------------------- */

/* None of it can fail but for memory, or a libcurl without what we build on. */
static void must(CURLcode rc)
{
    if (rc != CURLE_OK)
        abort();
}

/* A server that listens on all interfaces is reached on this one; true: it was such. */
static bool wildcard_to_loopback(struct sockaddr_storage *a)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)a;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

    if (a->ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY)) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return true;
    }
    if (a->ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) {
        v6->sin6_addr = in6addr_loopback;
        return true;
    }
    return false;
}

/* Held to the keys of these certificates, and to nothing else; or to the authorities that the
 * person who asks has named. */
static int set_tls(struct fetch *f, const char *certificates)
{
    struct slice rest = slice_of(certificates), file;
    struct buf pins = {0};

    if (f->login != NULL && f->login->ca != NULL)
        return 0;
    while (config_list_next(&rest, &file)) {
        char *name = mem_strndup(file.p, file.len);
        size_t before = pins.len;

        if (before != 0)
            buf_u8(&pins, ';');
        if (!certificate_pin(name, &pins))
            pins.len = before;
        free(name);
    }
    if (pins.len == 0)
        return fetch_fail(f, "there is no certificate in %s", certificates);
    buf_u8(&pins, '\0');
    must(curl_easy_setopt(f->easy, CURLOPT_PINNEDPUBLICKEY, (char *)pins.p));
    must(curl_easy_setopt(f->easy, CURLOPT_SSL_VERIFYPEER, 0L));
    must(curl_easy_setopt(f->easy, CURLOPT_SSL_VERIFYHOST, 0L));
    must(curl_easy_setopt(f->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2));
    buf_free(&pins);
    return 0;
}

/* This machine is not asked through a proxy. */
static void set_place(struct fetch *f, const char *target, bool own)
{
    struct buf url = {0};

    buf_printf(&url, "%s%s%c", f->place, target, '\0');
    must(curl_easy_setopt(f->easy, CURLOPT_URL, (char *)url.p));
    must(curl_easy_setopt(f->easy, CURLOPT_PATH_AS_IS, 1L));
    must(curl_easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    if (own)
        must(curl_easy_setopt(f->easy, CURLOPT_NOPROXY, "*"));
    buf_free(&url);
}

static bool url_is_loopback(const char *url)
{
    static const char *const own[] = {"localhost", "127.", "[::1]"};
    const char *host = strstr(url, "://") + 3;

    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        if (slice_starts(slice_of(host), slice_of(own[i])))
            return true;
    return false;
}

static int set_url(struct fetch *f, const struct fetch_request *r)
{
    const char *scheme = r->certificates != NULL ? "https" : "http";
    struct sockaddr_storage a;
    struct buf place = {0};
    socklen_t len;
    char own[64];
    bool any;

    if (address_parse(r->address, &a, &len) != 0)
        return fetch_fail(f, "not an address: %s", r->address);
    any = wildcard_to_loopback(&a);
    address_format((struct sockaddr *)&a, own, sizeof own);
    buf_printf(&place, "%s://%s%c", scheme, any ? own : r->address, '\0');
    f->address = mem_strdup(r->address);
    f->place = (char *)place.p;
    set_place(f, r->target, address_is_loopback((struct sockaddr *)&a));
    return r->certificates != NULL ? set_tls(f, r->certificates) : 0;
}

/* The login's URL.  Its certificate is judged as every client judges one, but for our own
 * machine's, which the configuration knows. */
static int set_login_url(struct fetch *f, const struct fetch_request *r)
{
    bool own = url_is_loopback(r->login->url),
         tls = slice_starts(slice_of(r->login->url), SLICE("https:"));

    f->address = mem_strdup(r->login->url);
    f->place = mem_strdup(r->login->url);
    set_place(f, r->target, own);
    return tls && own && r->certificates != NULL ? set_tls(f, r->certificates) : 0;
}

static void add_header(struct fetch *f, const char *name, struct slice value)
{
    struct buf line = {0};
    struct curl_slist *list;

    if (value.len == 0)
        return;
    buf_printf(&line, "%s: %.*s%c", name, (int)value.len, value.p, '\0');
    list = curl_slist_append(f->headers, (char *)line.p);
    if (list == NULL)
        abort();
    f->headers = list;
    buf_free(&line);
}

static void set_login(struct fetch *f, const struct login *l)
{
    struct buf bearer = {0};

    if (l->ca != NULL)
        must(curl_easy_setopt(f->easy, CURLOPT_CAINFO, l->ca));
    if (l->cert != NULL) {
        must(curl_easy_setopt(f->easy, CURLOPT_SSLCERT, l->cert));
        must(curl_easy_setopt(f->easy, CURLOPT_SSLKEY, l->key != NULL ? l->key : l->cert));
    }
    if (l->user != NULL) {
        must(curl_easy_setopt(f->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC));
        must(curl_easy_setopt(f->easy, CURLOPT_USERNAME, l->user));
        must(curl_easy_setopt(f->easy, CURLOPT_PASSWORD, l->password));
    }
    if (l->token != NULL) {
        buf_printf(&bearer, "Bearer %s", l->token);
        add_header(f, "Authorization", buf_slice(&bearer));
        explicit_bzero(bearer.p, bearer.len);
    }
    buf_free(&bearer);
}

/* An empty body is one, too. */
static void set_body(struct fetch *f, const struct fetch_request *r)
{
    if (r->method != NULL)
        must(curl_easy_setopt(f->easy, CURLOPT_CUSTOMREQUEST, r->method));
    if (r->body_type == NULL)
        return;
    must(curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len));
    must(curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, r->body.len > 0 ? r->body.p : ""));
    add_header(f, "Content-Type", slice_of(r->body_type));
    add_header(f, "Expect", SLICE(" ")); /* it is not asked whether it may come */
}

static void set_rest(struct fetch *f, const struct fetch_request *r)
{
    add_header(f, "Accept", slice_of(r->accept));
    add_header(f, "Last-Event-ID", r->last_event_id);
    if (r->login != NULL)
        set_login(f, r->login);
    set_body(f, r);
    must(curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, (struct curl_slist *)f->headers));
    must(curl_easy_setopt(f->easy, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION));
    must(curl_easy_setopt(f->easy, CURLOPT_HTTP_VERSION, f->http_version));
    must(curl_easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)r->timeout_ms));
    must(curl_easy_setopt(f->easy, CURLOPT_BUFFERSIZE, READ_SIZE));
    must(curl_easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->detail));
    must(curl_easy_setopt(f->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L)); /* a proxy's */
    must(curl_easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, fetch_on_header));
    must(curl_easy_setopt(f->easy, CURLOPT_HEADERDATA, f));
    must(curl_easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, fetch_on_body));
    must(curl_easy_setopt(f->easy, CURLOPT_WRITEDATA, f));
}

/* --- the caller's side ------------------------------------------------------------------ */

static int start(struct fetch *f, const struct fetch_request *r)
{
    const char *type = NULL;
    curl_off_t after = 0;
    long size = 0;
    int rc;

    f->easy = curl_easy_init();
    f->multi = curl_multi_init();
    if (f->easy == NULL || f->multi == NULL)
        abort();
    rc = r->login != NULL && r->login->url != NULL ? set_login_url(f, r) : set_url(f, r);
    if (rc != 0)
        return -1;
    set_rest(f, r);
    if (curl_multi_add_handle(f->multi, f->easy) != CURLM_OK)
        abort();
    advance(f);
    must(curl_easy_getinfo(f->easy, CURLINFO_REQUEST_SIZE, &size));
    f->sent = size > 0;
    if (!f->answered)
        return -1;
    must(curl_easy_getinfo(f->easy, CURLINFO_CONTENT_TYPE, &type));
    f->content_type = type != NULL ? slice_of(type) : f->content_type;
    must(curl_easy_getinfo(f->easy, CURLINFO_RETRY_AFTER, &after));
    f->retry_after_s = after > 0 && after < UINT32_MAX ? (unsigned)after : 0;
    return 0;
}

static void fetch_init(struct fetch *f, const struct fetch_request *r, long http_version)
{
    *f = (struct fetch){.login = r->login,
                        .timeout_ms = r->timeout_ms,
                        .began = clock_mono_ms(),
                        .http_version = http_version};
}

/* A door of HTTP/2 without TLS says 505 to anything older, and has done nothing. */
int fetch_open(struct fetch *f, const struct fetch_request *r)
{
    bool url = r->login != NULL && r->login->url != NULL;

    fetch_init(f, r, url ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
    if (start(f, r) != 0 || f->status != 505 || !url)
        return f->answered ? 0 : -1;
    fetch_close(f);
    fetch_init(f, r, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    return start(f, r);
}

int fetch_read(struct fetch *f, struct slice *data)
{
    if (f->shown)
        buf_clear(&f->in);
    if (f->in.len == 0 && !f->ended)
        advance(f);
    f->shown = true;
    *data = buf_slice(&f->in);
    if (data->len != 0)
        return 1;
    return f->failed ? -1 : 0;
}

int fetch_read_all(struct fetch *f, struct buf *out, size_t max)
{
    struct slice data;
    int rc;

    while ((rc = fetch_read(f, &data)) > 0) {
        if (data.len > max - out->len)
            return fetch_fail(f, "the answer is longer than %zu bytes", max);
        buf_put_slice(out, data);
    }
    return rc;
}

void fetch_close(struct fetch *f)
{
    (void)curl_multi_remove_handle(f->multi, f->easy);
    curl_easy_cleanup(f->easy);
    (void)curl_multi_cleanup(f->multi);
    curl_slist_free_all(f->headers);
    free(f->address);
    free(f->place);
    buf_free(&f->in);
}
