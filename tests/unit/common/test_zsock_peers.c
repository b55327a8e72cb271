/*
 * Peers in other processes: killed, stopped, and come again.
 */
#include "fixture.h"
#include "zsock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEARTBEAT_MS 100

static char folder[] = "/tmp/test_zsock_XXXXXX";
static char endpoint[64];

/* --- the other process: a router that answers, or a dealer that greets ---------- */

struct peer {
    pid_t pid;
    int go; /* a byte lets the peer begin */
};

static struct zsock *router;

static void answer(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    uint32_t times;
    struct zmsg m;

    (void)arg;
    if (count != 1 || zmsg_size(parts) != sizeof times)
        _exit(1);
    memcpy(&times, zmsg_data(parts), sizeof times);
    while (times-- > 0) {
        zmsg_init_copy(&m, "hello", 5);
        if (zsock_send(router, peer, &m) != 0)
            _exit(1);
        zmsg_close(&m);
    }
}

static void run_router(uv_loop_t *l)
{
    static const struct zsock_ops ops = {.message = answer};
    static const struct zsock_options o = {.heartbeat_ms = HEARTBEAT_MS, .mandatory = true};

    router = zsock_new(l, ZSOCK_ROUTER, &o, &ops, NULL);
    if (zsock_bind(router, endpoint) != 0)
        _exit(1);
}

static void ignore(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    (void)arg;
    (void)peer;
    (void)parts;
    (void)count;
}

static void run_dealer(uv_loop_t *l)
{
    static const struct zsock_ops ops = {.message = ignore};
    static const struct zsock_options o = {.heartbeat_ms = HEARTBEAT_MS};
    struct zsock *z = zsock_new(l, ZSOCK_DEALER, &o, &ops, NULL);
    struct zmsg m;

    zmsg_init_copy(&m, "hello", 5);
    if (zsock_connect(z, endpoint) != 0 || zsock_send(z, (struct slice){NULL, 0}, &m) != 0)
        _exit(1);
    zmsg_close(&m);
}

static void run_peer(int go, void (*role)(uv_loop_t *l))
{
    struct pollfd p = {.fd = go, .events = POLLIN};
    uv_loop_t l;

    (void)poll(&p, 1, -1);
    if (uv_loop_init(&l) != 0)
        _exit(1);
    role(&l);
    uv_run(&l, UV_RUN_DEFAULT);
    _exit(1);
}

/* Before the test has a ZeroMQ thread of its own: those do not survive a fork. */
static struct peer start_peer(void (*role)(uv_loop_t *l))
{
    struct peer p;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    p.pid = fork();
    ck_assert_int_ge(p.pid, 0);
    if (p.pid == 0) {
        (void)close(fds[1]);
        run_peer(fds[0], role);
    }
    (void)close(fds[0]);
    p.go = fds[1];
    return p;
}

static void let_begin(struct peer *p)
{
    ck_assert_int_eq(write(p->go, "", 1), 1);
    (void)close(p->go);
}

static void kill_peer(const struct peer *p)
{
    ck_assert_int_eq(kill(p->pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(p->pid, NULL, 0), p->pid);
}

/* --- this process: a dealer ---------------------------------------------------- */

static struct {
    struct zsock *z;
    unsigned received, connected, disconnected;
    unsigned received_when_disconnected;
} dealer;

/* Or a router, which keeps the name of whoever greets. */
static struct {
    struct zsock *z;
    char peer[256];
    size_t peer_len;
} host;

static void on_greeting(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    (void)arg;
    (void)parts;
    (void)count;
    memcpy(host.peer, peer.p, peer.len);
    host.peer_len = peer.len;
}

static void on_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    (void)arg;
    (void)peer;
    (void)parts;
    (void)count;
    dealer.received++;
}

static void on_connected(void *arg)
{
    (void)arg;
    dealer.connected++;
}

static void on_disconnected(void *arg)
{
    (void)arg;
    dealer.disconnected++;
    dealer.received_when_disconnected = dealer.received;
}

static void begin(void)
{
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/s", folder);
    memset(&dealer, 0, sizeof dealer);
    loop_begin();
}

static void connect_dealer(void)
{
    static const struct zsock_ops ops = {
        .message = on_message, .connected = on_connected, .disconnected = on_disconnected};
    static const struct zsock_options o = {.heartbeat_ms = HEARTBEAT_MS, .monitor = true};

    dealer.z = zsock_new(&loop, ZSOCK_DEALER, &o, &ops, NULL);
    ck_assert_int_eq(zsock_connect(dealer.z, endpoint), 0);
}

static void end(void)
{
    if (dealer.z != NULL)
        zsock_close(dealer.z, 0, NULL);
    loop_end();
    zsock_shutdown();
    (void)unlink(endpoint + strlen("ipc://"));
    ck_assert_int_eq(rmdir(folder), 0);
}

/* Asks for so many answers. */
static void ask(uint32_t times)
{
    struct zmsg m;

    zmsg_init_copy(&m, &times, sizeof times);
    ck_assert_int_eq(zsock_send(dealer.z, (struct slice){NULL, 0}, &m), 0);
    zmsg_close(&m);
}

START_TEST(a_killed_peer_is_noticed_and_its_successor_found)
{
    struct peer first = start_peer(run_router), second = start_peer(run_router);

    let_begin(&first);
    connect_dealer();
    RUN_UNTIL(dealer.connected == 1);
    ask(3);
    RUN_UNTIL(dealer.received == 3);
    kill_peer(&first);
    RUN_UNTIL(dealer.disconnected == 1);
    let_begin(&second);
    RUN_UNTIL(dealer.connected == 2);
    ask(1);
    RUN_UNTIL(dealer.received == 4);
    kill_peer(&second);
    end();
}
END_TEST

START_TEST(a_stopped_peer_is_noticed_by_its_heartbeat)
{
    struct peer p = start_peer(run_router);

    let_begin(&p);
    connect_dealer();
    RUN_UNTIL(dealer.connected == 1);
    ck_assert_int_eq(kill(p.pid, SIGSTOP), 0);
    RUN_UNTIL(dealer.disconnected == 1);
    ck_assert_uint_eq(dealer.connected, 1); /* the kernel connects, nobody answers */
    ck_assert_int_eq(kill(p.pid, SIGCONT), 0);
    RUN_UNTIL(dealer.connected == 2);
    kill_peer(&p);
    end();
}
END_TEST

START_TEST(nothing_of_a_connection_comes_after_its_end)
{
    struct peer first = start_peer(run_router), second = start_peer(run_router);

    let_begin(&first);
    connect_dealer();
    zsock_budget(dealer.z, 5); /* so that reading takes many turns */
    RUN_UNTIL(dealer.connected == 1);
    ask(900);
    RUN_UNTIL(dealer.received > 0);
    kill_peer(&first);
    let_begin(&second);
    RUN_UNTIL(dealer.connected == 2);
    ck_assert_uint_eq(dealer.disconnected, 1);
    ck_assert_uint_eq(dealer.received, dealer.received_when_disconnected);
    kill_peer(&second);
    end();
}
END_TEST

START_TEST(nobody_listening_is_no_connection_and_no_end_of_one)
{
    struct peer p = start_peer(run_router);

    connect_dealer();
    ask(1); /* waits in the queue */
    for (unsigned i = 0; i < 20; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    ck_assert_uint_eq(dealer.connected + dealer.disconnected, 0);
    let_begin(&p);
    RUN_UNTIL(dealer.connected == 1 && dealer.received == 1);
    ck_assert_uint_eq(dealer.disconnected, 0);
    kill_peer(&p);
    end();
}
END_TEST

static void on_tick(uv_timer_t *t)
{
    (void)t;
}

static bool greeter_is_gone(void)
{
    struct zmsg m;
    int rc;

    zmsg_init_copy(&m, "x", 1);
    rc = zsock_send(host.z, (struct slice){host.peer, host.peer_len}, &m);
    zmsg_close(&m);
    ck_assert(rc == 0 || rc == -EHOSTUNREACH);
    return rc != 0;
}

START_TEST(a_router_learns_by_heartbeat_that_a_stopped_peer_is_gone)
{
    static const struct zsock_ops ops = {.message = on_greeting};
    static const struct zsock_options o = {.heartbeat_ms = HEARTBEAT_MS, .mandatory = true};
    static uv_timer_t tick; /* turns the loop, so that we ask again */
    struct peer p = start_peer(run_dealer);

    host.peer_len = 0;
    host.z = zsock_new(&loop, ZSOCK_ROUTER, &o, &ops, NULL);
    ck_assert_int_eq(zsock_bind(host.z, endpoint), 0);
    let_begin(&p);
    RUN_UNTIL(host.peer_len > 0);
    ck_assert(!greeter_is_gone());
    ck_assert_int_eq(kill(p.pid, SIGSTOP), 0);
    (void)uv_timer_init(&loop, &tick);
    (void)uv_timer_start(&tick, on_tick, 10, 10);
    RUN_UNTIL(greeter_is_gone());
    uv_close((uv_handle_t *)&tick, NULL);
    kill_peer(&p);
    zsock_close(host.z, 0, NULL);
    end();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("zsock_peers");
    TCase *t = tcase_create("zsock_peers");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, begin, NULL);
    tcase_add_test(t, a_killed_peer_is_noticed_and_its_successor_found);
    tcase_add_test(t, a_stopped_peer_is_noticed_by_its_heartbeat);
    tcase_add_test(t, nothing_of_a_connection_comes_after_its_end);
    tcase_add_test(t, a_router_learns_by_heartbeat_that_a_stopped_peer_is_gone);
    tcase_add_test(t, nobody_listening_is_no_connection_and_no_end_of_one);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
