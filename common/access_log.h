/*
 * access_log.h - a line for each request that is over, of a stream when it ends.
 *
 *   {"time":…,"level":"access","process":"sluice-sse","msg":"request","method":"POST",
 *    "path":"/events/a","topic":"a","status":201,"bytes":31,"duration_ms":2,…}
 *
 * One JSON line each, whatever log_format and log_level say; off unless configured.  A path
 * comes without its query, where secrets may stand.  Loop thread.
 */
#ifndef COMMON_ACCESS_LOG_H
#define COMMON_ACCESS_LOG_H

#include "config.h"

struct access {
    struct slice method, path;
    struct slice topic; /* empty: it named none in its path */
    int status;         /* 0: it ended without an answer */
    uint64_t bytes;     /* of the body, as far as it was handed over for sending */
    uint64_t duration_ms;
    struct slice principal, address, request;
};

void access_log_configure(const struct config *c); /* [sluice] log_access */
bool access_log_on(void);
void access_log_write(const struct access *a);

#endif
