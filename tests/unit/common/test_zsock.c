/*
 * ZeroMQ on the loop: nothing stalls, nothing spins, nothing is lost, and
 * nothing is called after the end.
 */
#include "fixture.h"
#include "mem.h"
#include "zsock.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/test_zsock_XXXXXX";
static char endpoint[64];
static unsigned closed_count;

static void begin(void)
{
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/s", folder);
    closed_count = 0;
    loop_begin();
}

static void end(void)
{
    loop_end();
    zsock_shutdown();
    (void)unlink(endpoint + strlen("ipc://"));
    ck_assert_int_eq(rmdir(folder), 0);
}

static void on_closed(void *arg)
{
    (void)arg;
    closed_count++;
}

static void send_number(struct zsock *z, struct slice peer, uint64_t n)
{
    struct zmsg m;

    zmsg_init_copy(&m, &n, sizeof n);
    ck_assert_int_eq(zsock_send(z, peer, &m), 0);
    zmsg_close(&m);
}

static uint64_t number(const struct zmsg *m)
{
    uint64_t n;

    ck_assert_uint_eq(zmsg_size(m), sizeof n);
    memcpy(&n, zmsg_data(m), sizeof n);
    return n;
}

/* --- one end of a conversation ------------------------------------------------- */

struct end {
    struct zsock *z;
    uint64_t received; /* and the number that comes next, where it matters */
    unsigned drained, connected, disconnected;
    size_t last_count;
    char peer[256];
    size_t peer_len;
    struct zsock *close_me; /* in the first message */
    bool echo;
};

static void on_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    struct end *e = arg;

    ck_assert_uint_gt(count, 0);
    e->received++;
    e->last_count = count;
    if (peer.len > 0)
        memcpy(e->peer, peer.p, peer.len);
    e->peer_len = peer.len;
    if (e->echo)
        ck_assert_int_eq(zsock_send_parts(e->z, peer, parts, count), 0);
    if (e->close_me != NULL) {
        zsock_close(e->close_me, 0, on_closed);
        e->close_me = NULL;
    }
}

static void on_drained(void *arg)
{
    ((struct end *)arg)->drained++;
}

static void on_connected(void *arg)
{
    ((struct end *)arg)->connected++;
}

static void on_disconnected(void *arg)
{
    ((struct end *)arg)->disconnected++;
}

static const struct zsock_ops ops = {.message = on_message,
                                     .drained = on_drained,
                                     .connected = on_connected,
                                     .disconnected = on_disconnected};

static void open_end(struct end *e, enum zsock_type type, const struct zsock_options *o)
{
    *e = (struct end){0};
    e->z = zsock_new(&loop, type, o, &ops, e);
    ck_assert_ptr_nonnull(e->z);
    ck_assert_int_eq(
        type == ZSOCK_ROUTER ? zsock_bind(e->z, endpoint) : zsock_connect(e->z, endpoint), 0);
}

static void open_pair(struct end *router, struct end *dealer)
{
    static const struct zsock_options ro = {.mandatory = true};
    static const struct zsock_options dealer_options = {.monitor = true};

    open_end(router, ZSOCK_ROUTER, &ro);
    open_end(dealer, ZSOCK_DEALER, &dealer_options);
}

static struct slice peer_of(const struct end *e)
{
    return (struct slice){e->peer, e->peer_len};
}

/* --- streams ------------------------------------------------------------------- */

#define DEALERS 5
#define MESSAGES 100000
#define WINDOW 200

struct sender {
    struct zsock *z;
    uint64_t sent, received;
};

/* A reply makes room for one more. */
static void on_reply(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    struct sender *s = arg;

    (void)peer;
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(number(&parts[0]), s->received++);
    if (s->sent < MESSAGES)
        send_number(s->z, peer, s->sent++);
}

static void start_sender(struct sender *s)
{
    static const struct zsock_ops sender_ops = {.message = on_reply};
    static const struct zsock_options o = {0};

    *s = (struct sender){.z = zsock_new(&loop, ZSOCK_DEALER, &o, &sender_ops, s)};
    ck_assert_int_eq(zsock_connect(s->z, endpoint), 0);
    while (s->sent < WINDOW)
        send_number(s->z, (struct slice){NULL, 0}, s->sent++);
}

static bool all_received(const struct sender *s)
{
    for (size_t i = 0; i < DEALERS; i++)
        if (s[i].received < MESSAGES)
            return false;
    return true;
}

START_TEST(five_dealers_and_a_router_exchange_everything_in_order)
{
    static const struct zsock_options o = {.mandatory = true};
    struct sender senders[DEALERS];
    struct end router;

    open_end(&router, ZSOCK_ROUTER, &o);
    router.echo = true;
    for (size_t i = 0; i < DEALERS; i++)
        start_sender(&senders[i]);
    RUN_UNTIL(all_received(senders));
    ck_assert_uint_eq(router.received, DEALERS * MESSAGES);
    ck_assert_uint_lt(router.drained, router.received);
    for (size_t i = 0; i < DEALERS; i++)
        zsock_close(senders[i].z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

static unsigned turns;

static void count_turn(uv_prepare_t *h)
{
    (void)h;
    turns++;
}

/* The turns that the loop makes while nothing happens for 200 ms. */
static unsigned idle_turns(void)
{
    static uv_prepare_t counter;
    static uv_timer_t timer;
    static bool over;

    over = false;
    turns = 0;
    (void)uv_prepare_init(&loop, &counter);
    (void)uv_prepare_start(&counter, count_turn);
    (void)uv_timer_init(&loop, &timer);
    timer.data = &over;
    (void)uv_timer_start(&timer, fixture_give_up, 200, 0);
    while (!over)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&counter, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return turns;
}

START_TEST(an_idle_socket_lets_the_loop_sleep)
{
    struct end router, dealer;

    open_pair(&router, &dealer);
    router.echo = true;
    send_number(dealer.z, (struct slice){NULL, 0}, 1);
    RUN_UNTIL(dealer.received == 1);
    ck_assert_uint_lt(idle_turns(), 20);
    zsock_close(dealer.z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

/* An echo on a loop of its own: on ours it would wake the dealer by the way. */
struct echo {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t stop;
    struct end router;
};

static void stop_echo(uv_async_t *h)
{
    struct echo *e = CONTAINER_OF(h, struct echo, stop);

    zsock_close(e->router.z, 0, NULL);
    uv_close((uv_handle_t *)h, NULL);
}

static void run_echo(void *arg)
{
    uv_run(&((struct echo *)arg)->loop, UV_RUN_DEFAULT);
}

static void begin_echo(struct echo *e)
{
    static const struct zsock_options o = {0};

    *e = (struct echo){.router.echo = true};
    ck_assert_int_eq(uv_loop_init(&e->loop), 0);
    ck_assert_int_eq(uv_async_init(&e->loop, &e->stop, stop_echo), 0);
    e->router.z = zsock_new(&e->loop, ZSOCK_ROUTER, &o, &ops, &e->router);
    ck_assert_int_eq(zsock_bind(e->router.z, endpoint), 0);
    ck_assert_int_eq(uv_thread_create(&e->thread, run_echo, e), 0);
}

static void end_echo(struct echo *e)
{
    (void)uv_async_send(&e->stop);
    (void)uv_thread_join(&e->thread);
    ck_assert_int_eq(uv_loop_close(&e->loop), 0);
}

/* A prepare handle started before the socket's runs after it.  The pause lets
 * the answer to the first message come, so that the second send eats its edge. */
#define PREPARE_SENDS 100
static struct end *prepare_dealer;
static uint64_t prepare_sent;

static void send_in_prepare(uv_prepare_t *h)
{
    (void)h;
    if (prepare_sent == PREPARE_SENDS || prepare_sent != prepare_dealer->received)
        return;
    send_number(prepare_dealer->z, (struct slice){NULL, 0}, prepare_sent++);
    (void)usleep(2000);
    send_number(prepare_dealer->z, (struct slice){NULL, 0}, prepare_sent++);
}

START_TEST(a_send_in_another_prepare_callback_stalls_nothing)
{
    static const struct zsock_options o = {0};
    static uv_prepare_t prepare; /* until the loop has let go of it */
    struct end dealer;
    struct echo echo;

    begin_echo(&echo);
    prepare_dealer = &dealer;
    prepare_sent = 0;
    (void)uv_prepare_init(&loop, &prepare);
    (void)uv_prepare_start(&prepare, send_in_prepare);
    open_end(&dealer, ZSOCK_DEALER, &o);
    RUN_UNTIL(dealer.received == PREPARE_SENDS);
    uv_close((uv_handle_t *)&prepare, NULL);
    zsock_close(dealer.z, 0, NULL);
    end_echo(&echo);
}
END_TEST

START_TEST(a_turn_reads_no_more_than_its_budget)
{
    struct end router, dealer;

    open_pair(&router, &dealer);
    zsock_budget(router.z, 10);
    for (uint64_t i = 0; i < 500; i++)
        send_number(dealer.z, (struct slice){NULL, 0}, i);
    RUN_UNTIL(router.received == 500);
    ck_assert_uint_ge(router.drained, 50);
    zsock_close(dealer.z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

START_TEST(a_paused_socket_reads_nothing_and_spins_not_and_then_reads_all)
{
    struct end router, dealer;

    open_pair(&router, &dealer);
    zsock_pause(router.z, true);
    for (uint64_t i = 0; i < 100; i++)
        send_number(dealer.z, (struct slice){NULL, 0}, i);
    ck_assert_uint_lt(idle_turns(), 60);
    ck_assert_uint_eq(router.received, 0);
    zsock_pause(router.z, false);
    RUN_UNTIL(router.received == 100);
    zsock_close(dealer.z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

static void pause_on_message(void *arg, struct slice peer, struct zmsg *parts, size_t count)
{
    struct end *e = arg;

    on_message(arg, peer, parts, count);
    zsock_pause(e->z, true);
}

START_TEST(pausing_in_a_message_stops_that_drain)
{
    static const struct zsock_ops pausing = {.message = pause_on_message};
    static const struct zsock_options o = {0};
    struct end router = {0}, dealer;

    router.z = zsock_new(&loop, ZSOCK_ROUTER, &o, &pausing, &router);
    ck_assert_int_eq(zsock_bind(router.z, endpoint), 0);
    open_end(&dealer, ZSOCK_DEALER, &o);
    for (uint64_t i = 0; i < 3; i++)
        send_number(dealer.z, (struct slice){NULL, 0}, i);
    for (uint64_t i = 1; i <= 3; i++) {
        RUN_UNTIL(router.received == i);
        zsock_pause(router.z, false);
    }
    zsock_close(dealer.z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

static void set_flag(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

static void pass(uint64_t ms)
{
    static uv_timer_t timer;
    bool over = false;

    ck_assert_int_eq(uv_timer_init(&loop, &timer), 0);
    timer.data = &over;
    ck_assert_int_eq(uv_timer_start(&timer, set_flag, ms, 0), 0);
    RUN_UNTIL(over);
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
}

/* As a broker is that ends, or is busy: what its peers have sent fills the pipe. */
START_TEST(a_peer_that_goes_while_nobody_reads_ends_no_process)
{
    static const struct zsock_options ro = {.mandatory = true, .heartbeat_ms = 100};
    static const struct zsock_options many = {.send_hwm = 100000};
    struct end router, dealer;

    open_end(&router, ZSOCK_ROUTER, &ro);
    zsock_pause(router.z, true);
    open_end(&dealer, ZSOCK_DEALER, &many);
    for (uint64_t i = 0; i < 5000; i++)
        send_number(dealer.z, (struct slice){NULL, 0}, i);
    pass(300);
    zsock_close(dealer.z, 0, on_closed);
    RUN_UNTIL(closed_count == 1);
    pass(500); /* some heartbeats */
    zsock_pause(router.z, false);
    RUN_UNTIL(router.received == 5000);
    zsock_close(router.z, 0, NULL);
}
END_TEST

/* --- peers that do not take ---------------------------------------------------- */

START_TEST(only_the_full_peer_is_refused)
{
    static const struct zsock_options small = {.send_hwm = 10, .recv_hwm = 10, .mandatory = true};
    static const struct zsock_options o = {.recv_hwm = 10};
    struct end router, stalled, other;
    struct zmsg m;
    char peer[256];
    size_t peer_len;
    int rc;

    open_end(&router, ZSOCK_ROUTER, &small);
    open_end(&stalled, ZSOCK_DEALER, &o);
    send_number(stalled.z, (struct slice){NULL, 0}, 0);
    RUN_UNTIL(router.received == 1);
    memcpy(peer, router.peer, router.peer_len);
    peer_len = router.peer_len;
    open_end(&other, ZSOCK_DEALER, &o);
    send_number(other.z, (struct slice){NULL, 0}, 0);
    RUN_UNTIL(router.received == 2);

    zsock_pause(stalled.z, true);
    do {
        struct buf b = {0};

        memset(buf_reserve(&b, 100000), 'x', 100000);
        b.len = 100000;
        zmsg_init_buf(&m, &b);
        rc = zsock_send(router.z, (struct slice){peer, peer_len}, &m);
        if (rc != 0)
            ck_assert_uint_eq(zmsg_size(&m), 100000); /* still the caller's */
        zmsg_close(&m);
    } while (rc == 0);
    ck_assert_int_eq(rc, -EAGAIN);
    send_number(router.z, peer_of(&router), 7);
    RUN_UNTIL(other.received == 1);
    zsock_close(stalled.z, 0, NULL);
    zsock_close(other.z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

START_TEST(a_mandatory_router_tells_that_a_peer_is_unknown)
{
    struct end router, dealer;
    struct zmsg m;

    open_pair(&router, &dealer);
    zmsg_init_copy(&m, "x", 1);
    ck_assert_int_eq(zsock_send(router.z, SLICE("nobody"), &m), -EHOSTUNREACH);
    ck_assert_uint_eq(zmsg_size(&m), 1);
    send_number(dealer.z, (struct slice){NULL, 0}, 1);
    RUN_UNTIL(router.received == 1);
    ck_assert_int_eq(zsock_send(router.z, peer_of(&router), &m), 0);
    ck_assert_uint_eq(zmsg_size(&m), 0); /* moved */
    zmsg_close(&m);
    RUN_UNTIL(dealer.received == 1);
    zsock_close(dealer.z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

/* --- messages ------------------------------------------------------------------ */

START_TEST(a_message_of_many_parts_is_cut_and_the_next_is_whole)
{
    struct end router, dealer;
    struct zmsg parts[30];

    open_pair(&router, &dealer);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        zmsg_init_copy(&parts[i], &i, sizeof i);
    ck_assert_int_eq(zsock_send_parts(dealer.z, (struct slice){NULL, 0}, parts, 30), 0);
    RUN_UNTIL(router.received == 1);
    ck_assert_uint_eq(router.last_count, ZSOCK_PARTS_MAX - 1);
    send_number(dealer.z, (struct slice){NULL, 0}, 1);
    RUN_UNTIL(router.received == 2);
    ck_assert_uint_eq(router.last_count, 1);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        zmsg_close(&parts[i]);
    zsock_close(dealer.z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

START_TEST(a_buffer_becomes_a_message_without_a_copy)
{
    struct zmsg a, b;
    struct buf bytes = {0};
    const uint8_t *p;

    memset(buf_reserve(&bytes, 5000), 'x', 5000);
    bytes.len = 5000;
    p = bytes.p;
    zmsg_init_buf(&a, &bytes);
    ck_assert_ptr_null(bytes.p);
    ck_assert_ptr_eq(zmsg_data(&a), p);
    zmsg_init(&b);
    zmsg_share(&b, &a);
    ck_assert_ptr_eq(zmsg_data(&b), p);
    zmsg_close(&a);
    ck_assert_uint_eq(zmsg_size(&b), 5000);
    zmsg_init(&a);
    zmsg_move(&a, &b);
    ck_assert_uint_eq(zmsg_size(&b), 0);
    ck_assert_ptr_eq(zmsg_data(&a), p);
    zmsg_close(&a);
    zmsg_close(&b);
}
END_TEST

/* Else a hundred bytes that are kept hold a receive buffer of 8 KiB. */
START_TEST(what_is_kept_of_a_small_message_is_a_copy)
{
    static const char text[10000] = "text";
    struct zmsg small, large, kept;

    zmsg_init_copy(&small, text, 100);
    zmsg_init_copy(&large, text, sizeof text);
    zmsg_init(&kept);
    const void *small_was = zmsg_data(&small), *large_was = zmsg_data(&large);

    zmsg_keep(&kept, &small);
    ck_assert_uint_eq(zmsg_size(&small), 0);
    ck_assert_ptr_ne(zmsg_data(&kept), small_was);
    ck_assert_mem_eq(zmsg_data(&kept), text, 100);
    zmsg_keep(&kept, &large);
    ck_assert_uint_eq(zmsg_size(&large), 0);
    ck_assert_ptr_eq(zmsg_data(&kept), large_was);
    zmsg_close(&small);
    zmsg_close(&large);
    zmsg_close(&kept);
}
END_TEST

START_TEST(an_empty_buffer_becomes_an_empty_message)
{
    struct buf bytes = {0};
    struct zmsg m;

    (void)buf_reserve(&bytes, 100);
    zmsg_init_buf(&m, &bytes);
    ck_assert_uint_eq(zmsg_size(&m), 0);
    ck_assert_ptr_null(bytes.p);
    zmsg_close(&m);
}
END_TEST

START_TEST(a_message_over_the_limit_ends_the_connection)
{
    static const struct zsock_options ro = {.max_message = 1000};
    static const struct zsock_options dealer_options = {.monitor = true};
    struct end router, dealer;
    struct zmsg m;
    char big[2000] = {0};

    open_end(&router, ZSOCK_ROUTER, &ro);
    open_end(&dealer, ZSOCK_DEALER, &dealer_options);
    RUN_UNTIL(dealer.connected == 1);
    zmsg_init_copy(&m, big, sizeof big);
    ck_assert_int_eq(zsock_send(dealer.z, (struct slice){NULL, 0}, &m), 0);
    zmsg_close(&m);
    RUN_UNTIL(dealer.disconnected == 1 && dealer.connected == 2);
    ck_assert_uint_eq(router.received, 0);
    zsock_close(dealer.z, 0, NULL);
    zsock_close(router.z, 0, NULL);
}
END_TEST

/* --- endpoints ----------------------------------------------------------------- */

START_TEST(a_path_that_somebody_listens_on_is_not_taken)
{
    static const struct zsock_options o = {0};
    struct end first;
    struct zsock *second;

    open_end(&first, ZSOCK_ROUTER, &o);
    second = zsock_new(&loop, ZSOCK_ROUTER, &o, &ops, NULL);
    ck_assert_int_eq(zsock_bind(second, endpoint), -EADDRINUSE);
    zsock_close(second, 0, NULL);
    zsock_close(first.z, 0, NULL);
}
END_TEST

START_TEST(a_path_left_behind_is_taken_over)
{
    static const struct zsock_options o = {0};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct end router;

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s/s", folder);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(close(fd), 0);
    open_end(&router, ZSOCK_ROUTER, &o);
    zsock_close(router.z, 0, NULL);
}
END_TEST

START_TEST(bad_endpoints_are_refused)
{
    static const struct zsock_options o = {0};
    struct zsock *z = zsock_new(&loop, ZSOCK_ROUTER, &o, &ops, NULL);
    char too_long[200] = "ipc:///tmp/";

    memset(too_long + strlen(too_long), 'x', sizeof too_long - strlen(too_long) - 1);
    ck_assert_int_eq(zsock_bind(z, too_long), -ENAMETOOLONG);
    ck_assert_int_eq(zsock_bind(z, "ipc:///nowhere/at/all"), -ENOENT);
    ck_assert_int_lt(zsock_bind(z, "tcp://127.0.0.1:99999"), 0);
    ck_assert_int_lt(zsock_bind(z, "nonsense"), 0);
    ck_assert_int_lt(zsock_connect(z, "foo://bar"), 0);
    zsock_close(z, 0, NULL);
}
END_TEST

/* --- the end ------------------------------------------------------------------- */

START_TEST(nothing_is_called_after_a_close_within_a_message)
{
    struct end router, dealer;

    open_pair(&router, &dealer);
    router.close_me = router.z;
    for (uint64_t i = 0; i < 100; i++)
        send_number(dealer.z, (struct slice){NULL, 0}, i);
    RUN_UNTIL(closed_count == 1);
    ck_assert_uint_eq(router.received, 1);
    ck_assert_uint_eq(router.drained, 0);
    zsock_close(dealer.z, 0, on_closed);
    loop_end();
    loop_begin();
    ck_assert_uint_eq(closed_count, 2);
    ck_assert_uint_eq(router.received, 1);
}
END_TEST

START_TEST(closed_comes_later_than_the_call)
{
    struct end router, dealer;

    open_pair(&router, &dealer);
    zsock_close(router.z, 0, on_closed);
    zsock_close(dealer.z, 0, on_closed);
    ck_assert_uint_eq(closed_count, 0);
    loop_end();
    loop_begin();
    ck_assert_uint_eq(closed_count, 2);
}
END_TEST

START_TEST(what_lingers_still_arrives)
{
    struct end router, dealer;

    open_pair(&router, &dealer);
    RUN_UNTIL(dealer.connected == 1);
    for (uint64_t i = 0; i < 100; i++)
        send_number(dealer.z, (struct slice){NULL, 0}, i);
    zsock_close(dealer.z, 1000, NULL);
    RUN_UNTIL(router.received == 100);
    zsock_close(router.z, 0, NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("zsock");
    TCase *t = tcase_create("zsock");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, five_dealers_and_a_router_exchange_everything_in_order);
    tcase_add_test(t, an_idle_socket_lets_the_loop_sleep);
    tcase_add_test(t, a_send_in_another_prepare_callback_stalls_nothing);
    tcase_add_test(t, a_turn_reads_no_more_than_its_budget);
    tcase_add_test(t, a_paused_socket_reads_nothing_and_spins_not_and_then_reads_all);
    tcase_add_test(t, pausing_in_a_message_stops_that_drain);
    tcase_add_test(t, a_peer_that_goes_while_nobody_reads_ends_no_process);
    tcase_add_test(t, only_the_full_peer_is_refused);
    tcase_add_test(t, a_mandatory_router_tells_that_a_peer_is_unknown);
    tcase_add_test(t, a_message_of_many_parts_is_cut_and_the_next_is_whole);
    tcase_add_test(t, a_buffer_becomes_a_message_without_a_copy);
    tcase_add_test(t, what_is_kept_of_a_small_message_is_a_copy);
    tcase_add_test(t, an_empty_buffer_becomes_an_empty_message);
    tcase_add_test(t, a_message_over_the_limit_ends_the_connection);
    tcase_add_test(t, a_path_that_somebody_listens_on_is_not_taken);
    tcase_add_test(t, a_path_left_behind_is_taken_over);
    tcase_add_test(t, bad_endpoints_are_refused);
    tcase_add_test(t, nothing_is_called_after_a_close_within_a_message);
    tcase_add_test(t, closed_comes_later_than_the_call);
    tcase_add_test(t, what_lingers_still_arrives);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return run_suite(suite());
}
