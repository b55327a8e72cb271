/*
 * config.h - one INI file, overridden by environment, overridden by flags.
 *
 * config_keys.h declares every key once: section, name, type, default, help.
 * The struct's values, the flags, the environment's names, --help and the
 * example file all come out of that table.  Durations are ms, sizes bytes.
 *
 *   [sse] listen = 127.0.0.1:8081     file
 *   SLUICE_SSE_LISTEN=…               environment
 *   --listen …                        flag of sluice-sse: keys of the process's
 *                                     own section by bare name too, any other
 *                                     as --section-key alone ([sluice]: bare)
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include "bytes.h"
#include "topic.h"

enum config_type {
    CONFIG_TEXT,
    CONFIG_LIST,      /* comma-separated; kept as text, walk with config_list_next */
    CONFIG_HOSTS,     /* such a list of names, see http_gate.h */
    CONFIG_ORIGINS,   /* the same of origins */
    CONFIG_ADDRESSES, /* such a list of "host:port", tcp:// and ipc:// endpoints among them */
    CONFIG_ADDRESS,   /* one "host:port", or nothing */
    CONFIG_HOST,      /* an address without a port, or nothing */
    CONFIG_ENDPOINTS, /* a list of ZeroMQ endpoints */
    CONFIG_KEYS,      /* a list of public keys in Z85 */
    CONFIG_SERVERS,   /* "host" or "host:port", several with blanks between, or nothing */
    CONFIG_INT,
    CONFIG_SIZE,     /* 64k, 32M, 1G: powers of 1024 */
    CONFIG_DURATION, /* 250ms, 10s, 5m, 2h, 7d; a bare number is an error */
    CONFIG_BOOL,     /* true false yes no on off */
    CONFIG_CHOICE,   /* one of the words in `choices`, its index is the number */
};

enum config_key {
#define X(id, section, name, type, deflt, choices, help) CFG_##id,
#include "config_keys.h"
#undef X
    CFG_COUNT
};

struct retention_rule {
    char *filter;
    /* A key that the section does not set stays unset and falls to the rule before. */
    bool has_age, has_events, has_bytes, has_history;
    uint64_t max_age_ms; /* 0: without limit */
    uint64_t max_events;
    uint64_t max_bytes;
    bool volatile_; /* history = none */
};

/* [role "name"]: lists of filters by enum auth_verb, %u and %c for names in them; NULL: none. */
#define ROLE_VERBS 3
struct role_rule {
    char *name;
    char *where; /* "sluice.conf:12" */
    char *filters[ROLE_VERBS];
};

struct config;

enum config_outcome { CONFIG_GO, CONFIG_EXIT_OK, CONFIG_EXIT_BAD };
/* Parses argv, environment and the file for the process that owns `section`
 * ("broker", "sse", …).  Prints --help, --version, --print-config and every
 * error itself; an error names the file and line, the variable or the flag.
 * What getopt leaves over (operands) is in config_operands. */
enum config_outcome config_load(struct config **out, const char *section, int argc,
                                char **argv) MUST_CHECK;
/* Reads the same sources anew (SIGHUP); on an error logs it and returns NULL. */
struct config *config_reload(const struct config *c);
/* After config_reload: logs by name what differs between the two and is none of
 * `applied`, so that nobody believes it in force.  Other processes' keys are theirs. */
void config_log_unapplied(const struct config *old, const struct config *fresh,
                          const enum config_key *applied, size_t count);
void config_free(struct config *c);
/* --help of the flags alone, as a process that owns `section` takes them. */
void config_print_flags(const char *section);
char **config_operands(const struct config *c, int *count);

const char *config_text(const struct config *c, enum config_key k); /* "" when empty */
uint64_t config_num(const struct config *c, enum config_key k);     /* int, size, ms, choice */
bool config_bool(const struct config *c, enum config_key k);
bool config_is_set(const struct config *c, enum config_key k); /* not the default */
/* Who said so: "sluice.conf:12", "SLUICE_SSE_LISTEN", "--listen"; "default". */
const char *config_where(const struct config *c, enum config_key k);
/* Some source of identity is configured under [auth]. */
bool config_auth(const struct config *c);
/* Key of that section and name, or CFG_COUNT; aliases count. */
enum config_key config_find(struct slice section, struct slice name);
/* Walks a CONFIG_LIST: *rest starts as slice_of(config_text(…)). */
bool config_list_next(struct slice *rest, struct slice *item);
/* What a key of CONFIG_DURATION would take: "10m". */
bool config_duration(const char *text, uint64_t *ms) MUST_CHECK;
const struct retention_rule *config_retention(const struct config *c, size_t *count);
const struct role_rule *config_roles(const struct config *c, size_t *count);

/* `port_base` and `data` applied: the listen address, endpoint or path in force.
 * With port_base N: sse N+1, ws N+2, poll N+3, h2 N+4, mqtt_ws N+5, mqtt N+6,
 * zmq N+7, admin of broker N+10, sse N+11, ws N+12, poll N+13, h2 N+14,
 * mqtt N+16, zmq N+17.  They stand in for the defaults; an address that was set stays. */
const char *config_address(const struct config *c, enum config_key k); /* any key of these */
const char *config_listen(const struct config *c, const char *section);
/* Clients of a section's addresses speak TLS, those of listen_plain apart. */
bool config_tls(const struct config *c, const char *section);
const char *config_admin_listen(const struct config *c, const char *section);
const char *config_link(const struct config *c); /* broker: list; gateway: the one to connect to */
const char *config_reads(const struct config *c);

#endif
