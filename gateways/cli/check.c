/*
 * check.c - sluice check: the configuration and its files; and with --as or --token, what
 * somebody may do.
 *
 * A configuration that cannot be read has been told of before this runs (config.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "explain.h"
#include "inspect.h"
#include "log.h"
#include "mem.h"
#include "token_look.h"
#include "whole_file.h"

#define TOKEN_MAX 65536u

enum { CHECK_AS, CHECK_CLIENT, CHECK_TOKEN };
static const struct option_spec options[] = {
    [CHECK_AS] = {"as", '\0', "NAME", "what may user:NAME, key:NAME, cert:NAME, anonymous do?"},
    [CHECK_CLIENT] = {"client", '\0', "ID", "with this MQTT client id, for grants with %c"},
    [CHECK_TOKEN] = {"token", '\0', "FILE",
                     "what may whoever has this token do? -: standard input"},
};

/* --- the configuration -------------------------------------------------------------------- */

static int check_all(const struct config *c)
{
    struct verdicts v = {.config = c};

    inspect_files(&v);
    inspect_doors(&v);
    inspect_auth(&v);
    inspect_retention(&v);
    if (v.errors == 0)
        printf("the configuration is good; warnings: %u\n", v.warnings);
    else
        printf("the configuration is not good; errors: %u, warnings: %u\n", v.errors, v.warnings);
    return v.errors == 0 ? CLI_OK : CLI_FAILED;
}

/* --- somebody ------------------------------------------------------------------------------- */

static void tell_token(const struct findings *f)
{
    uint64_t now = (uint64_t)time(NULL);

    printf("token:%s", f->name);
    if (f->expires_ms != 0)
        printf(", good for another %" PRIu64 " s",
               f->expires_ms / 1000 > now ? f->expires_ms / 1000 - now : 0);
    putchar('\n');
}

static int judge_token(const struct config *c, struct slice token, struct findings *who)
{
    struct source_answer answer = {0};

    if (!tokens_configured(c))
        return cli_fail(CLI_FAILED,
                        "[auth] jwks and hmac_key_file are empty: no token is believed");
    if (!token_look(c, token, &answer))
        return cli_fail(CLI_FAILED, "no token can be judged");
    if (answer.outcome == AUTH_KNOWN) {
        *who = answer.found;
        tell_token(who);
        return CLI_OK;
    }
    printf("no: the token is refused: %s\n",
           answer.why != NULL ? answer.why : auth_outcome_text(answer.outcome));
    findings_free(&answer.found);
    return CLI_FAILED;
}

static int find_token(const struct config *c, const char *file, struct findings *who)
{
    struct buf text = {0};
    struct slice token;
    const char *why;
    int rc;

    if (!whole_file_read(strcmp(file, "-") == 0 ? "/dev/stdin" : file, TOKEN_MAX, &text, &why)) {
        rc = cli_fail(CLI_USAGE, "%s: %s", file, why);
    } else {
        token = buf_slice(&text);
        while (token.len > 0 && strchr("\r\n ", token.p[token.len - 1]) != NULL)
            token.len--;
        rc = judge_token(c, token, who);
    }
    if (text.p != NULL)
        explicit_bzero(text.p, text.len);
    buf_free(&text);
    return rc;
}

static bool verb_parse(const char *word, enum auth_verb *verb)
{
    for (int i = 0; i < AUTH_VERBS; i++)
        if (strcmp(word, auth_verb_names[i]) == 0) {
            *verb = (enum auth_verb)i;
            return true;
        }
    return false;
}

static int tell(const struct invocation *in, const struct findings *who)
{
    const char *client = arguments_get(in->args, CHECK_CLIENT);
    enum auth_verb verb;

    if (in->operand_count == 0) {
        explain_list(in->config, who);
        return CLI_OK;
    }
    if (in->operand_count != 2 || !verb_parse(in->operands[0], &verb))
        return cli_fail(CLI_USAGE, "give publish, subscribe or manage, and a filter");
    if (filter_check(slice_of(in->operands[1])) != TOPIC_OK)
        return cli_fail(CLI_USAGE, "%s: %s", in->operands[1],
                        topic_verdict_text(filter_check(slice_of(in->operands[1]))));
    return explain_tell(in->config, who, verb, slice_of(in->operands[1]), slice_of(client))
               ? CLI_OK
               : CLI_FAILED;
}

static int check_somebody(const struct invocation *in, const char *as, const char *token)
{
    struct findings who = {0};
    int rc;

    if (as != NULL && token != NULL)
        return cli_fail(CLI_USAGE, "--as and --token exclude each other");
    if (!config_auth(in->config)) {
        printf("yes: nothing is configured under [auth], so everybody may do everything\n");
        return CLI_OK;
    }
    rc = as != NULL ? explain_find(in->config, as, &who) : find_token(in->config, token, &who);
    if (rc == CLI_OK)
        rc = tell(in, &who);
    findings_free(&who);
    return rc;
}

static int check_run(const struct invocation *in)
{
    const char *as = arguments_get(in->args, CHECK_AS),
               *token = arguments_get(in->args, CHECK_TOKEN);

    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* in order with what is logged */
    log_init("check", LOG_WARN, LOG_TEXT);
    if (as != NULL || token != NULL)
        log_set_level(LOG_ERROR);
    if (as != NULL || token != NULL)
        return check_somebody(in, as, token);
    if (in->operand_count != 0)
        return cli_fail(CLI_USAGE, "who? --as NAME or --token FILE");
    return check_all(in->config);
}

const struct command command_check = {
    .name = "check",
    .operands = "[VERB FILTER]",
    .summary = "check configuration, certificates, keys and roles; or what somebody may do",
    .details =
        "Reads what the processes read, as they do, and says what is wrong, with file and line,\n"
        "and what is allowed but unwise; exit code 1 when something is wrong.\n"
        "\n"
        "With --as or --token: all that is granted to them, and by which role; or with VERB\n"
        "(publish, subscribe, manage) and FILTER whether they may; exit code 1 when not.\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .max_operands = 2,
    .run = check_run,
};
