/*
 * main.c - sluice-broker: the log's owner.
 *
 * Order of start, each step needing the ones before it:
 *
 *   configuration, log    say what is wrong with the rest
 *   folders               for the database, and for the sockets in run/
 *   signals               from here on SIGTERM ends in order
 *   store                 locks the folder, so that an ipc path which a killed broker
 *                         left may be taken over; recovers; knows the head before
 *                         anyone asks for it
 *   warden                who may come by tcp
 *   peers, reads          sockets, not yet bound
 *   admin, sessions       who was attached, read from the store while the loop turns
 *   bind, ready           the doors open last
 *
 * Order of end (SIGTERM): stop reading everywhere; the store finishes what it was
 * given, which publishes and acknowledges it; then the sockets close, with a
 * moment for what is still queued; then the loop has nothing left and main frees
 * in reverse.  A second signal, or `drain` later: it ends at once, which costs
 * nothing that was acknowledged.
 *
 * A failure before `ready` says what to do and exits 1.
 */
#include <stdlib.h>
#include <unistd.h>

#include "admin.h"
#include "audit.h"
#include "config.h"
#include "endpoint.h"
#include "log.h"
#include "mem.h"
#include "metrics.h"
#include "peers.h"
#include "process.h"
#include "reach.h"
#include "reads.h"
#include "sessions.h"
#include "store.h"
#include "topic.h"
#include "wall.h"

#define FOLDER_MODE 0750
#define LINGER_MS 1000

struct broker {
    uv_loop_t loop;
    struct config *config;
    struct process *process;
    struct store *store;
    struct sessions *sessions;
    struct warden *warden;
    struct peers *peers;
    struct reads *reads;
    struct admin *admin;
    bool ready; /* bound */
    bool ending;
    const char *failing; /* why the store refuses appends, or NULL */
    int exit_code;
};

/* --- the store's follower ----------------------------------------------------- */

static void broker_on_batch(void *arg, const struct store_batch *batch)
{
    struct broker *b = arg;

    peers_batch(b->peers, batch);
    sessions_batch(b->sessions, batch);
}

static void broker_on_removed(void *arg, struct slice topic, uint64_t upto)
{
    struct broker *b = arg;

    peers_removed(b->peers, topic, upto);
}

static void broker_on_forgotten(void *arg, uint32_t topic)
{
    struct broker *b = arg;

    peers_topic_forgotten(b->peers, topic);
}

/* The store has logged it; streams and history go on. */
static void broker_on_failing(void *arg, const char *reason)
{
    struct broker *b = arg;

    b->failing = reason;
}

/* --- admin ----------------------------------------------------------------------- */

static bool broker_is_ready(void *arg)
{
    const struct broker *b = arg;

    return b->ready && !b->ending && b->failing == NULL;
}

static const char *broker_note(void *arg)
{
    const struct broker *b = arg;
    struct store_status s;

    if (b->ending)
        return NULL;
    store_status(b->store, &s);
    if (wall_look().held)
        return "the clock is not believed: see the log, and sluice clock";
    return s.topics_full ? "new topics are refused: the log holds as many as it may "
                           "([limits] max_topics)"
                         : NULL;
}

static bool broker_page(void *arg, struct slice path, struct buf *out)
{
    struct wall_state clock = wall_look();

    (void)arg;
    if (!slice_eq(path, SLICE("/clock")))
        return false;
    if (clock.held)
        buf_printf(out, "not believed for %llu s: %lld s from the time that the log goes by\n",
                   (unsigned long long)clock.held_ms / 1000, (long long)clock.step_ms / 1000);
    else
        buf_puts(out, "believed\n");
    return true;
}

static const char *broker_command(void *arg, struct slice path)
{
    (void)arg;
    if (!slice_eq(path, SLICE("/clock/accept")))
        return NULL;
    return wall_accept() ? "the clock is believed from now on\n" : "the clock is believed\n";
}

static void broker_refresh(void *arg)
{
    struct broker *b = arg;
    struct wall_state clock = wall_look();
    struct store_status s;

    if (b->ending)
        return;
    metric_set(M_CLOCK_HELD, clock.held);
    metric_set(M_CLOCK_STEP, (uint64_t)(clock.step_ms < 0 ? -clock.step_ms : clock.step_ms) / 1000);
    store_status(b->store, &s);
    metric_set(M_STORE_FAILING, b->failing != NULL);
    metric_set(M_HEAD, s.head);
    metric_set(M_TOPICS, s.topics);
    metric_set(M_TOPICS_MAX, s.max_topics);
    metric_set(M_SESSION_BYTES, s.state_bytes);
    metric_set(M_PRODUCERS, s.producers);
    metric_set(M_RETAINED_BYTES, s.retained_bytes);
    metric_set(M_STORED_BYTES, s.bytes);
    metric_set(M_WAL_FRAMES, s.wal_frames);
    metric_set(M_QUEUED_BYTES, s.queued_bytes);
}

/* --- the end ------------------------------------------------------------------------ */

/* Parts close on their own; when all have, the loop has nothing left. */
static void broker_on_part_closed(void *arg)
{
    (void)arg;
}

static void broker_close_rest(void *arg)
{
    struct broker *b = arg;

    b->store = NULL;
    sessions_close(b->sessions, broker_on_part_closed, NULL);
    peers_close(b->peers, LINGER_MS, broker_on_part_closed, NULL);
    reads_close(b->reads, LINGER_MS, broker_on_part_closed, NULL);
    warden_close(b->warden, broker_on_part_closed, NULL);
    if (b->admin != NULL)
        admin_close(b->admin, broker_on_part_closed, NULL);
    if (b->process != NULL)
        process_close(b->process, broker_on_part_closed, NULL);
}

/* Also of a start that failed half way: parts that are not there are NULL. */
static void broker_end(struct broker *b)
{
    if (b->ending)
        return;
    b->ending = true;
    if (b->peers != NULL)
        peers_stop(b->peers);
    if (b->sessions != NULL)
        sessions_stop(b->sessions);
    if (b->reads != NULL)
        reads_stop(b->reads);
    if (b->store != NULL)
        store_close(b->store, broker_close_rest, b);
    else
        broker_close_rest(b);
}

static void broker_free(struct broker *b)
{
    reads_free(b->reads);
    peers_free(b->peers);
    sessions_free(b->sessions);
    warden_free(b->warden);
    zsock_shutdown();
    config_free(b->config);
}

/* --- signals --------------------------------------------------------------------------- */

static struct store_options broker_store_options(const struct config *c)
{
    struct store_options o = {
        .path = config_text(c, CFG_DATA),
        .fsync = config_num(c, CFG_DURABILITY) == 0,
        .max_bytes = config_num(c, CFG_MAX_BYTES),
        .max_age_ms = config_num(c, CFG_MAX_AGE),
        .topic_idle_ms = config_num(c, CFG_TOPIC_IDLE),
        .producer_idle_ms = config_num(c, CFG_PRODUCER_IDLE),
        .max_retained_bytes = config_num(c, CFG_MAX_RETAINED_BYTES),
        .max_state_bytes = config_num(c, CFG_MAX_SESSION_BYTES),
        .max_producers = config_num(c, CFG_MAX_PRODUCERS),
        .max_topics = (uint32_t)config_num(c, CFG_MAX_TOPICS),
        .clock = {.step_ms = config_num(c, CFG_CLOCK_STEP),
                  .away_ms = config_num(c, CFG_CLOCK_AWAY),
                  .settle_ms = config_num(c, CFG_CLOCK_SETTLE)},
    };

    o.rules = config_retention(c, &o.rule_count);
    return o;
}

/* To begin or end with [auth] needs a restart, at the gateways too. */
static struct session_owners broker_session_owners(const struct config *c,
                                                   const struct config *fresh)
{
    return (struct session_owners){.auth = config_auth(c),
                                   .strangers = config_text(fresh, CFG_AUTH_ANONYMOUS)[0] != '\0'};
}

static void broker_on_reload(void *arg)
{
    static const enum config_key applied[] = {
        CFG_LOG_LEVEL,         CFG_LOG_AUDIT,     CFG_LOG_ACCESS,
        CFG_MAX_BYTES,         CFG_MAX_AGE,       CFG_TOPIC_IDLE,
        CFG_PRODUCER_IDLE,     CFG_MAX_TOPICS,    CFG_MAX_RETAINED_BYTES,
        CFG_MAX_SESSION_BYTES, CFG_MAX_PRODUCERS, CFG_AUTH_ANONYMOUS,
        CFG_LINK_GATEWAYS};
    struct broker *b = arg;
    struct config *fresh = config_reload(b->config);
    struct session_owners owners;
    struct store_options o;

    if (fresh == NULL || b->ending) {
        config_free(fresh);
        return;
    }
    config_log_unapplied(b->config, fresh, applied, ARRAY_LEN(applied));
    log_set_level((enum log_level)config_num(fresh, CFG_LOG_LEVEL));
    audit_configure(fresh);
    o = broker_store_options(fresh);
    store_set_retention(b->store, &o);
    owners = broker_session_owners(b->config, fresh);
    sessions_reload(b->sessions, &owners);
    if (warden_reload(b->warden, fresh))
        peers_review(b->peers);
    config_free(fresh);
    log_info("configuration reloaded");
}

static void broker_on_drain(void *arg)
{
    log_info("ending");
    broker_end(arg);
}

static void broker_on_abandon(void *arg)
{
    (void)arg;
    log_warn("ending at once");
    _exit(EXIT_FAILURE);
}

/* --- the start ---------------------------------------------------------------------------- */

static bool broker_folder(const char *path)
{
    int rc = process_mkdir(path, FOLDER_MODE);

    if (rc == 0)
        return true;
    log_error("cannot make the folder", LOG_S("path", path), LOG_S("why", uv_strerror(rc)));
    return false;
}

static bool broker_open_folders(struct broker *b)
{
    const char *data = config_text(b->config, CFG_DATA);
    struct buf run = {0};
    bool ok;

    buf_printf(&run, "%s/run", data);
    buf_u8(&run, 0);
    ok = broker_folder(data) && broker_folder((const char *)run.p);
    buf_free(&run);
    return ok;
}

static bool broker_open_store(struct broker *b)
{
    const struct store_follower follower = {broker_on_batch, broker_on_removed, broker_on_forgotten,
                                            broker_on_failing, b};
    struct store_options o = broker_store_options(b->config);
    const char *why = NULL;

    b->store = store_open(&b->loop, &o, &follower, &why);
    if (b->store == NULL)
        log_error("cannot open the store", LOG_S("path", o.path), LOG_S("why", why));
    return b->store != NULL;
}

static void broker_session_read(void *of, struct buf *request,
                                void (*done)(void *arg, struct slice reply), void *arg)
{
    reads_ask(of, request, done, arg);
}

static struct sessions *broker_sessions_new(struct broker *b)
{
    const struct sessions_options o = {
        .reads = {broker_session_read, b->reads},
        .window = config_num(b->config, CFG_PUBLISH_WINDOW),
        .max_payload = config_num(b->config, CFG_MAX_PAYLOAD),
        .sys_interval = config_num(b->config, CFG_SYS_INTERVAL),
        .owners = broker_session_owners(b->config, b->config),
    };

    return sessions_new(&b->loop, b->store, &o);
}

static bool broker_open_sockets(struct broker *b)
{
    const struct config *c = b->config;
    const struct peers_options peers = {
        .filters = (unsigned)config_num(c, CFG_MAX_FILTERS_TOTAL),
        .credit = config_num(c, CFG_GATEWAY_CREDIT),
        .window = config_num(c, CFG_PUBLISH_WINDOW),
        .max_payload = config_num(c, CFG_MAX_PAYLOAD),
        .max_body = config_num(c, CFG_MAX_BODY),
        .max_batch = (uint32_t)config_num(c, CFG_MAX_BATCH),
        .warden = b->warden,
    };

    b->reads = reads_new(&b->loop, b->store, b->warden, (unsigned)config_num(c, CFG_READERS));
    b->sessions = broker_sessions_new(b);
    b->peers = peers_new(&b->loop, b->store, b->sessions, &peers);
    if (b->peers != NULL && b->reads != NULL)
        return reads_start(b->reads);
    log_error("ZeroMQ has no more sockets");
    return false;
}

static bool broker_open_admin(struct broker *b)
{
    static const struct admin_ops ops = {broker_is_ready, broker_refresh, broker_note,
                                         broker_command, broker_page};
    const char *listen = config_admin_listen(b->config, "broker");

    if (*listen == '\0')
        return true;
    if (!reach_allows(b->config, listen))
        return false;
    b->admin = admin_start(&b->loop, listen, config_text(b->config, CFG_HTTP_HOSTS), 'b', &ops, b);
    return b->admin != NULL;
}

static bool broker_bind(struct broker *b)
{
    const struct config *c = b->config;

    return endpoint_bind_all(b->warden, reads_socket(b->reads), config_reads(c)) &&
           endpoint_bind_all(b->warden, peers_socket(b->peers), config_link(c));
}

static bool broker_open_doors(struct broker *b)
{
    if (!broker_bind(b))
        return false;
    b->ready = true;
    log_info("ready", LOG_U("head", store_head(b->store)));
    process_ready((int)config_num(b->config, CFG_READY_FD));
    return true;
}

static void broker_on_sessions(void *arg, bool ok)
{
    struct broker *b = arg;

    if (b->ending || (ok && broker_open_doors(b)))
        return;
    b->exit_code = EXIT_FAILURE;
    broker_end(b);
}

static bool broker_start(struct broker *b)
{
    static const struct process_ops ops = {broker_on_reload, broker_on_drain, broker_on_abandon};

    if (!broker_open_folders(b))
        return false;
    b->process = process_start(&b->loop, config_num(b->config, CFG_DRAIN), &ops, b);
    if (!broker_open_store(b) || !warden_open(&b->warden, &b->loop, b->config) ||
        !broker_open_sockets(b) || !broker_open_admin(b))
        return false;
    sessions_load(b->sessions, broker_on_sessions, b);
    return true;
}

int main(int argc, char **argv)
{
    static struct broker b;
    enum config_outcome outcome = config_load(&b.config, "broker", argc, argv);

    if (outcome != CONFIG_GO)
        return outcome == CONFIG_EXIT_OK ? EXIT_SUCCESS : EXIT_FAILURE;
    log_init("broker", (enum log_level)config_num(b.config, CFG_LOG_LEVEL),
             (enum log_format)config_num(b.config, CFG_LOG_FORMAT));
    audit_configure(b.config);
    topic_limit_levels((unsigned)config_num(b.config, CFG_MAX_LEVELS));
    (void)uv_loop_init(&b.loop);
    if (!broker_start(&b)) {
        b.exit_code = EXIT_FAILURE;
        broker_end(&b);
    }
    (void)uv_run(&b.loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&b.loop) != 0)
        log_error("the loop did not drain");
    broker_free(&b);
    return b.exit_code;
}
