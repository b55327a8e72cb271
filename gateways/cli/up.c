/*
 * up.c - sluice up: the whole system as children of one process.
 *
 * The broker starts first; once it is ready the gateways follow, so that a
 * mistake that concerns all is told once.  When all have said ready (one byte
 * each, --ready-fd), `sluice: ready` goes to standard output.  From then on
 * whatever dies is started again (child.h) and the others stay.
 *
 * Ends of it:
 *   SIGTERM, SIGINT   SIGTERM to the gateways; when they are gone, or half the
 *                     time is over, to the broker; SIGKILL to what is left at
 *                     nine tenths of [sluice] drain (4.5 s); exit 0
 *   a second signal   SIGKILL to all; exit 0
 *   a process that gives up before it was ever ready (a port in use, a bad
 *                     configuration, a folder that another broker holds): it
 *                     has said why; all are stopped, exit 1, or 2 if it did
 *   SIGKILL           the kernel kills the children (spawn.h)
 */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "ask.h"
#include "child.h"
#include "cli.h"
#include "log.h"
#include "mem.h"
#include "process.h"
#include "self_signed.h"

enum { UP_SELF_SIGNED };
static const struct option_spec options[] = {
    [UP_SELF_SIGNED] = {"tls-self-signed", 0, NULL,
                        "speak TLS, with a certificate made for a first try"},
};

struct up {
    uv_loop_t loop;
    const struct invocation *in;
    struct self_signed self_signed;
    struct process *process;
    uv_signal_t sigchld;
    uv_timer_t broker_turn;               /* the gateways have had their time */
    struct child children[PROCESSES_MAX]; /* the broker first */
    size_t count;
    size_t open;        /* children not closed yet */
    bool gateways_wait; /* for the broker's first readiness */
    bool announced, stopping, finishing;
    int exit_code;
};

static struct child *broker_of(struct up *up)
{
    return &up->children[PROCESS_BROKER];
}

/* --- the end -------------------------------------------------------------- */

static void up_on_child_closed(struct child *c)
{
    struct up *up = c->data;

    up->open--;
}

/* When every child is gone: the loop runs out of handles and ends. */
static void maybe_finish(struct up *up)
{
    for (size_t i = 0; i < up->count; i++)
        if (up->children[i].pid != 0)
            return;
    if (up->finishing)
        return;
    up->finishing = true;
    for (size_t i = 0; i < up->count; i++)
        child_close(&up->children[i], up_on_child_closed);
    uv_close((uv_handle_t *)&up->sigchld, NULL);
    uv_close((uv_handle_t *)&up->broker_turn, NULL);
    process_close(up->process, NULL, NULL);
}

static bool gateways_gone(const struct up *up)
{
    for (size_t i = 0; i < up->count; i++)
        if (i != PROCESS_BROKER && up->children[i].pid != 0)
            return false;
    return true;
}

static void stop_broker(struct up *up)
{
    if (!uv_is_active((uv_handle_t *)&up->broker_turn))
        return; /* it was told */
    (void)uv_timer_stop(&up->broker_turn);
    child_signal(broker_of(up), SIGTERM);
}

static void up_on_broker_turn(uv_timer_t *h)
{
    struct up *up = CONTAINER_OF(h, struct up, broker_turn);

    log_warn("gateways take long to stop");
    child_signal(broker_of(up), SIGTERM);
}

static uint64_t stop_ms(const struct up *up)
{
    return config_num(up->in->config, CFG_DRAIN) / 10 * 9;
}

static void stop(struct up *up)
{
    if (up->stopping)
        return;
    up->stopping = true;
    (void)uv_timer_start(&up->broker_turn, up_on_broker_turn, stop_ms(up) / 2, 0);
    for (size_t i = 0; i < up->count; i++) {
        child_hold(&up->children[i]);
        if (i != PROCESS_BROKER)
            child_signal(&up->children[i], SIGTERM);
    }
    if (gateways_gone(up))
        stop_broker(up);
    maybe_finish(up);
}

static void kill_all(struct up *up)
{
    for (size_t i = 0; i < up->count; i++)
        child_signal(&up->children[i], SIGKILL);
}

/* --- what children do ----------------------------------------------------- */

static bool all_ready(const struct up *up)
{
    for (size_t i = 0; i < up->count; i++)
        if (!up->children[i].ready)
            return false;
    return true;
}

static void announce_curl(const struct up *up, const char *what, const char *how,
                          struct slice address)
{
    const char *certificate = up->self_signed.certificate;
    bool tls = certificate != NULL || ask_certificates(up->in->config, "sse") != NULL;

    printf("sluice: %s curl %s", what, how);
    if (certificate != NULL)
        printf(" --cacert %s", certificate);
    printf(" %s://%s%.*s/events/TOPIC\n", tls ? "https" : "http",
           slice_starts(address, SLICE(":")) ? "localhost" : "", (int)address.len, address.p);
}

static void announce_sse(const struct up *up)
{
    struct slice rest = slice_of(config_listen(up->in->config, "sse")), a;

    if (!config_list_next(&rest, &a))
        return;
    announce_curl(up, "subscribe ", "-N", a);
    announce_curl(up, "publish   ", "-d MESSAGE", a);
    if (up->self_signed.certificate != NULL)
        printf("sluice: commands   sluice sub TOPIC --tls-certificate %s\n",
               up->self_signed.certificate);
}

/* The line that programs wait for; then where to go, for a person. */
static void announce(struct up *up)
{
    struct slice rest = slice_of(config_address(up->in->config, CFG_ZMQ_LISTEN)), a;

    up->announced = true;
    printf("sluice: ready\n");
    for (size_t i = 0; i < up->count; i++)
        if (strcmp(up->children[i].name, "sse") == 0)
            announce_sse(up);
    if (config_list_next(&rest, &a))
        printf("sluice: ZeroMQ     %s%.*s\n", memmem(a.p, a.len, "://", 3) == NULL ? "tcp://" : "",
               (int)a.len, a.p);
    (void)fflush(stdout);
}

static void start_gateways(struct up *up)
{
    for (size_t i = 0; i < up->count; i++)
        if (i != PROCESS_BROKER)
            child_start(&up->children[i]);
}

static void up_on_ready(struct child *c)
{
    struct up *up = c->data;

    if (up->stopping)
        return;
    if (c == broker_of(up) && up->gateways_wait) {
        up->gateways_wait = false;
        start_gateways(up);
    }
    if (!up->announced && all_ready(up))
        announce(up);
}

/* Not started again: it would only say the same again. */
static void up_give_up(struct up *up, const struct child *c, int code)
{
    (void)cli_fail(CLI_FAILED, "sluice-%s did not start (exit status %d); it says above why",
                   c->name, code);
    up->exit_code = code == CLI_USAGE ? CLI_USAGE : CLI_FAILED;
    stop(up);
}

static bool up_on_died(struct child *c, int status)
{
    struct up *up = c->data;
    bool gave_up = WIFEXITED(status) && WEXITSTATUS(status) != 0 && !c->was_ready;

    if (!up->stopping && gave_up)
        up_give_up(up, c, WEXITSTATUS(status));
    if (!up->stopping)
        return true;
    if (gateways_gone(up))
        stop_broker(up);
    maybe_finish(up);
    return false;
}

static void up_on_sigchld(uv_signal_t *h, int signum)
{
    struct up *up = CONTAINER_OF(h, struct up, sigchld);

    (void)signum;
    for (size_t i = 0; i < up->count && !up->finishing; i++)
        child_reap(&up->children[i]);
}

/* --- what the operator does ----------------------------------------------- */

static void up_on_drain(void *arg)
{
    stop(arg);
}

static void up_on_abandon(void *arg)
{
    kill_all(arg);
}

static void up_on_reload(void *arg)
{
    struct up *up = arg;
    struct config *c = config_reload(up->in->config);

    if (c != NULL) {
        log_set_level((enum log_level)config_num(c, CFG_LOG_LEVEL));
        config_free(c);
    }
    for (size_t i = 0; i < up->count; i++)
        child_reload(&up->children[i]);
}

/* --- the beginning -------------------------------------------------------- */

static int add_children(struct up *up)
{
    static const struct child_ops ops = {up_on_ready, up_on_died};

    char **flags = up->self_signed.argv != NULL ? up->self_signed.argv : up->in->args->argv;

    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        char *path = processes_path(&process_specs[i]);
        int rc;

        if (path == NULL && i == PROCESS_BROKER)
            return cli_fail(CLI_FAILED, "%s is not beside this program", process_specs[i].binary);
        if (path == NULL)
            continue;
        rc = child_init(&up->children[up->count], &up->loop, &process_specs[i], path, flags, &ops,
                        up);
        if (rc != 0)
            return cli_fail(CLI_FAILED, "cannot prepare %s: %s", process_specs[i].binary,
                            strerror(-rc));
        up->count++;
        up->open++;
    }
    return CLI_OK;
}

static void watch(struct up *up)
{
    static const struct process_ops ops = {up_on_reload, up_on_drain, up_on_abandon};
    int rc;

    up->process = process_start(&up->loop, stop_ms(up), &ops, up);
    rc = uv_signal_init(&up->loop, &up->sigchld);
    assert(rc == 0);
    rc = uv_signal_start(&up->sigchld, up_on_sigchld, SIGCHLD);
    assert(rc == 0);
    (void)rc;
    (void)uv_timer_init(&up->loop, &up->broker_turn);
}

static int prepare_data(const struct config *c)
{
    const char *data = config_text(c, CFG_DATA);
    int rc = process_mkdir(data, 0750);

    return rc == 0
               ? CLI_OK
               : cli_fail(CLI_FAILED, "cannot make the data folder %s: %s", data, strerror(-rc));
}

/* Watching comes before the first child, so that no death is missed. */
static void supervise(struct up *up)
{
    int rc = uv_loop_init(&up->loop);

    assert(rc == 0);
    watch(up);
    up->gateways_wait = true;
    up->exit_code = add_children(up);
    if (up->exit_code == CLI_OK)
        child_start(broker_of(up));
    else
        stop(up);
    (void)uv_run(&up->loop, UV_RUN_DEFAULT);
    assert(up->open == 0);
    rc = uv_loop_close(&up->loop);
    assert(rc == 0);
    (void)rc;
}

static int up_run(const struct invocation *in)
{
    struct up *up;
    int rc = prepare_data(in->config);

    if (rc != CLI_OK)
        return rc;
    log_init("up", (enum log_level)config_num(in->config, CFG_LOG_LEVEL),
             (enum log_format)config_num(in->config, CFG_LOG_FORMAT));
    up = mem_zalloc(sizeof *up);
    up->in = in;
    if (arguments_get(in->args, UP_SELF_SIGNED) != NULL)
        rc = self_signed_make(&up->self_signed, in);
    if (rc == CLI_OK) {
        supervise(up);
        rc = up->exit_code;
    }
    self_signed_free(&up->self_signed);
    free(up);
    return rc;
}

const struct command command_up = {
    .name = "up",
    .operands = "",
    .summary = "run the broker and its gateways, and start again what dies",
    .details = "Runs every process whose binary lies beside this one, in the foreground, and\n"
               "prints `sluice: ready` when all are connected and listening.  SIGTERM or Ctrl-C\n"
               "stops them all; SIGHUP makes them read the configuration again.  Flags reach all\n"
               "processes: --sse-listen is what --listen is to sluice-sse.\n",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .run = up_run,
};
