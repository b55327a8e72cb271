/*
 * fuzz_config.c - any bytes as a configuration file: read, or refused line by
 * line, and every rule that comes out has a valid filter.
 */
#include <stdlib.h>

#include "config_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rules(const struct config *c)
{
    size_t count;
    const struct retention_rule *r = config_retention(c, &count);

    for (size_t i = 0; i < count; i++)
        if (filter_check(slice_of(r[i].filter)) != TOPIC_OK)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[] = "fuzz", *argv[] = {name};
    struct config *c = config_new("sse", 1, argv);

    config_file_parse(c, "input", (const char *)data, size);
    check_rules(c);
    config_free(c);
    return 0;
}
