/*
 * answer.c - one field more.
 */
#include "answer.h"

#include <assert.h>

void answer_field(struct answer *a, const char *name, struct slice value)
{
    assert(a->field_count < ANSWER_FIELDS);
    a->fields[a->field_count].name = name;
    a->fields[a->field_count++].value = value;
}
