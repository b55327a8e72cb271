/*
 * auth_file.h - what tests of identity begin with: a loop, a folder for files, a
 * configuration out of text, and a clock that stands until it is moved.
 */
#ifndef TESTS_AUTH_FILE_H
#define TESTS_AUTH_FILE_H

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fixture.h"
#include "clock.h"
#include "config_internal.h"
#include "mem.h"

static char world_folder[32];
static uint64_t world_now;

static inline uint64_t world_clock(void *arg)
{
    (void)arg;
    return world_now;
}

static inline void world_begin(void)
{
    loop_begin();
    (void)snprintf(world_folder, sizeof world_folder, "/tmp/sluice-auth-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(world_folder));
    log_set_level((enum log_level)(LOG_ERROR + 1)); /* errors are provoked here all the time */
}

/* The path of a file of the folder; the next call's takes its place. */
static inline const char *world_path(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof path, "%s/%s", world_folder, name);
    return path;
}

static inline void world_write(const char *name, const char *text)
{
    FILE *f = fopen(world_path(name), "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(world_path(name), 0600), 0);
}

static inline void world_end(void)
{
    static const char *const names[] = {"users", "keys"};

    clock_replace(NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        (void)unlink(world_path(names[i]));
    ck_assert_int_eq(rmdir(world_folder), 0);
    loop_end();
}

/* Sections and keys of a configuration, ~ standing for the folder. */
static inline struct config *world_config(const char *text)
{
    static char process[] = "sluice-sse";
    char *argv[] = {process, NULL};
    struct config *c = config_new("sse", 1, argv);
    struct buf whole = {0};

    for (; *text != '\0'; text++)
        if (*text == '~')
            buf_puts(&whole, world_folder);
        else
            buf_put(&whole, text, 1);
    config_file_parse(c, "test", (const char *)whole.p, whole.len);
    ck_assert_msg(c->errors.len == 0, "%.*s", (int)c->errors.len, (const char *)c->errors.p);
    buf_free(&whole);
    return c;
}

#endif
