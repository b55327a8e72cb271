/*
 * test_zheaders.c - what an application may say of an event besides topic and payload.
 */
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "suite.h"
#include "zheaders.h"

static struct buf store;
static struct event e;
static struct event_props props;
static struct problem why;

static void setup(void)
{
    store = (struct buf){0};
    e = (struct event){0};
    why = (struct problem){0};
}

static void teardown(void)
{
    buf_free(&store);
}

static enum sluice_error headers(const char *json)
{
    why = (struct problem){0};
    if (!zheaders_get(slice_of(json), &store, &e, &why))
        return why.error;
    ck_assert_int_eq(event_props_get(e.props, &props), EVENT_OK);
    return ERR_NONE;
}

/* --- headers ---------------------------------------------------------------------- */

START_TEST(no_headers_are_no_properties)
{
    ck_assert_int_eq(headers("{}"), ERR_NONE);
    ck_assert_uint_eq(e.props.len, 0);
    ck_assert_int_eq(headers(""), ERR_NONE);
    ck_assert_uint_eq(e.props.len, 0);
    ck_assert_uint_eq(store.len, 0);
}
END_TEST

START_TEST(an_application_counts_as_qos_2)
{
    ck_assert_int_eq(headers("{}"), ERR_NONE);
    ck_assert_uint_eq(event_qos(&e), 2);
    ck_assert_int_eq(headers("{\"retain\":true}"), ERR_NONE);
    ck_assert_uint_eq(event_qos(&e), 2);
}
END_TEST

START_TEST(headers_become_flags_and_properties)
{
    ck_assert_int_eq(headers("{\"type\":\"tick\",\"retain\":true,\"expiry\":60,"
                             "\"producer\":{\"id\":\"p\",\"epoch\":1,\"seq\":2}}"),
                     ERR_NONE);
    ck_assert(slice_eq(props.type, SLICE("tick")));
    ck_assert((e.flags & EVENT_RETAIN) != 0 && (e.flags & EVENT_HAS_EXPIRY) != 0);
    ck_assert_uint_eq(e.expiry, 60);
    ck_assert(slice_eq(props.producer.id, SLICE("p")));
    ck_assert_uint_eq(props.producer.seq, 2);
}
END_TEST

START_TEST(topic_payload_and_unknown_members_are_refused_in_headers)
{
    static const char *const bad[] = {
        "{\"topic\":\"a\"}",
        "{\"data\":1}",
        "{\"data_base64\":\"\"}",
        "{\"id\":\"1\"}",
        "{\"x\":1}",
        "[]",
        "{",
        "{\"expiry\":\"soon\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(headers(bad[i]), ERR_BAD_EVENT);
        ck_assert(why.detail[0] != '\0');
        buf_free(&store);
    }
}
END_TEST

START_TEST(a_refusal_names_the_member)
{
    ck_assert_int_eq(headers("{\"x\":1}"), ERR_BAD_EVENT);
    ck_assert_str_eq(why.field, "x");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("zheaders");
    TCase *t = tcase_create("zheaders");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, no_headers_are_no_properties);
    tcase_add_test(t, an_application_counts_as_qos_2);
    tcase_add_test(t, headers_become_flags_and_properties);
    tcase_add_test(t, topic_payload_and_unknown_members_are_refused_in_headers);
    tcase_add_test(t, a_refusal_names_the_member);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{

    return suite_run(suite());
}
