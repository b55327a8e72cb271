/*
 * inspect_doors.c - where is listened, and who may come.
 */
#include "address.h"
#include "inspect.h"
#include "mem.h"
#include "processes.h"

/* The first of these addresses that other machines can reach; empty: none. */
static struct slice beyond_loopback(const char *list)
{
    struct slice rest = slice_of(list), one;

    while (config_list_next(&rest, &one)) {
        struct sockaddr_storage a;
        struct buf text = {0};
        socklen_t len;
        bool own;

        if (slice_starts(one, SLICE("ipc://")) || slice_starts(one, SLICE("inproc://")))
            continue;
        if (slice_starts(one, SLICE("tcp://")))
            one = (struct slice){one.p + 6, one.len - 6};
        buf_put_slice(&text, one);
        buf_u8(&text, '\0');
        own = address_parse((char *)text.p, &a, &len) == 0 &&
              address_is_loopback((struct sockaddr *)&a);
        buf_free(&text);
        if (!own)
            return one;
    }
    return (struct slice){"", 0};
}

static enum config_key key_of(const char *section, const char *name)
{
    return config_find(slice_of(section), slice_of(name));
}

/* An address that bind or the environment derives has its reason elsewhere. */
static const char *where_listen(const struct config *c, enum config_key k)
{
    return config_is_set(c, k) ? config_where(c, k) : config_where(c, CFG_BIND);
}

static void look_at_listen(struct verdicts *v, enum config_key k, bool secure)
{
    const struct config *c = v->config;
    struct slice far = k < CFG_COUNT ? beyond_loopback(config_address(c, k)) : SLICE("");

    if (far.len == 0)
        return;
    if (!config_auth(c) && !config_bool(c, CFG_ALLOW_ANONYMOUS))
        verdicts_error(v, where_listen(c, k),
                       "%.*s is beyond loopback, and nothing is configured under [auth]: it is "
                       "refused",
                       (int)far.len, far.p);
    else if (!config_auth(c))
        verdicts_warn(v, where_listen(c, k),
                      "whoever reaches %.*s may do everything: allow_anonymous, and no [auth]",
                      (int)far.len, far.p);
    else if (!secure)
        verdicts_warn(v, where_listen(c, k),
                      "%.*s speaks no TLS: tokens and passwords can be read on their way",
                      (int)far.len, far.p);
}

static void look_at_admin(struct verdicts *v, enum config_key k)
{
    struct slice far = beyond_loopback(config_address(v->config, k));

    if (far.len > 0)
        verdicts_warn(v, where_listen(v->config, k),
                      "metrics are shown, and the clock is set, by whoever reaches %.*s: nobody "
                      "authenticates there",
                      (int)far.len, far.p);
}

/* Any page in any browser, with the cookies of whoever looks at it. */
static void look_at_origins(struct verdicts *v, const char *section)
{
    enum config_key origin = key_of(section, "allow_origin");
    enum config_key credentials = key_of(section, "allow_credentials");

    if (origin < CFG_COUNT && slice_eq(slice_of(config_text(v->config, origin)), SLICE("*")) &&
        config_bool(v->config, credentials))
        verdicts_warn(v, config_where(v->config, credentials),
                      "with allow_origin = * any page may act as whoever looks at it");
}

static void look_at_gateway(struct verdicts *v, const char *section)
{
    static const char *const plain[] = {"listen_plain", "listen_ws_plain"};
    static const char *const listen[] = {"listen", "listen_ws"};
    /* ZeroMQ's PLAIN is told of by itself; CURVE needs no TLS. */
    bool secure = strcmp(section, "zmq") == 0 || config_tls(v->config, section);

    for (size_t i = 0; i < ARRAY_LEN(listen); i++) {
        look_at_listen(v, key_of(section, listen[i]), secure);
        look_at_listen(v, key_of(section, plain[i]), false);
    }
    look_at_admin(v, key_of(section, "admin_listen"));
    look_at_origins(v, section);
}

static void look_at_plain(struct verdicts *v)
{
    struct slice rest = slice_of(config_text(v->config, CFG_ZMQ_MECHANISM)), one;
    struct slice far = beyond_loopback(config_address(v->config, CFG_ZMQ_LISTEN));

    while (config_list_next(&rest, &one))
        if (slice_eq_nocase(one, SLICE("plain")) && far.len > 0)
            verdicts_warn(v, config_where(v->config, CFG_ZMQ_MECHANISM),
                          "plain: passwords can be read on their way to %.*s", (int)far.len, far.p);
}

void inspect_doors(struct verdicts *v)
{
    for (size_t i = 1; i < PROCESSES_MAX; i++)
        look_at_gateway(v, process_specs[i].name);
    look_at_plain(v);
    look_at_admin(v, CFG_BROKER_ADMIN);
}

void inspect_retention(struct verdicts *v)
{
    size_t count;
    const struct retention_rule *rules = config_retention(v->config, &count);

    if (config_num(v->config, CFG_MAX_BYTES) == 0)
        verdicts_warn(v, config_where(v->config, CFG_MAX_BYTES),
                      "[broker] max_bytes is 0: the log grows until the disk is full");
    for (size_t i = 0; i < count; i++)
        if (!rules[i].has_age && !rules[i].has_events && !rules[i].has_bytes &&
            !rules[i].has_history)
            verdicts_warn(v, "[retention]", "\"%s\" says nothing", rules[i].filter);
}
