/*
 * test_tls.c - a connection under TLS is to its owner what a plain one is, and whoever
 * breaks TLS's rules never gets as far as the owner.
 */
#include "conn.h"

#include <stdio.h>

#include "certificate.h"
#include "mem.h"
#include "metrics.h"
#include "pinned.h"
#include "run_suite.h"
#include "tls_peer.h"

#define PAYLOAD 100000 /* many records, and more than the socket's buffer takes */
#define RECORD (16384 + 256)

static char folder[] = "/tmp/sluice-test-tls-XXXXXX";
static char certificate[64], key[64];
static uv_loop_t loop;
static struct wheel wheel;
static struct conns conns;
static struct config *config;
static struct tls_server *server;
static SSL_CTX *trusting;
static struct tls_client client;

/* The connection as its owner sees it. */
static struct owner {
    struct conn *conn;
    struct buf input;
    unsigned opened, writable, eof, gone, drain;
} owner;

static void on_opened(struct conn *c)
{
    owner.conn = c;
    owner.opened++;
}

static size_t on_input(struct conn *c, struct slice bytes)
{
    (void)c;
    ck_assert_uint_eq(owner.opened, 1);
    buf_put_slice(&owner.input, bytes);
    return bytes.len;
}

static void on_writable(struct conn *c)
{
    (void)c;
    owner.writable++;
}

static void on_eof(struct conn *c)
{
    (void)c;
    owner.eof++;
}

static void on_drain(struct conn *c)
{
    owner.drain++;
    conn_finish(c);
}

static void on_gone(struct conn *c)
{
    (void)c;
    owner.gone++;
}

static const struct conn_ops ops = {.opened = on_opened,
                                    .input = on_input,
                                    .writable = on_writable,
                                    .eof = on_eof,
                                    .drain = on_drain,
                                    .gone = on_gone};

/* --- the fixture -------------------------------------------------------------------- */

static struct config *load_config(const char *min_version, const char *handshake_timeout)
{
    char *argv[] = {"test",
                    "--tls-certificate",
                    certificate,
                    "--tls-key",
                    key,
                    "--tls-handshake-timeout",
                    (char *)(uintptr_t)handshake_timeout,
                    "--tls-max-handshakes",
                    "2",
                    "--tls-min-version",
                    (char *)(uintptr_t)min_version,
                    NULL};
    struct config *c;

    ck_assert_int_eq(config_load(&c, "sse", (int)(sizeof argv / sizeof *argv) - 1, argv),
                     CONFIG_GO);
    return c;
}

/* A new connection; the client has not said a word. */
static void open_connection(SSL_CTX *ctx)
{
    static const char *const alpn[] = {"h9", "http/1.1", NULL};
    int fds[2], small = 4096;
    struct tls *tls;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    tls = tls_new(server, fds[0], alpn);
    ck_assert_ptr_nonnull(conn_new(&conns, fds[0], tls, sizeof(struct conn), &ops, NULL, NULL));
    client_open(&client, ctx, fds[1]);
}

static void setup(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    wheel_init(&wheel, &loop);
    conns_init(&conns, &loop, &wheel);
    memset(&owner, 0, sizeof owner);
    config = load_config("1.2", "60s");
    server = tls_server_new(config);
    ck_assert_ptr_nonnull(server);
    trusting = client_context(certificate);
    open_connection(trusting);
}

/* Every test leaves its connection as it is: it must end in order. */
static void teardown(void)
{
    conns_close_all(&conns);
    client_close(&client);
    wheel_close(&wheel, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(conns.count, 0);
    ck_assert_uint_eq(conns.held.bytes, 0);
    ck_assert_ptr_null(conns.held.first);
    ck_assert(!tls_server_busy(server));
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    buf_free(&owner.input);
    SSL_CTX_free(trusting);
    tls_server_free(server);
    config_free(config);
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void talk(void)
{
    for (int i = 0; i < 4; i++) {
        client_talk(&client);
        turn();
    }
}

static void handshake(void)
{
    talk();
    ck_assert(SSL_is_init_finished(client.ssl));
    ck_assert_uint_eq(owner.opened, 1);
    client_receive(&client, SIZE_MAX); /* its tickets */
}

static void receive_until(size_t len)
{
    for (int i = 0; i < 10000 && client.got.len < len; i++) {
        client_receive(&client, 5000);
        turn();
    }
    ck_assert_uint_eq(client.got.len, len);
}

static void wait_until_closed(void)
{
    for (int i = 0; i < 10000 && conns.count > 0; i++)
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_uint_eq(conns.count, 0);
}

static struct pinned *large_block(void)
{
    static char one[PAYLOAD + 1], two[PAYLOAD + 1];

    memset(one, '1', PAYLOAD);
    memset(two, '2', PAYLOAD);
    return PINNED(one, two);
}

static size_t write_run(struct pinned *block, size_t from, size_t count)
{
    return pinned_write(owner.conn, block, from, count);
}

static void check_stretch(size_t from, char byte, size_t len)
{
    ck_assert_uint_le(from + len, client.got.len);
    for (size_t i = from; i < from + len; i++)
        ck_assert_int_eq(client.got.p[i], byte);
}

static void check_input(const char *text)
{
    struct slice input = buf_slice(&owner.input);

    ck_assert(slice_eq(input, slice_of(text)));
}

/* --- the handshake ---------------------------------------------------------------------- */

START_TEST(test_the_owner_hears_of_the_connection_when_the_handshake_is_over)
{
    ck_assert_uint_eq(owner.opened, 0);
    client_talk(&client);
    turn();
    ck_assert_uint_eq(owner.opened, 0);
    handshake();
    ck_assert_str_eq(SSL_get_version(client.ssl), "TLSv1.3");
    ck_assert(!conn_pending(owner.conn));
}
END_TEST

START_TEST(test_a_handshake_may_come_byte_by_byte)
{
    for (int i = 0; i < 10000 && owner.opened == 0; i++) {
        if (!SSL_is_init_finished(client.ssl))
            (void)SSL_do_handshake(client.ssl);
        client_send(&client, 1);
        turn();
        client_receive(&client, 7);
    }
    handshake();
}
END_TEST

/* As clients do that save a round trip. */
START_TEST(test_a_request_may_come_with_the_end_of_the_handshake)
{
    client_talk(&client);
    turn();
    client_receive(&client, SIZE_MAX);
    ck_assert(SSL_is_init_finished(client.ssl));
    client_write(&client, "GET /");
    client_send(&client, SIZE_MAX);
    turn();
    check_input("GET /");
}
END_TEST

START_TEST(test_garbage_is_answered_with_an_alert)
{
    char answer[100];

    ck_assert_int_eq(send(client.fd, "\x16\x03\x01\x00\x02zz and so on", 17, 0), 17);
    turn();
    ck_assert_int_gt(recv(client.fd, answer, sizeof answer, 0), 0);
    ck_assert_int_eq(answer[0], 21); /* alert */
    (void)shutdown(client.fd, SHUT_WR);
    wait_until_closed();
    ck_assert_uint_eq(owner.opened + owner.gone, 0);
}
END_TEST

START_TEST(test_http_without_tls_is_told_so)
{
    char answer[500] = "";

    ck_assert_int_eq(send(client.fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    turn();
    ck_assert_int_gt(recv(client.fd, answer, sizeof answer - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(answer, "HTTP/1.1 400 Bad Request\r\n"));
    ck_assert_ptr_nonnull(strstr(answer, "use https"));
    (void)shutdown(client.fd, SHUT_WR);
    wait_until_closed();
    ck_assert_uint_eq(owner.opened, 0);
}
END_TEST

START_TEST(test_a_handshake_has_a_time_limit)
{
    struct config *hurried = load_config("1.2", "100ms");
    uint64_t failed = metric_get(M_TLS_FAILED);

    ck_assert(tls_server_reload(server, hurried));
    conns_close_all(&conns);
    client_close(&client);
    open_connection(trusting);
    client_talk(&client);
    wait_until_closed();
    ck_assert_uint_eq(owner.opened + owner.gone, 0);
    ck_assert_uint_eq(metric_get(M_TLS_FAILED), failed + 1);
    config_free(hurried);
}
END_TEST

START_TEST(test_a_client_that_leaves_in_the_handshake_is_forgotten)
{
    client_talk(&client);
    (void)shutdown(client.fd, SHUT_RDWR);
    wait_until_closed();
    ck_assert_uint_eq(owner.opened + owner.gone, 0);
}
END_TEST

START_TEST(test_draining_waits_for_no_handshake)
{
    client_talk(&client);
    conns_drain(&conns, NULL, NULL);
    turn();
    ck_assert_uint_eq(conns.count, 0);
    ck_assert_uint_eq(owner.drain, 0);
}
END_TEST

START_TEST(test_handshakes_under_way_are_counted)
{
    struct tls_client first = client;

    ck_assert(!tls_server_busy(server));
    open_connection(trusting);
    ck_assert(tls_server_busy(server));
    handshake();
    ck_assert(!tls_server_busy(server));
    client_close(&first);
}
END_TEST

START_TEST(test_versions_before_1_2_are_refused)
{
    SSL_set_security_level(client.ssl, 0);
    ck_assert_int_eq(SSL_set_min_proto_version(client.ssl, TLS1_VERSION), 1);
    ck_assert_int_eq(SSL_set_max_proto_version(client.ssl, TLS1_1_VERSION), 1);
    talk();
    ck_assert(!SSL_is_init_finished(client.ssl));
    ck_assert_uint_eq(owner.opened, 0);
}
END_TEST

START_TEST(test_1_2_is_spoken_unless_it_is_too_old)
{
    struct config *newer = load_config("1.3", "60s");

    ck_assert_int_eq(SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION), 1);
    handshake();
    ck_assert_str_eq(SSL_get_version(client.ssl), "TLSv1.2");
    ck_assert(tls_server_reload(server, newer));
    client_close(&client);
    open_connection(trusting);
    ck_assert_int_eq(SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION), 1);
    talk();
    ck_assert(!SSL_is_init_finished(client.ssl));
    config_free(newer);
}
END_TEST

START_TEST(test_alpn_is_the_best_that_both_speak)
{
    static const unsigned char wanted[] = "\x02zz\x08http/1.1";

    ck_assert_int_eq(SSL_set_alpn_protos(client.ssl, wanted, sizeof wanted - 1), 0);
    handshake();
    ck_assert(slice_eq(conn_alpn(owner.conn), SLICE("http/1.1")));
}
END_TEST

START_TEST(test_a_client_that_speaks_nothing_spoken_here_is_refused)
{
    static const unsigned char wanted[] = "\x02zz\x02h2";

    ck_assert_int_eq(SSL_set_alpn_protos(client.ssl, wanted, sizeof wanted - 1), 0);
    talk();
    ck_assert(!SSL_is_init_finished(client.ssl));
    ck_assert_uint_eq(owner.opened, 0);
}
END_TEST

START_TEST(test_a_client_without_alpn_or_certificate_is_like_any_other)
{
    handshake();
    ck_assert_uint_eq(conn_alpn(owner.conn).len, 0);
    ck_assert_uint_eq(conn_peer_subject(owner.conn).len, 0);
}
END_TEST

static SSL_SESSION *session_of_a_first_visit(void)
{
    SSL_SESSION *s;

    handshake();
    ck_assert(!SSL_session_reused(client.ssl));
    s = SSL_get1_session(client.ssl);
    (void)SSL_shutdown(client.ssl); /* else OpenSSL takes it for broken */
    client_close(&client);
    owner.opened = 0;
    return s;
}

START_TEST(test_a_session_is_resumed)
{
    SSL_SESSION *s = session_of_a_first_visit();

    open_connection(trusting);
    ck_assert_int_eq(SSL_set_session(client.ssl, s), 1);
    handshake();
    ck_assert(SSL_session_reused(client.ssl));
    SSL_SESSION_free(s);
}
END_TEST

START_TEST(test_renegotiation_is_refused)
{
    ck_assert_int_eq(SSL_set_max_proto_version(client.ssl, TLS1_2_VERSION), 1);
    handshake();
    (void)SSL_renegotiate(client.ssl);
    (void)SSL_do_handshake(client.ssl);
    client_send(&client, SIZE_MAX);
    turn();
    client_receive(&client, SIZE_MAX);
    ck_assert_int_eq(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NO_RENEGOTIATION);
    ck_assert_uint_eq(owner.gone, 0);
}
END_TEST

/* --- bytes ---------------------------------------------------------------------------------- */

START_TEST(test_bytes_come_and_go)
{
    handshake();
    client_write(&client, "question");
    client_send(&client, SIZE_MAX);
    turn();
    check_input("question");
    conn_write(owner.conn, "answer", 6);
    receive_until(6);
    ck_assert_mem_eq(client.got.p, "answer", 6);
}
END_TEST

START_TEST(test_a_record_that_comes_in_pieces_is_shown_when_it_is_whole)
{
    handshake();
    client_write(&client, "question");
    while (client_gather(&client), client.wire.len > 0) {
        check_input("");
        client_send(&client, 1);
        turn();
    }
    check_input("question");
}
END_TEST

START_TEST(test_keys_may_be_updated)
{
    handshake();
    ck_assert_int_eq(SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    client_write(&client, "question");
    client_send(&client, SIZE_MAX);
    turn();
    check_input("question");
    conn_write(owner.conn, "answer", 6);
    receive_until(6);
}
END_TEST

START_TEST(test_large_events_arrive_whole_at_a_slow_reader)
{
    struct pinned *block = large_block();

    handshake();
    ck_assert_uint_eq(write_run(block, 0, 2), 1);
    ck_assert(conn_pending(owner.conn));
    ck_assert_uint_eq(write_run(block, 1, 1), 0);
    receive_until(PAYLOAD);
    turn();
    ck_assert_uint_eq(owner.writable, 1);
    ck_assert_uint_eq(write_run(block, 1, 1), 1);
    conn_write(owner.conn, "end", 3);
    receive_until(2 * PAYLOAD + 3);
    check_stretch(0, '1', PAYLOAD);
    check_stretch(PAYLOAD, '2', PAYLOAD);
    ck_assert_mem_eq(client.got.p + 2 * PAYLOAD, "end", 3);
    pinned_evict(block);
}
END_TEST

START_TEST(test_a_client_that_does_not_read_costs_one_record)
{
    struct pinned *block = large_block();

    handshake();
    (void)write_run(block, 0, 2);
    ck_assert_uint_gt(conns.held.bytes, 0);
    ck_assert_uint_le(conns.held.bytes, RECORD);
    for (int i = 0; i < 10; i++)
        turn();
    ck_assert_uint_le(conns.held.bytes, RECORD);
    receive_until(PAYLOAD);
    turn();
    ck_assert_uint_eq(conns.held.bytes, 0);
    pinned_evict(block);
}
END_TEST

/* All of it is taken, so nobody asks for writable(): the rest goes out by itself. */
START_TEST(test_the_rest_of_the_only_record_goes_out)
{
    static char bytes[10000];

    memset(bytes, 'x', sizeof bytes);
    handshake();
    conn_write(owner.conn, bytes, sizeof bytes);
    ck_assert_uint_gt(conns.held.bytes, 0);
    receive_until(sizeof bytes);
    check_stretch(0, 'x', sizeof bytes);
}
END_TEST

START_TEST(test_what_a_record_leaves_counts_as_half_written)
{
    struct pinned *block = large_block();

    handshake();
    conns.held.max = 100;
    (void)write_run(block, 0, 2);
    ck_assert_uint_eq(conns.held.bytes, 0);
    ck_assert_uint_eq(owner.gone, 0);
    turn();
    ck_assert_uint_eq(owner.gone, 1);
    pinned_evict(block);
}
END_TEST

START_TEST(test_many_small_pieces_share_records)
{
    struct conn_piece pieces[CONN_PIECES_MAX];
    struct pinned *block = PINNED("shared");
    struct slice shared = block->events[0];
    size_t records = 0;

    handshake();
    for (size_t i = 0; i < CONN_PIECES_MAX; i++)
        pieces[i] =
            (struct conn_piece){.head = SLICE("head "), .shared = shared, .pins = &block->pins};
    ck_assert_uint_eq(conn_write_pieces(owner.conn, pieces, CONN_PIECES_MAX), CONN_PIECES_MAX);
    while (client.got.len < CONN_PIECES_MAX * 11) {
        client_receive(&client, 64);
        turn();
        records++;
    }
    ck_assert_uint_le(records, CONN_PIECES_MAX * 11 / 64 + 3);
    ck_assert_mem_eq(client.got.p, "head sharedhead shared", 22);
    pinned_evict(block);
}
END_TEST

/* Records are cut anywhere, and their blocks leave memory meanwhile. */
START_TEST(test_pieces_arrive_whole_wherever_they_are_cut)
{
    static const char own[] = "abcdefghijklmnopqrstuvwxyz";
    struct conn_piece pieces[40];
    struct buf expected = {0};

    handshake();
    srand(1);
    for (int n = 0; n < 500; n++) {
        struct pinned *block = PINNED("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        struct slice payload = block->events[0];

        for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
            pieces[i] = (struct conn_piece){.head = {own, (size_t)rand() % 10},
                                            .shared = {payload.p, 1 + (size_t)rand() % 26},
                                            .rest = {own, (size_t)rand() % 20},
                                            .pins = &block->pins};
        for (size_t i = 0, taken = conn_write_pieces(owner.conn, pieces, 40); i < taken; i++) {
            buf_put_slice(&expected, pieces[i].head);
            buf_put_slice(&expected, pieces[i].shared);
            buf_put_slice(&expected, pieces[i].rest);
        }
        pinned_evict(block);
        client_receive(&client, (size_t)rand() % 3000);
        turn();
    }
    receive_until(expected.len);
    ck_assert_mem_eq(client.got.p, expected.p, expected.len);
    buf_free(&expected);
}
END_TEST

/* --- the end -------------------------------------------------------------------------------- */

START_TEST(test_close_notify_is_the_end_of_input_and_not_of_output)
{
    handshake();
    client_write(&client, "last");
    (void)SSL_shutdown(client.ssl);
    client_send(&client, SIZE_MAX);
    turn();
    check_input("last");
    ck_assert_uint_eq(owner.eof, 1);
    conn_write(owner.conn, "answer", 6);
    receive_until(6);
    turn();
    ck_assert_uint_eq(owner.eof, 1);
}
END_TEST

START_TEST(test_a_fin_alone_is_the_end_of_input_too)
{
    handshake();
    (void)shutdown(client.fd, SHUT_WR);
    turn();
    ck_assert_uint_eq(owner.eof, 1);
    ck_assert_uint_eq(owner.gone, 0);
}
END_TEST

START_TEST(test_finishing_says_close_notify_behind_what_is_left)
{
    static char bytes[PAYLOAD];

    handshake();
    memset(bytes, 'x', sizeof bytes);
    conn_write(owner.conn, bytes, sizeof bytes);
    conn_finish(owner.conn);
    ck_assert(!client.closed);
    receive_until(sizeof bytes);
    for (int i = 0; i < 10 && !client.ended; i++) {
        client_receive(&client, 5000);
        turn();
    }
    ck_assert(client.closed);
    ck_assert(client.ended);
    (void)shutdown(client.fd, SHUT_WR);
    wait_until_closed();
}
END_TEST

START_TEST(test_a_broken_record_loses_the_client)
{
    handshake();
    client_write(&client, "good");
    client_send(&client, SIZE_MAX);
    client_write(&client, "bad");
    client_gather(&client);
    client.wire.p[client.wire.len - 1] ^= 1;
    client_send(&client, SIZE_MAX);
    turn();
    check_input("good");
    ck_assert_uint_eq(owner.gone, 1);
}
END_TEST

START_TEST(test_writes_to_a_lost_client_are_swallowed)
{
    handshake();
    (void)close(client.fd);
    client.fd = -1;
    conn_write(owner.conn, "x", 1);
    conn_write(owner.conn, "x", 1);
    ck_assert_uint_eq(owner.gone, 0);
    turn();
    ck_assert_uint_eq(owner.gone, 1);
}
END_TEST

/* --- certificates --------------------------------------------------------------------------- */

START_TEST(test_bad_files_leave_the_old_ones_in_force)
{
    char *argv[] = {"test", "--tls-certificate", key, "--tls-key", key, NULL};
    struct config *bad;

    ck_assert_int_eq(config_load(&bad, "sse", 5, argv), CONFIG_GO);
    ck_assert(!tls_server_reload(server, bad));
    ck_assert_ptr_null(tls_server_new(bad));
    handshake();
    config_free(bad);
}
END_TEST

START_TEST(test_a_reload_does_not_disturb_who_is_here)
{
    handshake();
    ck_assert(tls_server_reload(server, config));
    conn_write(owner.conn, "answer", 6);
    receive_until(6);
}
END_TEST

START_TEST(test_a_reload_in_the_middle_of_a_handshake_is_harmless)
{
    client_talk(&client);
    turn();
    ck_assert(tls_server_reload(server, config));
    handshake();
}
END_TEST

START_TEST(test_the_name_of_a_clients_certificate_is_known)
{
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *x = client_certificate(pair);
    char authority[64];
    char *argv[] = {"test", "--tls-certificate", certificate, "--tls-key",
                    key,    "--tls-client-ca",   authority,   NULL};
    struct config *strict;
    FILE *f;

    (void)snprintf(authority, sizeof authority, "%s/authority.pem", folder);
    f = fopen(authority, "w");
    ck_assert_int_eq(PEM_write_X509(f, x), 1);
    (void)fclose(f);
    ck_assert_int_eq(config_load(&strict, "sse", 7, argv), CONFIG_GO);
    ck_assert(tls_server_reload(server, strict));
    (void)unlink(authority);
    client_close(&client);
    open_connection(trusting);
    ck_assert_int_eq(SSL_use_cert_and_key(client.ssl, x, pair, NULL, 1), 1);
    handshake();
    ck_assert(slice_eq(conn_peer_subject(owner.conn), SLICE("device-7")));
    X509_free(x);
    EVP_PKEY_free(pair);
    config_free(strict);
}
END_TEST

START_TEST(test_a_certificate_that_is_there_is_kept)
{
    X509 *before = SSL_CTX_get0_certificate(trusting), *after;

    ck_assert_int_eq(certificate_self_signed(certificate, key), 0);
    handshake();
    after = SSL_get0_peer_certificate(client.ssl);
    ck_assert_ptr_null(before);
    ck_assert_int_eq(X509_check_host(after, "localhost", 0, 0, NULL), 1);
    ck_assert_int_eq(X509_check_ip_asc(after, "127.0.0.1", 0), 1);
}
END_TEST

int main(void)
{
    int code;

    if (mkdtemp(folder) == NULL)
        return EXIT_FAILURE;
    (void)snprintf(certificate, sizeof certificate, "%s/certificate.pem", folder);
    (void)snprintf(key, sizeof key, "%s/key.pem", folder);
    if (certificate_self_signed(certificate, key) != 0)
        return EXIT_FAILURE;
    code = RUN_TESTS(
        "tls", setup, teardown, test_the_owner_hears_of_the_connection_when_the_handshake_is_over,
        test_a_handshake_may_come_byte_by_byte,
        test_a_request_may_come_with_the_end_of_the_handshake,
        test_garbage_is_answered_with_an_alert, test_http_without_tls_is_told_so,
        test_a_handshake_has_a_time_limit, test_a_client_that_leaves_in_the_handshake_is_forgotten,
        test_draining_waits_for_no_handshake, test_handshakes_under_way_are_counted,
        test_versions_before_1_2_are_refused, test_1_2_is_spoken_unless_it_is_too_old,
        test_alpn_is_the_best_that_both_speak,
        test_a_client_that_speaks_nothing_spoken_here_is_refused,
        test_a_client_without_alpn_or_certificate_is_like_any_other, test_a_session_is_resumed,
        test_renegotiation_is_refused, test_bytes_come_and_go,
        test_a_record_that_comes_in_pieces_is_shown_when_it_is_whole, test_keys_may_be_updated,
        test_large_events_arrive_whole_at_a_slow_reader,
        test_a_client_that_does_not_read_costs_one_record,
        test_the_rest_of_the_only_record_goes_out, test_what_a_record_leaves_counts_as_half_written,
        test_many_small_pieces_share_records, test_pieces_arrive_whole_wherever_they_are_cut,
        test_close_notify_is_the_end_of_input_and_not_of_output,
        test_a_fin_alone_is_the_end_of_input_too,
        test_finishing_says_close_notify_behind_what_is_left, test_a_broken_record_loses_the_client,
        test_writes_to_a_lost_client_are_swallowed, test_bad_files_leave_the_old_ones_in_force,
        test_a_reload_does_not_disturb_who_is_here,
        test_a_reload_in_the_middle_of_a_handshake_is_harmless,
        test_the_name_of_a_clients_certificate_is_known, test_a_certificate_that_is_there_is_kept);
    (void)unlink(certificate);
    (void)unlink(key);
    (void)rmdir(folder);
    return code;
}
