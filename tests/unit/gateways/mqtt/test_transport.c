/*
 * test_transport.c - packets come out whole however their bytes were cut, plain and in
 * frames; what goes to a WebSocket is framed.
 */
#include "transport.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run_suite.h"
#include "ws.h"

#define PACKET_MAX 1000

static uv_loop_t loop;
static struct wheel wheel;
static struct conns conns;
static struct transports all;
static struct transport t;
static int fd; /* the client's end */
static struct buf got, wire;
static int take; /* packets that are taken, then no more; -1: all */
static enum mqtt_reason refused;
static unsigned closed;
static bool finish_at_packet;

/* --- the owner ---------------------------------------------------------------------- */

/* "3:5 " is a PUBLISH with a body of five bytes. */
static bool on_packet(struct transport *tr, const struct mqtt_head *h, struct slice body)
{
    if (take == 0)
        return false;
    take -= take > 0;
    ck_assert_uint_eq(body.len, h->remaining);
    for (size_t i = 0; i < body.len; i++)
        ck_assert_int_eq(body.p[i], 'x');
    buf_printf(&got, "%u:%zu ", h->type, body.len);
    if (finish_at_packet)
        transport_finish(tr);
    return true;
}

static void on_refused(struct transport *tr, enum mqtt_reason reason)
{
    refused = reason;
    transport_finish(tr);
}

static void on_closed(struct transport *tr)
{
    closed++;
    transport_finish(tr);
}

static const struct transport_ops ops = {
    .packet = on_packet, .refused = on_refused, .closed = on_closed};

static size_t on_input(struct conn *c, struct slice bytes)
{
    (void)c;
    return transport_input(&t, bytes);
}

static void on_event(struct conn *c)
{
    (void)c;
}

static void on_gone(struct conn *c)
{
    (void)c;
    transport_gone(&t);
}

static const struct conn_ops conn_ops = {.opened = on_event,
                                         .input = on_input,
                                         .writable = on_event,
                                         .eof = on_event,
                                         .drain = on_event,
                                         .gone = on_gone};

static void begin(bool websocket)
{
    int fds[2];
    struct conn *c;

    ck_assert_int_eq(uv_loop_init(&loop), 0);
    wheel_init(&wheel, &loop);
    conns_init(&conns, &loop, &wheel);
    conns.held.max = 1 << 20;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    c = conn_new(&conns, fds[0], NULL, sizeof(struct conn), &conn_ops, NULL, NULL);
    fd = fds[1];
    all = (struct transports){.packet_max = PACKET_MAX, .held_max = 1 << 20};
    take = -1;
    refused = MQTT_OK;
    closed = 0;
    finish_at_packet = false;
    transport_init(&t, &all, c, websocket, &ops);
}

static void setup_plain(void)
{
    begin(false);
}

static void setup_websocket(void)
{
    begin(true);
}

/* Nothing is held, whatever happened. */
static void teardown(void)
{
    transport_close(&t);
    ck_assert_uint_eq(all.held, 0);
    conns_close_all(&conns);
    (void)close(fd);
    wheel_close(&wheel, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    buf_free(&got);
    buf_free(&wire);
}

/* --- the client ----------------------------------------------------------------------- */

static void put_publish(struct buf *b, uint32_t remaining)
{
    buf_u8(b, MQTT_PUBLISH << 4);
    mqtt_varint_put(b, remaining);
    memset(buf_reserve(b, remaining), 'x', remaining);
    b->len += remaining;
}

static void put_ping(struct buf *b)
{
    buf_u8(b, MQTT_PINGREQ << 4);
    buf_u8(b, 0);
}

/* A client's frame: masked. */
static void put_frame(struct buf *b, unsigned first_byte, struct slice payload)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};

    ck_assert_uint_lt(payload.len, 65536);
    buf_u8(b, (uint8_t)first_byte);
    if (payload.len < 126) {
        buf_u8(b, (uint8_t)(0x80 | payload.len));
    } else {
        buf_u8(b, 0x80 | 126);
        buf_u8(b, (uint8_t)(payload.len >> 8));
        buf_u8(b, (uint8_t)payload.len);
    }
    buf_put(b, mask, sizeof mask);
    for (size_t i = 0; i < payload.len; i++)
        buf_u8(b, (uint8_t)payload.p[i] ^ mask[i & 3]);
}

static struct slice bytes_of(const struct buf *b)
{
    return buf_slice(b);
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* In pieces of so many bytes, each read before the next is sent. */
static void send_in(const struct buf *b, size_t piece)
{
    for (size_t at = 0; at < b->len; at += piece) {
        size_t n = piece < b->len - at ? piece : b->len - at;

        ck_assert_int_eq(write(fd, b->p + at, n), (ssize_t)n);
        turn();
    }
    turn();
}

static void ASSERT_GOT(const char *expected)
{
    buf_u8(&got, 0);
    ck_assert_str_eq((char *)got.p, expected);
    buf_clear(&got);
}

static size_t receive(uint8_t *p, size_t max)
{
    ssize_t n;

    turn();
    n = read(fd, p, max);
    return n > 0 ? (size_t)n : 0;
}

/* --- plain ------------------------------------------------------------------------------ */

START_TEST(packets_come_out_whole_however_they_were_cut)
{
    for (size_t piece = 1; piece < 40; piece++) {
        buf_clear(&wire);
        put_publish(&wire, 5);
        put_ping(&wire);
        put_publish(&wire, 200);
        put_publish(&wire, 0);
        send_in(&wire, piece);
        ASSERT_GOT("3:5 12:0 3:200 3:0 ");
        ck_assert_uint_eq(all.held, 0);
    }
}
END_TEST

START_TEST(what_is_cut_is_held_and_counted)
{
    put_publish(&wire, 100);
    wire.len = 50;
    send_in(&wire, 50);
    ck_assert_uint_ge(all.held, 50);
    transport_close(&t);
    ck_assert_uint_eq(all.held, 0);
}
END_TEST

START_TEST(a_packet_of_the_largest_size_is_taken)
{
    put_publish(&wire, PACKET_MAX - 3);
    send_in(&wire, 100);
    ASSERT_GOT("3:997 ");
}
END_TEST

START_TEST(a_longer_one_is_refused_by_its_head)
{
    put_publish(&wire, PACKET_MAX - 2);
    wire.len = 3;
    send_in(&wire, 1);
    ck_assert_int_eq(refused, MQTT_TOO_LARGE);
}
END_TEST

START_TEST(what_is_no_head_is_refused)
{
    buf_puts(&wire, "\x30\xff\xff\xff\xff\x01");
    send_in(&wire, 6);
    ck_assert_int_eq(refused, MQTT_MALFORMED);
}
END_TEST

START_TEST(an_owner_that_waits_gets_the_same_packet_again)
{
    take = 1;
    put_publish(&wire, 1);
    put_publish(&wire, 2);
    put_publish(&wire, 3);
    send_in(&wire, wire.len);
    ASSERT_GOT("3:1 ");
    take = -1;
    transport_pump(&t);
    ASSERT_GOT("3:2 3:3 ");
}
END_TEST

START_TEST(a_packet_that_came_in_pieces_waits_too)
{
    take = 0;
    put_publish(&wire, 10);
    put_publish(&wire, 2);
    send_in(&wire, 5);
    take = -1;
    transport_pump(&t);
    ASSERT_GOT("3:10 3:2 ");
}
END_TEST

START_TEST(an_owner_may_end_it_in_the_middle)
{
    finish_at_packet = true;
    put_publish(&wire, 1);
    put_publish(&wire, 2);
    send_in(&wire, wire.len);
    ASSERT_GOT("3:1 ");
    ck_assert_ptr_null(t.conn);
}
END_TEST

START_TEST(too_much_that_is_not_whole_is_refused)
{
    all.held_max = 100;
    put_publish(&wire, 900);
    wire.len = 800;
    send_in(&wire, 200);
    ck_assert_int_eq(refused, MQTT_QUOTA);
}
END_TEST

START_TEST(plain_packets_go_out_as_they_are)
{
    uint8_t out[16];

    transport_write(&t, SLICE("abc"));
    ck_assert_uint_eq(receive(out, sizeof out), 3);
    ck_assert_mem_eq(out, "abc", 3);
}
END_TEST

/* --- WebSocket ---------------------------------------------------------------------------- */

START_TEST(packets_come_out_whole_however_they_were_framed)
{
    struct buf packets = {0};

    put_publish(&packets, 5);
    put_ping(&packets);
    put_publish(&packets, 200);
    for (size_t frame = 1; frame < 30; frame++) {
        buf_clear(&wire);
        for (size_t at = 0; at < packets.len; at += frame) {
            size_t n = frame < packets.len - at ? frame : packets.len - at;

            put_frame(&wire, 0x80 | WS_BINARY, (struct slice){(char *)packets.p + at, n});
        }
        send_in(&wire, 7);
        ASSERT_GOT("3:5 12:0 3:200 ");
        ck_assert_uint_eq(all.held, 0);
    }
    buf_free(&packets);
}
END_TEST

START_TEST(a_fragmented_message_is_put_together_around_a_ping)
{
    uint8_t out[16];

    put_frame(&wire, WS_BINARY, SLICE("\x30"));
    put_frame(&wire, 0x80 | WS_PING, SLICE("hi"));
    put_frame(&wire, 0x80 | WS_CONTINUATION, SLICE("\x01x"));
    send_in(&wire, wire.len);
    ASSERT_GOT("3:1 ");
    ck_assert_uint_eq(receive(out, sizeof out), 4);
    ck_assert_mem_eq(out, "\x8a\x02hi", 4);
}
END_TEST

/* The close frame's code. */
static unsigned close_code(void)
{
    uint8_t out[200];

    ck_assert_uint_ge(receive(out, sizeof out), 4);
    ck_assert_uint_eq(out[0], 0x80 | WS_CLOSE);
    return (unsigned)(out[2] << 8 | out[3]);
}

START_TEST(text_is_answered_with_1003)
{
    put_frame(&wire, 0x80 | WS_TEXT, SLICE("hello"));
    send_in(&wire, wire.len);
    ck_assert_uint_eq(close_code(), WS_CLOSE_UNSUPPORTED);
    ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(what_is_no_frame_is_answered_with_1002)
{
    buf_puts(&wire, "\x82\x01x"); /* not masked */
    send_in(&wire, wire.len);
    ck_assert_uint_eq(close_code(), WS_CLOSE_PROTOCOL);
    ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(a_close_is_answered_once)
{
    put_frame(&wire, 0x80 | WS_CLOSE, SLICE("\x03\xe8"));
    put_frame(&wire, 0x80 | WS_CLOSE, SLICE("\x03\xe8"));
    send_in(&wire, wire.len);
    ck_assert_uint_eq(close_code(), WS_CLOSE_NORMAL);
    ck_assert_uint_eq(closed, 1);
}
END_TEST

START_TEST(finishing_says_close)
{
    transport_finish(&t);
    ck_assert_uint_eq(close_code(), WS_CLOSE_NORMAL);
}
END_TEST

START_TEST(packets_of_a_message_wait_for_their_owner)
{
    struct buf packets = {0};

    put_publish(&packets, 1);
    put_publish(&packets, 2);
    put_publish(&packets, 3);
    put_frame(&wire, 0x80 | WS_BINARY, bytes_of(&packets));
    put_frame(&wire, 0x80 | WS_BINARY, bytes_of(&packets));
    take = 1;
    send_in(&wire, wire.len);
    ASSERT_GOT("3:1 ");
    take = 3;
    transport_pump(&t);
    ASSERT_GOT("3:2 3:3 3:1 ");
    take = -1;
    transport_pump(&t);
    ASSERT_GOT("3:2 3:3 ");
    buf_free(&packets);
}
END_TEST

/* Paho's client for C waits for ever for what stands behind the first. */
START_TEST(packets_go_out_in_a_frame_each)
{
    uint8_t out[16];

    transport_write(&t, (struct slice){"\xd0\0\x40\2\0\7\xd0", 8});
    ck_assert_uint_eq(receive(out, sizeof out), 14);
    ck_assert_mem_eq(out, "\x82\2\xd0\0\x82\4\x40\2\0\7\x82\2\xd0\0", 14);
}
END_TEST

START_TEST(pieces_go_out_in_a_frame_each)
{
    char own[TRANSPORT_ROOM + 4] = "..........AB";
    uint8_t out[64];
    struct conn_piece p = {.head = {own + TRANSPORT_ROOM, 2}, .rest = SLICE("cde")};

    ck_assert_uint_eq(transport_pieces(&t, &p, 1), 1);
    ck_assert_uint_eq(receive(out, sizeof out), 7);
    ck_assert_mem_eq(out,
                     "\x82\x05"
                     "ABcde",
                     7);
}
END_TEST

int main(void)
{
    int plain =
        RUN_TESTS("transport: plain", setup_plain, teardown,
                  packets_come_out_whole_however_they_were_cut, what_is_cut_is_held_and_counted,
                  a_packet_of_the_largest_size_is_taken, a_longer_one_is_refused_by_its_head,
                  what_is_no_head_is_refused, an_owner_that_waits_gets_the_same_packet_again,
                  a_packet_that_came_in_pieces_waits_too, an_owner_may_end_it_in_the_middle,
                  too_much_that_is_not_whole_is_refused, plain_packets_go_out_as_they_are);
    int framed =
        RUN_TESTS("transport: WebSocket", setup_websocket, teardown,
                  packets_come_out_whole_however_they_were_framed,
                  a_fragmented_message_is_put_together_around_a_ping, text_is_answered_with_1003,
                  what_is_no_frame_is_answered_with_1002, a_close_is_answered_once,
                  finishing_says_close, packets_of_a_message_wait_for_their_owner,
                  packets_go_out_in_a_frame_each, pieces_go_out_in_a_frame_each);

    return plain | framed;
}
