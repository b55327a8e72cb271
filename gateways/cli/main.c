/*
 * main.c - sluice: finds the command, reads its options and the configuration,
 * runs it.
 *
 * The command's own options are taken out first (arguments.h); the rest of the
 * line is configuration flags and operands, which config_load tells apart and
 * checks as every process of ours does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "mem.h"

static const struct command *const commands[] = {
    &command_up,     &command_pub,    &command_sub,    &command_history,
    &command_topics, &command_delete, &command_status, &command_check,
    &command_clock,  &command_token,  &command_keygen, &command_passwd,
};

/* --- help ----------------------------------------------------------------- */

static int help_all(void)
{
    printf("sluice %s: one log, many ways in and out.\n\n"
           "Usage: sluice COMMAND [options] [configuration flags]\n\n",
           SLUICE_VERSION);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
    printf("  %-8s how to use a command\n\n"
           "Every command reads the same configuration as the servers: --config FILE,\n"
           "--data DIR, --port-base N and the other flags that `sluice up --help` lists.\n\n"
           "Exit codes: 0 done, 1 failed, 2 a mistake in the command line or configuration,\n"
           "3 the server does not let you do that, 4 too much for now: later again.\n",
           "help");
    return CLI_OK;
}

/* The flags that all commands share, told where they matter most. */
static int help_flags(void)
{
    putchar('\n');
    config_print_flags("up");
    return CLI_OK;
}

static void help_options(const struct option_spec *options, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct option_spec *o = &options[i];
        char left[64], letter[8] = "    ";

        if (o->letter != '\0')
            (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
        (void)snprintf(left, sizeof left, "%s--%s %s", letter, o->name,
                       o->value != NULL ? o->value : "");
        printf("%s  %-28s %s\n", i == 0 ? "\n" : "", left, o->help);
    }
}

static int help_command(const struct command *c)
{
    printf("sluice %s: %s\n\nUsage: sluice %s %s%s[options]\n\n%s", c->name, c->summary, c->name,
           c->operands, c->operands[0] != '\0' ? " " : "", c->details);
    help_options(c->options, c->option_count);
    if (c->asks)
        help_options(login_options, LOGIN_OPTIONS);
    return c == &command_up ? help_flags() : CLI_OK;
}

/* --- finding the command -------------------------------------------------- */

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* Edits (insert, remove, replace) from a to b; words of up to 15 letters. */
static size_t distance(const char *a, const char *b)
{
    size_t row[16], len = strlen(b);

    if (len >= ARRAY_LEN(row) || strlen(a) >= ARRAY_LEN(row))
        return ARRAY_LEN(row);
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[len];
}

/* The name nearest to what was typed: two slips of the finger, no more. */
static const char *nearest_to(const char *typed)
{
    const char *nearest = distance(typed, "help") < 3 ? "help" : NULL;
    size_t least = nearest != NULL ? distance(typed, "help") : 3;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        size_t d = distance(typed, commands[i]->name);

        if (d < least) {
            least = d;
            nearest = commands[i]->name;
        }
    }
    return nearest;
}

static int command_unknown(const char *name)
{
    const char *nearest = nearest_to(name);

    if (nearest != NULL)
        return cli_fail(CLI_USAGE, "there is no command '%s'; did you mean '%s'?", name, nearest);
    return cli_fail(CLI_USAGE, "there is no command '%s'; `sluice help` lists them", name);
}

static int help(int argc, char **argv)
{
    const struct command *c;

    if (argc < 2)
        return help_all();
    c = command_find(argv[1]);
    return c != NULL ? help_command(c) : command_unknown(argv[1]);
}

/* --- running it ----------------------------------------------------------- */

static int run_as(const struct command *c, struct invocation *in)
{
    struct login login = {0};
    int rc;

    in->login = &login;
    rc = c->asks && login_open(&login, in->args) != 0 ? CLI_USAGE : c->run(in);
    login_close(&login);
    return rc;
}

static int run_configured(const struct command *c, const struct arguments *args)
{
    struct config *config = NULL;
    struct invocation in = {.args = args};
    enum config_outcome outcome = config_load(&config, c->name, args->argc, args->argv);
    int rc;

    if (outcome != CONFIG_GO)
        return outcome == CONFIG_EXIT_OK ? CLI_OK : c == &command_check ? CLI_FAILED : CLI_USAGE;
    in.config = config;
    in.operands = config_operands(config, &in.operand_count);
    if (in.operand_count < c->min_operands ||
        (c->max_operands >= 0 && in.operand_count > c->max_operands))
        rc = cli_fail(CLI_USAGE, "usage: sluice %s%s%s", c->name, *c->operands == '\0' ? "" : " ",
                      c->operands);
    else
        rc = run_as(c, &in);
    config_free(config);
    return rc;
}

/* What was printed may still be on its way: a full disk is a failure too. */
static int output_end(int rc)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return rc;
    return rc != CLI_OK ? rc : cli_fail(CLI_FAILED, "standard output: %s", strerror(errno));
}

static int run(const struct command *c, int argc, char **argv)
{
    struct arguments args;
    char name[32]; /* what messages about the command line begin with */
    int rc;

    (void)snprintf(name, sizeof name, "sluice %s", c->name);
    argv[0] = name;
    if (arguments_parse(&args, (struct option_table){c->options, c->option_count},
                        (struct option_table){login_options, c->asks ? LOGIN_OPTIONS : 0}, argc,
                        argv) != 0)
        rc = CLI_USAGE;
    else if (args.help)
        rc = help_command(c);
    else
        rc = run_configured(c, &args);
    arguments_free(&args);
    return output_end(rc);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    const struct command *c = command_find(name);

    if (c != NULL)
        return run(c, argc - 1, argv + 1);
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("sluice %s\n", SLUICE_VERSION);
        return CLI_OK;
    }
    return command_unknown(name);
}
