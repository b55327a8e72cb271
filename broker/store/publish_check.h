/*
 * publish_check.h - what a publisher may say; asked of all that comes in.
 * Pure.
 */
#ifndef STORE_PUBLISH_CHECK_H
#define STORE_PUBLISH_CHECK_H

#include "errors.h"
#include "store.h"

/* Checks se->e and sets se->producer from its properties.  On an error *text
 * says what is wrong: static, for a person, no full stop. */
enum sluice_error publish_check(struct store_event *se, uint64_t max_payload,
                                const char **text) MUST_CHECK;

#endif
