/*
 * load.c - the load generator: subscribers and publishers in one epoll loop.
 *
 *   load MODE --subscribe URL --publish WHERE [options]
 *
 *   saturate  N subscribers; publishes as fast as accepted, but never more than
 *             --window events ahead of the slowest sampled subscriber, for
 *             --seconds; the figures run from the first publish until every
 *             subscriber has every event
 *   paced     the same at --rate events/s
 *   publish   no subscribers; --events, or as many as go in --seconds; until
 *             all are acknowledged
 *   replay    N subscribers connect at once and are sent --events stored ones
 *   idle      N subscribers that get nothing, for --seconds
 *   poll      as paced, with N clients that long-poll
 *   connect   clients that come with a token of --tokens each, --connections at a time, are
 *             let in and go, for --seconds
 *   resume    N MQTT clients with sessions subscribe and go; --events are published;
 *             all come back at once and are sent what they missed
 *
 * The result is one line of JSON on standard output: --pids names the server's
 * processes, whose CPU time (and memory, when idle) over exactly the measured
 * interval it contains.  It is printed only when every subscriber got every
 * event, all in one order; whatever else happens ends with a message and status 1.
 */
#include <getopt.h>
#include <stddef.h>

#include "connects.h"
#include "pollers.h"
#include "publishers.h"
#include "subscribers.h"

enum { WARM_UP_EVENTS = 20, EVENTS_A_TURN = 512, SETTLE_CLIENTS = 200 };

static const double SETTLE_SECONDS = 0.5;
static const uint64_t STALL_NS = UINT64_C(60) * 1000000000u; /* no progress: give up */

struct options {
    const char *mode, *subscribe, *subprotocol, *publish, *topic, *pids;
    const char *tokens;           /* file of those that HTTP publishers and `connect` show */
    unsigned deflate;             /* WebSocket: offer permessage-deflate */
    unsigned qos, topics;         /* MQTT: of the subscribers; topics, each with its clients */
    unsigned streams;             /* HTTP/2: of each client, all of the one topic */
    unsigned clients, sample;     /* subscribers; those parsed in full */
    unsigned connections, window; /* of publishers: HTTP; ZeroMQ, and ahead of subscribers */
    unsigned events, payload;     /* 0 events: as many as the time allows */
    double rate, seconds;
};

struct load {
    struct options o;
    int epoll;
    struct subscribers subs;
    struct pollers polls;
    struct publisher pub;
    struct connects connects;
    struct tokens tokens;
    struct watched servers;
    double cpu_before[MAX_WATCHED];
    double own_cpu_before;
    uint64_t begun_ns, published_ns, ended_ns;
};

/* --- the loop -------------------------------------------------------------------- */

/* Waits at most so long for something to do, and does it. */
static void turn(struct load *l, uint64_t ns)
{
    static struct epoll_event events[EVENTS_A_TURN];
    struct timespec wait = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    int n = epoll_pwait2(l->epoll, events, EVENTS_A_TURN, &wait, NULL);

    if (n < 0 && errno != EINTR)
        die("epoll_pwait2: %s", strerror(errno));
    for (int i = 0; i < n; i++) {
        unsigned tag = (unsigned)events[i].data.u64;

        if (tag >= PUBLISHER_TAG)
            publisher_readable(&l->pub, tag - PUBLISHER_TAG);
        else if (tag >= CONNECT_TAG && tag < POLLER_TAG)
            connects_readable(&l->connects, tag - CONNECT_TAG);
        else if (tag >= POLLER_TAG)
            poller_readable(&l->polls, tag - POLLER_TAG);
        else
            subscriber_readable(&l->subs, tag);
    }
    publisher_turn(&l->pub);
}

/* A stretch of publishing: what was out before it, since when, how fast. */
struct pace {
    uint64_t first, begun_ns;
    double rate; /* events/s; 0: as fast as accepted */
};

/* Events that are one to a subscriber: with several topics one to each of them. */
static unsigned each_of(const struct load *l)
{
    return l->o.topics > 1 ? l->o.topics : 1;
}

/* Up to which event may be handed in now: as many as are due, and not further
 * ahead of the slowest subscriber than the window. */
static uint64_t allowed(const struct load *l, const struct pace *pace)
{
    uint64_t ahead = UINT64_MAX, due = UINT64_MAX;

    if (l->subs.count > 0)
        ahead = subscribers_slowest(&l->subs) * each_of(l) + l->o.window;
    if (pace->rate > 0)
        due = pace->first + 1 + (uint64_t)(seconds_between(pace->begun_ns, now_ns()) * pace->rate);
    return ahead < due ? ahead : due;
}

/* Until something may happen that no descriptor tells of. */
static uint64_t wait_ns(const struct load *l, const struct pace *pace, uint64_t limit)
{
    double next;
    uint64_t now = now_ns();

    if (l->pub.sent < limit && publisher_may_send(&l->pub))
        return 0;
    if (pace->rate <= 0)
        return 1000000;
    next = (double)pace->begun_ns + (double)(l->pub.sent - pace->first) / pace->rate * 1e9;
    return next > (double)now ? (uint64_t)next - now : 1000000;
}

/* Publishes until `events` are out (0: no such limit) or the time is over (0: none). */
static void publish_for(struct load *l, uint64_t events, double seconds, double rate)
{
    struct pace pace = {l->pub.sent, now_ns(), rate};
    uint64_t end = events != 0 ? pace.first + events : UINT64_MAX, limit;

    while (l->pub.sent < end && (seconds <= 0 || l->pub.sent % each_of(l) != 0 ||
                                 seconds_between(pace.begun_ns, now_ns()) < seconds)) {
        limit = allowed(l, &pace);
        if (limit > end)
            limit = end;
        while (l->pub.sent < limit && publisher_may_send(&l->pub))
            publisher_send(&l->pub);
        publisher_turn(&l->pub);
        turn(l, wait_ns(l, &pace, limit));
    }
}

static unsigned clients_behind(const struct load *l, uint64_t end)
{
    return subscribers_behind(&l->subs, end) + pollers_behind(&l->polls, end);
}

/* Until everything published is acknowledged and everybody has everything. */
static void drain(struct load *l)
{
    uint64_t end = l->pub.sent / each_of(l), progress = UINT64_MAX, since = now_ns();

    for (;;) {
        uint64_t left = clients_behind(l, end) + (l->pub.sent - l->pub.answered) + l->pub.feed_len;
        uint64_t slowest = l->subs.count > 0 ? end - subscribers_slowest(&l->subs) : 0;

        if (left == 0)
            return;
        if (left + slowest < progress) {
            progress = left + slowest;
            since = now_ns();
        } else if (now_ns() - since > STALL_NS) {
            die("%u clients still miss events, %llu publishes are unanswered",
                clients_behind(l, end), (unsigned long long)(l->pub.sent - l->pub.answered));
        }
        turn(l, 1000000);
    }
}

static void connect_subscribers(struct load *l, unsigned upto)
{
    uint64_t since = now_ns();

    while (l->subs.opened < upto) {
        if (l->subs.count - l->subs.opened < CONNECT_BURST)
            subscribers_connect_some(&l->subs, upto);
        turn(l, 1000000);
        if (now_ns() - since > STALL_NS)
            die("only %u of %u subscribers were answered", l->subs.opened, upto);
    }
}

/* --- the measured interval --------------------------------------------------------- */

static double own_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void interval_begin(struct load *l)
{
    watch_cpu(&l->servers);
    for (unsigned i = 0; i < l->servers.count; i++)
        l->cpu_before[i] = l->servers.of[i].cpu_s;
    l->own_cpu_before = own_cpu();
    l->begun_ns = l->published_ns = now_ns();
}

static void interval_end(struct load *l)
{
    l->ended_ns = now_ns();
    watch_cpu(&l->servers);
}

/* What every mode tells: time, deliveries, CPU of the servers and of this program. */
static void report(const struct load *l, uint64_t events, uint64_t deliveries)
{
    double cpu[MAX_WATCHED], total = 0, seconds = seconds_between(l->begun_ns, l->ended_ns);

    for (unsigned i = 0; i < l->servers.count; i++)
        total += cpu[i] = l->servers.of[i].cpu_s - l->cpu_before[i];
    json_open(l->o.mode);
    json_number("clients", l->subs.count * (double)l->subs.streams + l->polls.count);
    json_number("events", (double)events);
    json_number("seconds", seconds);
    json_number("deliveries", (double)deliveries);
    json_number("deliveries_per_s", (double)deliveries / seconds);
    json_number("server_cpu_s", total);
    if (deliveries > 0)
        json_number("cpu_us_per_delivery", total * 1e6 / (double)deliveries);
    json_by_process("cpu_s_by_process", &l->servers, cpu);
    json_number("load_busy", (own_cpu() - l->own_cpu_before) / seconds);
}

static void report_latency(const char *what, const struct hist *h)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", 0.5}, {"p99", 0.99}};
    char name[64];

    if (h->count == 0)
        return;
    for (unsigned i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s_%s_us", what, quantiles[i].name);
        json_number(name, hist_quantile_us(h, quantiles[i].q));
    }
}

/* --- modes --------------------------------------------------------------------------- */

static void open_subscribers(struct load *l)
{
    struct subscribe_to to;

    if (l->o.subscribe == NULL)
        die("--subscribe is needed");
    to = (struct subscribe_to){.url = l->o.subscribe,
                               .subprotocol = l->o.subprotocol,
                               .deflate = l->o.deflate != 0,
                               .filter = l->o.topic,
                               .streams = l->o.streams,
                               .qos = l->o.qos,
                               .topics = l->o.topics,
                               .persistent = strcmp(l->o.mode, "resume") == 0};
    subscribers_init(&l->subs, l->epoll, &to, l->o.clients, l->o.sample);
}

static void open_publisher(struct load *l)
{
    if (l->o.publish == NULL)
        die("--publish is needed");
    l->pub.tokens = &l->tokens;
    publisher_open(&l->pub, l->epoll, l->o.publish, l->o.topic, l->o.topics, l->o.connections,
                   l->o.window, l->o.payload);
}

/* The first events find cold caches and growing buffers: they are not measured,
 * and everybody must have them before the measurement begins. */
static void mode_fanout(struct load *l)
{
    uint64_t first, deliveries;

    open_subscribers(l);
    connect_subscribers(l, l->o.clients);
    open_publisher(l);
    publish_for(l, WARM_UP_EVENTS * each_of(l), 0, 50 * each_of(l));
    drain(l);
    subscribers_mark(&l->subs);
    memset(&l->pub.latency, 0, sizeof l->pub.latency);
    first = l->pub.sent;

    interval_begin(l);
    publish_for(l, l->o.events, l->o.seconds, l->o.rate);
    l->published_ns = now_ns();
    drain(l);
    interval_end(l);
    subscribers_check_order(&l->subs);

    deliveries = (l->pub.sent - first) / each_of(l) * l->subs.count * l->subs.streams;
    report(l, l->pub.sent - first, deliveries);
    json_number("events_per_s",
                (double)(l->pub.sent - first) / seconds_between(l->begun_ns, l->ended_ns));
    json_number("publish_seconds", seconds_between(l->begun_ns, l->published_ns));
    report_latency("delivery", &l->subs.latency);
    if (l->pub.kind != PUBLISH_FEED)
        report_latency("ack", &l->pub.latency);
    json_close();
}

static void open_pollers(struct load *l)
{
    uint64_t since;

    if (l->o.subscribe == NULL)
        die("--subscribe is needed");
    pollers_init(&l->polls, l->epoll, l->o.subscribe, l->o.clients);
    while (l->polls.count < l->o.clients) {
        pollers_connect_some(&l->polls, l->o.clients);
        turn(l, 1000000);
    }
    /* Nobody says that a poll has begun to wait. */
    for (since = now_ns(); seconds_between(since, now_ns()) < SETTLE_SECONDS;)
        turn(l, 10000000);
}

static void mode_poll(struct load *l)
{
    uint64_t first;

    open_pollers(l);
    open_publisher(l);
    publish_for(l, WARM_UP_EVENTS, 0, l->o.rate);
    drain(l);
    memset(&l->polls.latency, 0, sizeof l->polls.latency);
    first = l->pub.sent;

    interval_begin(l);
    publish_for(l, l->o.events, l->o.seconds, l->o.rate);
    drain(l);
    interval_end(l);

    report(l, l->pub.sent - first, (l->pub.sent - first) * l->polls.count);
    report_latency("delivery", &l->polls.latency);
    json_close();
}

static void mode_publish(struct load *l)
{
    open_publisher(l);
    interval_begin(l);
    publish_for(l, l->o.events, l->o.events != 0 ? 0 : l->o.seconds, 0);
    drain(l);
    interval_end(l);

    report(l, l->pub.sent, 0);
    json_number("acks_per_s", (double)l->pub.sent / seconds_between(l->begun_ns, l->ended_ns));
    report_latency("ack", &l->pub.latency);
    json_close();
}

static void mode_connect(struct load *l)
{
    if (l->o.subscribe == NULL)
        die("--subscribe is needed");
    interval_begin(l);
    connects_init(&l->connects, l->epoll, l->o.subscribe, &l->tokens, l->o.connections,
                  l->tokens.count);
    while (seconds_between(l->begun_ns, now_ns()) < l->o.seconds &&
           (l->tokens.count == 0 || l->connects.done < l->tokens.count))
        turn(l, 1000000);
    interval_end(l);

    report(l, 0, l->connects.done);
    json_number("connects_per_s",
                (double)l->connects.done / seconds_between(l->begun_ns, l->ended_ns));
    report_latency("connect", &l->connects.latency);
    json_close();
}

static void mode_replay(struct load *l)
{
    uint64_t since = now_ns();

    open_subscribers(l);
    l->subs.counting = true;
    interval_begin(l);
    while (l->subs.count < l->o.clients || subscribers_behind(&l->subs, l->o.events) > 0) {
        subscribers_connect_some(&l->subs, l->o.clients);
        turn(l, 1000000);
        if (now_ns() - since > STALL_NS)
            die("%u of %u clients have not got all events",
                subscribers_behind(&l->subs, l->o.events), l->o.clients);
    }
    interval_end(l);
    subscribers_check_order(&l->subs);

    report(l, l->o.events, (uint64_t)l->o.events * l->subs.count * l->subs.streams);
    json_close();
}

static void mode_resume(struct load *l)
{
    uint64_t since;

    open_subscribers(l);
    connect_subscribers(l, l->o.clients);
    subscribers_leave(&l->subs);
    open_publisher(l);
    publish_for(l, l->o.events, 0, 0);
    drain(l);

    interval_begin(l);
    for (since = now_ns();
         subscribers_behind(&l->subs, l->o.events) > 0 || l->subs.count < l->o.clients;) {
        if (l->subs.count - l->subs.opened < CONNECT_BURST)
            subscribers_connect_some(&l->subs, l->o.clients);
        turn(l, 1000000);
        if (now_ns() - since > STALL_NS)
            die("%u of %u clients have not got all events",
                subscribers_behind(&l->subs, l->o.events), l->o.clients);
    }
    interval_end(l);
    subscribers_check_order(&l->subs);

    report(l, l->o.events, l->o.events * l->subs.count);
    json_close();
}

/* The first clients warm allocators and tables; memory is the slope after them. */
static void mode_idle(struct load *l)
{
    double before[MAX_WATCHED], each[MAX_WATCHED], total = 0;
    unsigned settled = l->o.clients < SETTLE_CLIENTS ? l->o.clients / 2 : SETTLE_CLIENTS;

    open_subscribers(l);
    connect_subscribers(l, settled);
    watch_memory(&l->servers);
    for (unsigned i = 0; i < l->servers.count; i++)
        before[i] = l->servers.of[i].pss;
    connect_subscribers(l, l->o.clients);
    interval_begin(l);
    while (seconds_between(l->begun_ns, now_ns()) < l->o.seconds)
        turn(l, 10000000);
    interval_end(l);
    watch_memory(&l->servers);
    for (unsigned i = 0; i < l->servers.count; i++)
        total += each[i] =
            (l->servers.of[i].pss - before[i]) / (l->o.clients - settled) / l->subs.streams;

    report(l, 0, 0);
    json_number("bytes_per_client", total);
    json_by_process("bytes_by_process", &l->servers, each);
    json_close();
}

/* --- options ------------------------------------------------------------------------- */

enum option_type { OPTION_TEXT, OPTION_COUNT, OPTION_REAL };

#define OPTION(name, type)                                                                         \
    {                                                                                              \
#name, type, offsetof(struct options, name)                                                \
    }
static const struct {
    const char *name;
    enum option_type type;
    size_t offset;
} option_table[] = {
    OPTION(subscribe, OPTION_TEXT),    OPTION(publish, OPTION_TEXT),  OPTION(topic, OPTION_TEXT),
    OPTION(pids, OPTION_TEXT),         OPTION(clients, OPTION_COUNT), OPTION(sample, OPTION_COUNT),
    OPTION(connections, OPTION_COUNT), OPTION(window, OPTION_COUNT),  OPTION(events, OPTION_COUNT),
    OPTION(payload, OPTION_COUNT),     OPTION(rate, OPTION_REAL),     OPTION(seconds, OPTION_REAL),
    OPTION(subprotocol, OPTION_TEXT),  OPTION(deflate, OPTION_COUNT), OPTION(qos, OPTION_COUNT),
    OPTION(topics, OPTION_COUNT),      OPTION(streams, OPTION_COUNT), OPTION(tokens, OPTION_TEXT),
};
enum { OPTIONS = sizeof option_table / sizeof option_table[0] };

static void option_set(struct options *o, int i, const char *value)
{
    void *field = (char *)o + option_table[i].offset;

    switch (option_table[i].type) {
    case OPTION_TEXT:
        *(const char **)field = value;
        break;
    case OPTION_COUNT:
        *(unsigned *)field = (unsigned)strtoul(value, NULL, 10);
        break;
    case OPTION_REAL:
        *(double *)field = strtod(value, NULL);
    }
}

static void options_check(const struct options *o)
{
    if (o->payload < 40 || o->payload > MAX_PAYLOAD_SIZE || o->window == 0 || o->connections == 0 ||
        o->clients == 0 || o->sample == 0)
        die("an option is out of range");
}

static struct options options_read(int argc, char **argv)
{
    struct options o = {.topic = "bench",
                        .pids = "",
                        .clients = 1000,
                        .sample = 16,
                        .connections = 64,
                        .window = 1000,
                        .payload = 100,
                        .seconds = 5};
    struct option flags[OPTIONS + 1] = {{0}};
    int flag;

    for (int i = 0; i < OPTIONS; i++)
        flags[i] = (struct option){option_table[i].name, required_argument, NULL, i};
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
        if (flag == '?')
            exit(2);
        option_set(&o, flag, optarg);
    }
    if (optind + 1 != argc)
        die("usage: load saturate|paced|publish|replay|idle|poll|resume|connect [options]; see "
            "load.c");
    o.mode = argv[optind];
    options_check(&o);
    return o;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct load *l);
    } modes[] = {{"saturate", mode_fanout}, {"paced", mode_fanout},   {"publish", mode_publish},
                 {"replay", mode_replay},   {"idle", mode_idle},      {"poll", mode_poll},
                 {"resume", mode_resume},   {"connect", mode_connect}};
    struct load *l = allocate(1, sizeof *l);

    l->o = options_read(argc, argv);
    raise_file_limit();
    tokens_read(&l->tokens, l->o.tokens);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch_pids(&l->servers, l->o.pids);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(modes[i].name, l->o.mode) == 0) {
            modes[i].run(l);
            return 0;
        }
    }
    die("no such mode: %s", l->o.mode);
}
