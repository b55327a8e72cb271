/*
 * cli.h - what the commands of `sluice` share.
 *
 * Exit codes: 0 done; 1 it failed, said on standard error; 2 a mistake in the
 * command line or the configuration.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "arguments.h"
#include "config.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* One run of a command. */
struct invocation {
    const struct config *config;
    const struct arguments *args;
    char **operands;
    int operand_count;
};

struct command {
    const char *name;
    const char *operands; /* "TOPIC [MESSAGE]" in help */
    const char *summary;  /* one line */
    const char *details;  /* paragraphs, each line ended by LF */
    const struct option_spec *options;
    size_t option_count;
    int min_operands;
    int max_operands; /* -1: no limit */
    int (*run)(const struct invocation *in);
};

extern const struct command command_up, command_pub, command_sub, command_history, command_topics,
    command_status, command_clock;

/* "sluice: …" on standard error; returns code. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
