/*
 * config_internal.h - what the files config*.c share; nobody else includes it.
 *
 *   config.c         sources in order, flags, environment, accessors
 *   config_file.c    the INI file
 *   config_print.c   --help and --print-config
 *   config_value.c   the table of keys, their names, text to value: what all use
 */
#ifndef COMMON_CONFIG_INTERNAL_H
#define COMMON_CONFIG_INTERNAL_H

#include "config.h"

struct config_key_info {
    const char *section;
    const char *name;
    enum config_type type;
    const char *deflt;
    const char *choices; /* comma-separated, for CONFIG_CHOICE */
    const char *help;
};
extern const struct config_key_info config_keys[CFG_COUNT];

/* Keys that may be written under another section as well: all processes share them,
 * and who looks for them looks there too. */
struct config_alias {
    const char *section;
    enum config_key key;
};
#define CONFIG_ALIASES 2
extern const struct config_alias config_aliases[CONFIG_ALIASES];

/* Keys that there were once, and where to go with what they said. */
struct config_gone {
    const char *section, *name, *advice;
};
#define CONFIG_GONE 2
extern const struct config_gone config_gone[CONFIG_GONE];

/* Hidden from the file, the environment and every text: between processes of ours. */
#define CONFIG_HIDDEN_SECTION "process"

struct config_value {
    char *text;   /* as given */
    uint64_t num; /* what it means, where the type has a number */
    bool set;
    char *where; /* NULL: the default */
};

struct config {
    char *section; /* of the process */
    char **argv;   /* our copy; getopt reorders it */
    int argc;
    int operands; /* index of the first in argv */
    struct config_value values[CFG_COUNT];
    struct retention_rule *rules;
    size_t rule_count;
    struct role_rule *roles;
    size_t role_count;
    char *derived[CFG_COUNT]; /* what stands in for an address that was not set */
    struct buf errors;        /* one line each */
};

struct config *config_new(const char *section, int argc, char **argv); /* all defaults */

/* Adds a line "where: what" to c->errors. */
void config_error(struct config *c, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads text as `type`; NULL, or what is wrong with it ("not a number"), to be
 * followed by the choices if there are any. */
const char *config_value_parse(enum config_type type, const char *choices, struct slice text,
                               uint64_t *num) MUST_CHECK;
/* Sets a key from a source named `where`; bad text becomes an error. */
void config_value_set(struct config *c, enum config_key k, const char *text, const char *where);

/* Reads a whole file's bytes; errors are named `name`:line. */
void config_file_parse(struct config *c, const char *name, const char *bytes, size_t len);

/* The flag's name without its dashes: "listen", "limits-max-payload". */
void config_flag_name(const struct config *c, enum config_key k, char *out, size_t cap);
/* The same with the section, whosever the process: "sse-listen". */
void config_flag_long_name(enum config_key k, char *out, size_t cap);
void config_print_help(const struct config *c);
void config_print_keys(const struct config *c); /* the flags of --help */
void config_print_example(void);
/* Appends what config_print_example prints. */
void config_example_put(struct buf *b);

#endif
