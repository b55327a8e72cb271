/*
 * test_conn.c - what is written arrives whole and in order, whoever reads how
 * slowly, and memory that half-written events hold is bounded.
 */
#include "conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pinned.h"
#include "run_suite.h"

#define PAYLOAD 100000 /* more than the socket's buffer takes */

static uv_loop_t loop;
static struct wheel wheel;
static struct conns conns;

/* One connection as its owner sees it, and the client's end of it. */
struct client {
    struct conn *conn;
    struct buf input;
    size_t keep; /* input() leaves so many bytes */
    unsigned writable, eof, gone, drain;
    int fd; /* the client's */
    struct buf got;
    bool ended;
};
static struct client a, b;

static void on_opened(struct conn *c)
{
    ((struct client *)c->data)->conn = c;
}

static size_t on_input(struct conn *c, struct slice bytes)
{
    struct client *o = c->data;
    size_t used = bytes.len > o->keep ? bytes.len - o->keep : 0;

    buf_put(&o->input, bytes.p, used);
    return used;
}

static void on_writable(struct conn *c)
{
    ((struct client *)c->data)->writable++;
}

static void on_eof(struct conn *c)
{
    ((struct client *)c->data)->eof++;
}

static void on_drain(struct conn *c)
{
    ((struct client *)c->data)->drain++;
    conn_finish(c);
}

static void on_gone(struct conn *c)
{
    ((struct client *)c->data)->gone++;
}

static const struct conn_ops ops = {.opened = on_opened,
                                    .input = on_input,
                                    .writable = on_writable,
                                    .eof = on_eof,
                                    .drain = on_drain,
                                    .gone = on_gone};

static void open_client(struct client *c)
{
    int fds[2], small = 4096;

    memset(c, 0, sizeof *c);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    ck_assert_ptr_nonnull(conn_new(&conns, fds[0], NULL, sizeof(struct conn), &ops, c, NULL));
    c->fd = fds[1];
}

static void setup(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    wheel_init(&wheel, &loop);
    conns_init(&conns, &loop, &wheel);
    open_client(&a);
    open_client(&b);
}

static void close_client(struct client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    buf_free(&c->got);
    buf_free(&c->input);
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* Every test leaves its connections as they are: they must end in order. */
static void teardown(void)
{
    conns_close_all(&conns);
    close_client(&a);
    close_client(&b);
    wheel_close(&wheel, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(conns.count, 0);
    ck_assert_uint_eq(conns.held.bytes, 0);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static size_t receive(struct client *c, size_t max)
{
    size_t before = c->got.len;
    ssize_t n;

    while (c->got.len - before < max &&
           (n = read(c->fd, buf_reserve(&c->got, max), max - (c->got.len - before))) > 0)
        c->got.len += (size_t)n;
    n = read(c->fd, buf_reserve(&c->got, 1), c->got.len - before < max ? 1 : 0);
    c->ended |= n == 0 && c->got.len - before < max;
    return c->got.len - before;
}

static void receive_until(struct client *c, size_t len)
{
    for (int i = 0; i < 100000 && c->got.len < len && !c->ended; i++) {
        (void)receive(c, len - c->got.len);
        turn();
    }
    ck_assert_uint_eq(c->got.len, len);
}

static struct pinned *large_block(char first, char second)
{
    static char one[PAYLOAD + 1], two[PAYLOAD + 1];

    memset(one, first, PAYLOAD);
    memset(two, second, PAYLOAD);
    return PINNED(one, two);
}

static size_t write_run(struct client *c, struct pinned *block, size_t from, size_t count)
{
    return pinned_write(c->conn, block, from, count);
}

static void check_stretch(const struct client *c, size_t from, char byte, size_t len)
{
    ck_assert_uint_le(from + len, c->got.len);
    for (size_t i = from; i < from + len; i++)
        ck_assert_int_eq(c->got.p[i], byte);
}

START_TEST(test_bytes_go_out_at_once)
{
    conn_write(a.conn, "hello", 5);
    ck_assert_uint_eq(receive(&a, 100), 5);
    ck_assert(!conn_pending(a.conn));
}
END_TEST

/* A head and a body of PAYLOAD times 'x'. */
static void write_answer(struct client *c)
{
    struct buf bytes = {0};
    struct shared *body;

    memset(buf_reserve(&bytes, PAYLOAD), 'x', PAYLOAD);
    bytes.len = PAYLOAD;
    body = shared_of(&bytes);
    conn_write_shared(c->conn, SLICE("head"), body);
    shared_unref(body);
}

START_TEST(test_what_the_socket_does_not_take_follows)
{
    write_answer(&a);
    conn_write(a.conn, "end", 3);
    ck_assert(conn_pending(a.conn));
    receive_until(&a, 4 + PAYLOAD + 3);
    ck_assert_mem_eq(a.got.p, "head", 4);
    check_stretch(&a, 4, 'x', PAYLOAD);
    ck_assert_mem_eq(a.got.p + 4 + PAYLOAD, "end", 3);
    turn();
    ck_assert_uint_eq(a.writable, 1);
    ck_assert_uint_eq(a.conn->out.cap, 0);
}
END_TEST

START_TEST(test_an_event_begun_is_taken_and_finished)
{
    struct pinned *block = large_block('1', '2');

    ck_assert_uint_eq(write_run(&a, block, 0, 2), 1);
    ck_assert_uint_eq(write_run(&a, block, 1, 1), 0);
    receive_until(&a, PAYLOAD);
    turn();
    ck_assert_uint_eq(a.writable, 1);
    ck_assert_uint_eq(write_run(&a, block, 1, 1), 1);
    receive_until(&a, 2 * PAYLOAD);
    check_stretch(&a, 0, '1', PAYLOAD);
    check_stretch(&a, PAYLOAD, '2', PAYLOAD);
    turn();
    pinned_evict(block);
}
END_TEST

START_TEST(test_control_bytes_come_after_the_event_that_is_half_out)
{
    struct pinned *block = large_block('1', '2');

    ck_assert_uint_eq(write_run(&a, block, 0, 1), 1);
    conn_write(a.conn, "gap", 3);
    ck_assert_uint_eq(write_run(&a, block, 1, 1), 0);
    receive_until(&a, PAYLOAD + 3);
    check_stretch(&a, 0, '1', PAYLOAD);
    ck_assert_mem_eq(a.got.p + PAYLOAD, "gap", 3);
    turn();
    pinned_evict(block);
}
END_TEST

/* Head, shared and rest of random lengths; what was taken is what must arrive. */
static void write_pieces(struct client *c, struct pinned *block, struct buf *expected)
{
    static const char own[] = "abcdefghijklmnopqrstuvwxyz";
    struct conn_piece pieces[CONN_PIECES_MAX];
    const char *payload = block->events[0].p;
    size_t taken;

    for (size_t i = 0; i < CONN_PIECES_MAX; i++)
        pieces[i] = (struct conn_piece){.head = {own, (size_t)rand() % 10},
                                        .shared = {payload + rand() % 1000, 1 + rand() % 40},
                                        .rest = {own, (size_t)rand() % 20},
                                        .pins = &block->pins};
    taken = conn_write_pieces(c->conn, pieces, CONN_PIECES_MAX);
    for (size_t i = 0; i < taken; i++) {
        buf_put_slice(expected, pieces[i].head);
        buf_put_slice(expected, pieces[i].shared);
        buf_put_slice(expected, pieces[i].rest);
    }
}

/* Many cuts, in all three parts, before and after the block has left memory. */
START_TEST(test_pieces_arrive_whole_wherever_they_are_cut)
{
    char payload[2000];
    struct buf expected = {0};

    srand(1);
    for (size_t i = 0; i < sizeof payload - 1; i++)
        payload[i] = (char)('A' + rand() % 26);
    payload[sizeof payload - 1] = '\0';
    for (int n = 0; n < 300; n++) {
        struct pinned *block = PINNED(payload);

        for (int i = 0; i < 3; i++)
            write_pieces(&a, block, &expected);
        pinned_evict(block);
        (void)receive(&a, (size_t)rand() % 30000);
        turn();
    }
    receive_until(&a, expected.len);
    ck_assert_mem_eq(a.got.p, expected.p, expected.len);
    buf_free(&expected);
    turn();
}
END_TEST

START_TEST(test_a_block_that_leaves_memory_is_copied_and_counted)
{
    struct pinned *block = large_block('1', '2');

    ck_assert_uint_eq(write_run(&a, block, 0, 1), 1);
    ck_assert_uint_eq(conns.held.bytes, 0);
    pinned_evict(block);
    ck_assert_uint_gt(conns.held.bytes, 0);
    receive_until(&a, PAYLOAD);
    check_stretch(&a, 0, '1', PAYLOAD);
    turn();
    ck_assert_uint_eq(conns.held.bytes, 0);
}
END_TEST

START_TEST(test_the_client_stalled_longest_is_closed_over_the_limit)
{
    struct pinned *block = large_block('1', '2');

    conns.held.max = PAYLOAD;
    ck_assert_uint_eq(write_run(&a, block, 0, 1), 1);
    ck_assert_uint_eq(write_run(&b, block, 0, 1), 1);
    pinned_evict(block);
    ck_assert_uint_le(conns.held.bytes, PAYLOAD);
    ck_assert_uint_eq(a.gone + b.gone, 0);
    turn();
    ck_assert_uint_eq(a.gone + b.gone, 1);
}
END_TEST

START_TEST(test_the_peer_is_told_gone_later_never_inside_a_write)
{
    (void)close(a.fd);
    a.fd = -1;
    conn_write(a.conn, "x", 1);
    conn_write(a.conn, "x", 1);
    ck_assert_uint_eq(a.gone, 0);
    turn();
    ck_assert_uint_eq(a.gone, 1);
}
END_TEST

START_TEST(test_input_left_over_is_shown_again)
{
    a.keep = 3;
    ck_assert_int_eq(write(a.fd, "abcdef", 6), 6);
    turn();
    ck_assert_uint_eq(a.input.len, 3);
    a.keep = 0;
    ck_assert_int_eq(write(a.fd, "g", 1), 1);
    turn();
    ck_assert_uint_eq(a.input.len, 7);
    ck_assert_mem_eq(a.input.p, "abcdefg", 7);
    ck_assert_uint_eq(a.conn->in.cap, 0);
}
END_TEST

START_TEST(test_reading_pauses_when_the_owner_takes_nothing)
{
    static char flood[8192];

    a.keep = SIZE_MAX;
    for (int i = 0; i < 1000; i++) {
        ssize_t n = write(a.fd, flood, sizeof flood);

        ck_assert(n > 0 || errno == EAGAIN);
        turn();
    }
    ck_assert_uint_lt(a.conn->in.len, 2 * CONN_IN_MAX);
    a.keep = 0;
    conn_pump(a.conn);
    ck_assert_uint_ge(a.input.len, CONN_IN_MAX);
    ck_assert(!a.conn->paused);
}
END_TEST

START_TEST(test_finish_writes_what_is_left_and_then_the_end)
{
    write_answer(&a);
    conn_finish(a.conn);
    receive_until(&a, 4 + PAYLOAD);
    for (int i = 0; i < 100 && !a.ended; i++) {
        (void)receive(&a, 1);
        turn();
    }
    ck_assert(a.ended);
}
END_TEST

START_TEST(test_eof_is_told_once)
{
    ck_assert_int_eq(shutdown(a.fd, SHUT_WR), 0);
    turn(), turn();
    ck_assert_uint_eq(a.eof, 1);
    conn_write(a.conn, "still", 5);
    ck_assert_uint_eq(receive(&a, 100), 5);
}
END_TEST

static void on_empty(void *arg)
{
    ++*(unsigned *)arg;
}

START_TEST(test_draining_ends_when_the_last_is_closed)
{
    unsigned empty = 0;

    conns_drain(&conns, on_empty, &empty);
    ck_assert_uint_eq(empty, 0);
    ck_assert_uint_eq(a.drain, 1);
    (void)close(a.fd), (void)close(b.fd);
    a.fd = b.fd = -1;
    for (int i = 0; i < 10; i++)
        turn();
    ck_assert_uint_eq(empty, 1);
}
END_TEST

/* A connection to ourselves at that address; the client's end in *c. */
static void open_at(struct client *c, const char *ip, bool v6)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    int listener = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0), zero = 0, rc;

    memset(c, 0, sizeof *c);
    rc = v6 ? uv_ip6_addr(ip, 0, (struct sockaddr_in6 *)&at)
            : uv_ip4_addr(ip, 0, (struct sockaddr_in *)&at);
    ck_assert_int_eq(rc, 0);
    if (v6)
        (void)setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    c->fd = socket(at.ss_family, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&at, len), 0);
    ck_assert_ptr_nonnull(
        conn_new(&conns, accept(listener, NULL, NULL), NULL, sizeof(struct conn), &ops, c, NULL));
    (void)close(listener);
}

START_TEST(test_a_peer_has_an_address_when_it_is_on_the_network)
{
    static struct client four, six; /* their connections end with the others */
    char text[CONN_ADDRESS_MAX];

    ck_assert_uint_eq(conn_peer_address(a.conn, text).len, 0);
    open_at(&four, "127.0.0.1", false);
    ck_assert(slice_eq(conn_peer_address(four.conn, text), SLICE("127.0.0.1")));
    close_client(&four);
    open_at(&six, "::ffff:127.0.0.1", true);
    ck_assert(slice_eq(conn_peer_address(six.conn, text), SLICE("127.0.0.1")));
    close_client(&six);
}
END_TEST

int main(void)
{
    return RUN_TESTS(
        "conn", setup, teardown, test_bytes_go_out_at_once,
        test_what_the_socket_does_not_take_follows, test_an_event_begun_is_taken_and_finished,
        test_control_bytes_come_after_the_event_that_is_half_out,
        test_pieces_arrive_whole_wherever_they_are_cut,
        test_a_block_that_leaves_memory_is_copied_and_counted,
        test_the_client_stalled_longest_is_closed_over_the_limit,
        test_the_peer_is_told_gone_later_never_inside_a_write, test_input_left_over_is_shown_again,
        test_reading_pauses_when_the_owner_takes_nothing,
        test_finish_writes_what_is_left_and_then_the_end, test_eof_is_told_once,
        test_draining_ends_when_the_last_is_closed,
        test_a_peer_has_an_address_when_it_is_on_the_network);
}
