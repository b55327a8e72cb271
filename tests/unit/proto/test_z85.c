/* Unit tests of Z85. */
#include "z85.h"

#include "suite.h"

/* The bytes of RFC 32's example, four times, and their characters. */
static const uint8_t bytes[] = {0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b, 0x86, 0x4f, 0xd2,
                                0x6f, 0xb5, 0x59, 0xf7, 0x5b, 0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59,
                                0xf7, 0x5b, 0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b};
static const char text[] = "HelloWorldHelloWorldHelloWorldHelloWorld";

START_TEST(a_key_is_read_and_written)
{
    uint8_t key[Z85_KEY];
    char written[Z85_TEXT + 1];

    ck_assert(z85_get(slice_of(text), key));
    ck_assert_mem_eq(key, bytes, sizeof bytes);
    z85_put(key, written);
    ck_assert_str_eq(written, text);
}
END_TEST

START_TEST(what_is_no_key_is_refused)
{
    static const char *const bad[] = {
        "",
        "HelloWorld",
        "HelloWorldHelloWorldHelloWorldHelloWorldHello",
        "HelloWorldHelloWorldHelloWorldHelloWorl\"", /* no digit */
        "#####WorldHelloWorldHelloWorldHelloWorld",  /* above four bytes */
    };
    uint8_t key[Z85_KEY];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!z85_get(slice_of(bad[i]), key), "%s", bad[i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("z85");
    TCase *t = tcase_create("z85");

    tcase_add_test(t, a_key_is_read_and_written);
    tcase_add_test(t, what_is_no_key_is_refused);
    suite_add_tcase(s, t);
    return suite_run(s);
}
