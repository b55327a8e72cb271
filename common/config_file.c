/*
 * config_file.c - the INI file.
 *
 *     [sse]
 *     listen = 127.0.0.1:8081
 *     [retention "sensors/#"]
 *     max_age = 2h
 *
 * inih takes `name = value` lines and comments apart.  Section lines it would
 * cut after 50 bytes, which a filter may exceed, and it does not tell of empty
 * ones; so the reader that feeds it takes them first and gives it blank lines
 * instead.  The reader also knows which line is being read, for the errors.
 *
 * Every bad line becomes an error of its own and changes nothing; reading goes
 * on, so that one look at the errors shows them all.
 */
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"
#include "mem.h"

#define LINE_MAX_BYTES 8192
#define WHERE_MAX 512

struct file {
    struct config *c;
    const char *name;
    struct slice rest;           /* not read yet */
    unsigned line;               /* being read, from 1 */
    char section[64];            /* a known one, or "" */
    bool skipping;               /* in a section that was refused */
    struct retention_rule *rule; /* in a [retention] section, else NULL */
    struct role_rule *role;      /* in a [role] section, else NULL */
    unsigned said[8];            /* the lines of that section's keys, 0: none yet */
};

static void put_where(const struct file *f, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s:%u", f->name, f->line);
}

static void config_file_error(const struct file *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void config_file_error(const struct file *f, const char *fmt, ...)
{
    char where[WHERE_MAX], text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put_where(f, where, sizeof where);
    config_error(f->c, where, "%s", text);
}

/* A key of a [retention] or [role] section, whose second line would be the one that counts. */
static bool config_file_twice(struct file *f, size_t key, const char *name)
{
    if (f->said[key] != 0)
        config_file_error(f, "%s stands twice in this section: line %u has it, too", name,
                          f->said[key]);
    return f->said[key] != 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

/* --- sections ------------------------------------------------------------------ */

static void begin_retention(struct file *f, struct slice filter)
{
    struct config *c = f->c;
    enum topic_verdict v = filter_check(filter);

    if (v != TOPIC_OK) {
        config_file_error(f, "the filter of [retention]: %s", topic_verdict_text(v));
        return;
    }
    c->rules = mem_resize(c->rules, c->rule_count + 1, sizeof *c->rules);
    f->rule = &c->rules[c->rule_count++];
    *f->rule = (struct retention_rule){.filter = mem_strndup(filter.p, filter.len)};
    f->skipping = false;
}

static void begin_role(struct file *f, struct slice name)
{
    struct config *c = f->c;
    char where[WHERE_MAX];

    if (name.len == 0 || memchr(name.p, ',', name.len) != NULL || !utf8_valid(name.p, name.len)) {
        config_file_error(f, "the name of a role is text without commas");
        return;
    }
    for (size_t i = 0; i < c->role_count; i++)
        if (slice_eq(slice_of(c->roles[i].name), name)) {
            config_file_error(f, "there is a role \"%s\" already", c->roles[i].name);
            return;
        }
    c->roles = mem_resize(c->roles, c->role_count + 1, sizeof *c->roles);
    f->role = &c->roles[c->role_count++];
    put_where(f, where, sizeof where);
    *f->role =
        (struct role_rule){.name = mem_strndup(name.p, name.len), .where = mem_strdup(where)};
    f->skipping = false;
}

static bool section_exists(struct slice name)
{
    if (slice_eq(name, SLICE(CONFIG_HIDDEN_SECTION)))
        return false;
    for (enum config_key k = 0; k < CFG_COUNT; k++)
        if (slice_eq(name, slice_of(config_keys[k].section)))
            return true;
    for (size_t i = 0; i < CONFIG_ALIASES; i++)
        if (slice_eq(name, slice_of(config_aliases[i].section)))
            return true;
    return false;
}

static void begin_plain(struct file *f, struct slice name)
{
    if (!section_exists(name)) {
        config_file_error(f, "there is no section [%.*s]", (int)name.len, name.p);
        return;
    }
    memcpy(f->section, name.p, name.len);
    f->section[name.len] = '\0';
    f->skipping = false;
}

/* After the bracket that closes a section only a comment may stand. */
static bool only_comment(struct slice s)
{
    s = trim(s);
    return s.len == 0 || s.p[0] == ';' || s.p[0] == '#';
}

/* The text between `close` and what follows it; false when close is missing. */
static bool split_at(struct slice s, struct slice close, struct slice *head, struct slice *tail)
{
    const char *at = s.len == 0 ? NULL : memmem(s.p, s.len, close.p, close.len);

    if (at == NULL)
        return false;
    *head = (struct slice){s.p, (size_t)(at - s.p)};
    *tail = (struct slice){at + close.len, s.len - head->len - close.len};
    return true;
}

/* Sections that name what they are about: [retention "a/#"]. */
static const struct {
    const char *word;
    void (*begin)(struct file *f, struct slice name);
    const char *advice;
} quoted[] = {
    {"retention", begin_retention, "a retention section names its filter: [retention \"a/#\"]"},
    {"role", begin_role, "a role section names the role: [role \"sensor\"]"},
};

/* s follows the opening bracket: which of them it is, *rest behind the first quote. */
static int quoted_section(struct slice s, struct slice *rest)
{
    struct slice word;

    if (!split_at(s, SLICE("\""), &word, rest))
        return -1;
    for (int i = 0; i < (int)ARRAY_LEN(quoted); i++)
        if (slice_eq(trim(word), slice_of(quoted[i].word)))
            return i;
    return -1;
}

static void begin_unquoted(struct file *f, struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(quoted); i++)
        if (slice_eq(name, slice_of(quoted[i].word))) {
            config_file_error(f, "%s", quoted[i].advice);
            return;
        }
    begin_plain(f, name);
}

static void begin_section(struct file *f, struct slice s)
{
    struct slice name, tail;
    int which = quoted_section(s, &tail);

    f->rule = NULL;
    f->role = NULL;
    memset(f->said, 0, sizeof f->said);
    f->section[0] = '\0';
    f->skipping = true;
    if (!split_at(which >= 0 ? tail : s, which >= 0 ? SLICE("\"]") : SLICE("]"), &name, &tail) ||
        !only_comment(tail))
        config_file_error(f, "not a section: [%.*s", (int)s.len, s.p);
    else if (which >= 0)
        quoted[which].begin(f, name);
    else
        begin_unquoted(f, trim(name));
}

/* --- keys ---------------------------------------------------------------------- */

enum rule_key { RULE_MAX_AGE, RULE_MAX_EVENTS, RULE_MAX_BYTES, RULE_HISTORY, RULE_KEYS };
static const struct {
    const char *name;
    enum config_type type;
    const char *choices;
} rule_keys[RULE_KEYS] = {
    [RULE_MAX_AGE] = {"max_age", CONFIG_DURATION, NULL},
    [RULE_MAX_EVENTS] = {"max_events", CONFIG_INT, NULL},
    [RULE_MAX_BYTES] = {"max_bytes", CONFIG_SIZE, NULL},
    [RULE_HISTORY] = {"history", CONFIG_CHOICE, "keep,none"},
};

static void rule_set(struct retention_rule *r, enum rule_key k, uint64_t num)
{
    bool *has[RULE_KEYS] = {&r->has_age, &r->has_events, &r->has_bytes, &r->has_history};

    *has[k] = true;
    if (k == RULE_MAX_AGE)
        r->max_age_ms = num;
    else if (k == RULE_MAX_EVENTS)
        r->max_events = num;
    else if (k == RULE_MAX_BYTES)
        r->max_bytes = num;
    else
        r->volatile_ = num == 1;
}

static void set_rule_key(struct file *f, const char *name, const char *text)
{
    const char *wrong;
    uint64_t num;
    size_t k = 0;

    while (k < RULE_KEYS && strcmp(rule_keys[k].name, name) != 0)
        k++;
    if (k == RULE_KEYS) {
        config_file_error(f, "[retention] has no key %s", name);
        return;
    }
    wrong = config_value_parse(rule_keys[k].type, rule_keys[k].choices, slice_of(text), &num);
    if (wrong != NULL) {
        config_file_error(f, "%s: \"%s\" is %s%s", name, text, wrong,
                          rule_keys[k].choices == NULL ? "" : rule_keys[k].choices);
    } else if (!config_file_twice(f, k, name)) {
        rule_set(f->rule, (enum rule_key)k, num);
        f->said[k] = f->line;
    }
}

/* Filters, as they are before names stand in them. */
static const char *role_filters_wrong(const char *text)
{
    struct slice rest = slice_of(text), one;

    while (config_list_next(&rest, &one))
        if (filter_check(one) != TOPIC_OK)
            return topic_verdict_text(filter_check(one));
    return NULL;
}

static void set_role_key(struct file *f, const char *name, const char *text)
{
    static const char *const verbs[ROLE_VERBS] = {"publish", "subscribe", "manage"};
    const char *wrong = role_filters_wrong(text);
    size_t verb = 0;

    while (verb < ROLE_VERBS && strcmp(verbs[verb], name) != 0)
        verb++;
    if (verb == ROLE_VERBS) {
        config_file_error(f, "[role] has no key %s", name);
    } else if (wrong != NULL) {
        config_file_error(f, "%s: %s", name, wrong);
    } else if (!config_file_twice(f, verb, name)) {
        f->role->filters[verb] = mem_strdup(text);
        f->said[verb] = f->line;
    }
}

/* NULL: there never was such a key. */
static const char *advice_for(const char *section, const char *name)
{
    for (size_t i = 0; i < CONFIG_GONE; i++)
        if (strcmp(config_gone[i].section, section) == 0 && strcmp(config_gone[i].name, name) == 0)
            return config_gone[i].advice;
    return NULL;
}

static void set_plain_key(struct file *f, const char *name, const char *text)
{
    enum config_key k = config_find(slice_of(f->section), slice_of(name));
    char where[WHERE_MAX];

    if (k == CFG_COUNT) {
        const char *advice = advice_for(f->section, name);

        config_file_error(f, "[%s] has no key %s%s%s", f->section, name,
                          advice != NULL ? " any more: " : "", advice != NULL ? advice : "");
        return;
    }
    put_where(f, where, sizeof where);
    if (f->c->values[k].set)
        config_file_error(f, "%s stands twice: %s has it, too", name, config_where(f->c, k));
    else
        config_value_set(f->c, k, text, where);
}

/* inih: one `name = value`.  Always 1, for we keep our own errors. */
static int config_file_on_pair(void *user, const char *section, const char *name, const char *value)
{
    struct file *f = user;

    (void)section;
    if (f->rule != NULL)
        set_rule_key(f, name, value);
    else if (f->role != NULL)
        set_role_key(f, name, value);
    else if (f->section[0] != '\0')
        set_plain_key(f, name, value);
    else if (!f->skipping)
        config_file_error(f, "a key before the first [section]: %s", name);
    return 1;
}

/* --- lines --------------------------------------------------------------------- */

static struct slice next_line(struct file *f)
{
    const char *end = memchr(f->rest.p, '\n', f->rest.len);
    size_t len = end == NULL ? f->rest.len : (size_t)(end - f->rest.p);
    struct slice line = {f->rest.p, len};

    f->rest.p += len + (end != NULL);
    f->rest.len -= len + (end != NULL);
    f->line++;
    return trim(line);
}

/* inih would take `name: value` as well; two ways to write one thing. */
static bool is_pair(struct slice line)
{
    const char *equals = memchr(line.p, '=', line.len);

    return equals != NULL && memchr(line.p, ':', (size_t)(equals - line.p)) == NULL;
}

/* What inih is to see of a line: pairs alone. */
static struct slice filter_line(struct file *f, struct slice line, size_t cap)
{
    const struct slice none = {"", 0};

    if (line.len == 0 || line.p[0] == '#' || line.p[0] == ';')
        return none;
    if (line.p[0] == '[')
        begin_section(f, (struct slice){line.p + 1, line.len - 1});
    else if (line.len >= cap || memchr(line.p, '\0', line.len) != NULL)
        config_file_error(f, "the line is too long or holds a NUL");
    else if (!is_pair(line))
        config_file_error(f, "neither [section] nor key = value");
    else
        return line;
    return none;
}

/* inih: like fgets. */
static char *config_file_read_line(char *out, int cap, void *stream)
{
    struct file *f = stream;
    struct slice line;

    if (f->rest.len == 0)
        return NULL;
    line = filter_line(f, next_line(f), (size_t)cap);
    memcpy(out, line.p, line.len);
    out[line.len] = '\0';
    return out;
}

void config_file_parse(struct config *c, const char *name, const char *bytes, size_t len)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct file f = {.c = c, .name = name, .rest = {bytes, len}};

    if (slice_starts(f.rest, SLICE(bom))) {
        f.rest.p += sizeof bom - 1;
        f.rest.len -= sizeof bom - 1;
    }
    ini_max_line = LINE_MAX_BYTES;
    ini_allow_multiline = false; /* an indented line is a key like any other */
    (void)ini_parse_stream(config_file_read_line, &f, config_file_on_pair, &f);
}
