/*
 * zmq_gateway.h - sluice-zmq as its main describes it (gateway.h).
 */
#ifndef ZMQ_ZMQ_GATEWAY_H
#define ZMQ_ZMQ_GATEWAY_H

#include "gateway.h"

void zmq_gateway_start(struct gateway *g);
bool zmq_gateway_listen(struct gateway *g);
void zmq_gateway_turn(struct gateway *g);
void zmq_gateway_free(struct gateway *g);

#endif
