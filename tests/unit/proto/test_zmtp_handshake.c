/*
 * test_zmtp_handshake.c - NULL and PLAIN: who comes in, and what the others are told.
 * (CURVE is tested where its cryptography is.)
 */
#include <check.h>
#include <stdlib.h>

#include "mem.h"
#include "zmtp.h"
#include "zmtp_handshake.h"

static struct zmtp_handshake h;
static struct buf said;
static const char *why;

static void setup(void)
{
    h = (struct zmtp_handshake){0};
    said = (struct buf){0};
}

static void teardown(void)
{
    buf_free(&said);
}

/* Takes it as a first command, and admits whoever it is. */
static enum zmtp_verdict take(struct slice body)
{
    enum zmtp_verdict v;

    buf_clear(&said);
    why = NULL;
    if (h.step != ZMTP_STEP_INITIATE)
        h.step = ZMTP_STEP_FIRST;
    v = zmtp_handshake_take(&h, body, &said, &why);
    if (v != ZMTP_ASK)
        return v;
    ck_assert_uint_eq(said.len, 0);
    return zmtp_handshake_admit(&h, &said);
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

START_TEST(null_waits_until_it_may_come)
{
    ck_assert_int_eq(zmtp_handshake_take(&h, SLICE("\5READY" TYPE("\6DEALER")), &said, &why),
                     ZMTP_ASK);
    ck_assert_uint_eq(said.len, 0);
    ck_assert_int_eq(zmtp_handshake_admit(&h, &said), ZMTP_DONE);
    assert_said("\4\x1c\5READY" TYPE("\6ROUTER"));
}
END_TEST

START_TEST(plain_asks_for_the_password_first)
{
    h.mechanism = ZMTP_PLAIN;
    assert_refused(SLICE("\5READY" TYPE("\6DEALER")));
    assert_refused(SLICE("\x08INITIATE" TYPE("\6DEALER")));
    ck_assert_int_eq(zmtp_handshake_take(&h, SLICE("\5HELLO\2me\6secret"), &said, &why), ZMTP_ASK);
    ck_assert(slice_eq(h.user, SLICE("me")) && slice_eq(h.password, SLICE("secret")));
    buf_clear(&said);
    ck_assert_int_eq(zmtp_handshake_admit(&h, &said), ZMTP_GO_ON);
    assert_said("\4\x08\7WELCOME");
    assert_refused(SLICE("\5HELLO\2me\6secret"));
    ck_assert_int_eq(take(SLICE("\x08INITIATE" TYPE("\6DEALER"))), ZMTP_DONE);
    assert_said("\4\x1c\5READY" TYPE("\6ROUTER"));
}
END_TEST

START_TEST(plain_takes_empty_names_and_refuses_what_is_malformed)
{
    static const struct slice bad[] = {
        {"\5HELLO\2me\7secret", 16}, {"\5HELLO\2me\6secretx", 17}, {"\5HELLO", 6}};

    h.mechanism = ZMTP_PLAIN;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        h.step = ZMTP_STEP_FIRST;
        assert_refused(bad[i]);
    }
    ck_assert_int_eq(take(SLICE("\5HELLO\0\0")), ZMTP_GO_ON);
    ck_assert_uint_eq(h.user.len + h.password.len, 0);
}
END_TEST

START_TEST(mechanisms_are_known_by_their_names)
{
    enum zmtp_mechanism m;

    for (enum zmtp_mechanism i = 0; i < ZMTP_MECHANISMS; i++)
        ck_assert(zmtp_mechanism_find(slice_of(zmtp_mechanism_name(i)), &m) && m == i);
    ck_assert(!zmtp_mechanism_find(SLICE("null"), &m) && !zmtp_mechanism_find(SLICE("GSSAPI"), &m));
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
    tcase_add_test(t, null_waits_until_it_may_come);
    tcase_add_test(t, plain_takes_empty_names_and_refuses_what_is_malformed);
    tcase_add_test(t, mechanisms_are_known_by_their_names);
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
