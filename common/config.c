/*
 * config.c - defaults, then the file, then the environment, then flags.
 *
 * config_load takes the flags apart first, for they name the file, but applies
 * them last.  Whatever any source says wrongly becomes a line in c->errors;
 * loading goes on to the end, then prints them all and gives up.  config_reload
 * does the same over and logs them instead; the old configuration stays good.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "config_internal.h"
#include "log.h"
#include "mem.h"

#define FILE_MAX (1 << 20)

enum action { RUN, PRINT_HELP, PRINT_VERSION, PRINT_EXAMPLE };

/* What the command line says, before it is applied. */
struct flags {
    enum action action;
    const char *file;              /* --config, or NULL */
    const char *values[CFG_COUNT]; /* NULL when not given */
};

/* --- life ---------------------------------------------------------------------- */

static void set_default(struct config *c, enum config_key k)
{
    const struct config_key_info *info = &config_keys[k];
    struct config_value *v = &c->values[k];
    const char *wrong = NULL;

    v->text = mem_strdup(info->deflt);
    if (info->deflt[0] == '-')
        v->num = (uint64_t)strtoll(info->deflt, NULL, 10); /* "none": no source can say it */
    else
        wrong = config_value_parse(info->type, info->choices, slice_of(info->deflt), &v->num);
    assert(wrong == NULL);
    (void)wrong;
}

struct config *config_new(const char *section, int argc, char **argv)
{
    struct config *c = mem_zalloc(sizeof *c);

    c->section = mem_strdup(section);
    c->argc = argc;
    c->argv = mem_array((size_t)argc + 1, sizeof *c->argv);
    for (int i = 0; i < argc; i++)
        c->argv[i] = mem_strdup(argv[i]);
    for (enum config_key k = 0; k < CFG_COUNT; k++)
        set_default(c, k);
    return c;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (enum config_key k = 0; k < CFG_COUNT; k++) {
        free(c->values[k].text);
        free(c->values[k].where);
        free(c->derived[k]);
    }
    for (size_t i = 0; i < c->rule_count; i++)
        free(c->rules[i].filter);
    free(c->rules);
    for (size_t i = 0; i < c->role_count; i++) {
        free(c->roles[i].name);
        free(c->roles[i].where);
        for (int verb = 0; verb < ROLE_VERBS; verb++)
            free(c->roles[i].filters[verb]);
    }
    free(c->roles);
    for (int i = 0; i < c->argc; i++)
        free(c->argv[i]);
    free(c->argv);
    free(c->section);
    buf_free(&c->errors);
    free(c);
}

/* --- flags --------------------------------------------------------------------- */

enum { FLAG_CONFIG = 256, FLAG_HELP, FLAG_VERSION, FLAG_EXAMPLE, FLAG_KEYS };
#define FLAG_NAME_MAX 64

/* getopt's table, and the names that it points to. */
struct flag_table {
    char names[2 * CFG_COUNT][FLAG_NAME_MAX];
    struct option options[2 * CFG_COUNT + 5];
    size_t count;
};

static void add_flag(struct flag_table *t, enum config_key k)
{
    int has = config_keys[k].type == CONFIG_BOOL ? optional_argument : required_argument;

    t->options[t->count] = (struct option){t->names[t->count], has, NULL, FLAG_KEYS + (int)k};
    t->count++;
}

/* A flag for each key, and --section-key for the process's own as well: then a
 * supervisor can hand its flags on as they are.  Then the four without a key. */
static void list_flags(const struct config *c, struct flag_table *t)
{
    static const struct option fixed[] = {
        {"config", required_argument, NULL, FLAG_CONFIG},
        {"help", no_argument, NULL, FLAG_HELP},
        {"version", no_argument, NULL, FLAG_VERSION},
        {"print-config", no_argument, NULL, FLAG_EXAMPLE},
        {NULL, 0, NULL, 0},
    };

    t->count = 0;
    for (enum config_key k = 0; k < CFG_COUNT; k++) {
        config_flag_name(c, k, t->names[t->count], FLAG_NAME_MAX);
        add_flag(t, k);
        if (strcmp(config_keys[k].section, c->section) != 0)
            continue;
        config_flag_long_name(k, t->names[t->count], FLAG_NAME_MAX);
        add_flag(t, k);
    }
    memcpy(t->options + t->count, fixed, sizeof fixed);
}

static void take_flag(struct config *c, struct flags *f, int flag)
{
    if (flag == FLAG_CONFIG)
        f->file = optarg;
    else if (flag == FLAG_HELP)
        f->action = PRINT_HELP;
    else if (flag == FLAG_VERSION)
        f->action = PRINT_VERSION;
    else if (flag == FLAG_EXAMPLE)
        f->action = PRINT_EXAMPLE;
    else if (flag >= FLAG_KEYS)
        f->values[flag - FLAG_KEYS] = optarg == NULL ? "true" : optarg;
    else
        config_error(c, c->argv[optind - 1], "%s",
                     flag == ':' ? "the flag needs a value"
                                 : "there is no such flag, or it takes no value; see --help");
}

static void parse_flags(struct config *c, struct flags *f)
{
    struct flag_table t;
    int flag;

    list_flags(c, &t);
    opterr = 0;
    optind = 0; /* GNU: start anew */
    while ((flag = getopt_long(c->argc, c->argv, ":", t.options, NULL)) != -1)
        take_flag(c, f, flag);
    c->operands = optind;
}

static void apply_flags(struct config *c, const struct flags *f)
{
    char where[FLAG_NAME_MAX + 2] = "--";

    for (enum config_key k = 0; k < CFG_COUNT; k++) {
        if (f->values[k] == NULL)
            continue;
        config_flag_name(c, k, where + 2, sizeof where - 2);
        config_value_set(c, k, f->values[k], where);
    }
}

/* --- environment and file ------------------------------------------------------------ */

static void variable_name(const char *section, const char *key, char *out, size_t cap)
{
    bool bare = strcmp(section, "sluice") == 0;
    int n = snprintf(out, cap, "SLUICE_%s%s%s", bare ? "" : section, bare ? "" : "_", key);

    assert(n > 0 && (size_t)n < cap);
    (void)n;
    for (char *p = out; *p != '\0'; p++)
        *p = (char)toupper((unsigned char)*p);
}

static void apply_variable(struct config *c, const char *section, enum config_key k)
{
    char name[FLAG_NAME_MAX + 8];
    const char *text;

    variable_name(section, config_keys[k].name, name, sizeof name);
    text = getenv(name);
    if (text != NULL)
        config_value_set(c, k, text, name);
}

/* NAME_SERVICE_HOST, NAME_PORT_8081_TCP_ADDR and so on: what Kubernetes tells every
 * container of a service that is called sluice or sluice-…; nobody wrote it for us. */
static bool is_service_link(const char *name)
{
    const char *port = strstr(name, "_PORT_");
    size_t len = strlen(name);

    if (strstr(name, "_SERVICE_HOST") != NULL || strstr(name, "_SERVICE_PORT") != NULL)
        return true;
    return (len > 5 && strcmp(name + len - 5, "_PORT") == 0) ||
           (port != NULL && isdigit((unsigned char)port[6]) != 0);
}

static bool is_variable(const char *section, enum config_key k, const char *name)
{
    char own[FLAG_NAME_MAX + 8];

    variable_name(section, config_keys[k].name, own, sizeof own);
    return strcmp(own, name) == 0;
}

static bool is_known_variable(const char *name)
{
    static const char *const others[] = {"SLUICE_CONFIG", "SLUICE_FAILPOINTS", "SLUICE_URL",
                                         "SLUICE_TOKEN", "SLUICE_PASSWORD"};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(others[i], name) == 0)
            return true;
    for (enum config_key k = 0; k < CFG_COUNT; k++)
        if (is_variable(config_keys[k].section, k, name))
            return true;
    for (size_t i = 0; i < CONFIG_ALIASES; i++)
        if (is_variable(config_aliases[i].section, config_aliases[i].key, name))
            return true;
    return strncmp(name, "SLUICE_TEST_", 12) == 0 || is_service_link(name);
}

/* NULL: there never was such a variable. */
static const char *advice_for(const char *name)
{
    char gone[FLAG_NAME_MAX + 8];

    for (size_t i = 0; i < CONFIG_GONE; i++) {
        variable_name(config_gone[i].section, config_gone[i].name, gone, sizeof gone);
        if (strcmp(gone, name) == 0)
            return config_gone[i].advice;
    }
    return NULL;
}

/* One that is misspelt would be believed to be in force. */
static void check_variable(struct config *c, const char *variable)
{
    size_t len = strcspn(variable, "=");
    const char *advice;
    char *name;

    if (strncmp(variable, "SLUICE_", 7) != 0)
        return;
    name = mem_strndup(variable, len);
    advice = advice_for(name);
    if (advice != NULL)
        config_error(c, name, "there is no such variable any more: %s", advice);
    else if (!is_known_variable(name))
        config_error(c, name, "there is no such variable; see --help for the keys");
    free(name);
}

static void apply_environment(struct config *c)
{
    for (enum config_key k = 0; k < CFG_COUNT; k++)
        if (strcmp(config_keys[k].section, CONFIG_HIDDEN_SECTION) != 0)
            apply_variable(c, config_keys[k].section, k);
    for (size_t i = 0; i < CONFIG_ALIASES; i++)
        apply_variable(c, config_aliases[i].section, config_aliases[i].key);
    for (char **v = environ; *v != NULL; v++)
        check_variable(c, *v);
}

static void apply_file(struct config *c, const char *name)
{
    char *bytes = mem_alloc(FILE_MAX);
    FILE *f = fopen(name, "re");
    size_t len = 0;

    if (f != NULL)
        len = fread(bytes, 1, FILE_MAX, f);
    if (f == NULL || ferror(f))
        config_error(c, name, "%s", strerror(errno));
    else if (len == FILE_MAX)
        config_error(c, name, "larger than 1 MiB");
    else
        config_file_parse(c, name, bytes, len);
    if (f != NULL)
        (void)fclose(f);
    free(bytes);
}

/* --- addresses that follow from others --------------------------------------------- */

static const struct {
    enum config_key key;
    unsigned offset; /* from port_base */
    bool admin;      /* stays on loopback, whatever bind says */
} ports[] = {
    {CFG_SSE_LISTEN, 1, false}, {CFG_SSE_ADMIN, 11, true},      {CFG_WS_LISTEN, 2, false},
    {CFG_WS_ADMIN, 12, true},   {CFG_POLL_LISTEN, 3, false},    {CFG_POLL_ADMIN, 13, true},
    {CFG_H2_LISTEN, 4, false},  {CFG_H2_ADMIN, 14, true},       {CFG_MQTT_LISTEN, 6, false},
    {CFG_MQTT_ADMIN, 16, true}, {CFG_MQTT_LISTEN_WS, 5, false}, {CFG_BROKER_ADMIN, 10, true},
    {CFG_ZMQ_LISTEN, 7, false}, {CFG_ZMQ_ADMIN, 17, true},
};

/* The default address with another host, another port, or both. */
static void derive_address(struct config *c, enum config_key k, const char *host, uint64_t port)
{
    const char *text = config_keys[k].deflt, *scheme = strstr(text, "://");
    size_t prefix = scheme != NULL ? (size_t)(scheme - text) + 3 : 0;
    const char *colon = strrchr(text, ':');
    bool bracket = host != NULL && strchr(host, ':') != NULL && host[0] != '[';
    struct buf b = {0};

    buf_put(&b, text, prefix);
    if (host != NULL)
        buf_printf(&b, bracket ? "[%s]" : "%s", host);
    else
        buf_put(&b, text + prefix, (size_t)(colon - text) - prefix);
    if (port != 0)
        buf_printf(&b, ":%u", (unsigned)port);
    else
        buf_puts(&b, colon);
    buf_u8(&b, 0);
    c->derived[k] = (char *)b.p;
}

static void derive_ports(struct config *c)
{
    const char *bind = config_text(c, CFG_BIND);
    uint64_t base = config_num(c, CFG_PORT_BASE);

    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        const char *host = *bind != '\0' && !ports[i].admin ? bind : NULL;

        if (!c->values[ports[i].key].set && (base != 0 || host != NULL))
            derive_address(c, ports[i].key, host, base != 0 ? base + ports[i].offset : 0);
    }
}

/* A list that was set: all of it for the broker, which binds them; the first
 * for the others, which connect to one.  Else a socket in <data>/run. */
static void derive_socket(struct config *c, enum config_key k)
{
    struct slice rest = slice_of(c->values[k].text), first;
    struct buf b = {0};

    if (strcmp(c->section, "broker") == 0 && rest.len > 0)
        return;
    if (config_list_next(&rest, &first))
        buf_put_slice(&b, first);
    else
        buf_printf(&b, "ipc://%s/run/%s", config_text(c, CFG_DATA), config_keys[k].name);
    buf_u8(&b, '\0');
    c->derived[k] = (char *)b.p;
}

/* The default sockets' paths have the kernel's limit and stand in lists. */
static void check_data(struct config *c)
{
    const char *data = config_text(c, CFG_DATA);
    const size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path;

    if (data[0] == '\0' || strchr(data, ',') != NULL)
        config_error(c, "data", "\"%s\" is not a folder to use: empty, or with a comma", data);
    else if (strlen(data) + sizeof "/run/reads" > room)
        config_error(c, "data", "\"%s\" is too long for the sockets in it: %zu bytes at most", data,
                     room - sizeof "/run/reads");
}

static void config_derive(struct config *c)
{
    check_data(c);
    derive_ports(c);
    derive_socket(c, CFG_LINK);
    derive_socket(c, CFG_READS);
}

/* --- loading ------------------------------------------------------------------- */

static enum action config_load_sources(struct config *c)
{
    struct flags f = {.action = RUN};

    parse_flags(c, &f);
    if (f.action != RUN || c->errors.len > 0)
        return f.action;
    if (f.file == NULL)
        f.file = getenv("SLUICE_CONFIG");
    if (f.file != NULL && f.file[0] != '\0')
        apply_file(c, f.file);
    apply_environment(c);
    apply_flags(c, &f);
    config_derive(c);
    return RUN;
}

static bool next_error(struct slice *rest, struct slice *line)
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->p, '\n', rest->len);

    if (end == NULL)
        return false;
    *line = (struct slice){rest->p, (size_t)(end - rest->p)};
    rest->p += line->len + 1;
    rest->len -= line->len + 1;
    return true;
}

static void print_errors(const struct config *c)
{
    struct slice rest = buf_slice(&c->errors), line;

    while (next_error(&rest, &line))
        fprintf(stderr, "%s: %.*s\n", c->argv[0], (int)line.len, line.p);
}

static void log_errors(const struct config *c)
{
    struct slice rest = buf_slice(&c->errors), line;

    while (next_error(&rest, &line))
        log_error("the new configuration is refused", LOG_SLICE("error", line));
}

static void config_print(const struct config *c, enum action a)
{
    if (a == PRINT_HELP)
        config_print_help(c);
    else if (a == PRINT_EXAMPLE)
        config_print_example();
    else
        printf("sluice %s\n", SLUICE_VERSION);
}

void config_print_flags(const char *section)
{
    char *argv[] = {NULL};
    struct config *c = config_new(section, 0, argv);

    config_print_keys(c);
    config_free(c);
}

enum config_outcome config_load(struct config **out, const char *section, int argc, char **argv)
{
    struct config *c = config_new(section, argc, argv);
    enum action a = config_load_sources(c);
    bool bad = c->errors.len > 0;

    *out = NULL;
    if (!bad && a == RUN) {
        *out = c;
        return CONFIG_GO;
    }
    if (bad)
        print_errors(c);
    else
        config_print(c, a);
    config_free(c);
    return bad ? CONFIG_EXIT_BAD : CONFIG_EXIT_OK;
}

struct config *config_reload(const struct config *c)
{
    struct config *fresh = config_new(c->section, c->argc, c->argv);

    (void)config_load_sources(fresh);
    if (fresh->errors.len == 0)
        return fresh;
    log_errors(fresh);
    config_free(fresh);
    return NULL;
}

static bool concerns(const struct config *c, const char *section)
{
    static const char *const shared[] = {"sluice", "limits", "tls", "http"};

    for (size_t i = 0; i < ARRAY_LEN(shared); i++)
        if (strcmp(section, shared[i]) == 0)
            return true;
    return strcmp(section, c->section) == 0;
}

static bool is_among(enum config_key k, const enum config_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i] == k)
            return true;
    return false;
}

void config_log_unapplied(const struct config *old, const struct config *fresh,
                          const enum config_key *applied, size_t count)
{
    struct buf names = {0};

    for (enum config_key k = 0; k < CFG_COUNT; k++) {
        if (strcmp(old->values[k].text, fresh->values[k].text) == 0 ||
            is_among(k, applied, count) || !concerns(old, config_keys[k].section))
            continue;
        buf_printf(&names, "%s%s.%s", names.len > 0 ? ", " : "", config_keys[k].section,
                   config_keys[k].name);
    }
    if (names.len > 0)
        log_warn("some of what has changed needs a restart", LOG_SLICE("keys", buf_slice(&names)));
    buf_free(&names);
}

/* --- reading it ---------------------------------------------------------------- */

char **config_operands(const struct config *c, int *count)
{
    *count = c->argc - c->operands;
    return c->argv + c->operands;
}

const char *config_text(const struct config *c, enum config_key k)
{
    return c->values[k].text;
}

uint64_t config_num(const struct config *c, enum config_key k)
{
    assert(config_keys[k].type >= CONFIG_INT);
    return c->values[k].num;
}

bool config_bool(const struct config *c, enum config_key k)
{
    assert(config_keys[k].type == CONFIG_BOOL);
    return c->values[k].num != 0;
}

bool config_is_set(const struct config *c, enum config_key k)
{
    return c->values[k].set;
}

const char *config_where(const struct config *c, enum config_key k)
{
    return c->values[k].where != NULL ? c->values[k].where : "default";
}

const struct retention_rule *config_retention(const struct config *c, size_t *count)
{
    *count = c->rule_count;
    return c->rules;
}

bool config_duration(const char *text, uint64_t *ms)
{
    return config_value_parse(CONFIG_DURATION, NULL, slice_of(text), ms) == NULL;
}

bool config_auth(const struct config *c)
{
    static const enum config_key sources[] = {
        CFG_AUTH_USERS, CFG_AUTH_JWKS,     CFG_AUTH_HMAC_KEY, CFG_AUTH_CERTIFICATE_ROLES,
        CFG_AUTH_KEYS,  CFG_AUTH_CALLBACK, CFG_AUTH_ANONYMOUS};

    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (config_text(c, sources[i])[0] != '\0')
            return true;
    return false;
}

const struct role_rule *config_roles(const struct config *c, size_t *count)
{
    *count = c->role_count;
    return c->roles;
}

static const char *in_force(const struct config *c, enum config_key k)
{
    assert(k < CFG_COUNT);
    return c->derived[k] != NULL ? c->derived[k] : c->values[k].text;
}

const char *config_address(const struct config *c, enum config_key k)
{
    return in_force(c, k);
}

const char *config_listen(const struct config *c, const char *section)
{
    return in_force(c, config_find(slice_of(section), SLICE("listen")));
}

bool config_tls(const struct config *c, const char *section)
{
    enum config_key k = config_find(slice_of(section), SLICE("tls"));

    return k < CFG_COUNT && *config_text(c, CFG_TLS_CERTIFICATE) != '\0' && config_bool(c, k);
}

const char *config_admin_listen(const struct config *c, const char *section)
{
    return in_force(c, config_find(slice_of(section), SLICE("admin_listen")));
}

const char *config_link(const struct config *c)
{
    return in_force(c, CFG_LINK);
}

const char *config_reads(const struct config *c)
{
    return in_force(c, CFG_READS);
}
