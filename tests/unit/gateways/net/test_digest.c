/*
 * test_digest.c - known hashes.
 */
#include <stdlib.h>

#include "digest.h"
#include "suite.h"

static void assert_hex(const uint8_t *hash, size_t size, const char *hex)
{
    struct buf text = {0};

    for (size_t i = 0; i < size; i++)
        buf_printf(&text, "%02x", hash[i]);
    ck_assert(slice_eq(buf_slice(&text), slice_of(hex)));
    buf_free(&text);
}

static void assert_sha1(struct slice s, const char *hex)
{
    uint8_t hash[DIGEST_SHA1_SIZE];

    digest_sha1(s, hash);
    assert_hex(hash, sizeof hash, hex);
}

START_TEST(sha1_of_known_texts)
{
    assert_sha1(SLICE(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_sha1(SLICE("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    /* RFC 6455, 1.3 */
    assert_sha1(SLICE("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11"),
                "b37a4f2cc0624f1690f64606cf385945b2bec4ea");
}
END_TEST

START_TEST(sha256_of_known_texts)
{
    uint8_t hash[DIGEST_SHA256_SIZE];

    digest_sha256(SLICE("abc"), hash);
    assert_hex(hash, sizeof hash,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("digest");
    TCase *t = tcase_create("digest");

    tcase_add_test(t, sha1_of_known_texts);
    tcase_add_test(t, sha256_of_known_texts);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
