/*
 * config_print.c - the table of keys as --help and as an example file.
 */
#include <stdio.h>
#include <string.h>

#include "config_internal.h"
#include "mem.h"

#define WIDTH 78

static const char *const type_words[] = {
    [CONFIG_TEXT] = " TEXT",     [CONFIG_LIST] = " LIST",      [CONFIG_HOSTS] = " LIST",
    [CONFIG_ORIGINS] = " LIST",  [CONFIG_ADDRESSES] = " LIST", [CONFIG_ADDRESS] = " ADDRESS",
    [CONFIG_HOST] = " ADDRESS",  [CONFIG_ENDPOINTS] = " LIST", [CONFIG_KEYS] = " LIST",
    [CONFIG_SERVERS] = " TEXT",  [CONFIG_INT] = " N",          [CONFIG_SIZE] = " SIZE",
    [CONFIG_DURATION] = " TIME", [CONFIG_BOOL] = "[=BOOL]",
};

/* Appends text in lines of WIDTH, each begun with prefix. */
static void put_wrapped(struct buf *b, const char *prefix, const char *text)
{
    size_t column = strlen(prefix);

    buf_puts(b, prefix);
    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column + 1 + word > WIDTH && column > strlen(prefix)) {
            buf_puts(b, "\n");
            buf_puts(b, prefix);
            column = strlen(prefix);
        }
        if (column > strlen(prefix)) {
            buf_u8(b, ' ');
            column++;
        }
        buf_put(b, text, word);
        column += word;
        text += word + strspn(text + word, " ");
    }
    buf_puts(b, "\n");
}

static bool first_of_section(enum config_key k)
{
    for (enum config_key i = 0; i < k; i++)
        if (strcmp(config_keys[i].section, config_keys[k].section) == 0)
            return false;
    return true;
}

static bool hidden(enum config_key k)
{
    return strcmp(config_keys[k].section, CONFIG_HIDDEN_SECTION) == 0;
}

/* --- --help -------------------------------------------------------------------- */

/* "LIST", or the words themselves: "fsync|commit". */
static void put_type(struct buf *b, const struct config_key_info *info)
{
    struct slice rest = slice_of(info->choices), word;
    const char *separator = " ";

    if (info->type != CONFIG_CHOICE) {
        buf_puts(b, type_words[info->type]);
        return;
    }
    while (config_list_next(&rest, &word)) {
        buf_puts(b, separator);
        buf_put_slice(b, word);
        separator = "|";
    }
}

static void put_flag(struct buf *b, const struct config *c, enum config_key k)
{
    const struct config_key_info *info = &config_keys[k];
    char flag[128], help[1024];

    config_flag_name(c, k, flag, sizeof flag);
    buf_printf(b, "  --%s", flag);
    put_type(b, info);
    (void)snprintf(help, sizeof help, "%s (%s)", info->help,
                   info->deflt[0] == '\0' ? "empty" : info->deflt);
    buf_puts(b, "\n");
    put_wrapped(b, "        ", help);
}

static void put_flag_section(struct buf *b, const struct config *c, const char *section)
{
    bool any = false;

    for (enum config_key k = 0; k < CFG_COUNT; k++) {
        if (strcmp(config_keys[k].section, section) != 0 || hidden(k))
            continue;
        if (!any)
            buf_printf(b, "\n[%s]\n", section);
        any = true;
        put_flag(b, c, k);
    }
}

static void put_keys(struct buf *b, const struct config *c)
{
    buf_printf(b, "  --config FILE     read this file (or $SLUICE_CONFIG)\n"
                  "  --print-config    print an example file with every key, and exit\n"
                  "  --version, --help\n"
                  "\n"
                  "A flag overrides the environment, which overrides the file:\n"
                  "--limits-ring 8M, SLUICE_LIMITS_RING=8M, or ring = 8M under [limits].\n");
    put_flag_section(b, c, c->section);
    for (enum config_key k = 0; k < CFG_COUNT; k++)
        if (first_of_section(k) && strcmp(config_keys[k].section, c->section) != 0)
            put_flag_section(b, c, config_keys[k].section);
}

/* The process's own section first, then those that all share. */
void config_print_keys(const struct config *c)
{
    struct buf b = {0};

    put_keys(&b, c);
    (void)fwrite(b.p, 1, b.len, stdout);
    buf_free(&b);
}

void config_print_help(const struct config *c)
{
    const char *slash = strrchr(c->argv[0], '/');

    printf("Usage: %s [flags]\n\n", slash == NULL ? c->argv[0] : slash + 1);
    config_print_keys(c);
}

/* --- the example file ---------------------------------------------------------- */

static void put_example_key(struct buf *b, enum config_key k)
{
    const struct config_key_info *info = &config_keys[k];

    buf_puts(b, "\n");
    put_wrapped(b, "# ", info->help);
    if (info->choices != NULL)
        buf_printf(b, "# One of: %s\n", info->choices);
    buf_printf(b, "#%s =%s%s\n", info->name, info->deflt[0] == '\0' ? "" : " ", info->deflt);
}

static void put_example_section(struct buf *b, const char *section)
{
    buf_printf(b, "\n[%s]\n", section);
    for (enum config_key k = 0; k < CFG_COUNT; k++)
        if (strcmp(config_keys[k].section, section) == 0)
            put_example_key(b, k);
}

static const char example_head[] =
    "# sluice.conf - every key, with its default.\n"
    "#\n"
    "# All processes read this one file.  An environment variable overrides it\n"
    "# (SLUICE_SSE_LISTEN is listen under [sse], SLUICE_DATA is data under [sluice]),\n"
    "# a flag overrides both.  Sizes: 512, 64k, 32M, 1G.  Durations: 250ms, 10s, 5m,\n"
    "# 2h, 7d.  Lists: comma-separated.  A comment begins with # or ; at the start of\n"
    "# a line, or with ; after a blank.\n";

static const char example_tail[] =
    "\n"
    "# Retention of the topics that a filter matches, in order: the last section that\n"
    "# sets a key wins.  max_age, max_events and max_bytes are counted per topic, 0 is\n"
    "# no limit.  history = none passes events on without storing them.\n"
    "#[retention \"sensors/#\"]\n"
    "#max_age = 2h\n"
    "#max_events = 100000\n"
    "#max_bytes = 64M\n"
    "#history = keep\n"
    "\n"
    "# Roles: what whoever has one may publish to, subscribe to and manage (DELETE), each a\n"
    "# list of filters.  %u is the name of who comes, %c the client id of MQTT.\n"
    "#[role \"sensor\"]\n"
    "#publish = fleet/%u/#\n"
    "#subscribe = fleet/%u/commands\n"
    "#manage =\n";

void config_example_put(struct buf *b)
{
    buf_puts(b, example_head);
    for (enum config_key k = 0; k < CFG_COUNT; k++)
        if (first_of_section(k) && !hidden(k))
            put_example_section(b, config_keys[k].section);
    buf_puts(b, example_tail);
}

void config_print_example(void)
{
    struct buf b = {0};

    config_example_put(&b);
    (void)fwrite(b.p, 1, b.len, stdout);
    buf_free(&b);
}
