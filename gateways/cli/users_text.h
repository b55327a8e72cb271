/*
 * users_text.h - a file of users with one line made anew, added or taken out; all else in it
 * stays byte for byte.  Pure.
 */
#ifndef CLI_USERS_TEXT_H
#define CLI_USERS_TEXT_H

#include "bytes.h"

/* Where the user's line is, its LF included, and the roles in it; p NULL: there is none. */
struct users_line {
    struct slice whole, roles;
};
struct users_line users_text_find(struct slice text, struct slice user);
/* Appends text with the line in the place of `found`, or behind everything. */
void users_text_set(struct slice text, const struct users_line *found, struct slice line,
                    struct buf *out);
/* Appends text without it. */
void users_text_remove(struct slice text, const struct users_line *found, struct buf *out);

#endif
