/*
 * arguments.c - one walk over argv: --name VALUE, --name=VALUE, -nVALUE, -n VALUE.
 *
 * "--" ends the options, ours and config_load's alike, so it is left in place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "mem.h"

/* The option that `word` gives, and the value that is part of the word, if any. */
static const struct option_spec *option_find(const struct option_spec *specs, size_t count,
                                             const char *word, const char **value)
{
    size_t len = strcspn(word, "=");

    *value = NULL;
    if (word[0] != '-' || word[1] == '\0')
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (word[1] == '-') {
            if (len - 2 != strlen(specs[i].name) || memcmp(word + 2, specs[i].name, len - 2) != 0)
                continue;
            *value = word[len] == '=' ? word + len + 1 : NULL;
            return &specs[i];
        }
        if (specs[i].letter != '\0' && word[1] == specs[i].letter &&
            (word[2] == '\0' || specs[i].value != NULL)) {
            *value = word[2] != '\0' ? word + 2 : NULL;
            return &specs[i];
        }
    }
    return NULL;
}

static void option_add(struct arguments *a, size_t option, const char *value)
{
    a->options = mem_resize(a->options, a->given + 1, sizeof *a->options);
    a->options[a->given++] = (struct given_option){option, value};
}

/* Takes an option and its value; the index of the last word taken, or -1. */
static int option_take(struct arguments *a, const struct option_spec *spec, size_t index,
                       const char *value, int at, int argc, char **argv)
{
    if (spec->value == NULL && value != NULL) {
        fprintf(stderr, "sluice: --%s takes no value\n", spec->name);
        return -1;
    }
    if (spec->value != NULL && value == NULL) {
        if (at + 1 >= argc) {
            fprintf(stderr, "sluice: --%s needs a value: %s\n", spec->name, spec->value);
            return -1;
        }
        value = argv[++at];
    }
    option_add(a, index, value != NULL ? value : "");
    return at;
}

/* In either table; *index as arguments_get takes it. */
static const struct option_spec *option_look(struct option_table own, struct option_table shared,
                                             const char *word, const char **value, size_t *index)
{
    const struct option_spec *spec = option_find(own.specs, own.count, word, value);

    if (spec != NULL) {
        *index = (size_t)(spec - own.specs);
        return spec;
    }
    spec = option_find(shared.specs, shared.count, word, value);
    if (spec != NULL)
        *index = OPTIONS_SHARED + (size_t)(spec - shared.specs);
    return spec;
}

int arguments_parse(struct arguments *a, struct option_table own, struct option_table shared,
                    int argc, char **argv)
{
    bool ended = false;
    size_t index = 0;

    *a = (struct arguments){.argv = mem_array((size_t)argc + 1, sizeof *argv)};
    for (int i = 0; i < argc; i++) {
        const struct option_spec *spec = NULL;
        const char *value = NULL;

        ended = ended || strcmp(argv[i], "--") == 0;
        if (!ended && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            a->help = true;
            continue;
        }
        if (i > 0 && !ended)
            spec = option_look(own, shared, argv[i], &value, &index);
        if (spec == NULL)
            a->argv[a->argc++] = argv[i];
        else if ((i = option_take(a, spec, index, value, i, argc, argv)) < 0)
            return -1;
    }
    return 0;
}

const char *arguments_get(const struct arguments *a, size_t option)
{
    for (size_t i = a->given; i-- > 0;)
        if (a->options[i].option == option)
            return a->options[i].value;
    return NULL;
}

const char *arguments_next(const struct arguments *a, size_t option, size_t *at)
{
    while (*at < a->given) {
        const struct given_option *o = &a->options[(*at)++];

        if (o->option == option)
            return o->value;
    }
    return NULL;
}

bool arguments_number(const struct arguments *a, const struct option_spec *specs, size_t option,
                      uint64_t otherwise, uint64_t max, uint64_t *out)
{
    const char *text = arguments_get(a, option);

    *out = otherwise;
    if (text == NULL)
        return true;
    if (slice_u64(slice_of(text), out) && *out <= max)
        return true;
    fprintf(stderr, "sluice: --%s: not a number from 0 to %llu: %s\n", specs[option].name,
            (unsigned long long)max, text);
    return false;
}

void arguments_free(struct arguments *a)
{
    free(a->argv);
    free(a->options);
}
