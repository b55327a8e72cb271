/*
 * address.h - addresses of sockets, as text and back.
 */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <sys/socket.h>

#include "bytes.h"

/* "1.2.3.4:80", "[::1]:80", "localhost:80", ":80" (all addresses).  0 or a negative errno. */
int address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len) MUST_CHECK;
/* The same by its form alone: no name is looked up. */
bool address_looks(struct slice text);
bool address_is_loopback(const struct sockaddr *a);
void address_format(const struct sockaddr *a, char *out, size_t cap); /* "[::1]:80" */

#endif
