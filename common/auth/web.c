/*
 * web.c - a thread that drives libcurl's transfers, and requests that go there and come back.
 *
 *   loop                                  thread
 *   web_start: fresh ────────────────────▶ under_way, in the multi handle
 *                                          │ done, failed, or forgotten meanwhile
 *   web_on_async ◀── uv_async_send ────────┘
 *   done(), unless forgotten; closed, freed
 *
 * The loop's pool is not used: a server that does not answer would hold its few threads, and
 * passwords wait for those.  A request is the thread's from web_start until the async is
 * sent, which happens exactly once, so its handle can never be closed too early.  `lock`
 * guards what both sides write: the list of fresh ones and `forgotten`.
 *
 * What fails: libcurl says why.  At the end of the process the thread is joined before
 * libraries that it uses are taken down.
 */
#include "web.h"

#include <assert.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct web {
    uv_async_t async;
    web_done done;
    void *arg;
    bool forgotten;
    struct web *next, **link; /* of fresh, or of those under way */

    CURL *easy;
    struct curl_slist *headers;
    struct buf post, body;
    size_t max_bytes;
    bool too_long;
    long status;
    char why[CURL_ERROR_SIZE];
};

static struct {
    uv_mutex_t lock;
    uv_thread_t thread;
    CURLM *multi;
    struct web *fresh;     /* under the lock */
    struct web *under_way; /* the thread's */
    bool stopping;         /* under the lock */
} web_service;

/* --- lists --------------------------------------------------------------------------- */

static void web_link(struct web *w, struct web **list)
{
    w->next = *list;
    w->link = list;
    if (w->next != NULL)
        w->next->link = &w->next;
    *list = w;
}

static void web_unlink(struct web *w)
{
    *w->link = w->next;
    if (w->next != NULL)
        w->next->link = w->link;
}

/* --- the thread ---------------------------------------------------------------------- */

static void leave_multi(struct web *w)
{
    (void)curl_multi_remove_handle(web_service.multi, w->easy);
    curl_easy_cleanup(w->easy);
    web_unlink(w);
}

/* The loop's from now on, which may free it at once. */
static void web_hand_back(struct web *w)
{
    leave_multi(w);
    uv_async_send(&w->async);
}

static void web_on_result(struct web *w, CURLcode rc)
{
    if (rc == CURLE_OK)
        (void)curl_easy_getinfo(w->easy, CURLINFO_RESPONSE_CODE, &w->status);
    else if (w->too_long)
        (void)snprintf(w->why, sizeof w->why, "the answer is longer than %zu bytes", w->max_bytes);
    else if (w->why[0] == '\0')
        (void)snprintf(w->why, sizeof w->why, "%s", curl_easy_strerror(rc));
    web_hand_back(w);
}

static void take_fresh(void)
{
    struct web *w;

    while ((w = web_service.fresh) != NULL) {
        CURLMcode rc = curl_multi_add_handle(web_service.multi, w->easy);

        web_unlink(w);
        web_link(w, &web_service.under_way);
        if (rc != CURLM_OK) {
            (void)snprintf(w->why, sizeof w->why, "%s", curl_multi_strerror(rc));
            web_hand_back(w);
        }
    }
}

static void drop_forgotten(void)
{
    for (struct web *w = web_service.under_way, *next; w != NULL; w = next) {
        next = w->next;
        if (w->forgotten)
            web_hand_back(w);
    }
}

/* What the loop wants by now.  False: the process ends. */
static bool heed_loop(void)
{
    bool goes_on;

    uv_mutex_lock(&web_service.lock);
    take_fresh();
    drop_forgotten();
    goes_on = !web_service.stopping;
    uv_mutex_unlock(&web_service.lock);
    return goes_on;
}

static void tell_results(void)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(web_service.multi, &left)) != NULL) {
        struct web *w = NULL;

        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&w);
        web_on_result(w, m->data.result);
    }
}

#define POLL_MS 10000 /* libcurl comes back earlier when it has something to do */

static void web_run(void *arg)
{
    int running, ready;

    (void)arg;
    while (heed_loop()) {
        (void)curl_multi_perform(web_service.multi, &running);
        tell_results();
        (void)curl_multi_poll(web_service.multi, NULL, 0, POLL_MS, &ready);
    }
    while (web_service.under_way != NULL) /* nobody runs their loop any more */
        leave_multi(web_service.under_way);
}

/* --- begin and end of the thread -------------------------------------------------------- */

static void web_stop(void)
{
    uv_mutex_lock(&web_service.lock);
    web_service.stopping = true;
    uv_mutex_unlock(&web_service.lock);
    (void)curl_multi_wakeup(web_service.multi);
    (void)uv_thread_join(&web_service.thread);
    (void)curl_multi_cleanup(web_service.multi);
}

/* libcurl first, so that what it and OpenSSL do at exit is done after web_stop. */
static void web_service_begin(void)
{
    bool ok = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
              (web_service.multi = curl_multi_init()) != NULL &&
              uv_mutex_init(&web_service.lock) == 0 &&
              uv_thread_create(&web_service.thread, web_run, NULL) == 0 && atexit(web_stop) == 0;

    if (!ok) {
        (void)fputs("cannot start the thread that asks other servers\n", stderr);
        abort();
    }
}

/* --- a request ---------------------------------------------------------------------------- */

static size_t web_on_body(char *p, size_t size, size_t len, void *arg)
{
    struct web *w = arg;

    len *= size;
    if (len > w->max_bytes - w->body.len) {
        w->too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buf_put(&w->body, p, len);
    return len;
}

static void web_on_closed(uv_handle_t *h)
{
    struct web *w = h->data;

    curl_slist_free_all(w->headers);
    if (w->post.p != NULL)
        explicit_bzero(w->post.p, w->post.cap);
    buf_free(&w->post);
    buf_free(&w->body);
    free(w);
}

static void web_on_async(uv_async_t *async)
{
    struct web *w = async->data;

    if (!w->forgotten)
        w->done(w->arg, (int)w->status, w->status != 0 ? buf_slice(&w->body) : (struct slice){0},
                w->why);
    uv_close((uv_handle_t *)async, web_on_closed);
}

static void set_header(struct web *w, const char *line)
{
    struct curl_slist *longer = curl_slist_append(w->headers, line);

    if (longer != NULL)
        w->headers = longer;
}

/* libcurl copies its strings, apart from the body and the headers. */
static void set_options(struct web *w, const struct web_request *r)
{
    CURL *e = w->easy;

    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, w);
    (void)curl_easy_setopt(e, CURLOPT_URL, r->url);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);        /* forgotten: no name is waited for */
    (void)curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 60L); /* a file may be replaced */
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
    (void)curl_easy_setopt(e, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, w->why);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, web_on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, w);
    if (r->ca_file != NULL && r->ca_file[0] != '\0') {
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, r->ca_file);
        (void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    }
    if (web_reach_of(r->url) == WEB_LOOPBACK)
        (void)curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
}

static void set_content(struct web *w, const struct web_request *r)
{
    set_header(w, "Accept: application/json");
    if (r->post.p != NULL) {
        buf_put_slice(&w->post, r->post);
        set_header(w, "Content-Type: application/json");
        set_header(w, "Expect:");
        (void)curl_easy_setopt(w->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)w->post.len);
        (void)curl_easy_setopt(w->easy, CURLOPT_POSTFIELDS, w->post.p);
    }
    (void)curl_easy_setopt(w->easy, CURLOPT_HTTPHEADER, w->headers);
}

struct web *web_start(uv_loop_t *loop, const struct web_request *r, web_done done, void *arg)
{
    static uv_once_t once = UV_ONCE_INIT;
    struct web *w = mem_zalloc(sizeof *w);
    int rc;

    uv_once(&once, web_service_begin);
    *w = (struct web){.done = done, .arg = arg, .max_bytes = r->max_bytes};
    w->easy = curl_easy_init();
    rc = uv_async_init(loop, &w->async, web_on_async);
    assert(w->easy != NULL && rc == 0);
    (void)rc;
    w->async.data = w;
    set_options(w, r);
    set_content(w, r);
    uv_mutex_lock(&web_service.lock);
    web_link(w, &web_service.fresh);
    uv_mutex_unlock(&web_service.lock);
    (void)curl_multi_wakeup(web_service.multi);
    return w;
}

void web_forget(struct web *w)
{
    uv_mutex_lock(&web_service.lock);
    w->forgotten = true;
    uv_mutex_unlock(&web_service.lock);
    (void)curl_multi_wakeup(web_service.multi);
}

/* --- where a URL leads ------------------------------------------------------------------------ */

static bool is_loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(host, names[i]) == 0)
            return true;
    return false;
}

enum web_reach web_reach_of(const char *url)
{
    enum web_reach reach = WEB_BAD_URL;
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL;

    if (u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        if (strcmp(scheme, "https") == 0)
            reach = WEB_HTTPS;
        else if (strcmp(scheme, "http") == 0)
            reach = is_loopback(host) ? WEB_LOOPBACK : WEB_PLAIN;
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(u);
    return reach;
}
