/*
 * clock.c - sluice clock: is the broker's clock believed; and that it is right.
 *
 * The broker says so on its admin listener.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "fetch.h"

#define ANSWER_MAX 4096u
#define TIMEOUT_MS 2000u

static int clock_ask(const struct invocation *in, bool accept)
{
    const char *address = config_admin_listen(in->config, "broker");
    const struct fetch_request r = {.address = address,
                                    .target = accept ? "/clock/accept" : "/clock",
                                    .body_type = accept ? "text/plain" : NULL,
                                    .timeout_ms = TIMEOUT_MS};
    struct fetch f;
    struct buf answer = {0};
    int code = CLI_OK;

    if (address[0] == '\0')
        return cli_fail(CLI_FAILED, "the broker has no admin listener");
    if (fetch_open(&f, &r) != 0 || fetch_read_all(&f, &answer, ANSWER_MAX) != 0)
        code = cli_fail(CLI_FAILED, "%s", f.error);
    else if (f.status != 200)
        code = cli_fail(CLI_FAILED, "the broker answered %u", f.status);
    else
        printf("%.*s", (int)answer.len, (char *)answer.p);
    fetch_close(&f);
    buf_free(&answer);
    return code;
}

static int clock_run(const struct invocation *in)
{
    if (in->operand_count == 1 && strcmp(in->operands[0], "accept") != 0)
        return cli_fail(CLI_USAGE, "sluice clock, or sluice clock accept");
    return clock_ask(in, in->operand_count == 1);
}

const struct command command_clock = {
    .name = "clock",
    .operands = "[accept]",
    .summary = "whether the broker believes its clock; accept: that it is right",
    .details =
        "A clock that is set by more than [broker] clock_step is not believed before it has\n"
        "stood for clock_settle: until then retention and event IDs go on without it.\n",
    .max_operands = 1,
    .run = clock_run,
};
