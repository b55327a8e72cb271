/*
 * h2_gateway.h - HTTP/2 as a carrier of HTTP's routes; for the gateway_spec.
 */
#ifndef H2_H2_GATEWAY_H
#define H2_H2_GATEWAY_H

#include "gateway.h"

bool h2_start(struct gateway *g);
void h2_stop(struct gateway *g);
struct listener_options h2_listener(struct gateway *g);
void h2_turn(struct gateway *g);

#endif
