/*
 * fuzz_roster.c - any bytes as a file of users or of keys: read whole, or refused with a line;
 * every entry could be written again.  The first byte says of which form it is.
 */
#include <stdlib.h>

#include "roster.h"
#include "z85.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *any_proof(struct slice proof)
{
    return memchr(proof.p, '\0', proof.len) == NULL ? NULL : "it has a NUL";
}

static const char *key_proof(struct slice proof)
{
    uint8_t key[Z85_KEY];

    return z85_get(proof, key) ? NULL : "no key";
}

static void check(const struct roster *r)
{
    for (const struct roster_entry *e = r->by_name; e != NULL; e = e->hh.next) {
        struct reader in = reader_of(e->roles.p, e->roles.len);

        while (in.left > 0)
            if (reader_str16(&in).len == 0)
                abort();
        if (in.bad || roster_name_wrong(slice_of(e->name)) != NULL ||
            roster_find(r, slice_of(e->name)) != e)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct roster_form forms[] = {
        {.proof_wrong = any_proof},
        {.proof_len = Z85_TEXT, .proof_wrong = key_proof},
        {.proof_len = 3, .proof_wrong = any_proof},
    };
    struct roster r = {0};
    struct roster_error e;

    if (size == 0)
        return 0;
    if (roster_parse(&r, (struct slice){(const char *)data + 1, size - 1}, &forms[data[0] % 3],
                     NULL, &e))
        check(&r);
    else if (e.why[0] == '\0' || e.line == 0 || r.by_name != NULL)
        abort();
    roster_free(&r);
    return 0;
}
