/*
 * test_run_write.c - the hub's events to a socket: what it takes is taken, what it has
 * begun is finished, and nothing is encoded for who takes nothing.
 */
#include "run_write.h"

#include <sys/socket.h>
#include <unistd.h>

#include "blocks.h"
#include "mem.h"
#include "run_suite.h"

#define LARGE 100000 /* more than the socket's buffer takes */
#define FORM 0

static uv_loop_t loop;
static struct wheel wheel;
static struct conns conns;
static struct conn *conn;
static int client;
static unsigned writable, gone, encoded;
static struct run *run;
static struct block *block;
static struct buf got;

static void on_opened(struct conn *c)
{
    conn = c;
}

static void on_writable(struct conn *c)
{
    (void)c;
    writable++;
}

static void on_gone(struct conn *c)
{
    (void)c;
    gone++;
}

static const struct conn_ops ops = {.opened = on_opened, .writable = on_writable, .gone = on_gone};

static void encode(struct buf *out, const struct event *e)
{
    encoded++;
    encode_line(out, e);
}

static void setup(void)
{
    int fds[2], small = 4096;

    writable = gone = encoded = 0;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    wheel_init(&wheel, &loop);
    conns_init(&conns, &loop, &wheel);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    ck_assert_ptr_nonnull(conn_new(&conns, fds[0], NULL, sizeof *conn, &ops, NULL, NULL));
    client = fds[1];
    run = mem_zalloc(sizeof *run);
}

static void teardown(void)
{
    conns_close_all(&conns);
    if (block != NULL)
        block_evict(block);
    block = NULL;
    (void)close(client);
    wheel_close(&wheel, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    blocks_close(&blocks);
    buf_free(&got);
    free(run);
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static const char *large(char byte)
{
    static char text[2][LARGE + 1];
    char *p = text[byte % 2];

    memset(p, byte, LARGE);
    return p;
}

/* A run of all the block's events from `first` on. */
static struct run *run_from(size_t first)
{
    run_clear(run);
    for (size_t i = first; i < block->count; i++)
        ck_assert(run_add(run, &block->entries[i]));
    return run;
}

/* As much as comes until nothing more does, and nothing is left at the connection. */
static void receive_all(void)
{
    ssize_t n;

    do {
        turn();
        n = read(client, buf_reserve(&got, 65536), 65536);
        got.len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (conn_pending(conn) && gone == 0));
    turn();
}

static void check_lines(const char *const *texts, size_t count)
{
    struct buf expected = {0};

    for (size_t i = 0; i < count; i++)
        buf_printf(&expected, "%s\n", texts[i]);
    ck_assert(slice_eq(buf_slice(&got), buf_slice(&expected)));
    buf_free(&expected);
}

#define CHECK_LINES(...)                                                                           \
    check_lines((const char *const[]){__VA_ARGS__},                                                \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

START_TEST(test_a_socket_that_takes_all)
{
    block = BLOCK({1, "a", "one"}, {2, "a", "two"}, {3, "a", "three"});
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 3);
    ck_assert(!conn_pending(conn));
    receive_all();
    CHECK_LINES("one", "two", "three");
    ck_assert_uint_eq(writable, 0);
}
END_TEST

START_TEST(test_an_event_begun_is_taken_and_finished)
{
    block = BLOCK({1, "a", "small"}, {2, "a", large('x')}, {3, "a", "last"});
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 2);
    ck_assert(conn_pending(conn));
    receive_all();
    ck_assert_uint_eq(writable, 1);
    ck_assert_uint_eq(run_write(conn, run_from(2), FORM, encode), 1);
    receive_all();
    CHECK_LINES("small", large('x'), "last");
}
END_TEST

START_TEST(test_also_when_its_block_leaves_memory)
{
    block = BLOCK({1, "a", large('x')}, {2, "a", "last"});
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 1);
    block_evict(block);
    block = NULL;
    receive_all();
    CHECK_LINES(large('x'));
}
END_TEST

START_TEST(test_who_has_yet_to_take_something_takes_nothing)
{
    block = BLOCK({1, "a", large('x')}, {2, "a", "last"});
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 1);
    encoded = 0;
    block_evict(block);
    block = BLOCK({3, "a", "three"});
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 0);
    ck_assert_uint_eq(encoded, 0);
    receive_all();
    ck_assert_uint_eq(writable, 1);
}
END_TEST

START_TEST(test_for_who_is_lost_all_is_taken_and_nothing_encoded)
{
    block = BLOCK({1, "a", "one"}, {2, "a", "two"});
    (void)close(client);
    client = -1;
    conn_write(conn, "x", 1); /* finds that out */
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 2);
    ck_assert_uint_eq(encoded, 0);
    turn();
    ck_assert_uint_eq(gone, 1);
}
END_TEST

START_TEST(test_control_bytes_come_behind_the_event)
{
    block = BLOCK({1, "a", large('y')});
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 1);
    conn_write(conn, "end\n", 4);
    receive_all();
    CHECK_LINES(large('y'), "end");
}
END_TEST

START_TEST(test_an_event_is_encoded_once_for_all)
{
    block = BLOCK({1, "a", "one"}, {2, "a", "two"});
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 2);
    ck_assert_uint_eq(run_write(conn, run_from(0), FORM, encode), 2);
    ck_assert_uint_eq(encoded, 2);
    receive_all();
    CHECK_LINES("one", "two", "one", "two");
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "run_write", setup, teardown, test_a_socket_that_takes_all,
        test_an_event_begun_is_taken_and_finished, test_also_when_its_block_leaves_memory,
        test_who_has_yet_to_take_something_takes_nothing,
        test_for_who_is_lost_all_is_taken_and_nothing_encoded,
        test_control_bytes_come_behind_the_event, test_an_event_is_encoded_once_for_all);
}
