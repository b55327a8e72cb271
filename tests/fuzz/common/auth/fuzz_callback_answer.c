/*
 * fuzz_callback_answer.c - any bytes as the callback's answer: somebody, or why not; and as
 * credentials that it is asked about: JSON, or nothing.
 */
#include <stdlib.h>

#include "callback_answer.h"
#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct credentials *c)
{
    struct buf out = {0};

    if (callback_answer_ask(c, &out) && json_check(buf_slice(&out)) != JSON_OBJECT)
        abort();
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data, size}, half = {(const char *)data, size / 2};
    struct findings f;

    if (callback_answer_read(all, CREDENTIALS_PASSWORD, SLICE("alice"), 8, 1000, &f) == NULL) {
        if (!findings_name_ok(f.name) || !f.external || f.kind == PRINCIPAL_ANONYMOUS ||
            f.kind == PRINCIPAL_CERT)
            abort();
        findings_free(&f);
    } else if (f.name != NULL || f.roles.p != NULL || f.grants.p != NULL) {
        abort();
    }
    ask(&(struct credentials){.kind = CREDENTIALS_TOKEN, .token = all, .address = half});
    ask(&(struct credentials){.kind = CREDENTIALS_PASSWORD,
                              .user = half,
                              .password = {(const char *)data + half.len, size - half.len},
                              .certificate = all,
                              .door = "mqtt"});
    ask(&(struct credentials){.kind = CREDENTIALS_KEY, .key = all});
    return 0;
}
