/*
 * test_certificate.c - a certificate for a first try, and what pins a server to it.
 */
#include "certificate.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_suite.h"

static char folder[32], certificate[64], key[64];
static struct buf pin;

static void setup(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/sluice-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(certificate, sizeof certificate, "%s/certificate.pem", folder);
    (void)snprintf(key, sizeof key, "%s/key.pem", folder);
    ck_assert_int_eq(certificate_self_signed(certificate, key), 0);
}

static void teardown(void)
{
    (void)unlink(certificate);
    (void)unlink(key);
    (void)rmdir(folder);
    buf_free(&pin);
}

/* "sha256//" and 32 bytes in base64. */
#define PIN_LEN (8 + 44)

START_TEST(test_a_pin_is_of_the_key)
{
    struct buf again = {0};
    struct slice whole;

    ck_assert(certificate_pin(certificate, &pin));
    whole = buf_slice(&pin);
    ck_assert_uint_eq(whole.len, PIN_LEN);
    ck_assert(slice_starts(whole, SLICE("sha256//")));
    ck_assert_int_eq(whole.p[PIN_LEN - 1], '=');

    ck_assert(certificate_pin(certificate, &again));
    ck_assert(slice_eq(buf_slice(&again), whole));
    buf_free(&again);
}
END_TEST

START_TEST(test_another_key_has_another_pin)
{
    struct buf other = {0};

    ck_assert(certificate_pin(certificate, &pin));
    ck_assert_int_eq(unlink(key), 0); /* without it the certificate is worth nothing */
    ck_assert_int_eq(certificate_self_signed(certificate, key), 0);
    ck_assert(certificate_pin(certificate, &other));
    ck_assert(!slice_eq(buf_slice(&other), buf_slice(&pin)));
    buf_free(&other);
}
END_TEST

START_TEST(test_what_holds_no_certificate_has_no_pin)
{
    ck_assert(!certificate_pin(key, &pin));
    ck_assert(!certificate_pin("/nowhere", &pin));
    ck_assert_uint_eq(pin.len, 0);
}
END_TEST

START_TEST(test_a_certificate_that_is_good_stays)
{
    struct stat before, after;

    ck_assert_int_eq(stat(certificate, &before), 0);
    ck_assert_int_eq(certificate_self_signed(certificate, key), 0);
    ck_assert_int_eq(stat(certificate, &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
}
END_TEST

int main(void)
{
    return RUN_TESTS("certificate", setup, teardown, test_a_pin_is_of_the_key,
                     test_another_key_has_another_pin, test_what_holds_no_certificate_has_no_pin,
                     test_a_certificate_that_is_good_stays);
}
