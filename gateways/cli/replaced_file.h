/*
 * replaced_file.h - a file with other bytes, all of them or none: a new one takes its place
 * once it is on the disk.
 */
#ifndef CLI_REPLACED_FILE_H
#define CLI_REPLACED_FILE_H

#include "bytes.h"

struct replaced_file {
    char *path, *folder; /* what links point to */
    int folder_fd;       /* locked: one at a time replaces files in it */
    struct buf bytes;    /* what is in it now; empty when it is not there */
    bool there;
};

/* 0, or what went wrong (errno), and *f is closed. */
int replaced_file_open(struct replaced_file *f, const char *path, size_t max) MUST_CHECK;
/* A new file is its owner's alone; one that was there keeps its owner and group, and what the
 * group may, but nobody else may anything.  0 or errno: then nothing has changed. */
int replaced_file_write(struct replaced_file *f, struct slice bytes) MUST_CHECK;
void replaced_file_close(struct replaced_file *f);

#endif
