/*
 * members.h - the members of one JSON object that matters for who is believed: each name once.
 *
 * Two members of one name are read in two ways by two programs, so an object that has them is
 * refused, and so is one with more members than anybody needs, or with half a character.
 */
#ifndef AUTH_MEMBERS_H
#define AUTH_MEMBERS_H

#include "bytes.h"

#define MEMBERS_MAX 128

struct members {
    struct member {
        struct slice name, value; /* unescaped; raw */
    } list[MEMBERS_MAX];
    size_t count;
    struct buf names;
};

/* text: any bytes, which stay as long as *m is used.  False: no such object. */
bool members_read(struct members *m, struct slice text) MUST_CHECK;
/* value: of a document that members_read has accepted. */
bool members_of(struct members *m, struct slice value) MUST_CHECK;
void members_free(struct members *m);

/* p NULL: there is none of that name. */
struct slice members_get(const struct members *m, const char *name);
/* Unescaped and appended.  False: there is none, or it is no string. */
bool members_text(const struct members *m, const char *name, struct buf *out) MUST_CHECK;
/* The same as a string of its own, freed by the caller; NULL: none, no string, or it holds
 * NUL. */
char *members_string(const struct members *m, const char *name) MUST_CHECK;
/* Base64url in a string. */
bool members_bytes(const struct members *m, const char *name, struct buf *out) MUST_CHECK;

#endif
