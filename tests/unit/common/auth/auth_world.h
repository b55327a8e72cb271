/*
 * auth_world.h - a folder with a configuration, keys that sign tokens, and one who is told.
 */
#ifndef TESTS_AUTH_WORLD_H
#define TESTS_AUTH_WORLD_H

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "../fixture.h"
#include "authority.h"
#include "clock.h"
#include "jwt.h"
#include "mem.h"

static char world_folder[] = "/tmp/sluice-auth-XXXXXX";
static struct config *config;

static inline const char *world_path(const char *name)
{
    static char path[4][128];
    static unsigned turn;

    turn = (turn + 1) % 4;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", world_folder, name);
    return path[turn];
}

static inline void world_write(const char *name, const char *text)
{
    FILE *f = fopen(world_path(name), "we");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

static inline void world_begin(void)
{
    memcpy(world_folder + strlen(world_folder) - 6, "XXXXXX", 6);
    ck_assert_ptr_nonnull(mkdtemp(world_folder));
    loop_begin();
}

static inline void world_end(void)
{
    static const char *const files[] = {"sluice.conf", "keys.jwks", "revoked", "secret"};

    config_free(config);
    config = NULL;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        (void)unlink(world_path(files[i]));
    ck_assert_int_eq(rmdir(world_folder), 0);
}

static inline struct config *world_config(const char *text)
{
    static char name[] = "prog", flag[] = "--config";
    char *path, *argv[] = {name, flag, NULL, NULL};
    struct config *c;

    world_write("sluice.conf", text);
    path = mem_strdup(world_path("sluice.conf"));
    argv[2] = path;
    ck_assert_int_eq(config_load(&c, "sse", 3, argv), CONFIG_GO);
    free(path);
    return c;
}

/* --- tokens ----------------------------------------------------------------------------- */

static inline void key_make(struct jwk *k, const char *kid)
{
    const char *why;

    ck_assert(jwk_generate(k, &why));
    k->kid = mem_strdup(kid);
}

/* {"keys":[…]} of these, until the next call. */
static inline const char *jwks_text(const struct jwk *const *keys, size_t count)
{
    static char text[4096];
    struct buf b = {0};

    buf_puts(&b, "{\"keys\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_u8(&b, ',');
        jwk_put(keys[i], JWK_PUBLIC, &b);
    }
    buf_puts(&b, "]}");
    ck_assert_uint_lt(b.len, sizeof text);
    memcpy(text, b.p, b.len);
    text[b.len] = '\0';
    buf_free(&b);
    return text;
}
#define JWKS(...)                                                                                  \
    jwks_text((const struct jwk *const[]){__VA_ARGS__},                                            \
              sizeof((const struct jwk *const[]){__VA_ARGS__}) / sizeof(struct jwk *))

/* claims with ' for "; freed by the caller. */
static inline char *token_make(const struct jwk *k, const char *claims)
{
    struct buf b = {0};
    char *json = mem_strdup(claims), *made;

    for (char *p = json; *p != '\0'; p++)
        if (*p == '\'')
            *p = '"';
    ck_assert(jwt_sign(k, slice_of(json), &b));
    made = mem_strndup((const char *)b.p, b.len);
    buf_free(&b);
    free(json);
    return made;
}

#endif
