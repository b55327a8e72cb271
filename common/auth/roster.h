/*
 * roster.h - files of name:proof:role,role lines: users with the hash of a password, keys.
 *
 *   # the night shift
 *   alice:$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7:editor,reader
 *
 * Blank lines and those that begin with # count for nothing, nor does white space around
 * the others.  A name is there once.  The first line that is wrong ends it.
 */
#ifndef AUTH_ROSTER_H
#define AUTH_ROSTER_H

#include <uthash.h>

#include "roles.h"

#define ROSTER_NAME 255                /* bytes of a name */
#define ROSTER_LINE 4096               /* bytes of a line */
#define ROSTER_FILE (32 * 1024 * 1024) /* bytes of a file */

struct roster_entry {
    char *name, *proof;
    struct buf roles; /* str16 each */
    size_t line;      /* from 1 */
    UT_hash_handle hh;
};

/* Zero-initialised is empty. */
struct roster {
    struct roster_entry *by_name; /* in the file's order */
};

/* What the files of a kind are like. */
struct roster_form {
    bool secret;      /* nobody else should read them */
    size_t proof_len; /* of a proof that may have colons, as Z85 has; 0: it ends at one */
    /* NULL, or what is wrong with it, which never holds any of it. */
    const char *(*proof_wrong)(struct slice proof);
};

struct roster_error {
    size_t line;   /* 0: the file as a whole */
    char why[320]; /* for a person, no full stop */
};

/* False: *e says why, and the roster is empty.  roles: those that there are; NULL: any. */
bool roster_parse(struct roster *r, struct slice text, const struct roster_form *form,
                  const struct roles *roles, struct roster_error *e) MUST_CHECK;
/* The same of a file.  False: logged.  Whether everybody may read one that is secret, or write
 * any, is looked at, and complained of. */
bool roster_read(struct roster *r, const char *file, const struct roster_form *form,
                 const struct roles *roles) MUST_CHECK;
void roster_free(struct roster *r);
const struct roster_entry *roster_find(const struct roster *r, struct slice name);

/* May be a name in such a file: not too long, UTF-8, no ':' or control character, no '#' or
 * blank at its beginning, no blank at its end.  NULL, or why not. */
const char *roster_name_wrong(struct slice name);

#endif
