/*
 * test_warden.c - real sockets of ZeroMQ with CURVE between them: who is listed comes in and is
 * known by the key, who is not hears so, and a reload counts for those who are here.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key_file.h"
#include "mem.h"
#include "run_suite.h"
#include "warden.h"

#define PATIENCE_MS 20000

static uv_loop_t loop;
static char folder[64], secret_file[128], list_file[128], endpoint[64];
static struct config *config;
static struct warden *warden;
static struct zsock *router;
static struct zsock_curve server;

static char seen[Z85_TEXT + 1]; /* the key that came with the last message */
static unsigned messages, refusals, closed;

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    ck_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
    ck_assert_int_eq(chmod(name, 0600), 0);
}

static void give_up(uv_timer_t *t)
{
    (void)t;
    ck_abort_msg("it never became true");
}

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        uv_timer_t patience;                                                                       \
        (void)uv_timer_init(&loop, &patience);                                                     \
        (void)uv_timer_start(&patience, give_up, PATIENCE_MS, 0);                                  \
        while (!(condition))                                                                       \
            (void)uv_run(&loop, UV_RUN_ONCE);                                                      \
        uv_close((uv_handle_t *)&patience, NULL);                                                  \
        (void)uv_run(&loop, UV_RUN_NOWAIT);                                                        \
    } while (0)

static void on_message(void *arg, struct slice from, struct zmsg *parts, size_t count)
{
    const char *key = zmsg_key(&parts[0]);

    (void)arg, (void)from, (void)count;
    (void)snprintf(seen, sizeof seen, "%s", key != NULL ? key : "none");
    messages++;
}

static void on_refused(void *arg, const char *why)
{
    (void)arg;
    ck_assert_str_eq(why, "our key is not among those that are let in");
    refusals++;
}

static void on_closed(void *arg)
{
    (void)arg;
    closed++;
}

static struct zsock_curve client_make(char text[Z85_TEXT + 1])
{
    char public[ZSOCK_KEY_TEXT], secret[ZSOCK_KEY_TEXT];
    struct zsock_curve c;

    ck_assert(zsock_keypair(public, secret));
    ck_assert(z85_get(slice_of(secret), c.secret));
    ck_assert(zsock_curve_public(&c));
    z85_put(c.public, text);
    ck_assert_str_eq(text, public);
    memcpy(c.server_key, server.public, sizeof c.server_key);
    return c;
}

static struct zsock *client_open(const struct zsock_curve *c)
{
    static const struct zsock_ops ops = {.message = on_message, .refused = on_refused};
    static const struct zsock_options o = {.monitor = true};
    struct zsock *z = zsock_new(&loop, ZSOCK_DEALER, &o, &ops, NULL);
    struct zmsg m;

    zsock_secure_client(z, c);
    ck_assert_int_eq(zsock_connect(z, endpoint), 0);
    zmsg_init_copy(&m, "x", 1);
    ck_assert_int_eq(zsock_send(z, (struct slice){0}, &m), 0);
    zmsg_close(&m);
    return z;
}

static void list(const char *name, const char *key)
{
    char text[128];

    (void)snprintf(text, sizeof text, "%s:%s\n", name, key);
    write_file(list_file, text);
}

static void bind_somewhere(void)
{
    for (unsigned port = 20000 + (unsigned)getpid() % 10000; port < 65000; port += 7) {
        (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
        if (zsock_bind(router, endpoint) == 0)
            return;
    }
    ck_abort();
}

static void open_warden(void)
{
    char key_flag[160], list_flag[160];
    char *argv[] = {(char *)(uintptr_t) "broker", key_flag, list_flag, NULL};

    (void)snprintf(key_flag, sizeof key_flag, "--key-file=%s", secret_file);
    (void)snprintf(list_flag, sizeof list_flag, "--gateway-keys=%s", list_file);
    ck_assert_int_eq(config_load(&config, "broker", 3, argv), CONFIG_GO);
    ck_assert(warden_open(&warden, &loop, config));
}

static void begin(void)
{
    static const struct zsock_ops ops = {.message = on_message};
    static const struct zsock_options o = {0};
    char public[ZSOCK_KEY_TEXT], secret[ZSOCK_KEY_TEXT];

    messages = refusals = closed = 0;
    (void)snprintf(folder, sizeof folder, "/tmp/sluice-warden-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(secret_file, sizeof secret_file, "%s/secret", folder);
    (void)snprintf(list_file, sizeof list_file, "%s/gateways", folder);
    ck_assert(zsock_keypair(public, secret));
    ck_assert(z85_get(slice_of(public), server.public));
    write_file(secret_file, secret);
    write_file(list_file, "");
    (void)uv_loop_init(&loop);
    open_warden();
    router = zsock_new(&loop, ZSOCK_ROUTER, &o, &ops, NULL);
    warden_guard(warden, router);
    bind_somewhere();
}

static void end(void)
{
    zsock_close(router, 0, on_closed);
    warden_close(warden, on_closed, NULL);
    RUN_UNTIL(closed >= 2);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    zsock_shutdown();
    warden_free(warden);
    config_free(config);
    (void)unlink(secret_file);
    (void)unlink(list_file);
    (void)rmdir(folder);
}

START_TEST(who_is_listed_comes_in_and_is_known_by_the_key)
{
    char key[Z85_TEXT + 1];
    struct zsock_curve c = client_make(key);
    struct zsock *z;

    list("gate", key);
    ck_assert(warden_reload(warden, config));
    z = client_open(&c);
    RUN_UNTIL(messages == 1);
    ck_assert_str_eq(seen, key);
    ck_assert(warden_admits(warden, key));
    zsock_close(z, 0, NULL);
}
END_TEST

START_TEST(who_is_not_listed_hears_so)
{
    char key[Z85_TEXT + 1];
    struct zsock_curve c = client_make(key);
    struct zsock *z = client_open(&c);

    RUN_UNTIL(refusals == 1);
    ck_assert_uint_eq(messages, 0);
    ck_assert(!warden_admits(warden, key));
    zsock_close(z, 0, NULL);
}
END_TEST

START_TEST(who_is_listed_no_more_is_not_admitted)
{
    char key[Z85_TEXT + 1];
    struct zsock_curve c = client_make(key);
    struct zsock *z;

    list("gate", key);
    ck_assert(warden_reload(warden, config));
    z = client_open(&c);
    RUN_UNTIL(messages == 1);
    write_file(list_file, "");
    ck_assert(warden_reload(warden, config));
    ck_assert(!warden_admits(warden, seen));
    write_file(list_file, "no key\n");
    ck_assert(!warden_reload(warden, config));
    zsock_close(z, 0, NULL);
}
END_TEST

START_TEST(who_shows_none_came_by_a_way_that_needs_none)
{
    ck_assert(warden_admits(warden, NULL));
    ck_assert(warden_admits(NULL, "whatever"));
    ck_assert(!warden_admits(warden, "no key"));
}
END_TEST

int main(void)
{
    return RUN_TESTS("warden", begin, end, who_is_listed_comes_in_and_is_known_by_the_key,
                     who_is_not_listed_hears_so, who_is_listed_no_more_is_not_admitted,
                     who_shows_none_came_by_a_way_that_needs_none);
}
