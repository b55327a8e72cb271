/*
 * warden.c - see warden.h.
 *
 * A request of ZAP:  "" version id domain address identity mechanism credentials…
 * and its answer:    "" version id status text user-id metadata
 *
 * The user id is the key in Z85: ZeroMQ hands it out with each message of the connection.
 */
#include "warden.h"

#include <stdlib.h>

#include "key_file.h"
#include "log.h"
#include "loglimit.h"
#include "mem.h"

enum { ZAP_DELIMITER, ZAP_VERSION, ZAP_ID, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM };
#define ZAP_CURVE_PARTS 8 /* the last is the client's key */
#define ZAP_ANSWER_PARTS 7

struct warden {
    struct zsock *zap;
    struct zsock_curve curve;
    struct key_list gateways;
    struct log_limit refused;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- ZAP ---------------------------------------------------------------------------- */

static struct slice part_of(const struct zmsg *m)
{
    return (struct slice){zmsg_data(m), zmsg_size(m)};
}

static void answer(struct warden *w, struct slice to, struct zmsg *parts, const char *status,
                   const char *user)
{
    struct zmsg out[ZAP_ANSWER_PARTS];
    const struct slice said[ZAP_ANSWER_PARTS] = {
        SLICE(""),      SLICE("1.0"), part_of(&parts[ZAP_ID]), slice_of(status), SLICE(""),
        slice_of(user), SLICE("")};

    for (size_t i = 0; i < ZAP_ANSWER_PARTS; i++)
        zmsg_init_copy(&out[i], said[i].p, said[i].len);
    (void)zsock_send_parts(w->zap, to, out, ZAP_ANSWER_PARTS); /* its connection may be gone */
    for (size_t i = 0; i < ZAP_ANSWER_PARTS; i++)
        zmsg_close(&out[i]);
}

static void log_refused(struct warden *w, const char *key, struct slice address)
{
    uint64_t skipped;

    if (log_limit_pass(&w->refused, &skipped))
        log_warn("a gateway is refused: its key is not in [broker] gateway_keys", LOG_S("key", key),
                 LOG_SLICE("address", address), LOG_U("not_logged", skipped));
}

static void warden_on_message(void *arg, struct slice from, struct zmsg *parts, size_t count)
{
    struct warden *w = arg;
    char key[Z85_TEXT + 1];
    struct slice shown;

    if (count <= ZAP_ID)
        return;
    shown = count == ZAP_CURVE_PARTS ? part_of(&parts[count - 1]) : (struct slice){0};
    if (shown.len != Z85_KEY || !slice_eq(part_of(&parts[ZAP_MECHANISM]), SLICE("CURVE"))) {
        answer(w, from, parts, "400", "");
        return;
    }
    z85_put((const uint8_t *)shown.p, key);
    if (key_file_find(&w->gateways, (const uint8_t *)shown.p) != NULL) {
        answer(w, from, parts, "200", key);
        return;
    }
    log_refused(w, key, part_of(&parts[ZAP_ADDRESS]));
    answer(w, from, parts, "400", "");
}

/* --- life ---------------------------------------------------------------------------- */

static bool keys_read(struct warden *w, const struct config *c)
{
    const char *file = config_text(c, CFG_LINK_GATEWAYS);

    if (*file != '\0')
        return key_file_list(file, &w->gateways);
    log_error("[broker] key_file needs gateway_keys: a file of the gateways that may come");
    return false;
}

static bool curve_read(struct warden *w, const char *file)
{
    char shown[Z85_TEXT + 1];

    if (!key_file_secret(file, w->curve.secret))
        return false;
    if (!zsock_curve_public(&w->curve)) {
        log_error("this ZeroMQ was built without CURVE");
        return false;
    }
    z85_put(w->curve.public, shown);
    log_info("link and reads speak CURVE over tcp", LOG_S("public_key", shown),
             LOG_U("gateways", w->gateways.count));
    return true;
}

static bool zap_open(struct warden *w, uv_loop_t *loop)
{
    static const struct zsock_ops ops = {.message = warden_on_message};
    static const struct zsock_options o = {0};

    w->zap = zsock_new(loop, ZSOCK_ROUTER, &o, &ops, w);
    if (w->zap != NULL && zsock_bind(w->zap, ZSOCK_ZAP) == 0)
        return true;
    log_error("ZeroMQ has no more sockets");
    return false;
}

bool warden_open(struct warden **out, uv_loop_t *loop, const struct config *c)
{
    const char *file = config_text(c, CFG_BROKER_KEY_FILE);
    struct warden *w;

    *out = NULL;
    if (*file == '\0')
        return true;
    *out = w = mem_zalloc(sizeof *w);
    return keys_read(w, c) && curve_read(w, file) && zap_open(w, loop);
}

static void warden_on_closed(void *arg)
{
    struct warden *w = arg;

    w->closed(w->closed_arg);
}

void warden_close(struct warden *w, void (*closed)(void *arg), void *arg)
{
    if (w == NULL || w->zap == NULL) {
        closed(arg);
        return;
    }
    w->closed = closed;
    w->closed_arg = arg;
    zsock_close(w->zap, 0, warden_on_closed);
}

void warden_free(struct warden *w)
{
    if (w == NULL)
        return;
    key_file_free(&w->gateways);
    explicit_bzero(&w->curve, sizeof w->curve);
    free(w);
}

bool warden_reload(struct warden *w, const struct config *c)
{
    return w == NULL || keys_read(w, c);
}

void warden_guard(struct warden *w, struct zsock *z)
{
    zsock_secure_server(z, &w->curve);
}

bool warden_admits(const struct warden *w, const char *key)
{
    uint8_t bytes[Z85_KEY];

    return w == NULL || key == NULL ||
           (z85_get(slice_of(key), bytes) && key_file_find(&w->gateways, bytes) != NULL);
}
