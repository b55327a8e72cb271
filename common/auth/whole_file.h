/*
 * whole_file.h - a small file, read in one go.
 */
#ifndef AUTH_WHOLE_FILE_H
#define AUTH_WHOLE_FILE_H

#include "bytes.h"

/* Appends it.  False: it cannot be read, or is longer than max; *why says so, for a person,
 * until the next call. */
bool whole_file_read(const char *name, size_t max, struct buf *out, const char **why) MUST_CHECK;
/* Warns when everybody may write to a file of [auth], or read what is secret. */
void whole_file_judge(const char *name, bool secret);

#endif
