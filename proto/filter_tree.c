/*
 * filter_tree.c - a trie of filters, in which a node holds the levels that all
 * filters below it have in common.
 *
 *   put a/b/c, a/b/+, a/b/#      root ── a/b ─┬─ c   (value of a/b/c)
 *                                       rest ↗ └─ +   (value of a/b/+)
 *
 * A node finds its children by their first level: the one that begins with '+' is
 * kept apart, the others in a hash table once there are several.  '#' needs no node:
 * it is always last, so it is the `rest` value of the levels before it.  A name is
 * walked down both kinds of children; as every node has one parent, none is visited
 * twice.  A name's levels bound the recursion.
 *
 * So a filter costs two nodes at most, however many levels it has.  A node that is
 * left with nothing but one child becomes one with it, unless that child has many of
 * its own to tell.
 *
 * Nothing fails: filters were checked, memory does not run out (mem.h).
 */
#include "filter_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "topic.h"

#define TABLE_MIN 4u
#define MERGE_CHILDREN 8u

struct node {
    struct node *parent;
    struct node *plus; /* whose first level is '+' */
    union {
        struct node *only;   /* room 0: the literal child, or NULL */
        struct node **table; /* by hash, probing on */
    } literals;
    void *value; /* of the filter that ends here */
    void *rest;  /* of that filter with "/#" after it */
    uint32_t count, room;
    uint32_t hash; /* of its first level */
    uint16_t len;
    char label[]; /* its levels, one at least but for the root */
};

struct filter_tree {
    struct node *root; /* before the first level; only "#" has its value here, as rest */
    size_t count;
    uint64_t seed;
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

/* --- levels ------------------------------------------------------------------------ */

static struct slice label_of(const struct node *n)
{
    return (struct slice){n->label, n->len};
}

static struct slice first_level(struct slice levels)
{
    struct slice level = levels;

    (void)topic_level_next(&levels, &level);
    return level;
}

static bool is_plus(struct slice level)
{
    return level.len == 1 && level.p[0] == '+';
}

/* What of `levels` follows its first `len` bytes, which end a level. */
static struct slice levels_after(struct slice levels, size_t len)
{
    if (levels.len == len)
        return (struct slice){0};
    return (struct slice){levels.p + len + 1, levels.len - len - 1};
}

static bool ends_level(struct slice s, size_t at)
{
    return at == s.len || s.p[at] == '/';
}

/* The bytes of the levels that both begin with; their first ones are equal. */
static size_t common_levels(struct slice a, struct slice b)
{
    size_t common = 0;

    for (size_t i = 0;; i++) {
        if (ends_level(a, i) && ends_level(b, i))
            common = i;
        if (i == a.len || i == b.len || a.p[i] != b.p[i])
            return common;
    }
}

/* Seeded, so that nobody can choose names that fall on each other. */
static uint32_t level_hash(const struct filter_tree *t, struct slice level)
{
    uint64_t h = t->seed ^ level.len, word;

    for (size_t i = 0; i < level.len; i += sizeof word) {
        size_t n = level.len - i < sizeof word ? level.len - i : sizeof word;

        word = 0;
        memcpy(&word, level.p + i, n);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    h *= UINT64_C(0xbf58476d1ce4e5b9);
    return (uint32_t)(h >> 32);
}

/* --- children ---------------------------------------------------------------------- */

static bool begins_with(const struct node *n, struct slice level)
{
    return n->len >= level.len && ends_level(label_of(n), level.len) &&
           memcmp(n->label, level.p, level.len) == 0;
}

static struct node *literal(const struct filter_tree *t, const struct node *n, struct slice level)
{
    uint32_t hash, mask = n->room - 1;
    struct node *child;

    if (n->room == 0) {
        child = n->literals.only;
        return child != NULL && begins_with(child, level) ? child : NULL;
    }
    hash = level_hash(t, level);
    for (uint32_t i = hash & mask; (child = n->literals.table[i]) != NULL; i = (i + 1) & mask)
        if (child->hash == hash && begins_with(child, level))
            return child;
    return NULL;
}

static struct node *child_of(const struct filter_tree *t, const struct node *n, struct slice level)
{
    return is_plus(level) ? n->plus : literal(t, n, level);
}

static void table_put(struct node **table, uint32_t room, struct node *child)
{
    uint32_t i = child->hash & (room - 1);

    while (table[i] != NULL)
        i = (i + 1) & (room - 1);
    table[i] = child;
}

static void table_grow(struct node *n)
{
    uint32_t room = n->room == 0 ? TABLE_MIN : n->room * 2;
    struct node **table = mem_array(room, sizeof(struct node *));

    if (n->room == 0) {
        table_put(table, room, n->literals.only);
    } else {
        for (uint32_t i = 0; i < n->room; i++)
            if (n->literals.table[i] != NULL)
                table_put(table, room, n->literals.table[i]);
        free(n->literals.table);
    }
    n->literals.table = table;
    n->room = room;
}

static void child_link(struct node *n, struct node *child)
{
    child->parent = n;
    if (is_plus(first_level(label_of(child)))) {
        n->plus = child;
        return;
    }
    if (n->room == 0 && n->count == 0) {
        n->literals.only = child;
    } else {
        if (n->count + 1 > n->room / 4 * 3)
            table_grow(n);
        table_put(n->literals.table, n->room, child);
    }
    n->count++;
}

static uint32_t table_at(const struct node *n, const struct node *child)
{
    uint32_t i = child->hash & (n->room - 1);

    while (n->literals.table[i] != child)
        i = (i + 1) & (n->room - 1);
    return i;
}

/* Those behind the gap that belong before it move up. */
static void table_close_gap(struct node *n, uint32_t gap)
{
    uint32_t mask = n->room - 1;
    struct node **table = n->literals.table;

    for (uint32_t i = (gap + 1) & mask; table[i] != NULL; i = (i + 1) & mask) {
        if (((i - table[i]->hash) & mask) < ((i - gap) & mask))
            continue;
        table[gap] = table[i];
        gap = i;
    }
    table[gap] = NULL;
}

static void child_unlink(struct node *child)
{
    struct node *n = child->parent;

    if (n->plus == child) {
        n->plus = NULL;
        return;
    }
    n->count--;
    if (n->room == 0) {
        n->literals.only = NULL;
        return;
    }
    table_close_gap(n, table_at(n, child));
    if (n->count > 0)
        return;
    free(n->literals.table);
    n->literals.only = NULL;
    n->room = 0;
}

/* The other stands in its place; their first levels are equal. */
static void child_replace(struct node *child, struct node *by)
{
    struct node *n = child->parent;

    by->parent = n;
    if (n->plus == child)
        n->plus = by;
    else if (n->room == 0)
        n->literals.only = by;
    else
        n->literals.table[table_at(n, child)] = by;
}

/* Its literal children one after the other, from *at on; NULL: no more. */
static struct node *literal_next(const struct node *n, uint32_t *at)
{
    if (n->room == 0)
        return (*at)++ == 0 ? n->literals.only : NULL;
    while (*at < n->room) {
        struct node *child = n->literals.table[(*at)++];

        if (child != NULL)
            return child;
    }
    return NULL;
}

/* --- nodes ---------------------------------------------------------------------------- */

static struct node *node_new(const struct filter_tree *t, struct slice label)
{
    struct node *n = mem_zalloc(sizeof *n + label.len);

    n->len = (uint16_t)label.len;
    memcpy(n->label, label.p, label.len);
    n->hash = level_hash(t, first_level(label_of(n)));
    return n;
}

static void node_free(struct node *n)
{
    if (n->room > 0)
        free(n->literals.table);
    free(n);
}

/* Its first `len` bytes become a node of their own above it, which is returned. */
static struct node *node_split(const struct filter_tree *t, struct node *n, size_t len)
{
    struct node *top = node_new(t, (struct slice){n->label, len});
    struct slice below = levels_after(label_of(n), len);

    child_replace(n, top);
    n->len = (uint16_t)below.len;
    memmove(n->label, below.p, below.len);
    n->hash = level_hash(t, first_level(label_of(n)));
    child_link(top, n);
    return top;
}

static struct node *single_child(const struct node *n)
{
    uint32_t at = 0;

    if (n->count + (n->plus != NULL) != 1)
        return NULL;
    return n->plus != NULL ? n->plus : literal_next(n, &at);
}

/* One node for n, which has no value, and its only child. */
static void node_merge(const struct filter_tree *t, struct node *n, struct node *child)
{
    struct buf label = {0};
    struct node *one, *grandchild;
    uint32_t at = 0;

    buf_put_slice(&label, label_of(n));
    buf_u8(&label, '/');
    buf_put_slice(&label, label_of(child));
    one = node_new(t, buf_slice(&label));
    buf_free(&label);
    one->plus = child->plus;
    one->literals = child->literals;
    one->count = child->count;
    one->room = child->room;
    one->value = child->value;
    one->rest = child->rest;
    child_replace(n, one);
    if (one->plus != NULL)
        one->plus->parent = one;
    while ((grandchild = literal_next(one, &at)) != NULL)
        grandchild->parent = one;
    free(child);
    node_free(n);
}

/* What a node has no more use for. */
static void node_tidy(struct filter_tree *t, struct node *n)
{
    struct node *parent, *child;

    while (n != t->root && n->value == NULL && n->rest == NULL) {
        child = single_child(n);
        if (child != NULL && child->count <= MERGE_CHILDREN)
            node_merge(t, n, child);
        if (child != NULL || n->count > 0 || n->plus != NULL)
            return;
        parent = n->parent;
        child_unlink(n);
        node_free(n);
        n = parent;
    }
}

/* --- the tree ------------------------------------------------------------------------- */

struct filter_tree *filter_tree_new(void)
{
    struct filter_tree *t = mem_zalloc(sizeof *t);

    t->root = mem_zalloc(sizeof *t->root);
    t->seed = (uint64_t)(uintptr_t)t * UINT64_C(0x9e3779b97f4a7c15);
    return t;
}

/* Downwards and up again without recursion: always frees a leaf. */
void filter_tree_free(struct filter_tree *t)
{
    struct node *n, *parent, *child;

    if (t == NULL)
        return;
    n = t->root;
    for (;;) {
        uint32_t at = 0;

        child = n->plus != NULL ? n->plus : literal_next(n, &at);
        if (child != NULL) {
            n = child;
        } else if (n != t->root) {
            parent = n->parent;
            child_unlink(n);
            node_free(n);
            n = parent;
        } else {
            break;
        }
    }
    node_free(t->root);
    free(t);
}

/* Takes the node's levels off *levels; false: they are others. */
static bool label_take(const struct node *n, struct slice *levels)
{
    if (levels->len < n->len || memcmp(levels->p, n->label, n->len) != 0 ||
        !ends_level(*levels, n->len))
        return false;
    *levels = levels_after(*levels, n->len);
    return true;
}

static struct node *find(const struct filter_tree *t, struct path path)
{
    struct node *n = t->root;

    while (n != NULL && path.levels.p != NULL) {
        n = child_of(t, n, first_level(path.levels));
        if (n != NULL && !label_take(n, &path.levels))
            return NULL;
    }
    return n;
}

static void **slot(struct node *n, struct path path)
{
    return path.rest ? &n->rest : &n->value;
}

/* The node that these levels end at, made if need be. */
static struct node *make(struct filter_tree *t, struct slice levels)
{
    struct node *n = t->root, *child;

    while (levels.p != NULL) {
        child = child_of(t, n, first_level(levels));
        if (child == NULL) {
            child = node_new(t, levels);
            child_link(n, child);
            return child;
        }
        if (!label_take(child, &levels)) {
            size_t common = common_levels(label_of(child), levels);

            child = node_split(t, child, common);
            levels = levels_after(levels, common);
        }
        n = child;
    }
    return n;
}

void *filter_tree_put(struct filter_tree *t, struct slice filter, void *value)
{
    struct path path = path_of(filter);
    struct node *n = make(t, path.levels);
    void *old = *slot(n, path);

    assert(value != NULL);
    *slot(n, path) = value;
    if (old == NULL)
        t->count++;
    return old;
}

void *filter_tree_get(const struct filter_tree *t, struct slice filter)
{
    struct path path = path_of(filter);
    struct node *n = find(t, path);

    return n != NULL ? *slot(n, path) : NULL;
}

void *filter_tree_remove(struct filter_tree *t, struct slice filter)
{
    struct path path = path_of(filter);
    struct node *n = find(t, path);
    void *old;

    if (n == NULL || *slot(n, path) == NULL)
        return NULL;
    old = *slot(n, path);
    *slot(n, path) = NULL;
    t->count--;
    node_tidy(t, n);
    return old;
}

size_t filter_tree_count(const struct filter_tree *t)
{
    return t->count;
}

/* --- matching ---------------------------------------------------------------------------- */

struct visitor {
    const struct filter_tree *tree;
    void (*visit)(void *value, void *arg); /* NULL: whether there is one is all */
    void *arg;
    bool found;
};

/* True: enough. */
static bool visit(struct visitor *v, void *value)
{
    v->found = true;
    if (v->visit == NULL)
        return true;
    v->visit(value, v->arg);
    return false;
}

/* A name's levels against a node's own, which may be '+'; false: it is not of them. */
static bool label_match(const struct node *n, struct slice *levels)
{
    struct slice label = label_of(n), wanted, level;

    while (topic_level_next(&label, &wanted)) {
        if (!topic_level_next(levels, &level))
            return false;
        if (!is_plus(wanted) && !slice_eq(wanted, level))
            return false;
    }
    return true;
}

/* levels: what of the name is below n.  wild: whether wildcards count here. */
static bool match(const struct node *n, struct slice levels, bool wild, struct visitor *v)
{
    struct slice below = levels;
    const struct node *child;

    if (n->rest != NULL && wild && visit(v, n->rest))
        return true;
    if (levels.p == NULL)
        return n->value != NULL && visit(v, n->value);
    if (n->plus != NULL && wild && label_match(n->plus, &below) && match(n->plus, below, true, v))
        return true;
    child = n->count == 0 ? NULL : literal(v->tree, n, first_level(levels));
    return child != NULL && label_match(child, &levels) && match(child, levels, true, v);
}

static void match_name(const struct filter_tree *t, struct slice name, struct visitor *v)
{
    bool wild = name.len == 0 || name.p[0] != '$'; /* MQTT 4.7.2 */

    v->tree = t;
    (void)match(t->root, name, wild, v);
}

void filter_tree_match(const struct filter_tree *t, struct slice name,
                       void (*on_match)(void *value, void *arg), void *arg)
{
    struct visitor v = {.visit = on_match, .arg = arg};

    match_name(t, name, &v);
}

bool filter_tree_any(const struct filter_tree *t, struct slice name)
{
    struct visitor v = {.visit = NULL};

    match_name(t, name, &v);
    return v.found;
}
