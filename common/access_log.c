/*
 * access_log.c - lines of the access log.
 */
#include "access_log.h"

#include "log.h"

#define ACCESS_FIELDS 10

static bool enabled;

void access_log_configure(const struct config *c)
{
    enabled = config_bool(c, CFG_LOG_ACCESS);
}

bool access_log_on(void)
{
    return enabled;
}

static void add(struct log_field *f, size_t *n, const char *key, struct slice value)
{
    if (value.len > 0)
        f[(*n)++] = LOG_SLICE(key, value);
}

void access_log_write(const struct access *a)
{
    struct log_field f[ACCESS_FIELDS] = {{0}};
    size_t n = 0;

    if (!enabled)
        return;
    add(f, &n, "method", a->method);
    add(f, &n, "path", a->path);
    add(f, &n, "topic", a->topic);
    f[n++] = LOG_U("status", a->status);
    f[n++] = LOG_U("bytes", a->bytes);
    f[n++] = LOG_U("duration_ms", a->duration_ms);
    add(f, &n, "principal", a->principal);
    add(f, &n, "address", a->address);
    add(f, &n, "request", a->request);
    log_write(LOG_ACCESS, "request", f);
}
