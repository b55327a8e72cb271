/*
 * fuzz_topic.c - the lines of an input are names and filters, put into a tree:
 * the tree finds exactly what filter_match says, also after half of them are
 * taken out, and a filter that covers another matches all that it matches.
 */
#include <stdlib.h>

#include "filter_tree.h"
#include "topic.h"

#define LINES_MAX 24

struct line {
    struct slice text;
    bool is_name;
    bool in_tree;
    unsigned seen;
};

static struct line lines[LINES_MAX];
static size_t line_count;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void add_line(struct slice text)
{
    struct line *line = &lines[line_count];

    if (line_count == LINES_MAX || filter_check(text) != TOPIC_OK)
        return;
    *line = (struct line){.text = text, .is_name = topic_check(text) == TOPIC_OK};
    must(line->is_name == filter_is_exact(text));
    line_count++;
}

static void split(const char *p, size_t len)
{
    struct slice line = {p, 0};

    line_count = 0;
    for (size_t i = 0; i < len; i++)
        if (p[i] == '\n') {
            add_line(line);
            line = (struct slice){p + i + 1, 0};
        } else {
            line.len++;
        }
    add_line(line);
}

static void see(void *value, void *arg)
{
    struct line *line = value;

    (void)arg;
    line->seen++;
}

static void compare(const struct filter_tree *tree, struct slice name)
{
    for (size_t i = 0; i < line_count; i++)
        lines[i].seen = 0;
    filter_tree_match(tree, name, see, NULL);
    for (size_t i = 0; i < line_count; i++) {
        bool match = filter_match(lines[i].text, name);

        must(lines[i].seen == (match && lines[i].in_tree ? 1 : 0));
    }
}

static void compare_all(const struct filter_tree *tree)
{
    for (size_t i = 0; i < line_count; i++)
        if (lines[i].is_name)
            compare(tree, lines[i].text);
}

/* A filter that comes twice keeps its last value. */
static void put_all(struct filter_tree *tree)
{
    for (size_t i = 0; i < line_count; i++) {
        struct line *old = filter_tree_put(tree, lines[i].text, &lines[i]);

        if (old != NULL)
            old->in_tree = false;
        lines[i].in_tree = true;
    }
}

static void remove_every(struct filter_tree *tree, size_t step)
{
    for (size_t i = 0; i < line_count; i += step)
        if (lines[i].in_tree) {
            must(filter_tree_remove(tree, lines[i].text) == &lines[i]);
            lines[i].in_tree = false;
        }
}

static void covers_is_sound(struct slice outer, struct slice inner)
{
    if (!filter_covers(outer, inner))
        return;
    for (size_t i = 0; i < line_count; i++)
        if (lines[i].is_name && filter_match(inner, lines[i].text))
            must(filter_match(outer, lines[i].text));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
    struct filter_tree *tree = filter_tree_new();

    split((const char *)p, len);
    put_all(tree);
    compare_all(tree);
    for (size_t i = 0; i < line_count; i++) {
        must(filter_covers(lines[i].text, lines[i].text));
        for (size_t j = 0; j < line_count; j++)
            covers_is_sound(lines[i].text, lines[j].text);
    }
    remove_every(tree, 2);
    compare_all(tree);
    remove_every(tree, 1);
    must(filter_tree_count(tree) == 0);
    filter_tree_free(tree);
    return 0;
}
