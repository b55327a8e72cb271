/*
 * network.h - the network that an address stands for when somebody is to be held to account:
 * IPv4 the address, IPv6 its /64, for that is what a single customer gets.
 */
#ifndef AUTH_NETWORK_H
#define AUTH_NETWORK_H

#include "bytes.h"

struct network {
    uint8_t bytes[16]; /* IPv4 as IPv6 maps it */
    bool known;        /* the text was an address */
    bool loopback;
};

/* address: without a port; a zone ("%eth0") is left out. */
struct network network_of(struct slice address);

#endif
