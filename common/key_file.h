/*
 * key_file.h - keys of CURVE out of files, in Z85: a secret one of ours, and public ones of
 * those who may come.
 */
#ifndef COMMON_KEY_FILE_H
#define COMMON_KEY_FILE_H

#include "z85.h"

/* A key and nothing else, or a certificate as czmq and pyzmq write it.  False, logged: a file
 * that others may read is refused, too. */
bool key_file_secret(const char *file, uint8_t secret[Z85_KEY]) MUST_CHECK;

#define KEY_NAME_MAX 63
struct key_named {
    char name[KEY_NAME_MAX + 1];
    uint8_t key[Z85_KEY];
};

/* Zero-initialised: empty. */
struct key_list {
    struct key_named *keys;
    size_t count;
};

/* Lines of name:public-key; what stands behind another colon is not looked at, nor are blank
 * lines and those that begin with '#'.  False, logged with the line: *list is as it was. */
bool key_file_list(const char *file, struct key_list *list) MUST_CHECK;
/* Its name; NULL: it is not there. */
const char *key_file_find(const struct key_list *list, const uint8_t key[Z85_KEY]);
void key_file_free(struct key_list *list);

#endif
