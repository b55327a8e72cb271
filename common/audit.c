/*
 * audit.c - lines of the audit log.
 */
#include "audit.h"

#include "clock.h"
#include "log.h"
#include "metrics.h"

#define AUDIT_FIELDS 9

static bool audit_off;
static uint64_t second, count, skipped; /* refusals: of this second, and not written */

void audit_configure(const struct config *c)
{
    audit_off = !config_bool(c, CFG_LOG_AUDIT);
}

static void add(struct log_field *f, size_t *n, const char *key, struct slice value)
{
    if (value.len > 0)
        f[(*n)++] = LOG_SLICE(key, value);
}

static void audit_write(const char *message, const struct audit *a, uint64_t left_out)
{
    struct log_field f[AUDIT_FIELDS] = {{0}};
    size_t n = 0;

    add(f, &n, "principal", a->principal);
    add(f, &n, "address", a->address);
    add(f, &n, "door", slice_of(a->door));
    add(f, &n, "verb", slice_of(a->verb));
    add(f, &n, "filter", a->filter);
    add(f, &n, "reason", slice_of(a->reason));
    add(f, &n, "request", a->request);
    if (left_out > 0)
        f[n] = LOG_U("left_out", left_out);
    log_write(LOG_AUDIT, message, f);
}

static bool may_write(void)
{
    uint64_t now = clock_mono_ms() / 1000;

    if (now != second) {
        second = now;
        count = 0;
    }
    if (count < AUDIT_REFUSED_MAX) {
        count++;
        return true;
    }
    skipped++;
    return false;
}

void audit_refused(const struct audit *a)
{
    metric_add(a->verb != NULL ? M_AUTH_FORBIDDEN : M_AUTH_REFUSED, 1);
    if (audit_off || !may_write())
        return;
    audit_write("refused", a, skipped);
    skipped = 0;
}

void audit_done(const struct audit *a)
{
    if (!audit_off)
        audit_write("done", a, 0);
}
