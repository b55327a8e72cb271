/*
 * key_file.c - see key_file.h.
 */
#include "key_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "log.h"
#include "mem.h"

#define SECRET_FILE_MAX 4096
#define LINE_MAX_BYTES 512

/* --- a secret one ------------------------------------------------------------------- */

static bool secret_find(struct slice text, uint8_t secret[Z85_KEY])
{
    static const char name[] = "secret-key";
    const char *at = memmem(text.p, text.len, name, sizeof name - 1);
    const char *end = text.p + text.len;

    if (at == NULL) {
        while (text.len > 0 && (text.p[text.len - 1] == '\n' || text.p[text.len - 1] == '\r'))
            text.len--;
        return z85_get(text, secret);
    }
    at = memchr(at, '"', (size_t)(end - at));
    return at != NULL && end - at > Z85_TEXT + 1 && at[Z85_TEXT + 1] == '"' &&
           z85_get((struct slice){at + 1, Z85_TEXT}, secret);
}

/* The bytes of the file; 0: *why. */
static size_t file_read(const char *name, char *bytes, size_t room, const char **why)
{
    FILE *f = fopen(name, "re");
    struct stat st;
    size_t len = 0;

    *why = "";
    if (f == NULL)
        *why = strerror(errno);
    else if (fstat(fileno(f), &st) == 0 && (st.st_mode & 077) != 0)
        *why = "others than its owner may read it: chmod 600";
    else
        len = fread(bytes, 1, room, f);
    if (f != NULL)
        (void)fclose(f);
    return len;
}

bool key_file_secret(const char *file, uint8_t secret[Z85_KEY])
{
    const char *why;
    char text[SECRET_FILE_MAX];
    size_t len = file_read(file, text, sizeof text, &why);
    bool found = len > 0 && secret_find((struct slice){text, len}, secret);

    explicit_bzero(text, sizeof text);
    if (!found)
        log_error("no secret key of CURVE is to be had: a file with 40 characters of Z85",
                  LOG_S("file", file), LOG_S("why", why));
    return found;
}

/* --- public ones -------------------------------------------------------------------- */

static struct slice without_space(struct slice s)
{
    while (s.len > 0 && memchr(" \t\r\n", s.p[s.len - 1], 4) != NULL)
        s.len--;
    while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct slice){s.p + 1, s.len - 1};
    return s;
}

static struct slice field_next(struct slice *rest)
{
    const char *colon = rest->len > 0 ? memchr(rest->p, ':', rest->len) : NULL;
    struct slice field = {rest->p, colon != NULL ? (size_t)(colon - rest->p) : rest->len};
    size_t used = field.len + (colon != NULL);

    *rest = (struct slice){rest->p + used, rest->len - used};
    return without_space(field);
}

/* Z85 has ':' among its digits, so the key is what lies behind the name's colon, whole. */
static bool line_read(struct slice line, struct key_list *list)
{
    struct slice name = field_next(&line), key = without_space(line);
    struct key_named one = {0};

    if (key.len > Z85_TEXT && key.p[Z85_TEXT] == ':')
        key.len = Z85_TEXT;
    if (name.len == 0 || name.len > KEY_NAME_MAX || !z85_get(key, one.key))
        return false;
    memcpy(one.name, name.p, name.len);
    list->keys = mem_resize(list->keys, list->count + 1, sizeof *list->keys);
    list->keys[list->count++] = one;
    return true;
}

static bool lines_read(FILE *f, const char *file, struct key_list *list)
{
    char text[LINE_MAX_BYTES];
    uint64_t number = 0;

    while (fgets(text, sizeof text, f) != NULL) {
        struct slice line = without_space(slice_of(text));

        number++;
        if (line.len == 0 || line.p[0] == '#' || line_read(line, list))
            continue;
        log_error("not name:public-key, with the key as 40 characters of Z85", LOG_S("file", file),
                  LOG_U("line", number));
        return false;
    }
    return true;
}

bool key_file_list(const char *file, struct key_list *list)
{
    struct key_list fresh = {0};
    FILE *f = fopen(file, "re");
    bool ok = false;

    if (f == NULL)
        log_error("cannot read the keys", LOG_S("file", file), LOG_S("why", strerror(errno)));
    else
        ok = lines_read(f, file, &fresh);
    if (f != NULL)
        (void)fclose(f);
    key_file_free(ok ? list : &fresh);
    if (ok)
        *list = fresh;
    return ok;
}

const char *key_file_find(const struct key_list *list, const uint8_t key[Z85_KEY])
{
    for (size_t i = 0; i < list->count; i++)
        if (memcmp(list->keys[i].key, key, Z85_KEY) == 0)
            return list->keys[i].name;
    return NULL;
}

void key_file_free(struct key_list *list)
{
    free(list->keys);
    *list = (struct key_list){0};
}
