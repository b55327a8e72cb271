/*
 * main.c - sluice-zmq: ZMTP, for applications that speak ZeroMQ.
 */
#include "zmq_gateway.h"

static const struct gateway_spec spec = {
    .section = "zmq",
    .start = zmq_gateway_start,
    .listen = zmq_gateway_listen,
    .turn = zmq_gateway_turn,
    .free = zmq_gateway_free,
};

int main(int argc, char **argv)
{
    return gateway_main(&spec, argc, argv);
}
