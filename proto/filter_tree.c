/*
 * filter_tree.c - a trie of filters, one node a level.
 *
 *   put a/+, a/b, a/#        root ── a ─┬─ b   (value of a/b)
 *                               rest ↗  └─ +   (value of a/+)
 *
 * A node keeps its literal children in a hash table and its '+' child apart.
 * '#' needs no node: it is always last, so it is the `rest` value of the level
 * before it.  A name is walked down both kinds of children; as every node has
 * one parent, none is visited twice.  A name has at most TOPIC_MAX + 1 levels,
 * which bounds the recursion.
 *
 * Nothing fails: filters were checked, memory does not run out (mem.h).
 */
#include "filter_tree.h"

#include <assert.h>
#include <stdlib.h>

#include "mem.h"
#include "topic.h"

#define uthash_malloc(size) mem_alloc(size)
#include <uthash.h>

struct node {
    struct node *parent;
    struct node *literals; /* hash by level */
    struct node *plus;
    void *value;       /* of the filter that ends here */
    void *rest;        /* of that filter with "/#" after it */
    UT_hash_handle hh; /* in parent->literals, unless it is parent->plus */
    size_t len;
    char level[];
};

struct filter_tree {
    struct node *root; /* before the first level; only "#" has its value here, as rest */
    size_t count;
};

/* A filter taken apart: its levels but for a last '#', which sets rest. */
struct path {
    struct slice levels;
    bool rest;
};

static struct path path_of(struct slice filter)
{
    struct path path = {filter, filter.len != 0 && filter.p[filter.len - 1] == '#'};

    if (path.rest && filter.len == 1)
        path.levels = (struct slice){0};
    else if (path.rest)
        path.levels.len -= 2;
    return path;
}

static bool is_plus(struct slice level)
{
    return level.len == 1 && level.p[0] == '+';
}

static struct node *literal(const struct node *n, struct slice level)
{
    struct node *child = NULL;

    if (n->literals != NULL)
        HASH_FIND(hh, n->literals, level.p, level.len, child);
    return child;
}

static struct node *child_of(const struct node *n, struct slice level)
{
    return is_plus(level) ? n->plus : literal(n, level);
}

static struct node *child_add(struct node *n, struct slice level)
{
    struct node *child = mem_zalloc(sizeof *child + level.len);

    child->parent = n;
    child->len = level.len;
    memcpy(child->level, level.p, level.len);
    if (is_plus(level))
        n->plus = child;
    else
        HASH_ADD_KEYPTR(hh, n->literals, child->level, child->len, child);
    return child;
}

static void child_free(struct node *child)
{
    struct node *n = child->parent;

    if (n->plus == child)
        n->plus = NULL;
    else
        HASH_DELETE(hh, n->literals, child);
    free(child);
}

static bool is_leaf(const struct node *n)
{
    return n->literals == NULL && n->plus == NULL;
}

static bool is_unused(const struct node *n)
{
    return is_leaf(n) && n->value == NULL && n->rest == NULL;
}

static struct node *filter_tree_find(const struct filter_tree *t, struct path path)
{
    const struct node *n = t->root;
    struct slice level;

    while (n != NULL && topic_level_next(&path.levels, &level))
        n = child_of(n, level);
    return (struct node *)n;
}

static void **filter_tree_slot(struct node *n, struct path path)
{
    return path.rest ? &n->rest : &n->value;
}

struct filter_tree *filter_tree_new(void)
{
    struct filter_tree *t = mem_zalloc(sizeof *t);

    t->root = mem_zalloc(sizeof *t->root);
    return t;
}

/* Downwards and up again without recursion: always frees a leaf. */
void filter_tree_free(struct filter_tree *t)
{
    struct node *n, *parent;

    if (t == NULL)
        return;
    n = t->root;
    for (;;) {
        if (n->plus != NULL) {
            n = n->plus;
        } else if (n->literals != NULL) {
            n = n->literals;
        } else if (n != t->root) {
            parent = n->parent;
            child_free(n);
            n = parent;
        } else {
            break;
        }
    }
    free(t->root);
    free(t);
}

void *filter_tree_put(struct filter_tree *t, struct slice filter, void *value)
{
    struct path path = path_of(filter);
    struct node *n = t->root, *child;
    struct slice level;
    void *old;

    assert(value != NULL);
    for (struct slice rest = path.levels; topic_level_next(&rest, &level); n = child) {
        child = child_of(n, level);
        if (child == NULL)
            child = child_add(n, level);
    }
    old = *filter_tree_slot(n, path);
    *filter_tree_slot(n, path) = value;
    if (old == NULL)
        t->count++;
    return old;
}

void *filter_tree_get(const struct filter_tree *t, struct slice filter)
{
    struct path path = path_of(filter);
    struct node *n = filter_tree_find(t, path);

    return n != NULL ? *filter_tree_slot(n, path) : NULL;
}

void *filter_tree_remove(struct filter_tree *t, struct slice filter)
{
    struct path path = path_of(filter);
    struct node *n = filter_tree_find(t, path), *parent;
    void *old;

    if (n == NULL || *filter_tree_slot(n, path) == NULL)
        return NULL;
    old = *filter_tree_slot(n, path);
    *filter_tree_slot(n, path) = NULL;
    t->count--;
    for (; n != t->root && is_unused(n); n = parent) {
        parent = n->parent;
        child_free(n);
    }
    return old;
}

size_t filter_tree_count(const struct filter_tree *t)
{
    return t->count;
}

struct visitor {
    void (*visit)(void *value, void *arg);
    void *arg;
};

/* levels: what of the name is below n.  wild: whether wildcards count here. */
static void filter_tree_walk(const struct node *n, struct slice levels, bool wild,
                             const struct visitor *v)
{
    struct slice level;
    const struct node *child;

    if (n->rest != NULL && wild)
        v->visit(n->rest, v->arg);
    if (!topic_level_next(&levels, &level)) {
        if (n->value != NULL)
            v->visit(n->value, v->arg);
        return;
    }
    if (n->plus != NULL && wild)
        filter_tree_walk(n->plus, levels, true, v);
    child = literal(n, level);
    if (child != NULL)
        filter_tree_walk(child, levels, true, v);
}

void filter_tree_match(const struct filter_tree *t, struct slice name,
                       void (*visit)(void *value, void *arg), void *arg)
{
    struct visitor v = {visit, arg};
    bool wild = name.len == 0 || name.p[0] != '$'; /* MQTT 4.7.2 */

    filter_tree_walk(t->root, name, wild, &v);
}
