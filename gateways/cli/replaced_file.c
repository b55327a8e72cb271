/*
 * replaced_file.c - lock the folder, read, write another file beside, rename, sync.
 *
 * The lock is the folder's, for the file itself is another one afterwards; it ends with us.
 */
#include "replaced_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"
#include "whole_file.h"

static void folder_of(struct replaced_file *f, const char *path)
{
    const char *slash;
    char *real = realpath(path, NULL);

    f->path = mem_strdup(real != NULL ? real : path);
    free(real);
    slash = strrchr(f->path, '/');
    f->folder = slash == NULL      ? mem_strdup(".")
                : slash == f->path ? mem_strdup("/")
                                   : mem_strndup(f->path, (size_t)(slash - f->path));
}

/* 0 or errno. */
static int read_it(struct replaced_file *f, size_t max)
{
    const char *why;

    f->there = access(f->path, F_OK) == 0;
    errno = EFBIG;
    return !f->there || whole_file_read(f->path, max, &f->bytes, &why) ? 0 : errno;
}

int replaced_file_open(struct replaced_file *f, const char *path, size_t max)
{
    int rc = 0;

    *f = (struct replaced_file){.folder_fd = -1};
    folder_of(f, path);
    f->folder_fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->folder_fd < 0 || flock(f->folder_fd, LOCK_EX) != 0)
        rc = errno;
    if (rc == 0)
        rc = read_it(f, max);
    if (rc != 0)
        replaced_file_close(f);
    return rc;
}

/* As the one was that it replaces.  0 or errno. */
static int take_over(const struct replaced_file *f, int fd)
{
    struct stat st;

    if (!f->there)
        return 0;
    if (stat(f->path, &st) != 0)
        return errno;
    if ((st.st_uid != geteuid() || st.st_gid != getegid()) && fchown(fd, st.st_uid, st.st_gid) != 0)
        return errno;
    return fchmod(fd, (st.st_mode & 0770) | 0600) == 0 ? 0 : errno;
}

static int write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.p, bytes.len);

        if (n < 0)
            return errno;
        bytes = (struct slice){bytes.p + n, bytes.len - (size_t)n};
    }
    return fsync(fd) == 0 ? 0 : errno;
}

int replaced_file_write(struct replaced_file *f, struct slice bytes)
{
    char *beside = mem_alloc(strlen(f->path) + 8);
    int fd, rc;

    (void)sprintf(beside, "%s.XXXXXX", f->path);
    fd = mkostemp(beside, O_CLOEXEC); /* 0600 */
    if (fd < 0) {
        rc = errno;
        free(beside);
        return rc;
    }
    rc = take_over(f, fd);
    if (rc == 0)
        rc = write_all(fd, bytes);
    (void)close(fd);
    if (rc == 0 && rename(beside, f->path) != 0)
        rc = errno;
    if (rc != 0)
        (void)unlink(beside);
    else
        (void)fsync(f->folder_fd);
    free(beside);
    return rc;
}

void replaced_file_close(struct replaced_file *f)
{
    if (f->folder_fd >= 0)
        (void)close(f->folder_fd);
    buf_free(&f->bytes);
    free(f->path);
    free(f->folder);
    *f = (struct replaced_file){.folder_fd = -1};
}
