/*
 * test_reach.c - what is on this machine, and what is not.
 */
#include "reach.h"
#include "run_suite.h"

START_TEST(loopback_and_what_has_no_network_are_on_this_machine)
{
    ck_assert(reach_is_loopback(""));
    ck_assert(reach_is_loopback("127.0.0.1:1"));
    ck_assert(reach_is_loopback("[::1]:1, localhost:2"));
    ck_assert(reach_is_loopback("tcp://127.0.0.1:5550"));
    ck_assert(reach_is_loopback("ipc:///tmp/x, tcp://[::1]:1"));
}
END_TEST

START_TEST(whatever_else_may_be_anywhere)
{
    ck_assert(!reach_is_loopback(":1"));
    ck_assert(!reach_is_loopback("0.0.0.0:1"));
    ck_assert(!reach_is_loopback("127.0.0.1:1, 192.0.2.1:1"));
    ck_assert(!reach_is_loopback("tcp://*:5550"));
    ck_assert(!reach_is_loopback("tcp://eth0:5550"));
    ck_assert(!reach_is_loopback("tcp://broker.example.com:5550"));
    ck_assert(!reach_is_loopback("nonsense"));
}
END_TEST

int main(void)
{
    return RUN_TESTS("reach", NULL, NULL, loopback_and_what_has_no_network_are_on_this_machine,
                     whatever_else_may_be_anywhere);
}
