/*
 * filter_tree.h - many filters, and which of them match a topic name.
 *
 * A trie by level; matching costs the levels of the name, not the number of
 * filters, but for those with '+', of which each may cost its levels.  One value per filter; the
 * tree owns its keys, never the values. Not thread-safe.
 */
#ifndef PROTO_FILTER_TREE_H
#define PROTO_FILTER_TREE_H

#include "bytes.h"

struct filter_tree;

struct filter_tree *filter_tree_new(void);
void filter_tree_free(struct filter_tree *t);
/* Sets the value of a valid filter and returns the one it had, or NULL. */
void *filter_tree_put(struct filter_tree *t, struct slice filter, void *value);
void *filter_tree_get(const struct filter_tree *t, struct slice filter);
/* Returns the value taken out, or NULL; empty branches are freed. */
void *filter_tree_remove(struct filter_tree *t, struct slice filter);
size_t filter_tree_count(const struct filter_tree *t);
/* Calls visit once for each filter that matches name, in no given order.
 * visit must not change the tree. */
void filter_tree_match(const struct filter_tree *t, struct slice name,
                       void (*visit)(void *value, void *arg), void *arg);
/* Whether there is one. */
bool filter_tree_any(const struct filter_tree *t, struct slice name);

#endif
