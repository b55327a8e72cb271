/*
 * keys.c - the file's entries, found by their keys.
 */
#include "keys.h"

#include <stdlib.h>

#include "log.h"
#include "mem.h"
#include "roster.h"
#include "z85.h"

struct key {
    uint8_t bytes[Z85_KEY];
    const struct roster_entry *entry;
    UT_hash_handle hh;
};

struct keys {
    struct roster roster;
    struct key *list; /* one an entry */
    struct key *by_bytes;
};

static const char *key_wrong(struct slice text)
{
    uint8_t bytes[Z85_KEY];

    return z85_get(text, bytes) ? NULL : "the key is not 40 characters of Z85";
}

static struct key *key_find(const struct keys *k, const void *bytes)
{
    struct key *found;

    HASH_FIND(hh, k->by_bytes, bytes, Z85_KEY, found);
    return found;
}

static bool key_add(struct keys *k, struct key *key, const struct roster_entry *e, const char *file)
{
    const struct key *same;
    bool whole = z85_get(slice_of(e->proof), key->bytes);

    (void)whole; /* key_wrong has looked */
    key->entry = e;
    same = key_find(k, key->bytes);
    if (same != NULL) {
        log_error("two names have the same key", LOG_S("file", file), LOG_U("line", e->line),
                  LOG_S("name", e->name), LOG_S("other", same->entry->name));
        return false;
    }
    HASH_ADD(hh, k->by_bytes, bytes, Z85_KEY, key);
    return true;
}

static bool keys_fill(struct keys *k, const char *file)
{
    size_t i = 0;

    k->list = mem_array(HASH_COUNT(k->roster.by_name) + 1, sizeof *k->list);
    for (const struct roster_entry *e = k->roster.by_name; e != NULL; e = e->hh.next)
        if (!key_add(k, &k->list[i++], e, file))
            return false;
    return true;
}

struct keys *keys_open(const struct config *c, const struct roles *roles)
{
    const char *file = config_text(c, CFG_AUTH_KEYS);
    static const struct roster_form form = {.proof_len = Z85_TEXT, .proof_wrong = key_wrong};
    struct keys *k = mem_zalloc(sizeof *k);

    if (roster_read(&k->roster, file, &form, roles) && keys_fill(k, file))
        return k;
    keys_close(k);
    return NULL;
}

void keys_close(struct keys *k)
{
    if (k == NULL)
        return;
    HASH_CLEAR(hh, k->by_bytes);
    free(k->list);
    roster_free(&k->roster);
    free(k);
}

bool keys_find(const struct keys *k, struct slice key, struct findings *found)
{
    const struct key *one = key.len == Z85_KEY ? key_find(k, key.p) : NULL;

    if (one == NULL)
        return false;
    found->kind = PRINCIPAL_KEY;
    found->name = mem_strdup(one->entry->name);
    memcpy(found->mark, one->bytes, sizeof one->bytes);
    buf_put_slice(&found->roles, buf_slice(&one->entry->roles));
    return true;
}

bool keys_know(const struct keys *k, struct slice name)
{
    return roster_find(&k->roster, name) != NULL;
}

bool keys_stand(const struct keys *k, struct findings *f)
{
    const struct key *one = key_find(k, f->mark);

    if (one == NULL || strcmp(one->entry->name, f->name) != 0)
        return false;
    buf_clear(&f->roles);
    buf_put_slice(&f->roles, buf_slice(&one->entry->roles));
    return true;
}
