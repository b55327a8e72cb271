/*
 * arguments.h - a command's own options, taken out of the command line.
 *
 * A command declares its options in one table; parsing and help text come out
 * of it.  All that the table does not name (configuration flags, operands) is
 * left in argv for config_load.
 */
#ifndef CLI_ARGUMENTS_H
#define CLI_ARGUMENTS_H

#include "bytes.h"

/* Options of the shared table count from here on. */
#define OPTIONS_SHARED 100

struct option_spec {
    const char *name;  /* "after", given as --after */
    char letter;       /* 'n', given as -n; 0: none */
    const char *value; /* "ID" in help; NULL: takes none */
    const char *help;
};

struct arguments {
    int argc;    /* what is left, argv[0] first */
    char **argv; /* the array is owned, its strings are main's */
    size_t given;
    struct given_option {
        size_t option;     /* index in the command's table */
        const char *value; /* "" when it takes none */
    } * options;
    bool help; /* --help or -h came before any "--" */
};

struct option_table {
    const struct option_spec *specs;
    size_t count;
};
/* The command's own options, and those that it shares with others; of two with one name its
 * own.  0, or -1 with the mistake printed. */
int arguments_parse(struct arguments *a, struct option_table own, struct option_table shared,
                    int argc, char **argv);
/* The last value given, or NULL. */
const char *arguments_get(const struct arguments *a, size_t option);
/* Values of an option that may repeat, in order: *at starts at 0; NULL at the end. */
const char *arguments_next(const struct arguments *a, size_t option, size_t *at);
/* The same as a number from 0 to max; `otherwise` when not given.  False, printed,
 * when it is no such number. */
bool arguments_number(const struct arguments *a, const struct option_spec *specs, size_t option,
                      uint64_t otherwise, uint64_t max, uint64_t *out);
void arguments_free(struct arguments *a);

#endif
