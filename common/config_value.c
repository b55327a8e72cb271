/*
 * config_value.c - the table of keys, their names, and from text to value.
 *
 * Text that a type refuses leaves the key as it was; the reason becomes an
 * error that names where the text came from.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "config_internal.h"
#include "http_gate.h"
#include "mem.h"
#include "wire.h"

const struct config_key_info config_keys[CFG_COUNT] = {
#define X(id, section, name, type, deflt, choices, help)                                           \
    [CFG_##id] = {section, name, type, deflt, choices, help},
#include "config_keys.h"
#undef X
};

const struct config_alias config_aliases[CONFIG_ALIASES] = {
    {"broker", CFG_DATA},
    {"auth", CFG_ALLOW_ANONYMOUS},
};

const struct config_gone config_gone[CONFIG_GONE] = {
    {"broker", "apps",
     "applications come in through sluice-zmq: write its addresses as [zmq] listen"},
    {"broker", "queue",
     "applications come in through sluice-zmq: see [zmq] publish_window and [limits] "
     "publish_queue"},
};

/* Numbers that the type allows but the program cannot live with. */
static const struct {
    enum config_key key;
    uint64_t min, max;
} ranges[] = {
    {CFG_PORT_BASE, 0, 65000},
    {CFG_CLOCK_STEP, 100, 86400000},
    {CFG_CLOCK_AWAY, 1000, UINT64_C(3153600000000)},
    {CFG_READERS, 1, 64},
    {CFG_GATEWAY_CREDIT, 4 << 10, 1 << 30},
    {CFG_PUBLISH_WINDOW, 4 << 10, 1 << 30},
    {CFG_SYS_INTERVAL, 0, 3600000},
    {CFG_SSE_KEEPALIVE, 100, 3600000},
    {CFG_WS_PING, 0, 86400000},
    {CFG_WS_PING_TIMEOUT, 100, 3600000},
    {CFG_WS_MAX_SUBSCRIPTIONS, 1, 1024},
    {CFG_WS_PUBLISH_WINDOW, 1024, 1 << 30},
    {CFG_WS_DEFLATE_LEVEL, 1, 9},
    {CFG_POLL_WAIT, 0, 86400000},
    {CFG_POLL_MAX_WAIT, 0, 86400000},
    {CFG_POLL_LIMIT, 1, 512},
    {CFG_POLL_MAX_LIMIT, 1, 512},
    {CFG_H2_MAX_STREAMS, 1, 100000},
    {CFG_H2_MAX_STREAMS_TOTAL, 1, 10000000},
    {CFG_H2_WINDOW, 16 << 10, 64 << 20},
    {CFG_H2_GLITCHES, 10, 1000000},
    {CFG_H2_GLITCH_RATE, 1, 1000000},
    {CFG_MQTT_CONNECT_TIMEOUT, 1, 3600000},
    {CFG_MQTT_MAX_KEEP_ALIVE, 0, 65535000},
    {CFG_MQTT_RECEIVE_MAXIMUM, 1, UINT16_MAX},
    {CFG_MQTT_MAX_INFLIGHT, 1, UINT16_MAX},
    {CFG_MQTT_TOPIC_ALIAS_MAXIMUM, 0, UINT16_MAX},
    {CFG_MQTT_MAX_QOS, 0, 2},
    {CFG_MQTT_MAX_SUBSCRIPTIONS, 1, 1 << 20},
    {CFG_MQTT_MAX_FILTERS, 1, 1024},
    {CFG_MQTT_MAX_GROUPS, 0, 1 << 20},
    {CFG_MQTT_MAX_CLIENT_ID, 23, UINT16_MAX}, /* 23: MQTT-3.1.3-5 */
    {CFG_ZMQ_HANDSHAKE_TIMEOUT, 100, 3600000},
    {CFG_ZMQ_PING, 0, 86400000},
    {CFG_ZMQ_PING_TIMEOUT, 100, 3600000},
    {CFG_ZMQ_PUBLISH_WINDOW, 1024, 1 << 30},
    {CFG_ZMQ_MAX_SUBSCRIPTIONS, 1, 1024},
    {CFG_ZMQ_MAX_PREFIXES, 1, 65535},
    {CFG_AUTH_JWKS_REFRESH, 1000, 86400000},
    {CFG_AUTH_LEEWAY, 0, 300000},
    {CFG_AUTH_CALLBACK_TIMEOUT, 10, 60000},
    {CFG_AUTH_CALLBACK_REQUESTS, 1, 100000},
    {CFG_AUTH_TIMEOUT, 100, 3600000},
    {CFG_AUTH_PASSWORD_CHECKS, 1, 100000},
    {CFG_AUTH_MAX_GRANTS, 1, 100000},
    {CFG_AUTH_REMEMBER, 0, 10000000},
    {CFG_TLS_HANDSHAKE_TIMEOUT, 100, 3600000},
    {CFG_TLS_MAX_HANDSHAKES, 1, 1000000},
    {CFG_MAX_PAYLOAD, 1, 256 << 20},
    {CFG_MAX_BODY, 1, 1 << 30},
    {CFG_MAX_BATCH, 1, 1000000},
    {CFG_MAX_HEADER, 1024, 64 << 10}, /* what a connection keeps unread */
    {CFG_MAX_CONNECTIONS, 1, 10000000},
    {CFG_MAX_FILTERS, 1, 256}, /* SUBSCRIBE_FILTERS_MAX */
    {CFG_MAX_LEVELS, 1, 1024}, /* TOPIC_MAX */
    {CFG_MAX_TOPICS, 0, 16000000},
    {CFG_MAX_FILTERS_TOTAL, 1, 10000000},
    {CFG_MAX_FILTER_LEVELS, 1, 1 << 30},
    {CFG_HISTORY_MEMORY, 1 << 20, UINT64_C(1) << 40},
    {CFG_HEADER_TIMEOUT, 1, 3600000},
    {CFG_BODY_TIMEOUT, 1, 3600000},
    {CFG_IDLE_TIMEOUT, 1, 86400000},
    {CFG_PUBLISH_TIMEOUT, 1, 3600000},
    {CFG_PAGE_REQUESTS, 1, 1024},
    {CFG_REPLAY_TURN, 64 << 10, 1 << 30},
};

/* --- names -------------------------------------------------------------------- */

static enum config_key find_alias(struct slice section, struct slice name)
{
    for (size_t i = 0; i < CONFIG_ALIASES; i++)
        if (slice_eq(section, slice_of(config_aliases[i].section)) &&
            slice_eq(name, slice_of(config_keys[config_aliases[i].key].name)))
            return config_aliases[i].key;
    return CFG_COUNT;
}

enum config_key config_find(struct slice section, struct slice name)
{
    enum config_key k = 0;

    while (k < CFG_COUNT && !(slice_eq(section, slice_of(config_keys[k].section)) &&
                              slice_eq(name, slice_of(config_keys[k].name))))
        k++;
    return k < CFG_COUNT ? k : find_alias(section, name);
}

static void flag_name(enum config_key k, bool bare, char *out, size_t cap)
{
    const struct config_key_info *info = &config_keys[k];
    int n = snprintf(out, cap, "%s%s%s", bare ? "" : info->section, bare ? "" : "-", info->name);

    assert(n > 0 && (size_t)n < cap);
    (void)n;
    for (char *p = out; *p != '\0'; p++)
        if (*p == '_')
            *p = '-';
}

void config_flag_name(const struct config *c, enum config_key k, char *out, size_t cap)
{
    const char *section = config_keys[k].section;

    flag_name(k,
              strcmp(section, c->section) == 0 || strcmp(section, "sluice") == 0 ||
                  strcmp(section, CONFIG_HIDDEN_SECTION) == 0,
              out, cap);
}

void config_flag_long_name(enum config_key k, char *out, size_t cap)
{
    flag_name(k, false, out, cap);
}

bool config_list_next(struct slice *rest, struct slice *item)
{
    while (rest->len > 0) {
        const char *comma = memchr(rest->p, ',', rest->len);
        size_t len = comma == NULL ? rest->len : (size_t)(comma - rest->p);

        *item = (struct slice){rest->p, len};
        len += comma != NULL;
        rest->p += len;
        rest->len -= len;
        while (item->len > 0 && item->p[0] == ' ')
            *item = (struct slice){item->p + 1, item->len - 1};
        while (item->len > 0 && item->p[item->len - 1] == ' ')
            item->len--;
        if (item->len > 0)
            return true;
    }
    return false;
}

/* --- from text to value ------------------------------------------------------- */

void config_error(struct config *c, const char *where, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_printf(&c->errors, "%s: %s\n", where, text);
}

/* A number and the unit after it. */
static bool split_unit(struct slice text, uint64_t *number, struct slice *unit)
{
    size_t digits = 0;

    while (digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9')
        digits++;
    *unit = (struct slice){text.p + digits, text.len - digits};
    return slice_u64((struct slice){text.p, digits}, number);
}

struct config_unit {
    const char *name;
    uint64_t factor;
};

static const char *parse_scaled(struct slice text, const struct config_unit *units,
                                const char *wrong, uint64_t *num)
{
    struct slice unit;
    uint64_t number;

    if (!split_unit(text, &number, &unit))
        return wrong;
    for (; units->name != NULL; units++) {
        if (!slice_eq_nocase(unit, slice_of(units->name)))
            continue;
        return __builtin_mul_overflow(number, units->factor, num) ? "too large a number" : NULL;
    }
    return wrong;
}

static const char *parse_size(struct slice text, uint64_t *num)
{
    static const struct config_unit units[] = {
        {"", 1},
        {"k", UINT64_C(1) << 10},
        {"m", UINT64_C(1) << 20},
        {"g", UINT64_C(1) << 30},
        {"t", UINT64_C(1) << 40},
        {NULL, 0},
    };
    return parse_scaled(text, units, "not a size such as 512, 64k, 32M or 1G", num);
}

static const char *parse_duration(struct slice text, uint64_t *num)
{
    static const struct config_unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
    };
    return parse_scaled(text, units, "not a duration such as 250ms, 10s, 5m, 2h or 7d", num);
}

static const char *parse_int(struct slice text, uint64_t *num)
{
    if (!slice_u64(text, num))
        return "not a number";
    return *num > INT32_MAX ? "too large a number" : NULL;
}

static const char *parse_bool(struct slice text, uint64_t *num)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (slice_eq_nocase(text, slice_of(words[i]))) {
            *num = i % 2;
            return NULL;
        }
    }
    return "not one of true, false, yes, no, on, off";
}

static const char *parse_choice(const char *choices, struct slice text, uint64_t *num)
{
    struct slice rest = slice_of(choices), word;

    for (*num = 0; config_list_next(&rest, &word); (*num)++)
        if (slice_eq_nocase(text, word))
            return NULL;
    return "not one of ";
}

/* --- lists ---------------------------------------------------------------------- */

/* Of a ZeroMQ socket: ipc://PATH, inproc://NAME, tcp://HOST:PORT, where * is any host. */
static bool endpoint_ok(struct slice one)
{
    static const char *const schemes[] = {"ipc://", "inproc://"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (slice_starts(one, slice_of(schemes[i])))
            return one.len > strlen(schemes[i]);
    return slice_starts(one, SLICE("tcp://")) &&
           address_looks((struct slice){one.p + 6, one.len - 6});
}

static bool address_ok(struct slice one)
{
    return endpoint_ok(one) || (memmem(one.p, one.len, "://", 3) == NULL && address_looks(one));
}

/* 40 characters of Z85 (ZeroMQ's RFC 32). */
static bool key_ok(struct slice one)
{
    static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              ".-:+=^!/*?&<>()[]{}@%$#";

    for (size_t i = 0; i < one.len; i++)
        if (memchr(z85, one.p[i], sizeof z85 - 1) == NULL)
            return false;
    return one.len == 40;
}

static const char *each_wrong(struct slice list, bool (*ok)(struct slice one), const char *wrong)
{
    struct slice one;

    while (config_list_next(&list, &one))
        if (!ok(one))
            return wrong;
    return NULL;
}

/* A host as a listen address has it before its port; an IPv6 one may come without brackets. */
static const char *host_wrong(struct slice text)
{
    bool good = memchr(text.p, ' ', text.len) == NULL && memchr(text.p, ',', text.len) == NULL &&
                memchr(text.p, '/', text.len) == NULL;
    const char *colon = memchr(text.p, ':', text.len);
    bool port =
        colon != NULL && memchr(colon + 1, ':', (size_t)(text.p + text.len - colon - 1)) == NULL;

    return good && !port ? NULL : "not an address without a port, such as 0.0.0.0";
}

/* MQTT's server reference (5.0, 4.11): what clients are told, and take for a place. */
static bool server_ok(struct slice one)
{
    for (size_t i = 0; i < one.len; i++)
        if (one.p[i] <= ' ' || one.p[i] > '~' || strchr(",/\"\\", one.p[i]) != NULL)
            return false;
    return memchr(one.p, ':', one.len) == NULL || one.p[one.len - 1] == ']' ||
           (one.p[0] != ':' && address_looks(one));
}

static const char *servers_wrong(struct slice text)
{
    const char *wrong = "not host:port, or several with blanks between";

    while (text.len > 0) {
        const char *blank = memchr(text.p, ' ', text.len);
        struct slice one = {text.p, blank != NULL ? (size_t)(blank - text.p) : text.len};

        if (one.len == 0 || !server_ok(one))
            return wrong;
        text = blank != NULL ? (struct slice){blank + 1, text.len - one.len - 1}
                             : (struct slice){NULL, 0};
    }
    return NULL;
}

static const char *text_wrong(enum config_type type, struct slice text)
{
    switch (type) {
    case CONFIG_HOSTS:
        return http_gate_hosts_wrong(text);
    case CONFIG_ORIGINS:
        return http_gate_origins_wrong(text);
    case CONFIG_ADDRESSES:
        return each_wrong(text, address_ok, "not a list of addresses such as 127.0.0.1:8081");
    case CONFIG_ADDRESS:
        return text.len == 0 || address_looks(text) ? NULL
                                                    : "not an address such as 127.0.0.1:8091";
    case CONFIG_HOST:
        return host_wrong(text);
    case CONFIG_ENDPOINTS:
        return each_wrong(
            text, endpoint_ok,
            "not a list of endpoints such as tcp://127.0.0.1:5560 or ipc:///run/link");
    case CONFIG_SERVERS:
        return servers_wrong(text);
    case CONFIG_KEYS:
        return each_wrong(text, key_ok, "not a list of public keys, 40 characters of Z85 each");
    default:
        return NULL;
    }
}

const char *config_value_parse(enum config_type type, const char *choices, struct slice text,
                               uint64_t *num)
{
    *num = 0;
    switch (type) {
    case CONFIG_INT:
        return parse_int(text, num);
    case CONFIG_SIZE:
        return parse_size(text, num);
    case CONFIG_DURATION:
        return parse_duration(text, num);
    case CONFIG_BOOL:
        return parse_bool(text, num);
    case CONFIG_CHOICE:
        return parse_choice(choices, text, num);
    default:
        return text_wrong(type, text);
    }
}

static bool in_range(enum config_key k, uint64_t num, const char *text, struct config *c,
                     const char *where)
{
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (ranges[i].key != k || (num >= ranges[i].min && num <= ranges[i].max))
            continue;
        config_error(c, where, "%s: \"%s\" is outside %llu to %llu", config_keys[k].name, text,
                     (unsigned long long)ranges[i].min, (unsigned long long)ranges[i].max);
        return false;
    }
    return true;
}

void config_value_set(struct config *c, enum config_key k, const char *text, const char *where)
{
    const struct config_key_info *info = &config_keys[k];
    struct config_value *v = &c->values[k];
    const char *wrong;
    uint64_t num;

    wrong = config_value_parse(info->type, info->choices, slice_of(text), &num);
    if (wrong != NULL) {
        config_error(c, where, "%s: \"%s\" is %s%s", info->name, text, wrong,
                     info->choices == NULL ? "" : info->choices);
        return;
    }
    if (!in_range(k, num, text, c, where))
        return;
    free(v->text);
    free(v->where);
    *v = (struct config_value){mem_strdup(text), num, true, mem_strdup(where)};
}
