/*
 * keyring.c - one fetch at a time, and a timer for the next.
 *
 *   keyring_open ──▶ fetch ─┬─▶ good: other keys; again after jwks_refresh
 *                      ▲    └─▶ bad: the same keys; again soon
 *                      └─────── timer, keyring_seek
 */
#include "keyring.h"

#include <assert.h>
#include <stdlib.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "web.h"
#include "whole_file.h"

#define TIMEOUT_MS 10000u
#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS 60000u
#define SEEK_MS 60000u

struct keyring {
    void (*changed)(void *arg);
    void *arg;
    struct jwks *keys;

    /* of a URL */
    char *url, *ca_file; /* NULL: a file's */
    uint64_t refresh_ms, retry_ms;
    uint64_t sought_ms; /* monotonic: the last fetch for a key that was not there; 0: none */
    bool failing;
    struct web *fetch;
    uv_timer_t timer;
};

struct jwks *keyring_keys(const struct keyring *k)
{
    return k->keys;
}

bool keyring_failing(const struct keyring *k)
{
    return k->failing || k->keys == NULL;
}

static void warn_left_out(const char *left_out)
{
    if (left_out != NULL)
        log_warn("a key of [auth] jwks is left out", LOG_S("key", left_out));
}

/* --- fetched ---------------------------------------------------------------------------- */

static void fetch_start(struct keyring *k);

static void keyring_on_timer(uv_timer_t *t)
{
    fetch_start(t->data);
}

static void fetch_good(struct keyring *k, struct jwks *keys)
{
    if (keyring_failing(k))
        log_info("[auth] jwks was fetched", LOG_U("keys", jwks_count(keys)));
    jwks_unref(k->keys);
    k->keys = keys;
    k->failing = false;
    k->retry_ms = 0;
    metric_set(M_AUTH_JWKS_FETCHED, clock_ms() / 1000);
    if (k->refresh_ms != 0)
        uv_timer_start(&k->timer, keyring_on_timer, k->refresh_ms, 0);
}

static void fetch_bad(struct keyring *k, int status, const char *why)
{
    uint64_t retry = k->retry_ms != 0 ? 2 * k->retry_ms : RETRY_MIN_MS;

    if (retry > RETRY_MAX_MS)
        retry = RETRY_MAX_MS;
    if (k->refresh_ms != 0 && retry > k->refresh_ms)
        retry = k->refresh_ms;
    k->retry_ms = retry;
    k->failing = true;
    metric_add(M_AUTH_JWKS_FAILURES, 1);
    log_error(k->keys != NULL ? "[auth] jwks cannot be fetched: the last keys stay"
                              : "[auth] jwks cannot be fetched: no token can be checked",
              LOG_U("status", status), LOG_S("error", why), LOG_U("retry_ms", retry));
    uv_timer_start(&k->timer, keyring_on_timer, retry, 0);
}

static void keyring_on_fetched(void *arg, int status, struct slice body, const char *why)
{
    struct keyring *k = arg;
    const char *left_out = NULL;
    struct jwks *keys = NULL;

    k->fetch = NULL;
    if (status == 200)
        keys = jwks_read(body, JWKS_OF_WEB, &why, &left_out);
    else if (status != 0)
        why = "the answer is not 200";
    warn_left_out(left_out);
    if (keys != NULL)
        fetch_good(k, keys);
    else
        fetch_bad(k, status, why);
    k->changed(k->arg);
}

static void fetch_start(struct keyring *k)
{
    struct web_request r = {
        .url = k->url, .ca_file = k->ca_file, .timeout_ms = TIMEOUT_MS, .max_bytes = JWKS_SIZE_MAX};

    uv_timer_stop(&k->timer);
    k->fetch = web_start(k->timer.loop, &r, keyring_on_fetched, k);
}

bool keyring_seek(struct keyring *k)
{
    uint64_t now = clock_mono_ms();

    if (k->url == NULL)
        return false;
    if (k->fetch != NULL)
        return true;
    if (k->sought_ms != 0 && now - k->sought_ms < SEEK_MS)
        return false;
    k->sought_ms = now;
    fetch_start(k);
    return true;
}

/* --- opened and closed --------------------------------------------------------------------- */

static void keyring_free(struct keyring *k)
{
    jwks_unref(k->keys);
    free(k->url);
    free(k->ca_file);
    free(k);
}

static void keyring_on_timer_closed(uv_handle_t *h)
{
    keyring_free(h->data);
}

void keyring_close(struct keyring *k)
{
    if (k == NULL)
        return;
    if (k->fetch != NULL)
        web_forget(k->fetch);
    k->fetch = NULL;
    if (k->url == NULL)
        keyring_free(k);
    else
        uv_close((uv_handle_t *)&k->timer, keyring_on_timer_closed);
}

static bool file_read(struct keyring *k, const char *file)
{
    struct buf text = {0};
    const char *why, *left_out = NULL;

    whole_file_judge(file, false);
    if (whole_file_read(file, JWKS_SIZE_MAX, &text, &why))
        k->keys = jwks_read(buf_slice(&text), JWKS_OF_FILE, &why, &left_out);
    if (text.p != NULL)
        explicit_bzero(text.p, text.cap);
    buf_free(&text);
    warn_left_out(left_out);
    if (k->keys == NULL)
        log_error("[auth] jwks cannot be read", LOG_S("file", file), LOG_S("error", why));
    return k->keys != NULL;
}

static bool url_ok(const char *url)
{
    enum web_reach reach = web_reach_of(url);

    if (reach == WEB_HTTPS || reach == WEB_LOOPBACK)
        return true;
    log_error(reach == WEB_PLAIN ? "[auth] jwks has to be an https URL: http only to localhost"
                                 : "[auth] jwks is neither a file nor an https URL");
    return false;
}

static void url_begin(struct keyring *k, uv_loop_t *loop, const struct config *c, const char *url,
                      const struct keyring *before)
{
    int rc = uv_timer_init(loop, &k->timer);

    assert(rc == 0);
    (void)rc;
    k->timer.data = k;
    k->url = mem_strdup(url);
    k->ca_file = mem_strdup(config_text(c, CFG_AUTH_CA));
    k->refresh_ms = config_num(c, CFG_AUTH_JWKS_REFRESH);
    if (before != NULL && before->url != NULL && strcmp(before->url, url) == 0) {
        k->sought_ms = before->sought_ms;
        k->failing = before->failing;
        if (before->keys != NULL)
            k->keys = jwks_ref(before->keys);
    }
    fetch_start(k);
}

struct keyring *keyring_open(uv_loop_t *loop, const struct config *c, const struct keyring *before,
                             void (*changed)(void *arg), void *arg)
{
    const char *from = config_text(c, CFG_AUTH_JWKS);
    struct keyring *k = mem_zalloc(sizeof *k);
    bool is_url = strstr(from, "://") != NULL;

    *k = (struct keyring){.changed = changed, .arg = arg};
    if (is_url ? !url_ok(from) : !file_read(k, from)) {
        keyring_free(k);
        return NULL;
    }
    if (is_url)
        url_begin(k, loop, c, from, before);
    return k;
}
