/*
 * test_zmtp_handshake.c - NULL and PLAIN: who comes in, and what the others are told.
 * (CURVE is tested where its cryptography is.)
 */
#include <check.h>
#include <stdlib.h>

#include "mem.h"
#include "zmtp.h"
#include "zmtp_handshake.h"

static struct zmtp_server server;
static struct zmtp_handshake h;
static struct buf said;
static const char *why;

static bool knows(void *arg, struct slice user, struct slice password)
{
    (void)arg;
    return slice_eq(user, SLICE("me")) && slice_eq(password, SLICE("secret"));
}

static void setup(void)
{
    server = (struct zmtp_server){.password = knows};
    h = (struct zmtp_handshake){.server = &server};
    said = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&said);
}

static enum zmtp_verdict take(struct slice body)
{
    buf_clear(&said);
    why = NULL;
    return zmtp_handshake_take(&h, body, &said, &why);
}

#define assert_said(literal) ck_assert(slice_eq(buf_slice(&said), SLICE(literal)))

static void assert_refused(struct slice body)
{
    ck_assert_int_eq(take(body), ZMTP_REFUSED);
    ck_assert(why != NULL && said.len > 8 && memcmp(said.p + 2, "\5ERROR", 6) == 0);
}

#define TYPE(literal) "\x0bSocket-Type\0\0\0" literal

START_TEST(null_is_ready_at_once)
{
    ck_assert_int_eq(take(SLICE("\5READY" TYPE("\6DEALER"))), ZMTP_DONE);
    ck_assert_int_eq(h.type, ZMTP_DEALER);
    assert_said("\4\x1c\5READY" TYPE("\6ROUTER"));
}
END_TEST

START_TEST(each_type_gets_what_it_may_talk_to)
{
    ck_assert_int_eq(take(SLICE("\5READY" TYPE("\3REQ"))), ZMTP_DONE);
    assert_said("\4\x1c\5READY" TYPE("\6ROUTER"));
    ck_assert_int_eq(take(SLICE("\5READY" TYPE("\3SUB"))), ZMTP_DONE);
    assert_said("\4\x1a\5READY" TYPE("\4XPUB"));
    ck_assert_int_eq(take(SLICE("\5READY" TYPE("\4XSUB"))), ZMTP_DONE);
    assert_said("\4\x1a\5READY" TYPE("\4XPUB"));
    ck_assert_int_eq(take(SLICE("\5READY" TYPE("\4PUSH"))), ZMTP_DONE);
    assert_said("\4\x1a\5READY" TYPE("\4PULL"));
    ck_assert_int_eq(take(SLICE("\5READY" TYPE("\3PUB"))), ZMTP_DONE);
    assert_said("\4\x1a\5READY" TYPE("\4XSUB"));
}
END_TEST

START_TEST(other_types_are_refused)
{
    assert_refused(SLICE("\5READY" TYPE("\6ROUTER")));
    assert_refused(SLICE("\5READY" TYPE("\4PAIR")));
    assert_refused(SLICE("\5READY" TYPE("\6dealer")));
    assert_refused(SLICE("\5READY" TYPE("\0")));
    assert_refused(SLICE("\5READY"));
}
END_TEST

START_TEST(metadata_may_hold_more)
{
    ck_assert_int_eq(
        take(SLICE("\5READY\x08Identity\0\0\0\5\0\0\0\0\1" TYPE("\4PUSH") "\3X-Y\0\0\0\0")),
        ZMTP_DONE);
    ck_assert_int_eq(h.type, ZMTP_PUSH);
    ck_assert_int_eq(take(SLICE("\5READY" TYPE("\4PUSH") TYPE("\4PAIR"))), ZMTP_DONE);
    ck_assert_int_eq(take(SLICE("\5READY\x0bSOCKET-type\0\0\0\3PUB")), ZMTP_DONE);
}
END_TEST

START_TEST(malformed_commands_are_refused)
{
    assert_refused(SLICE(""));
    assert_refused(SLICE("\0"));
    assert_refused(SLICE("\6READY"));
    assert_refused(SLICE("\5READY" TYPE("\7DEALER")));
    assert_refused(SLICE("\5READY" TYPE("\6DEALER") "x"));
    assert_refused(SLICE("\5HELLO\2me\6secret"));
    assert_refused(SLICE("\4PING\0\0"));
    assert_refused(SLICE("\5ERROR\2no"));
}
END_TEST

START_TEST(plain_asks_for_the_password_first)
{
    server.mechanism = ZMTP_PLAIN;
    assert_refused(SLICE("\5READY" TYPE("\6DEALER")));
    assert_refused(SLICE("\x08INITIATE" TYPE("\6DEALER")));
    ck_assert_int_eq(take(SLICE("\5HELLO\2me\6secret")), ZMTP_GO_ON);
    assert_said("\4\x08\7WELCOME");
    assert_refused(SLICE("\5HELLO\2me\6secret"));
    ck_assert_int_eq(take(SLICE("\x08INITIATE" TYPE("\6DEALER"))), ZMTP_DONE);
    assert_said("\4\x1c\5READY" TYPE("\6ROUTER"));
}
END_TEST

START_TEST(plain_refuses_who_it_does_not_know)
{
    static const struct slice bad[] = {{"\5HELLO\2me\5wrong", 15},
                                       {"\5HELLO\0\0", 8},
                                       {"\5HELLO\2me\7secret", 16},
                                       {"\5HELLO\2me\6secretx", 17},
                                       {"\5HELLO", 6}};

    server.mechanism = ZMTP_PLAIN;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        h.greeted = false;
        assert_refused(bad[i]);
    }
    h.greeted = false;
    server.password = NULL;
    assert_refused(SLICE("\5HELLO\2me\6secret"));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("zmtp_handshake");
    TCase *t = tcase_create("zmtp_handshake");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, null_is_ready_at_once);
    tcase_add_test(t, each_type_gets_what_it_may_talk_to);
    tcase_add_test(t, other_types_are_refused);
    tcase_add_test(t, metadata_may_hold_more);
    tcase_add_test(t, malformed_commands_are_refused);
    tcase_add_test(t, plain_asks_for_the_password_first);
    tcase_add_test(t, plain_refuses_who_it_does_not_know);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *r = srunner_create(suite());
    int failed;

    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
