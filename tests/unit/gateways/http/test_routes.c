/*
 * test_routes.c - which handler a request is for, what it may bring along, and what is
 * answered when there is none.
 */
#include "routes.h"

#include "cors.h"
#include "run_suite.h"

static void handle(struct exchange *x)
{
    (void)x;
}

static const struct route list[] = {
    {"GET", "/events/", ROUTE_NO_BODY, handle, NULL, NULL},
    {"GET", "/events", ROUTE_NO_BODY, handle, NULL, NULL},
    {"POST", "/events/", ROUTE_PAYLOAD, handle, NULL, NULL},
    {"POST", "/events", ROUTE_BATCH, handle, NULL, NULL},
    {"DELETE", "/history/", ROUTE_NO_BODY, handle, NULL, NULL},
};
static const struct route_limits limits = {.max_payload = 100, .max_body = 1000};

static struct routes routes;
static struct http_request r;
static struct problem p;
static struct slice rest;
static struct buf allow;

/* An exchange that keeps its answer. */
static struct exchange x;
static struct answer answered;
static struct buf texts, body;

static void keep_answer(struct exchange *unused, const struct answer *a, struct buf *b)
{
    (void)unused;
    answered = *a;
    for (size_t i = 0; i < a->field_count; i++)
        buf_printf(&texts, "%s: %.*s\n", a->fields[i].name, (int)a->fields[i].value.len,
                   a->fields[i].value.p);
    buf_put_slice(&body, buf_slice(b));
    buf_free(b);
}

static const struct exchange_ops ops = {.answer = keep_answer};

static void setup(void)
{
    routes = (struct routes){.list = list, .count = sizeof list / sizeof *list};
    memset(&r, 0, sizeof r);
    r.minor = 1;
    memset(&p, 0, sizeof p);
    x = (struct exchange){.ops = &ops, .request = &r};
}

static void teardown(void)
{
    buf_free(&allow);
    buf_free(&texts);
    buf_free(&body);
}

static const struct route *find(const char *method, const char *path)
{
    memset(&p, 0, sizeof p);
    buf_clear(&allow);
    r.method = slice_of(method);
    r.path = slice_of(path);
    return route_find(&routes, &r, &rest, &allow, &p);
}

static void header(const char *name, const char *value)
{
    r.headers[r.header_count++] = (struct http_header){slice_of(name), slice_of(value)};
}

static bool is(struct slice s, const char *text)
{
    return slice_eq(s, slice_of(text));
}

/* --- which handler ------------------------------------------------------------------ */

START_TEST(test_a_path_and_what_is_below_it)
{
    ck_assert_ptr_eq(find("GET", "/events/a/b"), &list[0]);
    ck_assert(is(rest, "a/b"));
    ck_assert_ptr_eq(find("GET", "/events/"), &list[0]);
    ck_assert(rest.p != NULL && rest.len == 0);
    ck_assert_ptr_eq(find("GET", "/events"), &list[1]);
    ck_assert_ptr_null(rest.p);
    ck_assert_ptr_eq(find("POST", "/events/a"), &list[2]);
}
END_TEST

START_TEST(test_head_is_gets)
{
    ck_assert_ptr_eq(find("HEAD", "/events/a"), &list[0]);
    ck_assert_ptr_null(find("HEAD", "/history/a"));
}
END_TEST

START_TEST(test_a_path_that_is_none)
{
    static const char *const paths[] = {"/", "/event", "/eventsa", "/events2/a", "/history", "*"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        ck_assert_ptr_null(find("GET", paths[i]));
        ck_assert_int_eq(p.error, ERR_NOT_FOUND);
        ck_assert_uint_eq(allow.len, 0);
    }
}
END_TEST

START_TEST(test_another_method_is_told_which_there_are)
{
    ck_assert_ptr_null(find("PUT", "/events/a"));
    ck_assert_int_eq(p.error, ERR_METHOD);
    ck_assert(is(buf_slice(&allow), "GET, HEAD, POST, OPTIONS"));
    ck_assert_ptr_null(find("get", "/events/a"));
    ck_assert_ptr_null(find("GET", "/history/a"));
    ck_assert(is(buf_slice(&allow), "DELETE, OPTIONS"));
}
END_TEST

/* --- bodies ------------------------------------------------------------------------- */

static bool body_ok(const struct route *route, uint64_t length)
{
    memset(&p, 0, sizeof p);
    r.content_length = length;
    return route_body_ok(route, &limits, &r, &p);
}

START_TEST(test_how_much_a_body_may_hold)
{
    ck_assert(body_ok(&list[2], 100) && !body_ok(&list[2], 101));
    ck_assert_int_eq(p.error, ERR_TOO_LARGE);
    ck_assert(body_ok(&list[3], 1000) && !body_ok(&list[3], 1001));
    ck_assert(body_ok(&list[0], 0) && !body_ok(&list[0], 1));
}
END_TEST

START_TEST(test_a_body_of_unknown_length_where_there_may_be_one)
{
    r.chunked = true;
    ck_assert(body_ok(&list[2], 0) && !body_ok(&list[0], 0));
}
END_TEST

START_TEST(test_expectations)
{
    header("Expect", "100-continue");
    r.expect_continue = true;
    ck_assert(body_ok(&list[2], 1));
    r.expect_continue = false;
    ck_assert(!body_ok(&list[2], 1));
    ck_assert_int_eq(p.error, ERR_EXPECTATION);
    r.minor = 0; /* HTTP/1.0 has none */
    ck_assert(body_ok(&list[2], 1));
}
END_TEST

/* --- no handler --------------------------------------------------------------------- */

static struct cors cors;

/* What is answered to a request that none was found for. */
static void answer_none(const char *method, const char *path)
{
    buf_clear(&texts);
    buf_clear(&body);
    ck_assert_ptr_null(find(method, path));
    cors_clear(&cors);
    cors_read(&cors, &routes.cors, &r);
    route_answer_none(&x, &cors, &p, &allow);
}

START_TEST(test_404_and_405)
{
    answer_none("GET", "/nothing");
    ck_assert_int_eq(answered.status, 404);
    ck_assert_uint_eq(texts.len, 0);
    ck_assert_str_eq(answered.content_type, "application/problem+json");
    answer_none("PUT", "/events");
    ck_assert_int_eq(answered.status, 405);
    ck_assert(is(buf_slice(&texts), "Allow: GET, HEAD, POST, OPTIONS\n"));
}
END_TEST

START_TEST(test_options)
{
    answer_none("OPTIONS", "/events");
    ck_assert_int_eq(answered.status, 204);
    ck_assert(is(buf_slice(&texts), "Allow: GET, HEAD, POST, OPTIONS\n"));
    answer_none("OPTIONS", "*");
    ck_assert_int_eq(answered.status, 204);
    ck_assert_uint_eq(texts.len, 0);
    answer_none("OPTIONS", "/nothing");
    ck_assert_int_eq(answered.status, 404);
}
END_TEST

/* --- CORS --------------------------------------------------------------------------- */

static struct slice origin_by(const char *origins, bool credentials)
{
    static struct cors_rules rules;

    rules = (struct cors_rules){.origins = slice_of(origins), .credentials = credentials};
    cors_clear(&cors);
    cors_read(&cors, &rules, &r);
    return cors.origin;
}

START_TEST(test_an_origin_on_the_list)
{
    const char *some = "https://a.example, https://*.example";

    ck_assert_ptr_null(origin_by("*", false).p);
    header("Origin", "https://b.example");
    ck_assert(is(origin_by(some, false), "https://b.example"));
    ck_assert(is(origin_by("*", false), "*"));
    ck_assert(is(origin_by("*", true), "https://b.example"));
    ck_assert_ptr_null(origin_by("", true).p);
    ck_assert_ptr_null(origin_by("https://b.example.org", false).p);
    ck_assert_ptr_null(origin_by("http://b.example", false).p);
    cors_clear(&cors);
}
END_TEST

START_TEST(test_fields_of_any_answer)
{
    struct answer_field out[CORS_FIELDS];

    header("Origin", "https://b.example");
    (void)origin_by("", false);
    ck_assert_uint_eq(cors_fields(&cors, out), 0);
    (void)origin_by("https://a.example", false);
    ck_assert_uint_eq(cors_fields(&cors, out), 1);
    ck_assert_str_eq(out[0].name, "Vary");
    (void)origin_by("https://b.example", true);
    ck_assert_uint_eq(cors_fields(&cors, out), CORS_FIELDS);
    ck_assert_str_eq(out[1].name, "Access-Control-Allow-Origin");
    ck_assert(is(out[1].value, "https://b.example"));
    (void)origin_by("https://b.example", false);
    ck_assert_uint_eq(cors_fields(&cors, out), CORS_FIELDS - 1);
    cors_clear(&cors);
}
END_TEST

START_TEST(test_a_preflight)
{
    routes.cors = (struct cors_rules){.origins = SLICE("*"), .headers = SLICE("Accept, X-Own")};
    header("Origin", "https://a.example");
    answer_none("OPTIONS", "/events/a");
    ck_assert_uint_eq(answered.field_count, 1); /* it does not ask */
    header("Access-Control-Request-Method", "POST");
    answer_none("OPTIONS", "/events/a");
    ck_assert_int_eq(answered.status, 204);
    ck_assert(slice_starts(buf_slice(&texts),
                           SLICE("Allow: GET, HEAD, POST, OPTIONS\n"
                                 "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\n"
                                 "Access-Control-Allow-Headers: Accept, X-Own\n")));
}
END_TEST

int main(void)
{
    return RUN_TESTS("routes", setup, teardown, test_a_path_and_what_is_below_it, test_head_is_gets,
                     test_a_path_that_is_none, test_another_method_is_told_which_there_are,
                     test_how_much_a_body_may_hold,
                     test_a_body_of_unknown_length_where_there_may_be_one, test_expectations,
                     test_404_and_405, test_options, test_an_origin_on_the_list,
                     test_fields_of_any_answer, test_a_preflight);
}
