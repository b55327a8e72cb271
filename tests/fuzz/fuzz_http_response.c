/*
 * fuzz_http_response.c - any bytes as a response's head: inside its bounds, and
 * a head that is accepted is accepted as it stands, whatever follows.
 */
#include <assert.h>
#include <stdint.h>

#include "http_response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = size != 0 ? (const char *)data : "";
    struct http_response r, again;
    int n = http_response_parse(&r, p, size);

    assert(n >= -1 && (n < 0 || (size_t)n <= size));
    if (n <= 0)
        return 0;
    assert(r.status >= 100 && r.status <= 999);
    assert(http_response_parse(&again, p, (size_t)n) == n);
    assert(http_response_parse(&again, p, (size_t)n - 1) == 0);
    return 0;
}
