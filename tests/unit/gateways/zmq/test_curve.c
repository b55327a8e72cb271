/*
 * test_curve.c - CURVE with real cryptography: a client's side is played here with libsodium
 * alone, the server's is ours.  And files of keys.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "curve.h"
#include "mem.h"
#include "run_suite.h"
#include "z85.h"
#include "zmtp.h"
#include "zmtp_handshake.h"

static char file[] = "/tmp/sluice-curve-XXXXXX";
static struct zmtp_curve_server server;
static struct zmtp_curve curve;
static struct zmtp_handshake handshake;
static struct buf said; /* by the server: one command */
static const char *why;

/* The client's keys: C, C'; and what it has learnt. */
static uint8_t client_public[32], client_secret[32], short_public[32], short_secret[32];
static uint8_t theirs[32], cookie[96];
static uint64_t count;

static void write_file(const char *text, mode_t mode)
{
    FILE *f = fopen(file, "w");

    ck_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
    ck_assert_int_eq(chmod(file, mode), 0);
}

static void setup(void)
{
    (void)snprintf(file, sizeof file, "/tmp/sluice-curve-XXXXXX");
    (void)close(mkstemp(file));
    write_file("JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\n", 0600);
    ck_assert(curve_server_read(&server, file));
    curve = (struct zmtp_curve){.server = &server};
    handshake = (struct zmtp_handshake){.mechanism = ZMTP_CURVE, .curve = &curve};
    said = (struct buf){0};
    why = NULL;
    count = 0;
    crypto_box_keypair(client_public, client_secret);
    crypto_box_keypair(short_public, short_secret);
}

static void teardown(void)
{
    (void)unlink(file);
    buf_free(&said);
}

/* --- the client --------------------------------------------------------------------- */

static void nonce_make(uint8_t nonce[24], const char *prefix, const uint8_t *rest, size_t len)
{
    memcpy(nonce, prefix, 24 - len);
    memcpy(nonce + 24 - len, rest, len);
}

/* Appends a short nonce and a box for the server. */
static void put_box(struct buf *b, const char *prefix, const uint8_t *plain, size_t len,
                    const uint8_t *to)
{
    uint8_t nonce[24], number[8] = {0}, *out;

    number[7] = (uint8_t)++count;
    nonce_make(nonce, prefix, number, 8);
    buf_put(b, number, 8);
    out = buf_reserve(b, len + 16);
    ck_assert_int_eq(crypto_box_easy(out, plain, len, nonce, to, short_secret), 0);
    b->len += len + 16;
}

static enum zmtp_verdict say(const char *name, const struct buf *data)
{
    struct buf b = {0};
    struct zmtp_frame f;
    enum zmtp_verdict v;
    int head;

    zmtp_command_put(&b, name, buf_slice(data));
    head = zmtp_frame_get(&f, b.p, b.len);
    buf_clear(&said);
    why = NULL;
    v = zmtp_handshake_take(&handshake, (struct slice){(char *)b.p + head, (size_t)f.size}, &said,
                            &why);
    buf_free(&b);
    return v;
}

static enum zmtp_verdict hello_to(const uint8_t *server_key)
{
    static const uint8_t zeros[72];
    struct buf b = {0};
    enum zmtp_verdict v;

    buf_put(&b, "\1\0", 2);
    buf_put(&b, zeros, 72);
    buf_put(&b, short_public, 32);
    put_box(&b, "CurveZMQHELLO---", zeros, 64, server_key);
    v = say("HELLO", &b);
    buf_free(&b);
    return v;
}

/* The data of what the server said. */
static struct slice answer(const char *name)
{
    struct zmtp_command c;
    struct zmtp_frame f;
    int head = zmtp_frame_get(&f, said.p, said.len);

    ck_assert(head > 0 && f.flags == ZMTP_IS_COMMAND && said.len == (size_t)head + f.size);
    ck_assert(zmtp_command_get(&c, (struct slice){(char *)said.p + head, (size_t)f.size}));
    ck_assert(slice_eq(c.name, slice_of(name)));
    return c.data;
}

static void learn_welcome(void)
{
    struct slice data = answer("WELCOME");
    uint8_t nonce[24], plain[128];

    ck_assert_uint_eq(data.len, 160);
    nonce_make(nonce, "WELCOME-", (const uint8_t *)data.p, 16);
    ck_assert_int_eq(crypto_box_open_easy(plain, (const uint8_t *)data.p + 16, 144, nonce,
                                          server.public, short_secret),
                     0);
    memcpy(theirs, plain, 32);
    memcpy(cookie, plain + 32, 96);
}

/* The vouch is by `voucher` for `vouched`. */
static enum zmtp_verdict initiate(const uint8_t *vouched, const uint8_t *voucher,
                                  const char *metadata, size_t len)
{
    uint8_t nonce[24], said_of[64], number[16];
    struct buf b = {0}, plain = {0};
    enum zmtp_verdict v;

    randombytes_buf(number, sizeof number);
    nonce_make(nonce, "VOUCH---", number, 16);
    memcpy(said_of, vouched, 32);
    memcpy(said_of + 32, server.public, 32);
    buf_put(&plain, client_public, 32);
    buf_put(&plain, number, 16);
    ck_assert_int_eq(crypto_box_easy(buf_reserve(&plain, 80), said_of, 64, nonce, theirs, voucher),
                     0);
    plain.len += 80;
    buf_put(&plain, metadata, len);
    buf_put(&b, cookie, 96);
    put_box(&b, "CurveZMQINITIATE", plain.p, plain.len, theirs);
    v = say("INITIATE", &b);
    buf_free(&b);
    buf_free(&plain);
    return v;
}

#define DEALER "\x0bSocket-Type\0\0\0\6DEALER"

static void shake(void)
{
    ck_assert_int_eq(hello_to(server.public), ZMTP_GO_ON);
    learn_welcome();
    ck_assert_int_eq(initiate(short_public, client_secret, DEALER, sizeof DEALER - 1), ZMTP_ASK);
    ck_assert_int_eq(zmtp_handshake_admit(&handshake, &said), ZMTP_DONE);
}

static void assert_refused(enum zmtp_verdict v)
{
    ck_assert_int_eq(v, ZMTP_REFUSED);
    ck_assert(why != NULL);
    (void)answer("ERROR");
}

/* --- the handshake ------------------------------------------------------------------- */

START_TEST(a_client_that_knows_our_key_comes_in)
{
    struct slice data;
    uint8_t nonce[24], plain[256];

    shake();
    ck_assert_int_eq(handshake.type, ZMTP_DEALER);
    data = answer("READY");
    nonce_make(nonce, "CurveZMQREADY---", (const uint8_t *)data.p, 8);
    ck_assert_int_eq(crypto_box_open_easy(plain, (const uint8_t *)data.p + 8, data.len - 8, nonce,
                                          theirs, short_secret),
                     0);
    ck_assert_mem_eq(plain, "\x0bSocket-Type\0\0\0\6ROUTER", data.len - 8 - 16);
}
END_TEST

START_TEST(a_client_that_knows_another_key_does_not)
{
    uint8_t other[32], secret[32];

    crypto_box_keypair(other, secret);
    assert_refused(hello_to(other));
}
END_TEST

START_TEST(nobody_vouches_for_another)
{
    uint8_t other[32], secret[32];

    crypto_box_keypair(other, secret);
    ck_assert_int_eq(hello_to(server.public), ZMTP_GO_ON);
    learn_welcome();
    assert_refused(initiate(other, client_secret, DEALER, sizeof DEALER - 1));
    assert_refused(initiate(short_public, secret, DEALER, sizeof DEALER - 1));
}
END_TEST

START_TEST(a_cookie_is_this_connections_alone)
{
    ck_assert_int_eq(hello_to(server.public), ZMTP_GO_ON);
    learn_welcome();
    cookie[5] ^= 1;
    assert_refused(initiate(short_public, client_secret, DEALER, sizeof DEALER - 1));
}
END_TEST

START_TEST(the_key_is_shown_before_it_may_come)
{
    ck_assert_int_eq(hello_to(server.public), ZMTP_GO_ON);
    learn_welcome();
    ck_assert_int_eq(initiate(short_public, client_secret, DEALER, sizeof DEALER - 1), ZMTP_ASK);
    ck_assert_mem_eq(handshake.key, client_public, 32);
    ck_assert_uint_eq(said.len, 0);
}
END_TEST

START_TEST(metadata_is_read_out_of_the_box)
{
    ck_assert_int_eq(hello_to(server.public), ZMTP_GO_ON);
    learn_welcome();
    assert_refused(initiate(short_public, client_secret, "", 0));
    assert_refused(initiate(short_public, client_secret, "\x0bSocket-Type\0\0\0\4PAIR", 20));
}
END_TEST

START_TEST(commands_have_their_order_and_size)
{
    struct buf b = {0};

    memset(cookie, 0, sizeof cookie);
    memcpy(theirs, server.public, 32);
    assert_refused(initiate(short_public, client_secret, DEALER, sizeof DEALER - 1));
    for (size_t n = 0; n < 300; n += 13) {
        buf_clear(&b);
        memset(buf_reserve(&b, n), 1, n);
        b.len = n;
        handshake.step = ZMTP_STEP_FIRST;
        assert_refused(say("HELLO", &b));
        handshake.step = ZMTP_STEP_INITIATE;
        assert_refused(say("INITIATE", &b));
    }
    assert_refused(say("READY", &b));
    buf_free(&b);
}
END_TEST

/* --- frames -------------------------------------------------------------------------- */

static struct slice seal(unsigned flags, struct slice body, struct buf *b)
{
    uint8_t plain[512] = {(uint8_t)flags};

    memcpy(plain + 1, body.p, body.len);
    buf_clear(b);
    buf_put(b, "\7MESSAGE", 8);
    put_box(b, "CurveZMQMESSAGEC", plain, 1 + body.len, theirs);
    return buf_slice(b);
}

START_TEST(frames_come_out_of_boxes)
{
    struct buf b = {0}, out = {0};

    shake();
    ck_assert(zmtp_curve_open(&curve, seal(1, SLICE("hello"), &b), &out));
    ck_assert(zmtp_curve_open(&curve, seal(2, SLICE("\4PING"), &b), &out));
    ck_assert(zmtp_curve_open(&curve, seal(0, SLICE(""), &b), &out));
    ck_assert(slice_eq(buf_slice(&out), SLICE("\1\5hello\4\5\4PING\0\0")));
    ck_assert(!zmtp_curve_open(&curve, seal(4, SLICE("x"), &b), &out));
    buf_free(&b);
    buf_free(&out);
}
END_TEST

START_TEST(a_box_is_opened_once_whole_and_unharmed)
{
    struct buf b = {0}, out = {0};
    struct slice box;

    shake();
    box = seal(0, SLICE("hello"), &b);
    for (size_t n = 0; n < box.len; n++)
        ck_assert(!zmtp_curve_open(&curve, (struct slice){box.p, n}, &out));
    b.p[20] ^= 1;
    ck_assert(!zmtp_curve_open(&curve, box, &out));
    box = seal(0, SLICE("hello"), &b);
    ck_assert(zmtp_curve_open(&curve, box, &out));
    ck_assert(!zmtp_curve_open(&curve, box, &out)); /* replayed */
    buf_free(&b);
    buf_free(&out);
}
END_TEST

START_TEST(our_boxes_are_the_clients_to_open)
{
    struct buf out = {0};
    uint8_t nonce[24], plain[512];
    char body[300] = "long";
    struct zmtp_frame f;
    int head;

    shake();
    zmtp_curve_seal(&curve, ZMTP_MORE, (struct slice){body, sizeof body}, &out);
    head = zmtp_frame_get(&f, out.p, out.len);
    ck_assert(head == 9 && f.flags == 0 && f.size == sizeof body + ZMTP_CURVE_OVERHEAD);
    ck_assert_mem_eq(out.p + head, "\7MESSAGE", 8);
    nonce_make(nonce, "CurveZMQMESSAGES", out.p + head + 8, 8);
    ck_assert_int_eq(
        crypto_box_open_easy(plain, out.p + head + 16, f.size - 16, nonce, theirs, short_secret),
        0);
    ck_assert_uint_eq(plain[0], 1);
    ck_assert_mem_eq(plain + 1, body, sizeof body);
    buf_free(&out);
}
END_TEST

/* --- keys ---------------------------------------------------------------------------- */

START_TEST(a_certificate_file_is_read_too)
{
    struct zmtp_curve_server s;
    char text[Z85_TEXT + 1];

    write_file("#   ZeroMQ CURVE **Secret** Certificate\nmetadata\ncurve\n    public-key = "
               "\"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\"\n    secret-key = "
               "\"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6\"\n",
               0600);
    ck_assert(curve_server_read(&s, file));
    ck_assert_mem_eq(s.public, server.public, 32);
    z85_put(s.public, text);
    ck_assert_str_eq(text,
                     "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"); /* as zmq_curve_public says */
    write_file("secret-key = \"short\"\n", 0600);
    ck_assert(!curve_server_read(&s, file));
}
END_TEST

int main(void)
{
    return RUN_TESTS("curve", setup, teardown, a_client_that_knows_our_key_comes_in,
                     a_client_that_knows_another_key_does_not, nobody_vouches_for_another,
                     a_cookie_is_this_connections_alone, the_key_is_shown_before_it_may_come,
                     metadata_is_read_out_of_the_box, commands_have_their_order_and_size,
                     frames_come_out_of_boxes, a_box_is_opened_once_whole_and_unharmed,
                     our_boxes_are_the_clients_to_open, a_certificate_file_is_read_too);
}
