/*
 * mem.h - allocation for the whole project.
 *
 * Sizes that a peer can influence are bounded by a limit before they get here,
 * so a failed allocation means that the machine is out of memory: the process
 * says so on standard error and aborts.  Durable state is safe by design
 * (nothing unacknowledged is promised), and the supervisor starts it again.
 */
#ifndef PROTO_MEM_H
#define PROTO_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);                     /* never NULL; size 0 is 1 */
void *mem_zalloc(size_t size);                    /* the same, zeroed */
void *mem_array(size_t n, size_t size);           /* zeroed; overflow aborts */
void *mem_resize(void *p, size_t n, size_t size); /* realloc(p, n * size) */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len); /* NUL-terminated copy */

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
