/*
 * cli.h - what the commands of `sluice` share.
 *
 * Exit codes: 0 done; 1 it failed, said on standard error; 2 a mistake in the
 * command line or the configuration; 3 the server does not let in whoever asked,
 * or not do that (401, 403); 4 not now, but later (429).
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "arguments.h"
#include "config.h"
#include "login.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_REFUSED = 3, CLI_BUSY = 4 };

/* One run of a command. */
struct invocation {
    const struct config *config;
    const struct arguments *args;
    struct login *login; /* of a command with `asks` */
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
    bool asks; /* a server: has the options of login.h */
};

extern const struct command command_up, command_pub, command_sub, command_history, command_topics,
    command_status, command_delete, command_check, command_clock, command_token, command_keygen,
    command_passwd;

/* "sluice: …" on standard error; returns code. */
int cli_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
